//! The request in flight: who may break it off, and how. Shared by the worker
//! and whoever waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::transport::Interrupt;

#[derive(Default)]
pub(crate) struct Flight(Mutex<State>);

#[derive(Default)]
struct State {
    interrupt: Option<Interrupt>,
    /// Nobody asked for what is in flight: a sign of life, or what a dead process
    /// left. It gives way to whoever asks for something.
    gives_way: bool,
}

impl Flight {
    /// From now on requests are broken off like this.
    pub(crate) fn offer(&self, interrupt: Interrupt) {
        self.lock().interrupt = Some(interrupt);
    }

    /// There will be no more requests.
    pub(crate) fn close(&self) {
        self.lock().interrupt = None;
    }

    /// Breaks off whatever is in flight.
    pub(crate) fn break_off(&self) {
        self.lock().interrupt();
    }

    /// Breaks it off if it gives way. For whoever has just asked for something.
    pub(crate) fn clear_the_way(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.gives_way) {
            state.interrupt();
        }
    }

    /// The next request gives way. Who asked for something before this is found
    /// among the commands; who does later finds the request.
    pub(crate) fn give_way(&self) {
        self.lock().gives_way = true;
    }

    /// It is over. False if it was broken off; then `renew` makes a connection
    /// anew, and says how that is broken off: under the lock, so that nobody
    /// breaks off the new one for the old one's sake.
    pub(crate) fn end(&self, renew: impl FnOnce() -> Interrupt) -> bool {
        let mut state = self.lock();
        let is_whole = std::mem::take(&mut state.gives_way);
        if !is_whole {
            state.interrupt = Some(renew());
        }
        is_whole
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn interrupt(&self) {
        if let Some(interrupt) = &self.interrupt {
            interrupt();
        }
    }
}
