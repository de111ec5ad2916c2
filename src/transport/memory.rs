//! A transport that goes nowhere: batches are taken apart again and kept for
//! the test that asks for them. All before it is the real path.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Interrupt, Reply, Transport};
use crate::wire::Body;

/// What would have been sent: one checkpoint's JSON per line.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<String>>);

impl Outbox {
    /// Gives away the lines if `accept` likes their total size.
    pub(crate) fn take_if(&self, accept: impl FnOnce(&str) -> bool) -> Option<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accept(&lines).then(|| std::mem::take(&mut *lines))
    }

    fn add(&self, checkpoints: &[&serde_json::value::RawValue]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for checkpoint in checkpoints {
            lines.push_str(checkpoint.get());
            lines.push('\n');
        }
    }
}

pub(crate) struct Memory {
    outbox: Outbox,
}

impl Memory {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Memory { outbox }
    }
}

impl Transport for Memory {
    fn send(&mut self, body: &[u8], _token: Option<&str>) -> Reply {
        let text = String::from_utf8_lossy(body);
        let Ok(Body::Batch(batch)) = Body::parse(&text) else {
            return Reply::Answer { status: 400, retry_after: None, body: Vec::new() };
        };
        self.outbox.add(&batch.checkpoints);
        let answer =
            crate::wire::Answer { accepted: batch.checkpoints.len() as u64, ..Default::default() };
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        Reply::Answer { status: 200, retry_after: None, body }
    }

    fn interrupt(&self) -> Interrupt {
        Box::new(|| {})
    }

    fn renew(&mut self) {}
}
