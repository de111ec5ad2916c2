//! Where batches go. A transport makes one attempt and reports what came
//! back; what that means is decided by `retry`.

mod http;
mod memory;

use std::time::Duration;

pub(crate) use http::Http;
pub(crate) use memory::{Memory, Outbox};

/// What one attempt brought.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Somebody answered.
    Answer { status: u16, retry_after: Option<Duration>, body: Vec<u8> },
    /// Nobody did, or not in time.
    Failed(String),
}

/// Breaks off an attempt in progress, from another thread, for good.
pub(crate) type Interrupt = Box<dyn Fn() + Send + Sync>;

pub(crate) trait Transport: Send {
    fn send(&mut self, body: &[u8], token: Option<&str>) -> Reply;

    fn interrupt(&self) -> Interrupt;
}
