//! A token bucket: how much one credential may send.
//!
//! It is counted in checkpoints, as these are the work, but a request is let in
//! whole while anything is left and charged afterwards, as nobody knows its
//! size before it is read. What was overdrawn has to be waited for. Whoever was
//! cut off has sent nothing meanwhile, so the bucket is full when the backlog
//! comes; and who has to wait is told exactly how long.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Limits, THROTTLE_MOST_MS};

/// What one credential may still send.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Checkpoints a millisecond.
    rate: f64,
    burst: f64,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    /// Below zero: overdrawn.
    left: f64,
    at_ms: i64,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(limits: &Limits, now_ms: i64) -> Self {
        let burst = f64::from(limits.credential_burst);
        let level = Mutex::new(Level { left: burst, at_ms: now_ms });
        Bucket { rate: f64::from(limits.credential_rate) / 1e3, burst, level }
    }

    /// How long to wait before a request is let in; `None`: not at all.
    pub(crate) fn wait(&self, now_ms: i64) -> Option<Duration> {
        let left = self.update(now_ms, 0.0);
        // A whole one, or a slow bucket would let everything in a little at a time.
        let short = 1.0_f64.min(self.burst) - left;
        (short > 0.0).then(|| Duration::from_millis((short / self.rate).ceil() as u64))
    }

    /// Takes what a request turned out to be. What was let in at the same time
    /// may overdraw, to no more than the longest wait.
    pub(crate) fn charge(&self, now_ms: i64, checkpoints: u64) {
        self.update(now_ms, checkpoints as f64);
    }

    pub(crate) fn is_full(&self, now_ms: i64) -> bool {
        self.update(now_ms, 0.0) >= self.burst
    }

    fn update(&self, now_ms: i64, taken: f64) -> f64 {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that is set back gives nothing, and takes nothing.
        let passed = (now_ms - level.at_ms).max(0) as f64;
        level.at_ms = now_ms;
        let lowest = 1.0 - self.rate * THROTTLE_MOST_MS as f64;
        level.left = ((level.left + passed * self.rate).min(self.burst) - taken).max(lowest);
        level.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(rate: u32, burst: u32) -> Bucket {
        let limits = Limits { credential_rate: rate, credential_burst: burst, ..Limits::default() };
        Bucket::new(&limits, 0)
    }

    #[test]
    fn whoever_sends_too_much_is_told_exactly_how_long_to_wait() {
        let bucket = bucket(100, 1_000);
        bucket.charge(0, 1_500);
        let wait = bucket.wait(0).unwrap();
        assert_eq!(wait, Duration::from_millis(5_010), "500 overdrawn, and one to go on with");
        assert!(bucket.wait(5_009).is_some());
        assert_eq!(bucket.wait(5_010), None);
    }

    #[test]
    fn a_backlog_that_grew_while_nothing_could_be_sent_comes_in_at_once() {
        let bucket = bucket(100, 6_000);
        bucket.charge(0, 6_000);
        // A minute's outage, at the full rate: 6,000 in batches of 500.
        for batch in 0..12 {
            assert_eq!(bucket.wait(60_000), None, "batch {batch}");
            bucket.charge(60_000, 500);
        }
        assert!(bucket.wait(60_000).is_some());
    }

    #[test]
    fn a_longer_backlog_comes_in_at_the_rate_and_no_slower() {
        let (bucket, mut now, mut sent) = (bucket(100, 1_000), 0, 0);
        while sent < 20_000 {
            now += bucket.wait(now).map_or(0, |wait| wait.as_millis() as i64);
            bucket.charge(now, 500);
            sent += 500;
        }
        // The first 1,500 at once, and each of the others as it is earned.
        assert!((180_000..=190_500).contains(&now), "{now}");
    }

    #[test]
    fn no_wait_is_longer_than_a_minute_whatever_came_in_at_once() {
        let bucket = bucket(10, 10);
        for _ in 0..2_000 {
            bucket.charge(0, 500);
        }
        assert_eq!(bucket.wait(0), Some(Duration::from_millis(THROTTLE_MOST_MS as u64)));
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_and_takes_nothing() {
        let bucket = bucket(100, 100);
        bucket.charge(1_000_000, 101);
        assert!(bucket.wait(1_000_000).is_some());
        assert!(bucket.wait(0).is_some());
        assert_eq!(bucket.wait(20), None);
    }
}
