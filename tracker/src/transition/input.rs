//! What can happen to an experience.

use std::sync::Arc;

use labkit::wire::{CheckpointId, Kind, Outcome};

use super::record::{Definition, End};

/// One input of the transition.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A checkpoint that passed validation.
    Checkpoint(&'a Arrival<'a>),
    /// Nothing but time: the sweep found something due.
    Deadline,
}

/// The process that started an experience, where that has to be known: at its
/// deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// It never named itself, or nobody asked.
    #[default]
    Unknown,
    /// It has been heard of lately.
    Alive,
    /// It has gone silent.
    Gone,
}

/// A validated checkpoint, with its time on the tracker's clock.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Its idempotency key.
    pub id: CheckpointId,
    /// Which moment it is.
    pub kind: Kind,
    /// The definition as it is now.
    pub definition: &'a Arc<Definition>,
    /// The sender's `type`.
    pub service: Arc<str>,
    /// When it happened, on the tracker's clock.
    pub derived: i64,
    /// When it arrived, on the tracker's clock.
    pub received: i64,
    /// How it ended, for an end.
    pub outcome: Outcome,
    /// What failed, or why it was handled.
    pub reason: Option<&'a str>,
    /// The checkpoint's category.
    pub category: Option<&'a str>,
    /// Extras, as JSON text.
    pub meta: Option<&'a str>,
    /// The start's time as carried along: another host's clock.
    pub started_at: Option<i64>,
    /// Monotonic time since the start, in microseconds.
    pub elapsed_us: Option<i64>,
    /// The process that sent it.
    pub instance: Option<CheckpointId>,
    /// Its feature category or urgency is not the definition's.
    pub mismatch: bool,
}

impl Arrival<'_> {
    /// How long it was under way; a future one has no age.
    pub fn age(&self) -> i64 {
        (self.received - self.derived).max(0)
    }

    /// The end to hold until its start arrives.
    pub(super) fn to_end(&self) -> End {
        End {
            outcome: self.outcome,
            reason: self.reason.map(Into::into),
            category: self.category.map(Into::into),
            meta: self.meta.map(Into::into),
            service: self.service.clone(),
            derived: self.derived,
            started_at: self.started_at,
        }
    }
}
