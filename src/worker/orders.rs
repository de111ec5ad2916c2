//! What callers have asked of the worker. It outlives a panic, so that a
//! shutdown is carried out by the worker's successor and nobody who waits is
//! forgotten.

use std::time::Instant;

use crate::process::Command;
use crate::sync::channel::Sender as Done;

#[derive(Default)]
pub(super) struct Orders {
    /// Records that came into the worker's hands, ever.
    taken: u64,
    /// Those of them that have left it, one way or another.
    settled: u64,
    waiters: Vec<Waiter>,
    stop: Option<Stop>,
    /// The last handle is gone: nobody wants to know any more.
    pub(super) gone: bool,
}

struct Waiter {
    /// Satisfied when this many records are settled.
    target: u64,
    until: Instant,
    done: Done<()>,
}

struct Stop {
    until: Instant,
    done: Done<()>,
}

impl Orders {
    /// Notes what `command` asks for; `waiting` records are in the queue.
    pub(super) fn note(&mut self, command: Command, waiting: u64) {
        match command {
            Command::Wake => {}
            Command::Flush { until, done } => {
                self.waiters.push(Waiter { target: self.taken + waiting, until, done });
            }
            Command::ShutDown { until, done } => self.stop = Some(Stop { until, done }),
            Command::Stop => self.gone = true,
        }
    }

    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    pub(super) fn settle(&mut self, count: u64) {
        self.settled += count;
    }

    /// Whether somebody waits, so that no batch should wait for company.
    pub(super) fn are_urgent(&self) -> bool {
        self.stop.is_some() || !self.waiters.is_empty()
    }

    pub(super) fn stop_by(&self) -> Option<Instant> {
        self.stop.as_ref().map(|stop| stop.until)
    }

    pub(super) fn is_late(&self) -> bool {
        self.stop_by().is_some_and(|until| Instant::now() >= until)
    }

    pub(super) fn answer_waiters(&mut self) {
        let (settled, now) = (self.settled, Instant::now());
        self.waiters.retain(|waiter| {
            if settled >= waiter.target {
                let _ = waiter.done.try_send(()); // nobody listens after the deadline
                return false;
            }
            waiter.until > now
        });
    }

    /// The worker has left; whoever still waits finds out for himself.
    pub(super) fn answer_all(&mut self) {
        let stop = self.stop.take().map(|stop| stop.done);
        for done in self.waiters.drain(..).map(|waiter| waiter.done).chain(stop) {
            let _ = done.try_send(());
        }
    }
}
