//! What follows from a transition: counters that move and events to tell. A
//! store applies them in the same step as the record, and asks no questions.

use std::borrow::Cow;
use std::sync::Arc;

use labkit::wire::Kind;

use super::instance::{DROP_REASONS, OF_INSTANCES};
use super::record::{Definition, Final, Span};

/// What is out of order, though accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the specification's own words
pub enum Anomaly {
    DuplicateStart,
    SecondEnd,
    MissingStart,
    StartAfterEnd,
    AfterTombstone,
}

impl Anomaly {
    /// Every kind.
    pub const ALL: [Anomaly; 5] = [
        Anomaly::DuplicateStart,
        Anomaly::SecondEnd,
        Anomaly::MissingStart,
        Anomaly::StartAfterEnd,
        Anomaly::AfterTombstone,
    ];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Anomaly::DuplicateStart => "duplicate_start",
            Anomaly::SecondEnd => "second_end",
            Anomaly::MissingStart => "missing_start",
            Anomaly::StartAfterEnd => "start_after_end",
            Anomaly::AfterTombstone => "after_tombstone",
        }
    }
}

/// Why nobody waits for an end any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeoutReason {
    /// The process that started it lives, and sent none.
    NoEnd,
    /// The process that started it has gone silent.
    OwnerLost,
    /// Not even its start was seen.
    StartMissing,
}

impl TimeoutReason {
    /// Every reason.
    pub const ALL: [TimeoutReason; 3] =
        [TimeoutReason::NoEnd, TimeoutReason::OwnerLost, TimeoutReason::StartMissing];

    /// The label's value, and the event's `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeoutReason::NoEnd => "no_end",
            TimeoutReason::OwnerLost => "owner_lost",
            TimeoutReason::StartMissing => "start_missing",
        }
    }
}

/// The bounds of the duration histogram, in seconds; the thresholds of all
/// urgencies are among them. A last bucket without bound follows.
pub const DURATION_BOUNDS: [f64; 15] =
    [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 7_200.0];

/// The series a counter belongs to: every label but the one the cell itself stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// Id, category and urgency, as the record keeps them.
    pub definition: Arc<Definition>,
    /// The sender's `type`.
    pub service: Arc<str>,
}

impl Series {
    /// Whether it is of SDK instances, and not of an experience.
    pub fn is_of_instances(&self) -> bool {
        self.definition.id == OF_INSTANCES.id
    }
}

/// One number of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Accepted checkpoints.
    Checkpoint(Kind),
    /// Ends, by whether they were errors.
    Total {
        /// Error or timeout.
        error: bool,
    },
    /// Ends that were no errors, with a known duration.
    Apdex {
        /// Within the threshold.
        success: bool,
    },
    /// Ends, by outcome.
    Outcome(Final),
    /// Durations, by the index of their bucket; not cumulative.
    Bucket(usize),
    /// The sum of these durations, in microseconds.
    DurationUs,
    /// Experiences that came to be known.
    Opened,
    /// Gauge: experiences in OPEN.
    InOpen,
    /// Gauge: in IMPLICIT.
    InImplicit,
    /// Gauge: in HELD.
    InHeld,
    /// Timeouts that turned out to be ends in time.
    Recanted,
    /// Anomalies, by kind.
    Anomaly(Anomaly),
    /// Checkpoints whose category or urgency was not the definition's.
    Mismatch,
    /// Timeouts, by reason.
    Timeout(TimeoutReason),
    /// Of SDK instances, which have series of their own.
    Sdk(SdkCell),
}

/// One number of a series of SDK instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdkCell {
    /// Gauge: instances heard of lately.
    Alive,
    /// Checkpoints that they recorded.
    Recorded,
    /// Instances that fell silent while they held checkpoints.
    Silent,
    /// The checkpoints that these held.
    Unaccounted,
    /// Those of them that arrived after all.
    Recovered,
    /// Checkpoints that instances dropped, by the reason's place.
    Dropped(usize),
}

impl SdkCell {
    const COUNT: usize = 5 + DROP_REASONS;

    fn index(self) -> usize {
        match self {
            SdkCell::Alive => 0,
            SdkCell::Recorded => 1,
            SdkCell::Silent => 2,
            SdkCell::Unaccounted => 3,
            SdkCell::Recovered => 4,
            SdkCell::Dropped(reason) => 5 + reason.min(DROP_REASONS - 1),
        }
    }
}

impl Cell {
    const BUCKETS: usize = DURATION_BOUNDS.len() + 1;
    /// How many cells a series has.
    pub const COUNT: usize =
        3 + 2 + 2 + 5 + Self::BUCKETS + 1 + 1 + 3 + 1 + 5 + 1 + 3 + SdkCell::COUNT;

    /// Its place in a row of [`Cell::COUNT`] numbers. New ones stand at the end: the
    /// rows of stores are as long as they were when they were written.
    pub fn index(self) -> usize {
        const TOTAL: usize = 3;
        const APDEX: usize = TOTAL + 2;
        const OUTCOME: usize = APDEX + 2;
        const BUCKET: usize = OUTCOME + 5;
        const SINGLE: usize = BUCKET + Cell::BUCKETS;
        const ANOMALY: usize = SINGLE + 7;
        const TIMEOUT: usize = ANOMALY + 5;
        const SDK: usize = TIMEOUT + 3;
        match self {
            Cell::Checkpoint(kind) => kind as usize,
            Cell::Total { error } => TOTAL + usize::from(error),
            Cell::Apdex { success } => APDEX + usize::from(success),
            Cell::Outcome(outcome) => OUTCOME + outcome as usize,
            Cell::Bucket(bucket) => BUCKET + bucket.min(Self::BUCKETS - 1),
            Cell::DurationUs => SINGLE,
            Cell::Opened => SINGLE + 1,
            Cell::InOpen => SINGLE + 2,
            Cell::InImplicit => SINGLE + 3,
            Cell::InHeld => SINGLE + 4,
            Cell::Recanted => SINGLE + 5,
            Cell::Mismatch => SINGLE + 6,
            Cell::Anomaly(kind) => ANOMALY + kind as usize,
            Cell::Timeout(reason) => TIMEOUT + reason as usize,
            Cell::Sdk(cell) => SDK + cell.index(),
        }
    }

    /// The bucket that a duration falls into.
    pub fn bucket_of(us: i64) -> Cell {
        let seconds = us as f64 / 1e6;
        Cell::Bucket(DURATION_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(15))
    }
}

/// Numbers of one series that move; gauges move down, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Which series.
    pub series: Series,
    /// Which of its numbers, and by how much.
    pub moves: Vec<(Cell, i64)>,
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the specification's own words
pub enum EventKind {
    Start,
    Intermediate,
    Success,
    Failure,
    Discarded,
    LateEnd,
    Anomaly(Anomaly),
}

impl EventKind {
    /// The value of the log line's `event`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Start => "start",
            EventKind::Intermediate => "intermediate",
            EventKind::Success => "success",
            EventKind::Failure => "failure",
            EventKind::Discarded => "discarded",
            EventKind::LateEnd => "late_end",
            EventKind::Anomaly(_) => "anomaly",
        }
    }
}

/// One event: what a log line is written from.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the fields are the log line's, in its order
pub struct Event<'a> {
    /// Its number within the experience, from 1: with the identity it makes
    /// an id that a second delivery repeats.
    pub sequence: u32,
    pub kind: EventKind,
    pub definition: Arc<Definition>,
    pub service: Arc<str>,
    /// The checkpoint behind it; none behind a timeout.
    pub checkpoint: Option<Kind>,
    pub category: Option<Cow<'a, str>>,
    pub checkpoint_time: Option<i64>,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub span: Option<Span>,
    pub apdex: Option<bool>,
    pub outcome: Option<Final>,
    pub reason: Option<Cow<'a, str>>,
    pub meta: Option<Cow<'a, str>>,
}

/// Room for the numbers that an end moves; a start moves half of them.
const MOVES: usize = 8;

/// All that follows from one or several transitions of one experience.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects<'a> {
    /// Counters that move.
    pub counts: Vec<Counts>,
    /// Events to tell, in order.
    pub events: Vec<Event<'a>>,
}

impl Effects<'_> {
    /// Moves a number. Most of a transition's moves are of one series, which a
    /// store then has to find only once.
    pub(super) fn count(
        &mut self,
        definition: &Arc<Definition>,
        service: &Arc<str>,
        cell: Cell,
        by: i64,
    ) {
        let same = |counts: &&mut Counts| {
            Arc::ptr_eq(&counts.series.definition, definition) && counts.series.service == *service
        };
        match self.counts.last_mut().filter(same) {
            Some(counts) => counts.moves.push((cell, by)),
            None => {
                // Nearly always the only one.
                self.counts.reserve_exact(1);
                let mut moves = Vec::with_capacity(MOVES);
                moves.push((cell, by));
                let series = Series { definition: definition.clone(), service: service.clone() };
                self.counts.push(Counts { series, moves });
            }
        }
    }
}
