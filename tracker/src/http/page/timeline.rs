//! One experience: what is remembered of it, in the order of time.

use std::fmt::Write as _;

use labkit::wire::CheckpointId;

use super::cards::age_or_part;
use super::drawing;
use super::stale::deadline;
use super::text::{Number, Text, Time, Words, span};
use crate::limits::REORDER_MS;
use crate::transition::{Ended, Identity, Record, State, Stored};
use crate::view::View;

/// How far the time in a checkpoint's id may lie from the experience to be
/// taken for one: as old as what is accepted, and a client's clock can be
/// wrong by as much. Ids that are derived from a hash lie anywhere.
const PLAUSIBLE_MS: i64 = 37 * 3_600_000;

/// One experience as it was loaded.
pub(super) struct Loaded<'a> {
    pub(super) identity: &'a Identity,
    pub(super) stored: &'a Stored,
    /// Virtual time, and the wall clock's.
    pub(super) v: i64,
    pub(super) now: i64,
    /// How much longer virtual time stands still, in ms.
    pub(super) settling: i64,
}

/// When a checkpoint was recorded, by its sender's clock.
pub(super) struct Mark {
    id: CheckpointId,
    /// `None` where its id does not tell.
    pub(super) at: Option<i64>,
}

/// The moments of an experience, by the wall clock in ms.
pub(super) struct Moments {
    /// When it started, or was first heard of.
    pub(super) began: i64,
    pub(super) started: bool,
    pub(super) threshold: i64,
    pub(super) deadline: i64,
    pub(super) end: Option<i64>,
    pub(super) now: i64,
    pub(super) marks: Vec<Mark>,
}

#[cfg(test)]
impl Mark {
    pub(super) fn at(at: i64) -> Self {
        Mark { id: CheckpointId(0), at: Some(at) }
    }
}

impl Moments {
    /// Whether a sender's clock can have been right that says so: what came in
    /// is not of the future, nor from long before the beginning.
    pub(super) fn can_be_right(&self, at: i64) -> bool {
        (self.began - REORDER_MS..=self.now + REORDER_MS).contains(&at)
    }

    fn new(record: &Record, loaded: &Loaded<'_>) -> Self {
        let began = record.started.unwrap_or(record.opened_at);
        let (ids, _) = record.seen.parts();
        let mark = |id: &u128| {
            let (id, at) = (CheckpointId(*id), CheckpointId(*id).millis());
            let plausible = at.abs_diff(record.opened_at) <= PLAUSIBLE_MS as u64;
            Mark { id, at: plausible.then_some(at) }
        };
        let end = match &record.state {
            State::Ended(ended) => Some(ended.at),
            State::Held(end) => Some(end.derived),
            State::Open | State::Implicit => None,
        };
        let deadline = match &record.state {
            // Its own is over, and not kept; nothing that stood still is known any more.
            State::Ended(_) => began + record.definition.ttl_ms,
            _ => loaded.now + (record.due - loaded.v).max(0) + loaded.settling,
        };
        Moments {
            began,
            started: record.started.is_some(),
            threshold: began + record.definition.threshold_us / 1_000,
            deadline,
            end,
            now: loaded.now,
            marks: ids.iter().map(mark).collect(),
        }
    }
}

pub(super) fn render(html: &mut String, loaded: &Loaded<'_>) {
    let view = View::new(loaded.identity, loaded.stored, loaded.v);
    let (id, correlation_id) = (Words(&view.user_experience_id), Text(&view.correlation_id));
    let (class, sign) = mood(view.state);
    let _ = write!(
        html,
        "<article class=\"one\"><h1>{id}</h1><p class=\"id\"><code>{correlation_id}</code></p>\
         <p class=\"state {class}\"><span aria-hidden=\"true\">{sign}</span> <b>{}</b>{}</p>",
        view.state,
        explained(&view)
    );
    let Stored::Whole(record) = loaded.stored else {
        html.push_str(
            "<p class=\"muted\">It ended more than an hour ago; how is all that is remembered. \
             The event log has the rest.</p></article>",
        );
        return;
    };
    let moments = Moments::new(record, loaded);
    drawing::render(html, &moments, class);
    facts(html, &view, record, &moments);
    checkpoints(html, record, &moments);
    html.push_str("</article>");
}

/// The class and the sign of a state, which both tell it.
fn mood(state: &str) -> (&'static str, &'static str) {
    match state {
        "success" => ("success", "\u{2713}"),
        "handled" => ("handled", "\u{2713}"),
        "error" => ("error", "\u{25b2}"),
        "timeout" => ("timeout", "\u{25c6}"),
        "discarded" => ("discarded", "\u{2013}"),
        _ => ("running", "\u{25cf}"),
    }
}

fn explained(view: &View) -> String {
    let text = match view.state {
        "open" => "it has started and not ended",
        "implicit" => "a checkpoint came, and the start is still missing",
        "held" => "its end came, and the start that tells how long it took is still missing",
        "success" => "it ended well",
        "handled" => "it ended as expected, though not as hoped; no failure of ours",
        "error" => "it failed",
        "timeout" => "it never ended",
        _ => "it turned out not to be one, and counts nowhere",
    };
    let reason = match view.reason.as_deref() {
        // Ours is a word for programs; anybody else's is a quotation.
        Some(reason) if view.state == "timeout" => format!(" (<code>{}</code>)", Text(reason)),
        Some(reason) => format!(": <q>{}</q>", Text(reason)),
        None => String::new(),
    };
    format!(" \u{2013} {text}{reason}")
}

fn facts(html: &mut String, view: &View, record: &Record, moments: &Moments) {
    html.push_str("<dl class=\"facts\">");
    let mut fact = |name: &str, value: String| {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    match record.started {
        Some(at) => fact("started", Time(at).to_string()),
        None => fact("first heard of", Time(record.opened_at).to_string()),
    }
    if let State::Ended(ended) = &record.state {
        let name = if view.state == "timeout" { "given up" } else { "ended" };
        fact(name, Time(ended.at).to_string());
        if view.state != "timeout" {
            fact("took", took(ended));
        }
        fact("Apdex", apdex(ended).to_owned());
    } else {
        fact("age", span((moments.now - moments.began) as f64 / 1e3));
        fact("deadline", deadline((moments.deadline - moments.now) as f64 / 1e3));
    }
    let definition = &record.definition;
    fact("threshold", age_or_part(definition.threshold_us as f64 / 1e6));
    fact("TTL", age_or_part(definition.ttl_ms as f64 / 1e3));
    fact("urgency", Text(&definition.urgency).to_string());
    fact("feature category", Words(&definition.feature_category).to_string());
    fact("last seen in", Text(&record.service).to_string());
    if let Some(instance) = record.owner_instance {
        fact("started by process", format!("<code>{instance}</code>"));
    }
    html.push_str("</dl>");
}

fn took(ended: &Ended) -> String {
    let Some(known) = ended.span else { return "not known".to_owned() };
    let told = span(known.us as f64 / 1e6);
    match (known.clamped, known.skewed) {
        (true, _) => format!("{told} (its end lay before its start)"),
        (_, true) => format!("{told} (by the clocks of two hosts)"),
        _ => told,
    }
}

fn apdex(ended: &Ended) -> &'static str {
    match (ended.apdex, ended.recanted) {
        (Some(true), _) => "good: within the threshold",
        (Some(false), _) => "not good: over the threshold",
        (None, true) => "does not count; its end came after all, and had been in time",
        (None, false) => "does not count",
    }
}

fn checkpoints(html: &mut String, record: &Record, moments: &Moments) {
    let (_, fingerprints) = record.seen.parts();
    html.push_str(
        "<h2>Checkpoints</h2><p class=\"muted\">In the order of arrival; recorded when their \
         senders&#39; clocks said so.</p><ol class=\"checkpoints\">",
    );
    for mark in &moments.marks {
        let at = match mark.at {
            Some(at) => {
                let offset = at - moments.began;
                let sign = if offset < 0 { "\u{2212}" } else { "+" };
                let offset = span(offset.unsigned_abs() as f64 / 1e3);
                format!("{} <b>{sign}{offset}</b>", Time(at))
            }
            None => "<span class=\"muted\">when is not known: it came without an id</span>".into(),
        };
        let _ = write!(html, "<li>{at} <code>{}</code></li>", mark.id);
    }
    html.push_str("</ol>");
    if !fingerprints.is_empty() {
        let more = Number(fingerprints.len() as u64);
        let _ = write!(html, "<p class=\"muted\">and {more} more, without their times</p>");
    }
}
