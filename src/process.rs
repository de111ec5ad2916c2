//! What the callers' threads and the worker share. What survives a fork as it
//! is lies in `Shared`; everything with a lock, a thread, an identity or a count
//! lies in `Process`, which a fork child makes anew, leaking the old.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use crate::clock::{Clock, Now};
use crate::config::Config;
use crate::definition::Registry;
use crate::error::Error;
use crate::experience;
use crate::flight::Flight;
use crate::fork::ForkLocal;
use crate::id::Ids;
use crate::queue::{Pushed, Queue, Record};
use crate::spool::Locks;
use crate::stats::{Counters, DropReason, Stats};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::sync::channel::{Receiver, Sender, unbounded};
use crate::transport::{Outbox, Route};
use crate::wire::CheckpointId;

const NOT_STARTED: u8 = 0;
const STARTING: u8 = 1;
const RUNNING: u8 = 2;
/// Shut down, for good: nobody drains the queue any more.
const STOPPED: u8 = 3;
/// A host at its thread limit is not asked again with every record.
const SPAWN_RETRY_NS: u64 = 1_000_000_000;
/// Messages kept for the host to pull; the oldest go first.
const LOG_LINES: usize = 64;
/// Of each; what a server or a file says is no reason to hold more.
const LOG_LINE_BYTES: usize = 512;

/// What a caller's thread asks of the worker.
pub(crate) enum Command {
    /// The queue is filling up.
    Wake,
    /// Tell when all that was recorded before is settled.
    Flush { until: Instant, done: Sender<()> },
    /// Send what is there, until the deadline, then stop.
    ShutDown { until: Instant, done: Sender<()> },
    /// Stop at once: the last handle is gone.
    Stop,
}

/// One client, whatever process it is in.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) route: Route,
    closed: AtomicBool,
    process: ForkLocal<Process>,
}

impl Shared {
    pub(crate) fn new(config: Config, registry: Registry) -> Result<Self, Error> {
        let route = Route::new(&config)?;
        let clock = Clock::new();
        let process = ForkLocal::new(Process::new(&config, clock.now()));
        Ok(Shared { config, registry, clock, route, closed: AtomicBool::new(false), process })
    }

    /// This process's part; a fork child makes its own here.
    #[inline]
    pub(crate) fn process(&self) -> &Process {
        self.process.get(|parent| Process::inherit(parent, &self.config, self.clock.now()))
    }

    /// This process's part, unless it would have to be made first.
    pub(crate) fn process_if_made(&self) -> Option<&Process> {
        self.process.peek()
    }

    /// From now on nothing is queued; true if that is news.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Counts and queues one record.
    #[inline]
    pub(crate) fn push(&self, process: &Process, record: Record) -> Result<(), DropReason> {
        process.counters.recorded.fetch_add(1, Ordering::Relaxed);
        let pushed = match self.is_closed() {
            true => Err(DropReason::ShutDown),
            false => process.queue.push(record),
        };
        match pushed {
            Ok(Pushed::Quietly) => {}
            Ok(Pushed::WakeWorker) => process.command(Command::Wake),
            Err(reason) => {
                process.counters.drop(reason, 1);
                return Err(reason);
            }
        }
        Ok(())
    }
}

pub(crate) struct Process {
    pub(crate) instance_id: CheckpointId,
    pub(crate) ids: Ids,
    pub(crate) queue: Queue,
    pub(crate) counters: Counters,
    pub(crate) outbox: Outbox,
    /// Of spool folders; a fork child lets go of its parent's.
    pub(crate) spool_locks: Arc<Locks>,
    pub(crate) flight: Flight,
    token: RwLock<Option<Arc<str>>>,
    log: Mutex<VecDeque<String>>,
    commands: (Sender<Command>, Receiver<Command>),
    worker: AtomicU8,
    next_spawn_ns: AtomicU64,
}

impl Process {
    pub(crate) fn new(config: &Config, now: Now) -> Self {
        let ids = Ids::new();
        Process {
            instance_id: CheckpointId(ids.next(now.wall_ms)),
            ids,
            queue: Queue::new(config.queue_items, config.queue_bytes),
            counters: Counters::default(),
            outbox: Outbox::default(),
            spool_locks: Arc::default(),
            flight: Flight::default(),
            token: RwLock::new(config.token.as_deref().filter(|t| !t.is_empty()).map(Arc::from)),
            log: Mutex::default(),
            commands: unbounded(),
            worker: AtomicU8::new(NOT_STARTED),
            next_spawn_ns: AtomicU64::new(0),
        }
    }

    /// For a fork child. Of the parent's state only the token matters; if a
    /// thread that was not copied holds its lock, the configured one serves.
    pub(crate) fn inherit(parent: &Process, config: &Config, now: Now) -> Self {
        let child = Process::new(config, now);
        if let Ok(token) = parent.token.try_read() {
            child.set_token(token.clone());
        }
        parent.spool_locks.close_inherited();
        child
    }

    /// Whether there is a worker. After a push, this and `stop_worker` agree
    /// on who sees the record: both are sequentially consistent, as the
    /// queue's ends are, so that one of the two comes second.
    #[inline]
    pub(crate) fn has_worker(&self) -> bool {
        self.worker.load(Ordering::SeqCst) == RUNNING
    }

    /// Whether a command will be heard: also before a worker that another
    /// thread is just starting.
    pub(crate) fn expects_worker(&self) -> bool {
        matches!(self.worker.load(Ordering::SeqCst), STARTING | RUNNING)
    }

    /// Starts the worker by `spawn`, unless there is one, or none could be
    /// started just now. After a shutdown it drops what came too late.
    #[cold]
    pub(crate) fn start_worker(&self, now: Now, spawn: impl FnOnce() -> io::Result<()>) {
        if self.worker.load(Ordering::SeqCst) == STOPPED {
            return self.drop_queue();
        }
        if now.mono_ns < self.next_spawn_ns.load(Ordering::Relaxed) {
            return;
        }
        if !self.becomes(NOT_STARTED, STARTING) {
            return;
        }
        match spawn() {
            // Unless the new worker has been told to stop already, and has.
            Ok(()) => _ = self.becomes(STARTING, RUNNING),
            Err(e) => {
                self.next_spawn_ns.store(now.mono_ns + SPAWN_RETRY_NS, Ordering::Relaxed);
                self.log(format!("the worker thread could not be started: {e}"));
                self.answer_in_its_place();
            }
        }
    }

    /// For the worker that could not be started. Whoever waits for a flush finds
    /// out by himself what is settled; who waits for a shutdown gets it here.
    fn answer_in_its_place(&self) {
        loop {
            while let Ok(command) = self.commands().try_recv() {
                if let Command::ShutDown { done, .. } = command {
                    self.stop_worker();
                    let _ = done.try_send(());
                    return;
                }
            }
            self.worker.store(NOT_STARTED, Ordering::SeqCst);
            // Until then others asked a worker that seemed to be coming.
            if self.commands().is_empty() || !self.becomes(NOT_STARTED, STARTING) {
                return;
            }
        }
    }

    fn becomes(&self, from: u8, to: u8) -> bool {
        self.worker.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// The worker has left, after a shutdown. What is still in the queue came
    /// in between and is dropped.
    pub(crate) fn stop_worker(&self) {
        self.worker.store(STOPPED, Ordering::SeqCst);
        self.flight.close();
        self.drop_queue();
        // Whoever still waits for an answer to one of them waits in vain.
        while self.commands().try_recv().is_ok() {}
    }

    /// Does that in place of a worker that was never started; true if it was not.
    pub(crate) fn stop_without_worker(&self) -> bool {
        let is_ours = self.becomes(NOT_STARTED, STOPPED);
        if is_ours {
            self.drop_queue();
        }
        is_ours
    }

    fn drop_queue(&self) {
        while self.queue.pop().is_some() {
            self.counters.drop(DropReason::ShutDown, 1);
        }
    }

    pub(crate) fn command(&self, command: Command) {
        // The receiver lives as long as the sender: both are ours.
        let _ = self.commands.0.send(command);
    }

    pub(crate) fn commands(&self) -> &Receiver<Command> {
        &self.commands.1
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.read(self.queue.len() as u64)
    }

    pub(crate) fn set_token(&self, token: Option<Arc<str>>) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    pub(crate) fn token(&self) -> Option<Arc<str>> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps one line for the host. Some of it comes from servers and files:
    /// it is cut, and stays one line.
    pub(crate) fn log(&self, line: impl AsRef<str>) {
        let line = experience::cut(line.as_ref(), LOG_LINE_BYTES).replace(char::is_control, " ");
        let mut lines = self.lines();
        if lines.len() == LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The messages since the last call, if `accept` likes their total size.
    pub(crate) fn drain_log(&self, accept: impl FnOnce(usize) -> bool) -> Option<String> {
        let mut lines = self.lines();
        let bytes = lines.iter().map(|line| line.len() + 1).sum();
        accept(bytes).then(|| lines.drain(..).flat_map(|line| [line, "\n".into()]).collect())
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
