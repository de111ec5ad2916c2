//! Drains the queue on its own beat, makes batches, sends them, and holds them
//! while the tracker is away. Every wait is a wait for commands, so that it can
//! always be interrupted.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::orders::Orders;
use crate::batch::{Batch, Encoder, Envelope, Limits};
use crate::clock::Now;
use crate::id;
use crate::process::{Command, Process, Shared};
use crate::quiet;
use crate::retry::{Backoff, Fate, fate};
use crate::spool::{Segment, Spool};
use crate::stats::DropReason;
use crate::transport::{Reply, Transport};
use crate::wire::limits::ACCEPTANCE_AGE_MS;
use crate::wire::{Answer, Timestamp};

pub(super) struct Sender<'a> {
    shared: &'a Shared,
    process: &'a Process,
    encoder: Encoder<'a>,
    limits: Limits,
    transport: Box<dyn Transport>,
    spool: Spool,
    backoff: Backoff,
    /// No attempt before this monotonic time: the tracker is away.
    held_until_ns: Option<u64>,
    /// The batch that is being filled.
    open: Batch,
    /// Batches to be sent, the first one next; more than one only after a 413.
    closed: VecDeque<Batch>,
    body: Vec<u8>,
    orders: &'a mut Orders,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        process: &'a Process,
        transport: Box<dyn Transport>,
        orders: &'a mut Orders,
    ) -> Self {
        let config = &shared.config;
        offer_interrupt(process, transport.as_ref());
        Sender {
            shared,
            process,
            encoder: Encoder { registry: &shared.registry, service: &config.service },
            limits: Limits {
                items: config.batch_items,
                bytes: config.batch_bytes,
                age: config.batch_age(),
            },
            transport,
            spool: Spool::new(config.spool_dir.as_deref(), process.instance_id),
            backoff: Backoff::of(config),
            held_until_ns: None,
            open: Batch::default(),
            closed: VecDeque::new(),
            body: Vec::new(),
            orders,
        }
    }

    pub(super) fn run(&mut self) {
        loop {
            self.turn();
            if self.orders.gone {
                return;
            }
            if self.is_finished() {
                return self.leave();
            }
            if let Ok(command) = self.process.commands().recv_timeout(self.patience()) {
                self.obey(command);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        if matches!(command, Command::ShutDown { .. }) {
            self.held_until_ns = None; // one more attempt, however long the wait was
        }
        self.orders.note(command, self.process.queue.len() as u64);
    }

    fn patience(&self) -> Duration {
        let now = self.shared.clock.now();
        let wait = match self.held_until_ns {
            Some(until) => Duration::from_nanos(until.saturating_sub(now.mono_ns)),
            None => self.open.patience(now.wall_ms, &self.limits).unwrap_or(self.limits.age),
        };
        match self.orders.stop_by() {
            Some(until) => wait.min(until.saturating_duration_since(Instant::now())),
            None => wait,
        }
    }

    /// Sends all that is due, until nothing is or the tracker does not answer.
    pub(super) fn turn(&mut self) {
        loop {
            // Also in between: callers who never pause must not shut out one who waits.
            while let Ok(command) = self.process.commands().try_recv() {
                self.obey(command);
            }
            let now = self.shared.clock.now();
            self.fill(now);
            self.orders.answer_waiters();
            if self.orders.gone || self.is_held(now) || self.orders.is_late() {
                return;
            }
            match self.closed.pop_front() {
                Some(batch) => self.attempt(batch, now),
                None => break,
            }
        }
        // Only now, as the queue is drained: while the tracker is away, a crowd
        // in it is no reason to call again with every record.
        self.process.queue.heard();
        if self.hand_is_empty() && self.process.queue.len() == 0 {
            self.shared.clock.renew_anchor();
            if self.orders.stop_by().is_none() {
                self.send_adopted();
            }
        }
    }

    fn fill(&mut self, now: Now) {
        if !self.closed.is_empty() {
            return; // bounded: what is in hand goes first
        }
        while !self.open.is_full(&self.limits) {
            let Some(record) = self.process.queue.pop() else { break };
            self.orders.take();
            self.process.counters.in_hand.fetch_add(1, Relaxed);
            let mut trimmed = 0;
            self.open.add(record.wall_ms(), |out| trimmed = self.encoder.encode(&record, out));
            self.process.counters.trimmed.fetch_add(trimmed, Relaxed);
        }
        let hurried = self.orders.are_urgent();
        let aged = self.open.patience(now.wall_ms, &self.limits) == Some(Duration::ZERO);
        if !self.open.is_empty() && (hurried || aged || self.open.is_full(&self.limits)) {
            self.closed.push_back(std::mem::take(&mut self.open));
        }
    }

    fn attempt(&mut self, mut batch: Batch, now: Now) {
        let expired = batch.expire(now.wall_ms - ACCEPTANCE_AGE_MS) as u64;
        self.drop(DropReason::Expired, expired);
        if batch.is_empty() {
            return;
        }
        let stats = self.process.stats();
        let sent_at = Timestamp::from_millis(now.wall_ms);
        let sdk = &self.shared.config.sdk;
        Envelope::own(sent_at, self.process.instance_id, sdk, &stats).write(&batch, &mut self.body);
        let reply = self.send_body();
        match fate(&reply) {
            Fate::Settled => match read_answer(&reply, batch.len()) {
                Some(answer) => self.settle(&batch, &answer),
                None => self.hold(batch, &not_an_answer()),
            },
            Fate::Refused => {
                self.process.log(format!("a batch was refused for good: {}", describe(&reply)));
                self.drop(DropReason::Refused, batch.len() as u64);
                self.recovered();
            }
            Fate::Halve if batch.len() == 1 => {
                self.process.log("a checkpoint is too large for the tracker");
                self.drop(DropReason::TooLarge, 1);
                self.recovered();
            }
            Fate::Halve => {
                let (first, rest) = batch.halve();
                self.closed.push_front(rest);
                self.closed.push_front(first);
            }
            Fate::Hold => self.hold(batch, &reply),
        }
    }

    fn send_body(&mut self) -> Reply {
        self.process.counters.requests.fetch_add(1, Relaxed);
        let token = self.process.token();
        let attempt = || self.transport.send(&self.body, token.as_deref());
        // The HTTP client panics where the host may start no more threads, as it
        // looks names up in one: an attempt that failed, and no loss.
        quiet::catch(attempt).unwrap_or_else(|message| {
            self.transport.renew();
            offer_interrupt(self.process, self.transport.as_ref());
            Reply::Failed(format!("panicked: {message}"))
        })
    }

    fn settle(&mut self, batch: &Batch, answer: &Answer) {
        let rejected = answer.rejected.len() as u64;
        self.process.counters.rejected.fetch_add(rejected, Relaxed);
        self.process.counters.acknowledged.fetch_add(batch.len() as u64 - rejected, Relaxed);
        self.let_go(batch.len() as u64);
        if let Some(first) = answer.rejected.first() {
            let field = first.field.as_deref().unwrap_or("-");
            self.process.log(format!(
                "{rejected} of {} checkpoints rejected; the first: {} ({field}): {}",
                batch.len(),
                first.code,
                first.detail
            ));
        }
        self.recovered();
    }

    fn hold(&mut self, batch: Batch, reply: &Reply) {
        let wait = self.back_off(reply);
        let (count, reason) = (batch.len(), describe(reply));
        self.closed.push_front(batch);
        self.process.counters.retries.fetch_add(1, Relaxed);
        if self.backoff.failures() == 1 {
            let endpoint = &self.shared.config.endpoint;
            self.process.log(format!(
                "{endpoint}: {reason}; {count} checkpoints wait, next attempt in {wait:?}"
            ));
        }
    }

    fn back_off(&mut self, reply: &Reply) -> Duration {
        let retry_after = match reply {
            Reply::Answer { retry_after, .. } => *retry_after,
            Reply::Failed(_) => None,
        };
        let wait = self.backoff.failed(id::random(), retry_after);
        self.hold_for(wait);
        wait
    }

    fn recovered(&mut self) {
        self.held_until_ns = None;
        if !self.backoff.is_recovering() {
            return;
        }
        if self.backoff.failures() > 0 {
            self.process.log(format!("{} answers again", self.shared.config.endpoint));
        }
        let backlog = self.closed.len() + self.process.queue.len().div_ceil(self.limits.items);
        let wait = self.backoff.succeeded(id::random(), backlog);
        self.hold_for(wait);
    }

    fn hold_for(&mut self, wait: Duration) {
        let now = self.shared.clock.now().mono_ns;
        self.held_until_ns = Some(now.saturating_add(wait.as_nanos() as u64));
    }

    fn drop(&mut self, reason: DropReason, count: u64) {
        self.process.counters.drop(reason, count);
        self.let_go(count);
    }

    fn let_go(&mut self, count: u64) {
        self.orders.settle(count);
        self.process.counters.in_hand.fetch_sub(count, Relaxed);
    }

    fn is_held(&mut self, now: Now) -> bool {
        // Spreading a backlog is a courtesy to the tracker: whoever waits for a
        // flush comes first.
        let is_waived = self.backoff.failures() == 0 && self.orders.are_urgent();
        let is_held = self.held_until_ns.is_some_and(|until| now.mono_ns < until) && !is_waived;
        if !is_held {
            self.held_until_ns = None;
        }
        is_held
    }

    fn hand_is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// One segment of a dead process, when there is nothing of our own to send.
    fn send_adopted(&mut self) {
        let Some(segment) = self.spool.next() else { return };
        let sent_at = Timestamp::from_millis(self.shared.clock.now().wall_ms);
        let envelope = Envelope::adopted(sent_at, segment.instance_id, &segment.sdk);
        envelope.write(&segment.batch, &mut self.body);
        let reply = self.send_body();
        match fate(&reply) {
            Fate::Settled => match read_answer(&reply, segment.batch.len()) {
                Some(_) => {
                    self.spool.finish(segment);
                    self.recovered();
                }
                None => self.put_back(segment, &not_an_answer()),
            },
            Fate::Halve if segment.batch.len() > 1 => self.spool.split(segment),
            Fate::Refused | Fate::Halve => {
                let (count, reason) = (segment.batch.len(), describe(&reply));
                self.process.log(format!("{count} spooled checkpoints were refused: {reason}"));
                self.spool.finish(segment);
                self.recovered();
            }
            Fate::Hold => self.put_back(segment, &reply),
        }
    }

    fn put_back(&mut self, segment: Segment, reply: &Reply) {
        self.back_off(reply);
        self.spool.put_back(segment);
    }

    fn is_finished(&self) -> bool {
        let drained = self.hand_is_empty() && self.process.queue.len() == 0;
        self.orders.stop_by().is_some() && (drained || self.orders.is_late())
    }

    /// What could not be sent goes to the spool, or is dropped and counted.
    fn leave(&mut self) {
        loop {
            let now = self.shared.clock.now();
            self.fill(now);
            let Some(batch) = self.closed.pop_front() else { break };
            let count = batch.len() as u64;
            match self.spool.store(&batch, &self.shared.config.sdk) {
                Ok(true) => {
                    self.process.counters.spooled.fetch_add(count, Relaxed);
                    self.let_go(count);
                }
                Ok(false) => self.drop(DropReason::ShutDown, count),
                Err(e) => {
                    self.process.log(format!("the spool refused {count} checkpoints: {e}"));
                    self.drop(DropReason::ShutDown, count);
                }
            }
        }
        self.process.stop_worker();
        self.orders.answer_all();
    }
}

fn offer_interrupt(process: &Process, transport: &dyn Transport) {
    let interrupt = transport.interrupt();
    *process.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
}

/// The tracker's answer, if it accounts for each of the `count` checkpoints
/// sent: a login page's 200, or a sum that is wrong, acknowledges nothing.
fn read_answer(reply: &Reply, count: usize) -> Option<Answer> {
    let Reply::Answer { body, .. } = reply else { return None };
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let took_effect = answer.accepted.checked_add(answer.duplicate)?;
    let sum = took_effect.checked_add(answer.rejected.len() as u64)?;
    (sum == count as u64).then_some(answer)
}

fn not_an_answer() -> Reply {
    Reply::Failed("200, but not a tracker's answer".into())
}

/// For the log: what came back, in one line.
fn describe(reply: &Reply) -> String {
    const TEXT_BYTES: usize = 200;
    match reply {
        Reply::Failed(reason) => reason.clone(),
        Reply::Answer { status, body, .. } => {
            let text = String::from_utf8_lossy(&body[..body.len().min(TEXT_BYTES)]);
            format!("status {status} {}", text.escape_debug())
        }
    }
}
