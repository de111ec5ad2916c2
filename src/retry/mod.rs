//! What an answer means for the batch, and how long to wait before the next
//! attempt. Pure: randomness and time are arguments.

#[cfg(test)]
mod herd;
#[cfg(test)]
mod properties;

use std::time::Duration;

use crate::config::Config;
use crate::transport::Reply;

/// The fate of a batch after one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The tracker has dealt with every item.
    Settled,
    /// It never will: drop the batch and count it.
    Refused,
    /// Send it again in two halves.
    Halve,
    /// Keep it and try again later.
    Hold,
}

/// A proxy's 404 or 500 during a deploy, a timeout, a refused credential: all
/// pass. Only the answers that name our own mistake are final.
pub(crate) fn fate(reply: &Reply) -> Fate {
    match reply {
        Reply::Answer { status: 200, .. } => Fate::Settled,
        Reply::Answer { status: 413, .. } => Fate::Halve,
        Reply::Answer { status: 400 | 415 | 422, .. } => Fate::Refused,
        Reply::Answer { .. } | Reply::Failed(_) => Fate::Hold,
    }
}

/// Between two batches of what piled up during an outage, on average: ten a
/// second empty a full queue in four, and five hundred clients that do so stay
/// below twice their usual rate (see `herd`).
const PACE: Duration = Duration::from_millis(100);

/// Exponential backoff with full jitter: anywhere between nothing and the
/// doubled bound, so that clients that failed together do not return together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    /// Batches that piled up during an outage and have not been sent.
    backlog: usize,
}

impl Backoff {
    pub(crate) fn of(config: &Config) -> Self {
        let [base, cap] = [config.backoff_base_ms, config.backoff_cap_ms];
        Backoff::new(Duration::from_millis(base), Duration::from_millis(cap))
    }

    fn new(base: Duration, cap: Duration) -> Self {
        Backoff { base, cap, failures: 0, backlog: 0 }
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the next success ends an outage, or is one of those after it.
    pub(crate) fn is_recovering(&self) -> bool {
        self.failures > 0 || self.backlog > 0
    }

    /// The wait after one more failure. `random` is uniform; `retry_after` is
    /// the tracker's own wish, kept in full, with jitter only on top of it.
    pub(crate) fn failed(&mut self, random: u64, retry_after: Option<Duration>) -> Duration {
        let jitter = share(self.bound(), random);
        self.failures = self.failures.saturating_add(1);
        jitter.saturating_add(retry_after.unwrap_or_default())
    }

    /// The wait after a success. The first one after an outage has shown that
    /// the tracker is back; the `backlog` batches behind it wait once more, as
    /// long as after a failure, and then go at a pace. What comes in meanwhile
    /// does not count: a host that records faster than that is not held back
    /// for longer.
    pub(crate) fn succeeded(&mut self, random: u64, backlog: usize) -> Duration {
        if self.failures > 0 {
            let spread = share(self.bound(), random);
            (self.failures, self.backlog) = (0, backlog);
            return spread;
        }
        match self.backlog.checked_sub(1) {
            None => Duration::ZERO,
            Some(left) => {
                self.backlog = left;
                share(2 * PACE, random)
            }
        }
    }

    fn bound(&self) -> Duration {
        let doubled = self.base.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        doubled.min(self.cap)
    }
}

/// Between nothing and the whole, of which five centuries are the most that
/// counts. In integers: as a fraction, the longest waits would overflow.
fn share(whole: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let part = u128::from(nanos) * u128::from(random) / u128::from(u64::MAX);
    Duration::from_nanos(part as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbtest::arbtest;

    const BASE: Duration = Duration::from_millis(500);
    const CAP: Duration = Duration::from_secs(60);

    #[test]
    fn only_answers_that_name_our_mistake_are_final() {
        for (status, fate_of_it) in [
            (200, Fate::Settled),
            (400, Fate::Refused),
            (415, Fate::Refused),
            (422, Fate::Refused),
            (413, Fate::Halve),
            (401, Fate::Hold),
            (403, Fate::Hold),
            (404, Fate::Hold),
            (408, Fate::Hold),
            (429, Fate::Hold),
            (500, Fate::Hold),
            (503, Fate::Hold),
            (204, Fate::Hold),
            (302, Fate::Hold),
        ] {
            let reply = Reply::Answer { status, retry_after: None, body: Vec::new() };
            assert_eq!(fate(&reply), fate_of_it, "{status}");
        }
        assert_eq!(fate(&Reply::Failed("reset".into())), Fate::Hold);
    }

    #[test]
    fn a_wait_lies_within_the_doubled_bound_and_the_cap() {
        arbtest(|u| {
            let failures = u.int_in_range(0..=200)?;
            let mut backoff = Backoff { failures, ..Backoff::new(BASE, CAP) };
            let wait = backoff.failed(u.arbitrary()?, None);
            assert!(wait <= CAP);
            assert!(wait.as_secs_f64() <= 0.5 * 2f64.powi(failures as i32) + 1e-6);
            Ok(())
        });
    }

    #[test]
    fn the_trackers_wish_is_never_undercut() {
        arbtest(|u| {
            let wish = Duration::from_secs(u.int_in_range(0..=10_000)?);
            assert!(Backoff::new(BASE, CAP).failed(u.arbitrary()?, Some(wish)) >= wish);
            Ok(())
        });
    }

    #[test]
    fn success_starts_over() {
        let mut backoff = Backoff::new(BASE, CAP);
        for _ in 0..10 {
            backoff.failed(u64::MAX, None);
        }
        backoff.succeeded(0, 0);
        assert_eq!(backoff.failed(u64::MAX, None), BASE);
    }

    #[test]
    fn what_piled_up_waits_once_more_and_then_goes_at_a_pace() {
        let mut backoff = Backoff::new(BASE, CAP);
        backoff.failed(u64::MAX, None);
        assert_eq!(backoff.succeeded(u64::MAX, 2), 2 * BASE);
        assert_eq!(backoff.succeeded(u64::MAX, 9), 2 * PACE);
        assert_eq!(backoff.succeeded(u64::MAX, 9), 2 * PACE);
        assert_eq!(backoff.succeeded(u64::MAX, 9), Duration::ZERO);
        assert!(!backoff.is_recovering());
    }
}
