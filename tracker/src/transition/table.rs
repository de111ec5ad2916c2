//! The table of the specification, cell by cell.

use labkit::wire::Kind;

use super::effects::{Anomaly, Cell, Effects, EventKind, TimeoutReason};
use super::input::{Arrival, Input, Owner};
use super::record::{Final, Record, Seen, Span, State, Stored, Tombstone};
use super::step::{Step, between};
use crate::clock::Now;
use crate::limits::{IDS, IDS_RESERVE, REORDER_MS, TOMBSTONE_MS, WHOLE_MS};

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It had its effect.
    Accepted,
    /// It was seen before: no effect.
    Duplicate,
    /// More checkpoints than one experience may have: no effect.
    TooMany,
    /// No checkpoint; only time passed.
    TimePassed,
}

/// What `before` becomes through `input`, and what follows from it, which is
/// added to `effects`. Whatever deadline is already reached comes first.
pub fn transition<'a>(
    before: Option<Stored>,
    input: Input<'a>,
    now: Now,
    effects: &mut Effects<'a>,
) -> (Option<Stored>, Disposition) {
    let current = pass_time(before, now, effects);
    let Input::Checkpoint(arrival) = input else { return (current, Disposition::TimePassed) };
    match current {
        None => {
            let record = open(arrival, now, effects);
            (Some(Stored::Whole(record)), Disposition::Accepted)
        }
        Some(Stored::Whole(record)) => {
            let (record, disposition) = arrive(record, arrival, now, effects);
            (Some(Stored::Whole(record)), disposition)
        }
        Some(tombstone @ (Stored::Tombstone(_) | Stored::Instance(_))) => {
            let cell = Cell::Anomaly(Anomaly::AfterTombstone);
            effects.count(arrival.definition, &arrival.service, cell, 1);
            (Some(tombstone), Disposition::Duplicate)
        }
    }
}

/// Applies every deadline that is reached: the life's, the shrinking, the forgetting.
fn pass_time(mut stored: Option<Stored>, now: Now, effects: &mut Effects<'_>) -> Option<Stored> {
    while let Some(due) = stored.take_if(|stored| stored.due() <= now.v) {
        stored = match due {
            Stored::Tombstone(_) => None,
            Stored::Instance(instance) => instance.pass_time(now, effects).map(Stored::Instance),
            Stored::Whole(record) => Some(match record.outcome() {
                Some(outcome) => Stored::Tombstone(Tombstone {
                    outcome,
                    due: record.due + (TOMBSTONE_MS - WHOLE_MS),
                }),
                None => Stored::Whole(time_out(record, now, effects)),
            }),
        };
    }
    stored
}

/// The column "deadline reached".
fn time_out(mut record: Record, now: Now, effects: &mut Effects<'_>) -> Record {
    let mut step = Step { record: &mut record, now, effects };
    let gauge = step.gauge();
    match step.record.state.clone() {
        State::Open if now.owner == Owner::Gone => {
            step.declare_timeout(TimeoutReason::OwnerLost);
        }
        State::Open => step.declare_timeout(TimeoutReason::NoEnd),
        State::Implicit => step.declare_timeout(TimeoutReason::StartMissing),
        State::Held(end) => {
            step.count(Cell::Anomaly(Anomaly::MissingStart), 1);
            let span =
                end.started_at.map(|start| Span { skewed: true, ..between(start, end.derived) });
            step.finish(*end, span);
        }
        State::Ended(_) => {} // cannot be: an outcome was ruled out above
    }
    step.move_gauge(gauge);
    record
}

/// The row ABSENT.
fn open<'a>(arrival: &Arrival<'a>, now: Now, effects: &mut Effects<'a>) -> Record {
    let mut record = Record {
        definition: arrival.definition.clone(),
        state: State::Implicit,
        due: arm(arrival.definition.ttl_ms, 0, now),
        opened_at: now.real,
        started: None,
        service: arrival.service.clone(),
        owner_instance: None,
        seen: Seen::default(),
        events: 0,
    };
    let mut step = Step { record: &mut record, now, effects };
    step.admit(arrival);
    step.count(Cell::Opened, 1);
    match arrival.kind {
        Kind::Start => step.start(arrival, arm(arrival.definition.ttl_ms, arrival.age(), now)),
        Kind::Intermediate => step.emit(EventKind::Intermediate, arrival),
        Kind::End => step.end_without_start(arrival, now.v + REORDER_MS),
    }
    step.move_gauge(None);
    record
}

/// The rows of everything that is known.
fn arrive<'a>(
    mut record: Record,
    arrival: &Arrival<'a>,
    now: Now,
    effects: &mut Effects<'a>,
) -> (Record, Disposition) {
    if record.seen.contains(arrival.id) {
        return (record, Disposition::Duplicate);
    }
    if is_too_many(&record, arrival.kind) {
        return (record, Disposition::TooMany);
    }
    let mut step = Step { record: &mut record, now, effects };
    let gauge = step.gauge();
    step.admit(arrival);
    match (step.record.state.clone(), arrival.kind) {
        (State::Implicit, Kind::Start) => {
            let due = arm(step.record.definition.ttl_ms, arrival.age(), now);
            step.start(arrival, due.min(step.record.due));
        }
        (State::Held(end), Kind::Start) => {
            step.start_known(arrival);
            step.finish(*end.clone(), Some(between(arrival.derived, end.derived)));
        }
        (State::Ended(_), Kind::Start) if step.record.started.is_none() => {
            step.start_known(arrival);
        }
        (State::Open, Kind::Start) => step.anomaly(Anomaly::DuplicateStart, arrival),
        (State::Ended(_), Kind::Start) => step.anomaly(Anomaly::StartAfterEnd, arrival),
        (_, Kind::Intermediate) => step.emit(EventKind::Intermediate, arrival),
        (State::Open, Kind::End) => {
            let span = step.span_of(arrival);
            step.finish(arrival.to_end(), span);
        }
        (State::Implicit, Kind::End) => {
            step.end_without_start(arrival, step.record.due.min(now.v + REORDER_MS));
        }
        (State::Ended(ended), Kind::End) if ended.outcome == Final::Timeout => {
            step.late_end(arrival, *ended);
        }
        (State::Held(_) | State::Ended(_), Kind::End) => {
            step.anomaly(Anomaly::SecondEnd, arrival);
        }
    }
    step.move_gauge(gauge);
    (record, Disposition::Accepted)
}

/// The deadline of an experience whose checkpoint is `age` old: a start that
/// a spool delivers late is not overdue before its end can arrive.
fn arm(ttl_ms: i64, age: i64, now: Now) -> i64 {
    now.v.saturating_add((ttl_ms - age).max(ttl_ms.min(REORDER_MS)))
}

/// Intermediates stop at the limit. Starts and ends have some room above it,
/// and those that move the experience always pass: at most two of them can.
fn is_too_many(record: &Record, kind: Kind) -> bool {
    if record.seen.len() < IDS {
        return false;
    }
    let moves = match kind {
        Kind::Start => record.started.is_none(),
        Kind::Intermediate => return true,
        Kind::End => matches!(record.state, State::Open | State::Implicit),
    };
    !moves && record.seen.len() >= IDS + IDS_RESERVE
}
