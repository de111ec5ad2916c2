//! What a test may do to a client with the memory transport: fix its clock
//! and its ids, and take what would have been sent.

use std::time::Duration;

use super::Client;
use crate::error::Error;
use crate::wire::Timestamp;

/// Nothing but the worker's own pace is waited for here.
const TAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Controls of a test; see [`Client::testing`].
pub struct Testing<'a> {
    pub(super) client: &'a Client,
}

impl Testing<'_> {
    /// Stops the clock at `time`. It moves only by further calls; elapsed
    /// times follow it.
    pub fn set_clock(&self, time: Timestamp) {
        self.client.shared().clock.set(time.as_millis());
    }

    /// From now on, id number n (from 0) is the ULID of the clock's time and
    /// `seed + n`. Checkpoints and fresh correlation ids share the numbers;
    /// a start takes its correlation id first.
    pub fn seed_ids(&self, seed: u64) {
        self.client.shared().process().ids.seed(seed);
    }

    /// What would have been sent since the last call: one checkpoint's JSON
    /// per line, in order.
    pub fn take(&self) -> Result<String, Error> {
        self.take_if(|_| true).map(Option::unwrap_or_default)
    }

    /// As [`Testing::take`], unless `accept` dislikes the size: then nothing is taken.
    pub(crate) fn take_if(
        &self,
        accept: impl FnOnce(usize) -> bool,
    ) -> Result<Option<String>, Error> {
        self.client.flush(TAKE_TIMEOUT)?;
        let outbox = &self.client.shared().process().outbox;
        Ok(outbox.take_if(|lines| accept(lines.len())))
    }
}
