//! When a process that has nothing to send should show that it lives: without
//! that the tracker could not tell an idle one from one that is gone.

use std::time::Duration;

use crate::clock::Now;

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

    /// Something is sent, so the next one is not due for a whole period.
    pub(super) fn put_off(&mut self, now: Now) {
        self.next_ns = self.every.map(|every| now.mono_ns.saturating_add(every.as_nanos() as u64));
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        self.next_ns.is_some_and(|next| now.mono_ns >= next)
    }
}
