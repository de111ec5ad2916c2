//! The table of the specification, cell by cell.

use std::borrow::Cow;

use labkit::wire::{Kind, Outcome};

use super::effects::{Anomaly, Cell, Effects, Event, EventKind};
use super::input::{Arrival, Input};
use super::record::{End, Ended, Final, Record, Seen, Span, State, Stored, Tombstone};
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
        Some(tombstone @ Stored::Tombstone(_)) => {
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
        State::Open => step.declare_timeout("no_end"),
        State::Implicit => step.declare_timeout("start_missing"),
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
    now.v + (ttl_ms - age).max(ttl_ms.min(REORDER_MS))
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

fn between(start: i64, end: i64) -> Span {
    let us = (end - start).saturating_mul(1_000);
    Span { us: us.max(0), clamped: us < 0, skewed: false }
}

/// One transition of one record under way.
struct Step<'s, 'a> {
    record: &'s mut Record,
    now: Now,
    effects: &'s mut Effects<'a>,
}

impl<'a> Step<'_, 'a> {
    /// What every accepted checkpoint does, whatever the state.
    fn admit(&mut self, arrival: &Arrival<'a>) {
        self.record.seen.insert(arrival.id);
        self.record.service = arrival.service.clone();
        self.count(Cell::Checkpoint(arrival.kind), 1);
        if arrival.mismatch {
            self.count(Cell::Mismatch, 1);
        }
    }

    fn start(&mut self, arrival: &Arrival<'a>, due: i64) {
        self.record.state = State::Open;
        self.record.due = due;
        self.start_known(arrival);
    }

    fn start_known(&mut self, arrival: &Arrival<'a>) {
        self.record.started = Some(arrival.derived);
        self.record.owner_instance = arrival.instance;
        self.emit(EventKind::Start, arrival);
    }

    /// An end before its start: over if it knows how long it took, else held.
    fn end_without_start(&mut self, arrival: &Arrival<'a>, held_until: i64) {
        match self.span_of(arrival) {
            Some(span) => self.finish(arrival.to_end(), Some(span)),
            None => {
                self.record.state = State::Held(Box::new(arrival.to_end()));
                self.record.due = held_until;
            }
        }
    }

    /// How long it took until `arrival`, by the most trusted clock there is.
    fn span_of(&self, arrival: &Arrival<'a>) -> Option<Span> {
        match (arrival.elapsed_us, self.record.started) {
            (Some(us), _) => Some(Span { us, clamped: false, skewed: false }),
            (None, Some(start)) => Some(between(start, arrival.derived)),
            (None, None) => None,
        }
    }

    fn finish(&mut self, end: End, span: Option<Span>) {
        let outcome = Final::from(end.outcome);
        let good = matches!(end.outcome, Outcome::Success | Outcome::Handled);
        let threshold_us = self.record.definition.threshold_us;
        let apdex = span.filter(|_| good).map(|span| span.us <= threshold_us);
        self.record.service = end.service;
        self.count_end(outcome);
        if let (Some(success), Some(span)) = (apdex, span) {
            self.count(Cell::Apdex { success }, 1);
            self.count(Cell::bucket_of(span.us), 1);
            self.count(Cell::DurationUs, span.us);
        }
        let kind = match outcome {
            Final::Success | Final::Handled => EventKind::Success,
            Final::Error | Final::Timeout => EventKind::Failure,
            Final::Discarded => EventKind::Discarded,
        };
        let start = self.record.started.or(span.map(|span| end.derived - span.us / 1_000));
        self.record.events += 1;
        self.effects.events.push(Event {
            sequence: self.record.events,
            kind,
            definition: self.record.definition.clone(),
            service: self.record.service.clone(),
            checkpoint: Some(Kind::End),
            category: end.category.map(owned),
            checkpoint_time: Some(end.derived),
            start_time: start,
            end_time: Some(end.derived),
            span,
            apdex,
            outcome: Some(outcome),
            reason: end.reason.clone().map(owned),
            meta: end.meta.map(owned),
        });
        self.end_as(Ended {
            outcome,
            reason: end.reason,
            at: end.derived,
            span,
            apdex,
            recanted: false,
        });
    }

    fn declare_timeout(&mut self, reason: &'static str) {
        self.count_end(Final::Timeout);
        self.record.events += 1;
        self.effects.events.push(Event {
            sequence: self.record.events,
            kind: EventKind::Failure,
            definition: self.record.definition.clone(),
            service: self.record.service.clone(),
            checkpoint: None,
            category: None,
            checkpoint_time: None,
            start_time: self.record.started,
            end_time: None,
            span: None,
            apdex: None,
            outcome: Some(Final::Timeout),
            reason: Some(Cow::Borrowed(reason)),
            meta: None,
        });
        self.end_as(Ended {
            outcome: Final::Timeout,
            reason: Some(reason.into()),
            at: self.now.real,
            span: None,
            apdex: None,
            recanted: false,
        });
    }

    fn end_as(&mut self, ended: Ended) {
        self.record.state = State::Ended(Box::new(ended));
        self.record.due = self.now.v + WHOLE_MS;
    }

    fn count_end(&mut self, outcome: Final) {
        self.count(Cell::Outcome(outcome), 1);
        match outcome {
            Final::Discarded => {}
            Final::Error | Final::Timeout => self.count(Cell::Total { error: true }, 1),
            Final::Success | Final::Handled => self.count(Cell::Total { error: false }, 1),
        }
    }

    /// An end after the timeout: the outcome stays, because counters cannot go
    /// down; that it was in time is counted beside it, once.
    fn late_end(&mut self, arrival: &Arrival<'a>, mut ended: Ended) {
        let ttl_us = self.record.definition.ttl_ms.saturating_mul(1_000);
        let span = match self.record.started {
            Some(start) => Some(between(start, arrival.derived)),
            None => self.span_of(arrival),
        };
        if !ended.recanted && span.is_some_and(|span| span.us <= ttl_us) {
            ended.recanted = true;
            self.record.state = State::Ended(Box::new(ended));
            self.count(Cell::Recanted, 1);
        }
        self.emit(EventKind::LateEnd, arrival);
    }

    fn anomaly(&mut self, anomaly: Anomaly, arrival: &Arrival<'a>) {
        self.count(Cell::Anomaly(anomaly), 1);
        self.emit(EventKind::Anomaly(anomaly), arrival);
    }

    /// The event of a checkpoint that ends nothing.
    fn emit(&mut self, kind: EventKind, arrival: &Arrival<'a>) {
        let outcome = match kind {
            EventKind::LateEnd => self.record.outcome(),
            EventKind::Anomaly(_) if arrival.kind == Kind::End => Some(arrival.outcome.into()),
            _ => None,
        };
        let reason = match kind {
            EventKind::Anomaly(anomaly) => Some(Cow::Borrowed(anomaly.as_str())),
            _ => arrival.reason.map(Cow::Borrowed),
        };
        let is_end = arrival.kind == Kind::End;
        self.record.events += 1;
        self.effects.events.push(Event {
            sequence: self.record.events,
            kind,
            definition: self.record.definition.clone(),
            service: arrival.service.clone(),
            checkpoint: Some(arrival.kind),
            category: arrival.category.map(Cow::Borrowed),
            checkpoint_time: Some(arrival.derived),
            start_time: self.record.started,
            end_time: is_end.then_some(arrival.derived),
            span: if arrival.kind == Kind::Start { None } else { self.span_of(arrival) },
            apdex: None,
            outcome,
            reason,
            meta: arrival.meta.map(Cow::Borrowed),
        });
    }

    fn count(&mut self, cell: Cell, by: i64) {
        self.effects.count(&self.record.definition, &self.record.service, cell, by);
    }

    /// The gauge that the present state stands in.
    fn gauge(&self) -> Option<Cell> {
        match self.record.state {
            State::Open => Some(Cell::InOpen),
            State::Implicit => Some(Cell::InImplicit),
            State::Held(_) => Some(Cell::InHeld),
            State::Ended(_) => None,
        }
    }

    fn move_gauge(&mut self, before: Option<Cell>) {
        let after = self.gauge();
        if before != after {
            before.into_iter().for_each(|cell| self.count(cell, -1));
            after.into_iter().for_each(|cell| self.count(cell, 1));
        }
    }
}

fn owned<'a>(text: Box<str>) -> Cow<'a, str> {
    Cow::Owned(text.into())
}
