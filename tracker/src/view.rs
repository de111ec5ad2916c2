//! One experience as the query path shows it.

use labkit::wire::Timestamp;
use serde::Serialize;

use crate::transition::{Identity, Record, State, Stored};

/// An experience for people and scripts. Absent fields are unknown, or do not
/// apply to its state.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct View {
    /// Which definition.
    pub user_experience_id: String,
    /// Which run of it.
    pub correlation_id: String,
    /// `open`, `implicit`, `held`, or the outcome.
    pub state: &'static str,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_category: Option<String>,
    /// How soon it should end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency: Option<String>,
    /// The `type` of the last checkpoint.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// When the tracker first heard of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When it started, on the tracker's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When it ended; for a timeout, when that was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_time_s: Option<f64>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency_threshold_s: Option<f64>,
    /// Whether it ended in time, where that counts for Apdex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// Seconds of virtual time until the deadline, for an unfinished one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_in_s: Option<f64>,
    /// Checkpoints that had their effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<usize>,
    /// The process that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_instance: Option<String>,
    /// What to know of the figures: `clamped` (the end lay before the start),
    /// `skewed` (two hosts' clocks), `recanted` (the timeout was none),
    /// `tombstone` (details are forgotten).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<&'static str>,
}

/// Unfinished, at `now` by the wall clock, for longer than its threshold.
pub(crate) fn is_stale(stored: &Stored, now: i64) -> bool {
    let (Stored::Whole(record), Some(began)) = (stored, stored.unfinished_since()) else {
        return false;
    };
    (now - began).saturating_mul(1_000) > record.definition.threshold_us
}

impl View {
    /// The view of `stored`, at virtual time `v`.
    pub fn new(identity: &Identity, stored: &Stored, v: i64) -> Self {
        let view = View {
            user_experience_id: identity.user_experience_id.to_string(),
            correlation_id: identity.correlation_id.to_string(),
            ..View::default()
        };
        match stored {
            Stored::Whole(record) => view.with_record(record, v),
            Stored::Tombstone(tombstone) => View {
                state: tombstone.outcome.as_str(),
                outcome: Some(tombstone.outcome.as_str()),
                flags: vec!["tombstone"],
                ..view
            },
            Stored::Instance(_) => view, // no experience, and so never asked for
        }
    }

    fn with_record(self, record: &Record, v: i64) -> Self {
        let view = View {
            state: record.state.as_str(),
            feature_category: Some(record.definition.feature_category.to_string()),
            urgency: Some(record.definition.urgency.to_string()),
            service: Some(record.service.to_string()),
            opened_at: Some(Timestamp::from_millis(record.opened_at)),
            start_time: record.started.map(Timestamp::from_millis),
            urgency_threshold_s: Some(record.definition.threshold_us as f64 / 1e6),
            checkpoints: Some(record.seen.len()),
            owner_instance: record.owner_instance.map(|id| id.to_string()),
            ..self
        };
        let State::Ended(ended) = &record.state else {
            return View { deadline_in_s: Some((record.due - v) as f64 / 1e3), ..view };
        };
        let flag = |is: Option<bool>, name| is.unwrap_or(false).then_some(name);
        let flags = [
            flag(ended.span.map(|span| span.clamped), "clamped"),
            flag(ended.span.map(|span| span.skewed), "skewed"),
            flag(Some(ended.recanted), "recanted"),
        ];
        View {
            outcome: Some(ended.outcome.as_str()),
            reason: ended.reason.as_deref().map(str::to_owned),
            end_time: Some(Timestamp::from_millis(ended.at)),
            elapsed_time_s: ended.span.map(|span| span.us as f64 / 1e6),
            success: ended.apdex,
            flags: flags.into_iter().flatten().collect(),
            ..view
        }
    }
}
