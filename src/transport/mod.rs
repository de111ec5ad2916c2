//! Where batches go. A transport makes one attempt and reports what came
//! back; what that means is decided by `retry`.

mod dial;
mod http;
mod memory;
mod socket;

use std::time::Duration;

use http::Http;
use memory::Memory;
pub(crate) use memory::Outbox;

use crate::config::{Config, TransportKind};
use crate::error::Error;

/// What one attempt brought.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Somebody answered.
    Answer { status: u16, retry_after: Option<Duration>, body: Vec<u8> },
    /// Nobody did, or not in time.
    Failed(String),
}

impl Reply {
    /// When to come back, if somebody said so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Reply::Answer { retry_after, .. } => *retry_after,
            Reply::Failed(_) => None,
        }
    }
}

/// Breaks off an attempt in progress, from another thread, for good.
pub(crate) type Interrupt = Box<dyn Fn() + Send + Sync>;

pub(crate) trait Transport: Send {
    fn send(&mut self, body: &[u8], token: Option<&str>) -> Reply;

    fn interrupt(&self) -> Interrupt;

    /// Starts over, after a panic in `send`: its locks may be poisoned.
    fn renew(&mut self);
}

/// Where transports lead. All that can fail is done when it is made, on the
/// thread of whoever made the client: the worker, its successor after a panic
/// and the one of a fork child read no file.
pub(crate) enum Route {
    Http(Box<http::Settings>),
    Memory,
}

impl Route {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(match config.transport {
            TransportKind::Http => Route::Http(Box::new(http::Settings::new(config)?)),
            TransportKind::Memory => Route::Memory,
        })
    }

    /// A fresh transport: it shares no connection with any other.
    pub(crate) fn open(&self, outbox: &Outbox) -> Box<dyn Transport> {
        match self {
            Route::Http(settings) => Box::new(Http::new(settings)),
            Route::Memory => Box::new(Memory::new(outbox.clone())),
        }
    }
}
