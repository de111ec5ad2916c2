//! Events as log lines: one JSON object each, on one line whatever is in it.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use labkit::wire::{CorrelationId, Kind, Meta, Timestamp};

use crate::transition::{Definition, Event, EventKind, Final, Identity};

/// Room for nearly every line.
const LINE_BYTES: usize = 768;

/// Whether a key belongs to the line. An extra of the same name stands under
/// `meta`, and so does one that is called `meta`.
fn is_own(key: &str) -> bool {
    // A match, and no list: it looks at the length first, and then at few.
    matches!(
        key,
        "time"
            | "severity"
            | "event_id"
            | "event"
            | "checkpoint"
            | "checkpoint_category"
            | "checkpoint_action"
            | "user_experience_id"
            | "correlation_id"
            | "feature_category"
            | "urgency"
            | "type"
            | "start_time"
            | "checkpoint_time"
            | "end_time"
            | "elapsed_time_s"
            | "urgency_threshold_s"
            | "success"
            | "error"
            | "error_message"
            | "outcome"
            | "reason"
            | "meta"
    )
}

/// Writes lines one behind the other into one text: an allocation each would
/// cost more than the writing.
#[derive(Debug)]
pub struct Writer {
    text: String,
    /// When what the lines tell came about.
    time: Moment,
    /// The last time within a line; the next one is the same, half of the time.
    last: Moment,
    /// What the last line had in common with most of the others.
    names: Option<Names>,
}

/// What lines say of a definition and whoever sends its checkpoints.
#[derive(Debug)]
struct Names {
    tenant: Arc<str>,
    id: Arc<str>,
    definition: Arc<Definition>,
    service: Arc<str>,
    /// The middle of the event's id.
    hash: String,
    /// The members from category to type.
    members: String,
    threshold: String,
}

/// A point in time and its text.
#[derive(Clone, Debug)]
struct Moment {
    millis: i64,
    text: String,
}

impl Moment {
    fn new(millis: i64) -> Self {
        Moment { millis, text: Timestamp::from_millis(millis).to_string() }
    }

    fn set(&mut self, millis: i64) -> &str {
        if millis != self.millis {
            let mut room = [0; Timestamp::TEXT];
            self.millis = millis;
            self.text.clear();
            self.text.push_str(Timestamp::from_millis(millis).encode(&mut room));
        }
        &self.text
    }
}

/// A place in the writer's text.
pub type Place = Range<usize>;

impl Writer {
    /// A writer with room for so many lines that came about at `time`.
    pub fn new(lines: usize, time: i64) -> Self {
        let time = Moment::new(time);
        let (text, last) = (String::with_capacity(lines * LINE_BYTES), time.clone());
        Writer { text, time, last, names: None }
    }

    /// All lines, of which [`Writer::line`] told the places.
    pub fn finish(mut self) -> String {
        // Lines may wait long, and the room of those that never came with them.
        if self.text.len() < self.text.capacity() / 2 {
            self.text.shrink_to_fit();
        }
        self.text
    }

    /// Writes the line of `event`, and where it stands. The same event makes the
    /// same line and the same `event_id` each time.
    pub fn line(&mut self, identity: &Identity, event: &Event<'_>) -> Place {
        let begin = self.text.len();
        let names = Names::of(self.names.take(), identity, event);
        self.write(identity, event, &names);
        self.names = Some(names);
        begin..self.text.len()
    }

    fn write(&mut self, identity: &Identity, event: &Event<'_>, names: &Names) {
        let mut room = [0; CorrelationId::TEXT];
        let correlation_id = identity.correlation_id.encode(&mut room);
        let ends =
            matches!(event.kind, EventKind::Success | EventKind::Failure | EventKind::Discarded);
        let (mut line, last) = (Line(&mut self.text), &mut self.last);
        line.raw("{\"time\":\"", &self.time.text);
        line.raw("\",\"severity\":\"", severity(event.kind));
        line.raw("\",\"event_id\":\"", correlation_id);
        line.raw(&names.hash, itoa::Buffer::new().format(event.sequence));
        line.raw("\",\"event\":\"", event.kind.as_str());
        line.0.push('"');
        line.word(",\"checkpoint\":\"", event.checkpoint.map(Kind::as_str));
        line.text(",\"checkpoint_category\":", event.category.as_deref());
        line.text(",\"checkpoint_action\":", event.category.as_deref());
        line.text(",\"user_experience_id\":", Some(&identity.user_experience_id));
        line.word(",\"correlation_id\":\"", Some(correlation_id));
        line.0.push_str(&names.members);
        line.time(",\"start_time\":\"", event.start_time, last);
        line.time(",\"checkpoint_time\":\"", event.checkpoint_time, last);
        line.time(",\"end_time\":\"", event.end_time, last);
        line.seconds(",\"elapsed_time_s\":", event.span.map(|span| span.us));
        line.raw(",\"urgency_threshold_s\":", &names.threshold);
        line.boolean(",\"success\":", event.apdex);
        line.boolean(",\"error\":", event.outcome.filter(|_| ends).and_then(is_error));
        if ends && event.outcome == Some(Final::Error) {
            line.text(",\"error_message\":", event.reason.as_deref());
        }
        line.word(",\"outcome\":\"", event.outcome.map(Final::as_str));
        line.text(",\"reason\":", event.reason.as_deref());
        if let Some(meta) = event.meta.as_deref() {
            line.extras(meta);
        }
        line.0.push('}');
    }
}

impl Names {
    fn of(last: Option<Names>, identity: &Identity, event: &Event<'_>) -> Self {
        let same = |names: &Names| {
            Arc::ptr_eq(&names.definition, &event.definition)
                && alike(&names.service, &event.service)
                && alike(&names.tenant, &identity.tenant)
                && alike(&names.id, &identity.user_experience_id)
        };
        last.filter(same).unwrap_or_else(|| Names::new(identity, event))
    }

    fn new(identity: &Identity, event: &Event<'_>) -> Self {
        let (definition, mut members, mut threshold) =
            (&event.definition, String::new(), String::new());
        let mut line = Line(&mut members);
        line.text(",\"feature_category\":", Some(&definition.feature_category));
        line.text(",\"urgency\":", Some(&definition.urgency));
        line.text(",\"type\":", Some(&event.service));
        Line(&mut threshold).seconds("", Some(definition.threshold_us));
        Names {
            tenant: identity.tenant.clone(),
            id: identity.user_experience_id.clone(),
            definition: definition.clone(),
            service: event.service.clone(),
            hash: hash(identity),
            members,
            threshold,
        }
    }
}

/// Nearly always the very same text.
fn alike(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// What makes an event's id stable over deliveries and yet different for all
/// events of all tenants, between the correlation id and the event's number.
fn hash(identity: &Identity) -> String {
    // FNV-1a: a fixed recipe, unlike the standard library's hasher.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let named = identity.tenant.bytes().chain([0]).chain(identity.user_experience_id.bytes());
    for byte in named {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("-{hash:016x}-")
}

fn severity(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Failure => "ERROR",
        EventKind::LateEnd | EventKind::Anomaly(_) => "WARN",
        _ => "INFO",
    }
}

/// A discarded experience neither failed nor did not.
fn is_error(outcome: Final) -> Option<bool> {
    match outcome {
        Final::Success | Final::Handled => Some(false),
        Final::Error | Final::Timeout => Some(true),
        Final::Discarded => None,
    }
}

/// A line under construction. Members come as the text in front of their value,
/// which is ours and needs no escapes, and the value, if there is one.
struct Line<'t>(&'t mut String);

impl Line<'_> {
    /// Two texts of our own.
    fn raw(&mut self, before: &str, value: &str) {
        self.0.push_str(before);
        self.0.push_str(value);
    }

    /// A text of our own; the opening quote stands in front of it.
    fn word(&mut self, before: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(before, value);
            self.0.push('"');
        }
    }

    /// Anybody's text.
    fn text(&mut self, before: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.push_str(before);
            push_quoted(self.0, value);
        }
    }

    fn time(&mut self, before: &str, millis: Option<i64>, last: &mut Moment) {
        self.word(before, millis.map(|millis| last.set(millis)));
    }

    fn boolean(&mut self, before: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.raw(before, if value { "true" } else { "false" });
        }
    }

    /// Microseconds as seconds, with as many digits as they need.
    fn seconds(&mut self, before: &str, us: Option<i64>) {
        let Some(us) = us else { return };
        self.raw(before, itoa::Buffer::new().format(us / 1_000_000));
        let (mut fraction, mut digits) = ((us % 1_000_000).unsigned_abs(), 6);
        if fraction == 0 {
            return;
        }
        while fraction % 10 == 0 {
            (fraction, digits) = (fraction / 10, digits - 1);
        }
        // Writing to a String cannot fail.
        let _ = write!(self.0, ".{fraction:0digits$}");
    }

    /// Extras flat, and those whose names are taken in an object of their own.
    fn extras(&mut self, meta: &str) {
        match untaken(meta) {
            Some("") => {}
            Some(members) => self.raw(",", members),
            None => self.sorted_extras(meta),
        }
    }

    fn sorted_extras(&mut self, meta: &str) {
        let Ok(meta) = Meta::parse(meta) else { return };
        let mut taken = String::new();
        for (key, value) in meta.entries() {
            let line = if is_own(&key) { &mut taken } else { &mut *self.0 };
            line.push(',');
            push_quoted(line, &key);
            line.push(':');
            push_json(line, value.get());
        }
        if !taken.is_empty() {
            self.raw(",\"meta\":{", &taken[1..]);
            self.0.push('}');
        }
    }
}

/// The members of `meta` as they stand there, if all of them can stand in the
/// line like that: the keys are not ours, and there is nothing to escape. It is
/// JSON for certain, and so a quote opens or closes a string.
fn untaken(meta: &str) -> Option<&str> {
    let members = meta.strip_prefix('{')?.strip_suffix('}')?;
    if !is_plain_json(members) {
        return None;
    }
    let mut rest = members;
    while let Some((_, key)) = split_at_byte(rest, b'"') {
        let (key, value) = split_at_byte(key, b'"')?;
        if is_own(key) {
            return None;
        }
        let value = split_at_byte(value, b':')?.1.trim_start();
        rest = match value.strip_prefix('"') {
            Some(text) => split_at_byte(text, b'"')?.1,
            None => value,
        };
    }
    Some(members.trim())
}

/// What stands before and behind the first such byte. The standard library's
/// search is made for long texts, and to set it up takes longer than these.
fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|b| b == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// JSON text without a control, an escape or a letter that needs one.
fn is_plain_json(json: &str) -> bool {
    // Without a branch for each byte, so that the compiler takes many at once.
    json.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & (byte != b'\\'))
}

/// Text that stands in JSON, and on a line, as it is; nearly all of it.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || breaks_a_line(c)) {
        let (clean, special) = rest.split_at(at);
        out.push_str(clean);
        let mut chars = special.chars();
        match chars.next() {
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(c) => push_escape(out, c),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// JSON text of a scalar: it may hold, unescaped, what JSON allows in a string
/// and a reader of lines does not.
fn push_json(out: &mut String, json: &str) {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return out.push_str(json);
    }
    for c in json.chars() {
        match breaks_a_line(c) {
            true => push_escape(out, c),
            false => out.push(c),
        }
    }
}

/// Controls, C1 and DEL among them, and Unicode's own line ends.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn push_escape(out: &mut String, c: char) {
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}
