//! One experience under test, with its clock, its counters and its story.

use std::collections::BTreeMap;
use std::sync::Arc;

use labkit::wire::{CheckpointId, Kind, Outcome};

use super::{
    Arrival, Cell, Definition, Disposition, Effects, Final, Input, Owner, Record, State, Stored,
    transition,
};
use crate::clock::Now;

/// TTL of the definition under test, in ms; its threshold is 5 s.
pub(super) const TTL: i64 = 60_000;
/// When the story begins, in both times.
pub(super) const T0: i64 = 1_000_000;

/// A checkpoint in the making.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) id: u128,
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    /// When it happened; `None`: when it arrives.
    pub(super) at: Option<i64>,
    pub(super) elapsed_us: Option<i64>,
    pub(super) started_at: Option<i64>,
    pub(super) reason: Option<&'static str>,
    pub(super) service: &'static str,
    pub(super) instance: Option<u128>,
    pub(super) mismatch: bool,
}

pub(super) fn point(id: u128, kind: Kind) -> Point {
    Point {
        id,
        kind,
        outcome: Outcome::Success,
        at: None,
        elapsed_us: None,
        started_at: None,
        reason: None,
        service: "web",
        instance: None,
        mismatch: false,
    }
}

pub(super) fn start(id: u128) -> Point {
    point(id, Kind::Start)
}

pub(super) fn step(id: u128) -> Point {
    point(id, Kind::Intermediate)
}

pub(super) fn end(id: u128, outcome: Outcome) -> Point {
    Point { outcome, ..point(id, Kind::End) }
}

/// A world in which an experience started and its deadline has passed.
pub(super) fn timed_out() -> World {
    let mut world = World::after(&[start(1)]);
    world.wait(TTL);
    world
}

pub(super) struct World {
    pub(super) stored: Option<Stored>,
    pub(super) v: i64,
    pub(super) real: i64,
    pub(super) counts: BTreeMap<usize, i64>,
    /// What was counted under which `type`.
    pub(super) services: Vec<(Cell, Arc<str>)>,
    /// `event`, `outcome`, `reason` of each event.
    pub(super) told: Vec<String>,
    pub(super) definition: Arc<Definition>,
    /// What is known of the process that started it.
    pub(super) owner: Owner,
}

impl World {
    pub(super) fn new() -> Self {
        World {
            stored: None,
            v: T0,
            real: T0,
            counts: BTreeMap::new(),
            services: Vec::new(),
            told: Vec::new(),
            definition: Arc::new(Definition {
                id: "create_it".into(),
                feature_category: "making".into(),
                urgency: "sync_slow".into(),
                threshold_us: 5_000_000,
                ttl_ms: TTL,
            }),
            owner: Owner::default(),
        }
    }

    /// A world in which these checkpoints arrived at once.
    pub(super) fn after(points: &[Point]) -> Self {
        let mut world = Self::new();
        points.iter().for_each(|point| {
            world.send(point);
        });
        world
    }

    pub(super) fn send(&mut self, point: &Point) -> Disposition {
        let definition = self.definition.clone();
        let arrival = Arrival {
            id: CheckpointId(point.id),
            kind: point.kind,
            definition: &definition,
            service: point.service.into(),
            derived: point.at.unwrap_or(self.real),
            received: self.real,
            outcome: point.outcome,
            reason: point.reason,
            category: None,
            meta: None,
            started_at: point.started_at,
            elapsed_us: point.elapsed_us,
            instance: point.instance.map(CheckpointId),
            mismatch: point.mismatch,
        };
        self.apply(Input::Checkpoint(&arrival))
    }

    /// Time passes without anything due being swept.
    pub(super) fn pass(&mut self, millis: i64) {
        self.v += millis;
        self.real += millis;
    }

    /// Time passes, and the sweep comes by.
    pub(super) fn wait(&mut self, millis: i64) {
        self.pass(millis);
        self.apply(Input::Deadline);
    }

    fn apply(&mut self, input: Input<'_>) -> Disposition {
        let mut effects = Effects::default();
        let now = Now { v: self.v, real: self.real, owner: self.owner };
        let (next, disposition) = transition(self.stored.take(), input, now, &mut effects);
        self.stored = next;
        for counts in effects.counts {
            for (cell, by) in counts.moves {
                *self.counts.entry(cell.index()).or_default() += by;
                self.services.push((cell, counts.series.service.clone()));
            }
        }
        for event in effects.events {
            let words = [event.outcome.map(Final::as_str), event.reason.as_deref()];
            let words = words.into_iter().flatten().map(|word| format!(" {word}"));
            self.told.push(event.kind.as_str().to_owned() + &words.collect::<String>());
        }
        disposition
    }

    pub(super) fn record(&self) -> &Record {
        match &self.stored {
            Some(Stored::Whole(record)) => record,
            other => panic!("expected a whole record, found {other:?}"),
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match &self.stored {
            None => "absent",
            Some(Stored::Whole(record)) => record.state.as_str(),
            Some(Stored::Tombstone(_)) => "tombstone",
            Some(Stored::Instance(_)) => "instance",
        }
    }

    /// The deadline, from the beginning of the story.
    pub(super) fn due(&self) -> i64 {
        self.record().due - T0
    }

    pub(super) fn count(&self, cell: Cell) -> i64 {
        self.counts.get(&cell.index()).copied().unwrap_or(0)
    }

    /// Elapsed µs and Apdex of the end.
    pub(super) fn verdict(&self) -> (Option<i64>, Option<bool>) {
        match &self.record().state {
            State::Ended(ended) => (ended.span.map(|span| span.us), ended.apdex),
            other => panic!("expected an end, found {other:?}"),
        }
    }
}
