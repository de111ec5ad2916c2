//! What the worker holds: the batch that is being filled, those that wait for
//! an answer and, with a spool, a copy of each on disk; and what it was asked.
//! It outlives a panic.
//!
//! Without a spool no more than one full batch waits, and the rest stays in the
//! queue. With one the queue is always drained, and what waits behind the first
//! batch is kept on disk only.

mod copies;
mod orphans;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::heartbeat::Heartbeat;
use super::orders::Orders;
use super::parcel::Parcel;
use crate::batch::{Batch, Encoder, Limits};
use crate::clock::Now;
use crate::process::{Command, Process, Shared};
use crate::spool::Spool;
use crate::stats::DropReason;

pub(in crate::worker) struct Hand<'a> {
    process: &'a Process,
    encoder: Encoder<'a>,
    limits: Limits,
    pub(in crate::worker) orders: Orders,
    /// Here, as a panic is no reason to fall silent.
    pub(in crate::worker) heartbeat: Heartbeat,
    spool: Spool,
    /// The batch that is being filled.
    open: Parcel,
    /// Closed ones, the next one first.
    waiting: VecDeque<Parcel>,
    /// What is just being sent, ours or not.
    pub(in crate::worker) flying: Option<Parcel>,
    /// Of dead processes: read, and not settled yet.
    adopted: VecDeque<Parcel>,
    /// The disk refused the last write.
    is_failing: bool,
}

impl<'a> Hand<'a> {
    pub(in crate::worker) fn new(shared: &'a Shared, process: &'a Process) -> Self {
        let config = &shared.config;
        Hand {
            process,
            encoder: Encoder { registry: &shared.registry, service: &config.service },
            limits: Limits::of(config),
            orders: Orders::default(),
            heartbeat: Heartbeat::new(config.heartbeat()),
            spool: Spool::new(config, process.instance_id, &process.spool_locks),
            open: Parcel::default(),
            waiting: VecDeque::new(),
            flying: None,
            adopted: VecDeque::new(),
            is_failing: false,
        }
    }

    pub(in crate::worker) fn note(&mut self, command: Command) {
        self.orders.note(command, self.process.queue.len() as u64);
    }

    pub(in crate::worker) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    /// Closed batches.
    pub(in crate::worker) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Closed batches that wait, and those that the queue would make.
    pub(in crate::worker) fn backlog(&self) -> usize {
        self.waiting.len() + self.process.queue.len().div_ceil(self.limits.items)
    }

    pub(in crate::worker) fn has_spool(&self) -> bool {
        self.spool.is_on()
    }

    /// How long the open batch may still wait for company.
    pub(in crate::worker) fn patience(&self, now: Now) -> Duration {
        self.open.batch.patience(now.wall_ms, &self.limits).unwrap_or(self.limits.age)
    }

    /// Takes from the queue what there is room for, in memory or on disk, and
    /// closes what is full; if it `may_leave`, also what is due, and then no more
    /// than one batch.
    pub(in crate::worker) fn fill(&mut self, now: Now, may_leave: bool) {
        // Callers who never pause must not keep it from anything else.
        for _ in 0..=self.backlog() {
            let has_room = self.waiting.is_empty() || (self.spool.is_on() && !self.is_failing);
            if !has_room && !self.save() {
                return; // bounded: what is in hand goes first
            }
            let is_drained = self.draw();
            self.save();
            let is_aged = self.patience(now) == Duration::ZERO;
            let is_due = may_leave && (is_aged || self.orders.are_urgent());
            if !self.open.is_empty() && (is_due || self.open.batch.is_full(&self.limits)) {
                self.close();
                if !may_leave {
                    self.sync();
                }
            }
            if is_drained || (may_leave && !self.waiting.is_empty()) {
                return;
            }
        }
    }

    /// Fills the open batch from the queue; true if that is empty now.
    fn draw(&mut self) -> bool {
        let counters = &self.process.counters;
        while !self.open.batch.is_full(&self.limits) {
            let Some(record) = self.process.queue.pop() else { return true };
            self.orders.take();
            counters.in_hand.fetch_add(1, Relaxed);
            let (encoder, mut trimmed) = (&self.encoder, 0);
            self.open.batch.add(record.wall_ms(), |out| trimmed = encoder.encode(&record, out));
            counters.trimmed.fetch_add(trimmed, Relaxed);
        }
        false
    }

    /// The first one stays in memory, to be sent without being read.
    fn close(&mut self) {
        let next = Parcel::own(Batch::like(&self.open.batch));
        let mut parcel = std::mem::replace(&mut self.open, next);
        if !self.waiting.is_empty() {
            parcel.put_down();
        }
        self.waiting.push_back(parcel);
    }

    /// Takes up the next of this process's own batches, reading it back if it was
    /// on disk only; false if there is none, or none can be read now.
    pub(in crate::worker) fn take_up(&mut self) -> bool {
        while let Some(mut parcel) = self.waiting.pop_front() {
            match parcel.pick_up(&self.spool, &self.process.counters.spooled) {
                Ok(gone) => {
                    if gone > 0 {
                        self.process.log(format!("{gone} spooled checkpoints are lost"));
                        self.lose(&parcel, DropReason::SpoolLost, gone);
                    }
                    if !parcel.is_empty() {
                        self.flying = Some(parcel);
                        return true;
                    }
                    self.finish(parcel);
                }
                Err(e) => {
                    self.waiting.push_front(parcel);
                    self.report(Err(e));
                    return false;
                }
            }
        }
        false
    }

    /// The tracker is away: it is the next one again, and has to wait.
    pub(in crate::worker) fn put_back(&mut self, parcel: Parcel) {
        match parcel.is_own() {
            true => self.waiting.push_front(parcel),
            false => self.adopted.push_front(parcel),
        }
        self.sync();
    }

    /// Too large for the tracker: its halves are the next ones.
    pub(in crate::worker) fn split(&mut self, parcel: Parcel) {
        let (first, rest) = parcel.halve(&mut self.spool, &self.process.counters.spooled);
        let queue = if rest.is_own() { &mut self.waiting } else { &mut self.adopted };
        queue.push_front(rest);
        queue.push_front(first);
    }

    /// All of it is answered for, or lost.
    pub(in crate::worker) fn finish(&mut self, parcel: Parcel) {
        parcel.finish(&mut self.spool, &self.process.counters.spooled);
    }

    /// Removes what the tracker would find too old from what is to be sent; false
    /// if that is all of it.
    pub(in crate::worker) fn expire(&mut self, earliest_ms: i64) -> bool {
        let Some(mut parcel) = self.flying.take() else { return false };
        let on_disk = &self.process.counters.spooled;
        let expired = parcel.expire(earliest_ms, &mut self.spool, on_disk);
        self.lose(&parcel, DropReason::Expired, expired);
        match parcel.is_empty() {
            true => self.finish(parcel),
            false => self.flying = Some(parcel),
        }
        self.flying.is_some()
    }

    /// None of it will be sent.
    pub(in crate::worker) fn give_up(&mut self, parcel: Parcel, reason: DropReason) {
        self.lose(&parcel, reason, parcel.len());
        self.finish(parcel);
    }

    /// Accounts for `count` checkpoints of `parcel` that will not be sent.
    pub(in crate::worker) fn lose(&mut self, parcel: &Parcel, reason: DropReason, count: usize) {
        if parcel.is_own() {
            self.process.counters.drop(reason, count as u64);
            self.let_go(count);
        } else {
            self.process.counters.adopted_lost.fetch_add(count as u64, Relaxed);
        }
    }

    /// So many of our own have left, one way or another.
    pub(in crate::worker) fn let_go(&mut self, count: usize) {
        self.orders.settle(count as u64);
        self.process.counters.in_hand.fetch_sub(count as u64, Relaxed);
    }

    /// After a panic. What was just being sent may have been its cause, and is
    /// given up, copy and all; what else was taken from the queue is what the
    /// counter has and the hand has not.
    pub(in crate::worker) fn take_stock(&mut self) -> u64 {
        if let Some(parcel) = self.flying.take() {
            self.finish(parcel);
        }
        let held = self.open.len() + self.waiting.iter().map(Parcel::len).sum::<usize>();
        let lost = self.process.counters.in_hand.swap(held as u64, Relaxed) - held as u64;
        self.orders.settle(lost);
        lost
    }
}
