//! When a process that has nothing to send should show that it lives: without
//! that the tracker could not tell an idle one from one that is gone.

use std::time::Duration;

use crate::clock::Now;

/// One that was not answered is tried again after this part of a period: the
/// tracker takes a process for gone that misses two.
const AGAIN: u32 = 4;

pub(super) struct Heartbeat {
    every: Option<Duration>,
    /// Monotonic time of the next one. None is due before the first batch:
    /// a process that records nothing is of no interest to anybody.
    next_ns: Option<u64>,
}

impl Heartbeat {
    pub(super) fn new(every: Option<Duration>) -> Self {
        Heartbeat { every, next_ns: None }
    }

    /// Something was sent, so the next one is not due for a whole period.
    pub(super) fn put_off(&mut self, now: Now) {
        self.next_ns = self.every.map(|every| after(now, every));
    }

    /// It was not answered. The tracker may have said when to come back.
    pub(super) fn miss(&mut self, now: Now, retry_after: Option<Duration>) {
        let wait = |every: Duration| (every / AGAIN).max(retry_after.unwrap_or_default());
        self.next_ns = self.every.map(|every| after(now, wait(every)));
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        self.due_in(now).is_some_and(|wait| wait.is_zero())
    }

    /// How long until the next one; `None` if none is to come.
    pub(super) fn due_in(&self, now: Now) -> Option<Duration> {
        self.next_ns.map(|next| Duration::from_nanos(next.saturating_sub(now.mono_ns)))
    }
}

fn after(now: Now, wait: Duration) -> u64 {
    now.mono_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}
