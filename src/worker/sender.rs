//! Drains the queue on its own beat, makes batches, sends them, and holds them
//! while the tracker is away. Every wait is a wait for commands, so that it can
//! always be interrupted.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender as Done};

use crate::batch::{Batch, Encoder, Envelope, Limits};
use crate::clock::Now;
use crate::id;
use crate::process::{Command, Process, Shared};
use crate::retry::{Backoff, Fate, fate};
use crate::spool::Spool;
use crate::stats::DropReason;
use crate::transport::{Reply, Transport};
use crate::wire::limits::ACCEPTANCE_AGE_MS;
use crate::wire::{Answer, Timestamp};

struct Waiter {
    /// Settled when this many records have left the worker's hands.
    target: u64,
    until: Instant,
    done: Done<()>,
}

struct Stop {
    until: Instant,
    done: Done<()>,
}

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
    taken: u64,
    settled: u64,
    waiters: Vec<Waiter>,
    stop: Option<Stop>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        process: &'a Process,
        transport: Box<dyn Transport>,
    ) -> Self {
        let config = &shared.config;
        let interrupt = transport.interrupt();
        *process.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
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
            backoff: Backoff::new(
                Duration::from_millis(config.backoff_base_ms),
                Duration::from_millis(config.backoff_cap_ms),
            ),
            held_until_ns: None,
            open: Batch::default(),
            closed: VecDeque::new(),
            body: Vec::new(),
            taken: 0,
            settled: 0,
            waiters: Vec::new(),
            stop: None,
        }
    }

    pub(super) fn run(&mut self) {
        while self.listen() {
            self.turn();
            if self.is_finished() {
                self.leave();
                return;
            }
        }
    }

    /// Waits for a command or the next beat; false when the client is gone.
    fn listen(&mut self) -> bool {
        match self.process.commands().recv_timeout(self.patience()) {
            Ok(Command::Wake) | Err(RecvTimeoutError::Timeout) => true,
            Ok(Command::Flush { until, done }) => {
                let target = self.taken + self.process.queue.len() as u64;
                self.waiters.push(Waiter { target, until, done });
                true
            }
            Ok(Command::ShutDown { until, done }) => {
                self.stop = Some(Stop { until, done });
                self.held_until_ns = None; // one more attempt, however long the wait was
                true
            }
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn patience(&self) -> Duration {
        let now = self.shared.clock.now();
        let wait = match self.held_until_ns {
            Some(until) => Duration::from_nanos(until.saturating_sub(now.mono_ns)),
            None => self.open.patience(now.wall_ms, &self.limits).unwrap_or(self.limits.age),
        };
        match &self.stop {
            Some(stop) => wait.min(stop.until.saturating_duration_since(Instant::now())),
            None => wait,
        }
    }

    /// Sends all that is due, until nothing is or the tracker does not answer.
    fn turn(&mut self) {
        self.process.queue.heard();
        loop {
            let now = self.shared.clock.now();
            self.fill(now);
            self.answer_waiters();
            if self.is_held(now) || self.is_late() {
                return;
            }
            match self.closed.pop_front() {
                Some(batch) => self.attempt(batch, now),
                None => break,
            }
        }
        if self.hand_is_empty() && self.process.queue.len() == 0 {
            self.shared.clock.renew_anchor();
            self.send_adopted();
        }
    }

    fn fill(&mut self, now: Now) {
        if !self.closed.is_empty() {
            return; // bounded: what is in hand goes first
        }
        while !self.open.is_full(&self.limits) {
            let Some(record) = self.process.queue.pop() else { break };
            self.taken += 1;
            self.process.counters.in_hand.fetch_add(1, Relaxed);
            let mut trimmed = 0;
            self.open.add(record.wall_ms(), |out| trimmed = self.encoder.encode(&record, out));
            self.process.counters.trimmed.fetch_add(trimmed, Relaxed);
        }
        let hurried = self.stop.is_some() || !self.waiters.is_empty();
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
            Fate::Settled => match read_answer(&reply) {
                Some(answer) => self.settle(&batch, &answer),
                None => self.hold(batch, &Reply::Failed("200, but not a tracker's answer".into())),
            },
            Fate::Refused => {
                self.process.log(format!("a batch was refused for good: {}", describe(&reply)));
                self.drop(DropReason::Refused, batch.len() as u64);
            }
            Fate::Halve if batch.len() == 1 => self.drop(DropReason::TooLarge, 1),
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
        self.transport.send(&self.body, self.process.token().as_deref())
    }

    fn settle(&mut self, batch: &Batch, answer: &Answer) {
        let rejected = (answer.rejected.len() as u64).min(batch.len() as u64);
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
        let now = self.shared.clock.now().mono_ns;
        self.held_until_ns = Some(now.saturating_add(wait.as_nanos() as u64));
        wait
    }

    fn recovered(&mut self) {
        if self.backoff.failures() > 0 {
            self.process.log(format!("{} answers again", self.shared.config.endpoint));
        }
        self.backoff.succeeded();
        self.held_until_ns = None;
    }

    fn drop(&mut self, reason: DropReason, count: u64) {
        self.process.counters.drop(reason, count);
        self.let_go(count);
    }

    fn let_go(&mut self, count: u64) {
        self.settled += count;
        self.process.counters.in_hand.fetch_sub(count, Relaxed);
    }

    fn is_held(&mut self, now: Now) -> bool {
        match self.held_until_ns {
            Some(until) if now.mono_ns < until => true,
            _ => {
                self.held_until_ns = None;
                false
            }
        }
    }

    fn hand_is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    fn answer_waiters(&mut self) {
        let (settled, now) = (self.settled, Instant::now());
        self.waiters.retain(|waiter| {
            if settled >= waiter.target {
                let _ = waiter.done.try_send(()); // nobody listens after the deadline
                return false;
            }
            waiter.until > now
        });
    }

    /// One segment of a dead process, when there is nothing of our own to send.
    fn send_adopted(&mut self) {
        let Some(segment) = self.spool.next() else { return };
        let sent_at = Timestamp::from_millis(self.shared.clock.now().wall_ms);
        let envelope = Envelope::adopted(sent_at, segment.instance_id, &segment.sdk);
        envelope.write(&segment.batch, &mut self.body);
        let reply = self.send_body();
        match fate(&reply) {
            Fate::Settled | Fate::Refused | Fate::Halve => self.spool.finish(segment),
            Fate::Hold => {
                self.back_off(&reply);
                self.spool.put_back(segment);
            }
        }
    }

    fn is_late(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| Instant::now() >= stop.until)
    }

    fn is_finished(&self) -> bool {
        let drained = self.hand_is_empty() && self.process.queue.len() == 0;
        self.stop.is_some() && (drained || self.is_late())
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
        self.answer_waiters();
        if let Some(stop) = self.stop.take() {
            let _ = stop.done.try_send(());
        }
    }
}

fn read_answer(reply: &Reply) -> Option<Answer> {
    match reply {
        Reply::Answer { body, .. } => serde_json::from_slice(body).ok(),
        Reply::Failed(_) => None,
    }
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
