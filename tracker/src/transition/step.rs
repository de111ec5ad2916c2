//! What an edge of the table does to its record, which numbers it moves and
//! what it tells. Which edge is taken is the table's business.

use std::borrow::Cow;

use labkit::wire::{Kind, Outcome};

use super::effects::{Anomaly, Cell, Effects, Event, EventKind, TimeoutReason};
use super::input::Arrival;
use super::record::{End, Ended, Final, Record, Span, State};
use crate::clock::Now;
use crate::limits::WHOLE_MS;

/// One transition of one record under way.
pub(super) struct Step<'s, 'a> {
    pub(super) record: &'s mut Record,
    pub(super) now: Now,
    pub(super) effects: &'s mut Effects<'a>,
}

impl<'a> Step<'_, 'a> {
    /// What every accepted checkpoint does, whatever the state.
    pub(super) fn admit(&mut self, arrival: &Arrival<'a>) {
        self.record.seen.insert(arrival.id);
        self.record.service = arrival.service.clone();
        self.count(Cell::Checkpoint(arrival.kind), 1);
        if arrival.mismatch {
            self.count(Cell::Mismatch, 1);
        }
    }

    pub(super) fn start(&mut self, arrival: &Arrival<'a>, due: i64) {
        self.record.state = State::Open;
        self.record.due = due;
        self.start_known(arrival);
    }

    pub(super) fn start_known(&mut self, arrival: &Arrival<'a>) {
        self.record.started = Some(arrival.derived);
        self.record.owner_instance = arrival.instance;
        self.emit(EventKind::Start, arrival);
    }

    /// An end before its start: over if it knows how long it took, else held.
    pub(super) fn end_without_start(&mut self, arrival: &Arrival<'a>, held_until: i64) {
        match self.span_of(arrival) {
            Some(span) => self.finish(arrival.to_end(), Some(span)),
            None => {
                self.record.state = State::Held(Box::new(arrival.to_end()));
                self.record.due = held_until;
            }
        }
    }

    /// How long it took until `arrival`, by the most trusted clock there is.
    pub(super) fn span_of(&self, arrival: &Arrival<'a>) -> Option<Span> {
        match (arrival.elapsed_us, self.record.started) {
            (Some(us), _) => Some(Span { us, clamped: false, skewed: false }),
            (None, Some(start)) => Some(between(start, arrival.derived)),
            (None, None) => None,
        }
    }

    pub(super) fn finish(&mut self, end: End, span: Option<Span>) {
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

    pub(super) fn declare_timeout(&mut self, reason: TimeoutReason) {
        self.count_end(Final::Timeout);
        self.count(Cell::Timeout(reason), 1);
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
            reason: Some(Cow::Borrowed(reason.as_str())),
            meta: None,
        });
        self.end_as(Ended {
            outcome: Final::Timeout,
            reason: Some(reason.as_str().into()),
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
    pub(super) fn late_end(&mut self, arrival: &Arrival<'a>, mut ended: Ended) {
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

    pub(super) fn anomaly(&mut self, anomaly: Anomaly, arrival: &Arrival<'a>) {
        self.count(Cell::Anomaly(anomaly), 1);
        self.emit(EventKind::Anomaly(anomaly), arrival);
    }

    /// The event of a checkpoint that ends nothing.
    pub(super) fn emit(&mut self, kind: EventKind, arrival: &Arrival<'a>) {
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

    pub(super) fn count(&mut self, cell: Cell, by: i64) {
        self.effects.count(&self.record.definition, &self.record.service, cell, by);
    }

    /// The gauge that the present state stands in.
    pub(super) fn gauge(&self) -> Option<Cell> {
        match self.record.state {
            State::Open => Some(Cell::InOpen),
            State::Implicit => Some(Cell::InImplicit),
            State::Held(_) => Some(Cell::InHeld),
            State::Ended(_) => None,
        }
    }

    pub(super) fn move_gauge(&mut self, before: Option<Cell>) {
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

/// How long it took by two readings of one clock, or of two that agree.
pub(super) fn between(start: i64, end: i64) -> Span {
    let us = (end - start).saturating_mul(1_000);
    Span { us: us.max(0), clamped: us < 0, skewed: false }
}
