//! The part of `std::thread` that the library uses.

use std::io;
use std::time::Duration;

use super::{checker, world};

pub(crate) struct Builder {
    inner: checker::thread::Builder,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder { inner: checker::thread::Builder::new() }
    }

    pub(crate) fn name(self, name: String) -> Self {
        Builder { inner: self.inner.name(name) }
    }

    pub(crate) fn spawn(self, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        checker::thread::yield_now(); // the system takes its time to say no
        if world::refuses_a_thread() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world::started(self.inner.spawn(body)?);
        Ok(())
    }
}

pub(crate) fn park_timeout(_: Duration) {
    checker::thread::yield_now();
}
