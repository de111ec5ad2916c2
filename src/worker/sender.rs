//! Drains the queue on its own beat, makes batches, sends them, and holds them
//! while the tracker is away. Every wait is a wait for commands, so that it can
//! always be interrupted.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::hand::Hand;
use super::parcel::Parcel;
use crate::batch::Envelope;
use crate::clock::Now;
use crate::id;
use crate::process::{Command, Process, Shared};
use crate::quiet;
use crate::retry::{Backoff, Fate, fate};
use crate::stats::DropReason;
use crate::token::Token;
use crate::transport::{Reply, Transport};
use crate::wire::limits::ACCEPTANCE_AGE_MS;
use crate::wire::{Answer, Timestamp};

/// With a spool, what was recorded is on disk after this long at most, unless a
/// request is under way.
const SPOOL_BEAT: Duration = Duration::from_millis(100);

/// However much is due, the worker lets go of the processor in between.
const LEAST_WAIT: Duration = Duration::from_millis(50);

pub(super) struct Sender<'a, 'h> {
    shared: &'a Shared,
    process: &'a Process,
    transport: Box<dyn Transport>,
    hand: &'h mut Hand<'a>,
    token: Token<'a>,
    backoff: Backoff,
    /// No attempt before this monotonic time: the tracker is away.
    held_until_ns: Option<u64>,
    body: Vec<u8>,
}

impl<'a, 'h> Sender<'a, 'h> {
    pub(super) fn new(
        shared: &'a Shared,
        process: &'a Process,
        transport: Box<dyn Transport>,
        hand: &'h mut Hand<'a>,
    ) -> Self {
        let config = &shared.config;
        process.flight.offer(transport.interrupt());
        Sender {
            shared,
            process,
            transport,
            hand,
            token: Token::new(process, config.token_file.clone()),
            backoff: Backoff::of(config),
            held_until_ns: None,
            body: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) {
        loop {
            self.turn();
            if self.hand.orders.gone || self.is_finished() {
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
        self.hand.note(command);
    }

    fn patience(&self) -> Duration {
        let now = self.shared.clock.now();
        let wait = match self.held_until_ns {
            Some(until) => Duration::from_nanos(until.saturating_sub(now.mono_ns)),
            None => {
                let wait = self.hand.patience(now);
                let beat = self.hand.heartbeat.due_in(now).unwrap_or(wait);
                wait.min(beat.max(LEAST_WAIT)) // one that cannot be sent now stays due
            }
        };
        let wait = if self.hand.has_spool() { wait.min(SPOOL_BEAT) } else { wait };
        match self.hand.orders.stop_by() {
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
            let is_held = self.is_held(now);
            self.hand.look(now);
            self.hand.fill(now, !is_held);
            self.hand.orders.answer_waiters();
            if self.hand.orders.gone || is_held || self.hand.orders.is_late() {
                return;
            }
            if !self.hand.take_up() {
                break;
            }
            self.attempt(now);
        }
        if self.hand.is_empty() && self.process.queue.len() == 0 {
            self.shared.clock.renew_anchor();
        }
        if self.hand.orders.stop_by().is_some() || self.hand.waiting() > 0 {
            return;
        }
        let now = self.shared.clock.now();
        if self.hand.heartbeat.is_due(now) {
            self.beat(now);
        }
        // One at a time, when none of ours waits, however busy the host is.
        if self.hand.take_up_adopted() {
            self.attempt(now);
        }
    }

    /// A batch of nothing. That it is not answered is no reason for what is
    /// recorded next to wait.
    fn beat(&mut self, now: Now) {
        self.hand.flying = Some(Parcel::default());
        let reply = self.send_giving_way();
        self.hand.flying = None;
        if reply.as_ref().and_then(|reply| read_answer(reply, 0)).is_none() {
            self.hand.heartbeat.miss(now, reply.and_then(|reply| reply.retry_after()));
        }
    }

    /// Sends what was taken up.
    fn attempt(&mut self, now: Now) {
        if !self.hand.expire(now.wall_ms - ACCEPTANCE_AGE_MS) {
            return;
        }
        let is_own = self.hand.flying.as_ref().is_none_or(Parcel::is_own);
        let reply = if is_own { Some(self.send()) } else { self.send_giving_way() };
        let Some(reply) = reply else {
            let parcel = self.hand.flying.take();
            return parcel.into_iter().for_each(|parcel| self.hand.put_back(parcel));
        };
        let fate = fate(&reply);
        let sent = self.hand.flying.as_ref().map_or(0, Parcel::len);
        let answer = if fate == Fate::Settled { read_answer(&reply, sent) } else { None };
        let Some(parcel) = self.hand.flying.take() else { return };
        match (fate, answer) {
            (Fate::Settled, Some(answer)) => self.settle(parcel, &answer),
            (Fate::Settled, None) => self.hold(parcel, &not_an_answer()),
            (Fate::Refused, _) => {
                self.process.log(format!("a batch was refused for good: {}", describe(&reply)));
                self.give_up(parcel, DropReason::Refused);
            }
            (Fate::Halve, _) if sent == 1 => {
                self.process.log("a checkpoint is too large for the tracker");
                self.give_up(parcel, DropReason::TooLarge);
            }
            (Fate::Halve, _) => self.hand.split(parcel),
            (Fate::Hold, _) => self.hold(parcel, &reply),
        }
    }

    /// One attempt; a second one at once if the token was refused and there is
    /// another by now.
    fn send(&mut self) -> Reply {
        let token = self.token.current();
        let reply = self.send_with(token.as_deref());
        if !matches!(reply, Reply::Answer { status: 401, .. }) {
            return reply;
        }
        self.token.doubt();
        match self.token.current() {
            newer if newer == token => reply,
            newer => self.send_with(newer.as_deref()),
        }
    }

    /// What nobody asked for. None if somebody asks for something instead.
    fn send_giving_way(&mut self) -> Option<Reply> {
        let process = self.process;
        process.flight.give_way();
        let reply = process.commands().is_empty().then(|| self.send());
        let is_whole = process.flight.end(|| {
            self.transport.renew();
            self.transport.interrupt()
        });
        match reply {
            Some(Reply::Failed(_)) if !is_whole => None,
            reply => reply,
        }
    }

    fn send_with(&mut self, token: Option<&str>) -> Reply {
        let Some(parcel) = &self.hand.flying else { return not_an_answer() };
        let now = self.shared.clock.now();
        let sent_at = Timestamp::from_millis(now.wall_ms);
        let (stats, config) = (self.process.stats(), &self.shared.config);
        let envelope = match &parcel.origin {
            None => {
                self.hand.heartbeat.put_off(now);
                let count = parcel.len();
                Envelope::own(sent_at, self.process.instance_id, config, &stats, count)
            }
            Some(dead) => Envelope::adopted(sent_at, dead.instance_id, &dead.sdk),
        };
        envelope.write(&parcel.batch, &mut self.body);
        self.process.counters.requests.fetch_add(1, Relaxed);
        let attempt = || self.transport.send(&self.body, token);
        // Should somebody else's code panic in there, it is an attempt that failed,
        // and no loss.
        quiet::catch(attempt).unwrap_or_else(|message| {
            self.transport.renew();
            self.process.flight.offer(self.transport.interrupt());
            Reply::Failed(format!("panicked: {message}"))
        })
    }

    fn settle(&mut self, parcel: Parcel, answer: &Answer) {
        let (sent, rejected) = (parcel.len(), answer.rejected.len());
        let (counters, is_own) = (&self.process.counters, parcel.is_own());
        // First, so that nobody who reads the counters finds it both on disk and
        // acknowledged.
        self.hand.finish(parcel);
        if is_own {
            counters.rejected.fetch_add(rejected as u64, Relaxed);
            counters.acknowledged.fetch_add((sent - rejected) as u64, Relaxed);
            self.hand.let_go(sent);
        } else {
            counters.adopted.fetch_add(sent as u64, Relaxed);
        }
        if let Some(first) = answer.rejected.first() {
            let field = first.field.as_deref().unwrap_or("-");
            self.process.log(format!(
                "{rejected} of {sent} checkpoints rejected; the first: {} ({field}): {}",
                first.code, first.detail
            ));
        }
        self.recovered();
    }

    fn give_up(&mut self, parcel: Parcel, reason: DropReason) {
        self.hand.give_up(parcel, reason);
        self.recovered();
    }

    fn hold(&mut self, parcel: Parcel, reply: &Reply) {
        let wait = self.backoff.failed(id::random(), reply.retry_after());
        self.hold_for(wait);
        self.process.counters.retries.fetch_add(1, Relaxed);
        if self.backoff.failures() == 1 {
            let (endpoint, count) = (&self.shared.config.endpoint, parcel.len());
            let reason = describe(reply);
            self.process.log(format!(
                "{endpoint}: {reason}; {count} checkpoints wait, next attempt in {wait:?}"
            ));
        }
        self.hand.put_back(parcel);
    }

    fn recovered(&mut self) {
        self.held_until_ns = None;
        if !self.backoff.is_recovering() {
            return;
        }
        if self.backoff.failures() > 0 {
            self.process.log(format!("{} answers again", self.shared.config.endpoint));
        }
        let wait = self.backoff.succeeded(id::random(), self.hand.backlog());
        self.hold_for(wait);
    }

    fn hold_for(&mut self, wait: Duration) {
        let now = self.shared.clock.now().mono_ns;
        self.held_until_ns = Some(now.saturating_add(wait.as_nanos() as u64));
    }

    fn is_held(&mut self, now: Now) -> bool {
        // Spreading a backlog is a courtesy to the tracker: whoever waits for a
        // flush comes first.
        let is_waived = self.backoff.failures() == 0 && self.hand.orders.are_urgent();
        let is_held = self.held_until_ns.is_some_and(|until| now.mono_ns < until) && !is_waived;
        if !is_held {
            self.held_until_ns = None;
        }
        is_held
    }

    fn is_finished(&self) -> bool {
        let drained = self.hand.is_empty() && self.process.queue.len() == 0;
        let orders = &self.hand.orders;
        orders.stop_by().is_some() && (drained || orders.is_late())
    }

    /// What could not be sent is left to the next process, or dropped and counted.
    fn leave(&mut self) {
        self.hand.hand_over();
        self.process.stop_worker();
        self.hand.orders.answer_all();
    }
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
