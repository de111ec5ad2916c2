//! What is remembered of one experience.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use labkit::wire::{CheckpointId, CorrelationId, Outcome};

use super::instance::{Instance, OF_INSTANCES};
use crate::limits::IDS_WHOLE;

/// Which experience: the key under which a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Which run. First, because comparisons are over with it nearly always.
    pub correlation_id: CorrelationId,
    /// Which definition.
    pub user_experience_id: Arc<str>,
    /// The namespace of the credential, never the service's own name.
    pub tenant: Arc<str>,
}

/// What a definition said when the experience was opened. Shared by all that
/// were opened under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its id.
    pub id: Arc<str>,
    /// Who owns it.
    pub feature_category: Box<str>,
    /// How soon it should end.
    pub urgency: Box<str>,
    /// The Apdex threshold, in microseconds: integers, so that an end exactly
    /// on the threshold is good on every machine.
    pub threshold_us: i64,
    /// How long to wait for an end, in milliseconds.
    pub ttl_ms: i64,
}

impl Hash for Definition {
    /// By the id: two of the same id and different content are rare, and one
    /// is hashed for every counter that moves.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
    }
}

impl From<&labkit::definition::Definition> for Definition {
    fn from(read: &labkit::definition::Definition) -> Self {
        Definition {
            id: read.id.as_str().into(),
            feature_category: read.feature_category.as_str().into(),
            urgency: read.urgency.as_str().into(),
            threshold_us: (read.threshold_s() * 1e6).round() as i64,
            ttl_ms: (read.ttl_s * 1e3).round() as i64,
        }
    }
}

/// What a store keeps under one identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Everything.
    Whole(Record),
    /// That it was, and how it ended.
    Tombstone(Tombstone),
    /// Not an experience, but a process that sends.
    Instance(Instance),
}

impl Stored {
    /// The virtual time at which something has to happen to it.
    pub fn due(&self) -> i64 {
        match self {
            Stored::Whole(record) => record.due,
            Stored::Tombstone(tombstone) => tombstone.due,
            Stored::Instance(instance) => instance.due,
        }
    }

    /// Itself, if it is an experience.
    pub fn experience(self) -> Option<Self> {
        (!matches!(self, Stored::Instance(_))).then_some(self)
    }

    /// Checkpoints that a silent instance still held.
    pub fn loss(&self) -> Option<u64> {
        match self {
            Stored::Instance(instance) if instance.silent && instance.queued > 0 => {
                Some(instance.queued)
            }
            _ => None,
        }
    }

    /// What it is counted under, unless that is forgotten.
    pub fn definition(&self) -> Option<&Arc<Definition>> {
        match self {
            Stored::Whole(record) => Some(&record.definition),
            Stored::Tombstone(_) => None,
            Stored::Instance(_) => Some(&OF_INSTANCES),
        }
    }

    /// When it began on the tracker's clock, as far as that is known, if it
    /// has not ended.
    pub fn unfinished_since(&self) -> Option<i64> {
        match self {
            Stored::Whole(record) if record.outcome().is_none() => {
                Some(record.started.unwrap_or(record.opened_at))
            }
            _ => None,
        }
    }
}

/// What remains of an experience that ended more than an hour ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// How it ended.
    pub outcome: Final,
    /// When it is forgotten.
    pub due: i64,
}

/// One experience.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its definition, as it was at the opening.
    pub definition: Arc<Definition>,
    /// Where it stands.
    pub state: State,
    /// Virtual time: the deadline, and after the end the moment it shrinks.
    pub due: i64,
    /// When the tracker first heard of it, by its own wall clock.
    pub opened_at: i64,
    /// The derived time of its start, once that arrived, be it after the end.
    pub started: Option<i64>,
    /// The `type` of the last checkpoint seen.
    pub service: Arc<str>,
    /// The process that started it, if that named itself.
    pub owner_instance: Option<CheckpointId>,
    /// Which checkpoints had their effect.
    pub seen: Seen,
    /// Events emitted so far: the sequence in their ids.
    pub events: u32,
}

impl Record {
    /// The outcome, once there is one.
    pub fn outcome(&self) -> Option<Final> {
        match &self.state {
            State::Ended(ended) => Some(ended.outcome),
            _ => None,
        }
    }
}

/// Where an experience stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Started, not ended.
    Open,
    /// Known from an intermediate only.
    Implicit,
    /// Ended, and the start that tells how long it took has not arrived.
    Held(Box<End>),
    /// Over. Nothing leaves this state.
    Ended(Box<Ended>),
}

impl State {
    /// The word for people and labels; for an ended one its outcome.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::Open => "open",
            State::Implicit => "implicit",
            State::Held(_) => "held",
            State::Ended(ended) => ended.outcome.as_str(),
        }
    }
}

/// An end as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// What its own process said.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Box<str>>,
    /// The checkpoint's category.
    pub category: Option<Box<str>>,
    /// Its extras, as JSON text.
    pub meta: Option<Box<str>>,
    /// The `type` of the service that ended it.
    pub service: Arc<str>,
    /// When, on the tracker's clock.
    pub derived: i64,
    /// Carried along from another host's clock.
    pub started_at: Option<i64>,
}

/// How an experience ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub outcome: Final,
    /// Why.
    pub reason: Option<Box<str>>,
    /// The derived time of the end; for a timeout the wall clock when it was noticed.
    pub at: i64,
    /// How long it took, if that is known.
    pub span: Option<Span>,
    /// Whether that was within the threshold; `None` where it does not count.
    pub apdex: Option<bool>,
    /// A late end took the timeout back in the eyes of the metrics.
    pub recanted: bool,
}

/// How long an experience took, and how far that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Microseconds.
    pub us: i64,
    /// The end lay before the start; taken as 0.
    pub clamped: bool,
    /// The start comes from another host's clock.
    pub skewed: bool,
}

/// The five ways to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the specification's own words
pub enum Final {
    Success,
    Handled,
    Error,
    Discarded,
    Timeout,
}

impl Final {
    /// Every outcome.
    pub const ALL: [Final; 5] =
        [Final::Success, Final::Handled, Final::Error, Final::Discarded, Final::Timeout];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Final::Success => "success",
            Final::Handled => "handled",
            Final::Error => "error",
            Final::Discarded => "discarded",
            Final::Timeout => "timeout",
        }
    }
}

impl From<Outcome> for Final {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Final::Success,
            Outcome::Handled => Final::Handled,
            Outcome::Error => Final::Error,
            Outcome::Discarded => Final::Discarded,
        }
    }
}

/// The ids of the checkpoints that had their effect: the first ones whole, the
/// later ones as fingerprints, so that a flood stays cheap to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    ids: Vec<u128>,
    fingerprints: Vec<u64>,
}

impl Seen {
    /// How many.
    pub fn len(&self) -> usize {
        self.ids.len() + self.fingerprints.len()
    }

    /// Whether it is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether `id` had its effect.
    pub fn contains(&self, id: CheckpointId) -> bool {
        self.ids.contains(&id.0) || self.fingerprints.contains(&fingerprint(id))
    }

    /// The ids and the fingerprints, for a store to keep.
    pub fn parts(&self) -> (&[u128], &[u64]) {
        (&self.ids, &self.fingerprints)
    }

    /// The inverse of [`Seen::parts`].
    pub fn from_parts(ids: Vec<u128>, fingerprints: Vec<u64>) -> Self {
        Seen { ids, fingerprints }
    }

    /// Remembers `id`.
    pub fn insert(&mut self, id: CheckpointId) {
        if self.ids.len() < IDS_WHOLE {
            self.ids.push(id.0);
        } else {
            self.fingerprints.push(fingerprint(id));
        }
    }
}

/// Both halves go in: the random one tells ids of one process apart, the time
/// half those of generators with little randomness. The odd factor spreads it.
fn fingerprint(id: CheckpointId) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    (id.0 as u64) ^ ((id.0 >> 64) as u64).wrapping_mul(SPREAD)
}
