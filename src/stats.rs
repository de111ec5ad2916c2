//! The ledger. Whatever was recorded is acknowledged, rejected, queued or
//! dropped for a reason that has a name, and each of these is counted by
//! itself, so that the sum can be wrong and a test can see it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sync::atomic::{Ordering::Acquire, fence};

/// Why a checkpoint was not sent. Each exit of the pipeline names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// As many checkpoints as the queue holds were waiting.
    QueueFull,
    /// As many bytes of long texts as the queue may hold were waiting.
    QueueBytes,
    /// The client was shut down.
    ShutDown,
    /// Too old for the tracker to accept.
    Expired,
    /// The tracker refused the request as a whole, for good.
    Refused,
    /// Alone too large for the tracker.
    TooLarge,
    /// The worker panicked while it held the checkpoint.
    WorkerLost,
    /// The spool was full, and the checkpoint the oldest in it.
    SpoolFull,
    /// It was in the spool, and could not be read again.
    SpoolLost,
}

impl DropReason {
    /// Every reason, in the order of the statistics.
    pub const ALL: [DropReason; 9] = [
        DropReason::QueueFull,
        DropReason::QueueBytes,
        DropReason::ShutDown,
        DropReason::Expired,
        DropReason::Refused,
        DropReason::TooLarge,
        DropReason::WorkerLost,
        DropReason::SpoolFull,
        DropReason::SpoolLost,
    ];

    /// The reason's name on the wire and in statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::QueueFull => "queue_full",
            DropReason::QueueBytes => "queue_bytes",
            DropReason::ShutDown => "shut_down",
            DropReason::Expired => "expired",
            DropReason::Refused => "refused",
            DropReason::TooLarge => "too_large",
            DropReason::WorkerLost => "worker_lost",
            DropReason::SpoolFull => "spool_full",
            DropReason::SpoolLost => "spool_lost",
        }
    }
}

/// The counters behind [`Stats`]. Relaxed: they order nothing.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) recorded: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) rejected: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    /// In the worker's hands, in memory or on disk, and not yet answered for.
    pub(crate) in_hand: AtomicU64,
    /// Those of them that are on disk.
    pub(crate) spooled: AtomicU64,
    /// Of dead processes.
    pub(crate) adopted: AtomicU64,
    pub(crate) adopted_lost: AtomicU64,
    pub(crate) trimmed: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) worker_restarts: AtomicU64,
}

impl Counters {
    pub(crate) fn drop(&self, reason: DropReason, count: u64) {
        self.dropped[reason as usize].fetch_add(count, Relaxed);
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Relaxed)
    }

    /// A reading; `waiting` is the length of the queue. What was recorded is read
    /// last: what is just on its way from one count to the next is then missing
    /// from the sum, and nothing stands in for it.
    pub(crate) fn read(&self, waiting: u64) -> Stats {
        let stats = Stats {
            recorded: 0,
            acknowledged: self.acknowledged.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            queued: waiting + self.in_hand.load(Relaxed),
            dropped: DropReason::ALL.map(|reason| self.dropped(reason)),
            trimmed: self.trimmed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            worker_restarts: self.worker_restarts.load(Relaxed),
            spooled: self.spooled.load(Relaxed),
            adopted: self.adopted.load(Relaxed),
            adopted_lost: self.adopted_lost.load(Relaxed),
        };
        fence(Acquire);
        Stats { recorded: self.recorded.load(Relaxed), ..stats }
    }
}

/// What happened to everything that was recorded in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Checkpoints recorded, whatever became of them.
    pub recorded: u64,
    /// Checkpoints that the tracker has, the duplicates of retries included.
    pub acknowledged: u64,
    /// Checkpoints that the tracker refused, one by one.
    pub rejected: u64,
    /// Checkpoints that wait, are in flight, or lie in the spool.
    pub queued: u64,
    /// Checkpoints lost, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Parts of checkpoints (keys of meta, categories) that were left out
    /// because they were wrong; the checkpoints themselves went on.
    pub trimmed: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that have to be repeated.
    pub retries: u64,
    /// Times the worker panicked and was started again.
    pub worker_restarts: u64,
    /// Of those queued, the ones that are on disk: they survive a kill.
    pub spooled: u64,
    /// Checkpoints of dead processes that were found in the spool and sent.
    /// They are in none of the counts above.
    pub adopted: u64,
    /// Checkpoints of dead processes that were lost: damaged, too old, refused,
    /// or beyond the quota; a segment that cannot be read counts as one.
    pub adopted_lost: u64,
}

impl Stats {
    /// All drops together.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// The drops that happened, by the reason's name.
    pub fn dropped_by_name(&self) -> BTreeMap<&'static str, u64> {
        let named = DropReason::ALL.iter().map(|reason| reason.as_str());
        named.zip(self.dropped).filter(|(_, count)| *count > 0).collect()
    }

    /// Whether nothing is unaccounted for; exact while no call is in progress.
    pub fn balances(&self) -> bool {
        let settled = self.acknowledged + self.rejected + self.dropped_total();
        self.recorded == settled + self.queued
    }
}
