//! ULIDs that stay unique over threads and forks: a random base drawn from the
//! kernel once per process, and a counter. Generators in user space repeat
//! themselves in a fork child, and the tracker would take the child's
//! checkpoints for duplicates.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// 48 bits of milliseconds stand above 80 bits of randomness.
const TIME_SHIFT: u32 = 80;
const TIME_MASK: u64 = (1 << 48) - 1;

/// One process's generator; two processes meet with a chance of about
/// 2^-79 per id and millisecond.
pub(crate) struct Ids {
    high: AtomicU64,
    low: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let [high, low] = [random(), random()];
        // The top bit stays free, so that the counter never wraps.
        Ids { high: AtomicU64::new(high & 0xffff), low: AtomicU64::new(low >> 1) }
    }

    /// Makes what follows predictable, for tests.
    pub(crate) fn seed(&self, seed: u64) {
        self.high.store(0, Relaxed);
        self.low.store(seed, Relaxed);
    }

    /// The bits of a fresh ULID; those of one millisecond ascend.
    #[inline]
    pub(crate) fn next(&self, wall_ms: i64) -> u128 {
        let time = wall_ms.max(0) as u64 & TIME_MASK;
        let low = self.low.fetch_add(1, Relaxed);
        u128::from(time) << TIME_SHIFT | u128::from(self.high.load(Relaxed)) << 64 | u128::from(low)
    }
}

/// Sixty-four bits from the kernel. Where it has none to give (never, on a
/// booted machine), the address of a stack variable and the time have to do:
/// a weaker id harms nobody, a panic would.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let here = 0u8;
        let time = crate::clock::Clock::new().now().mono_ns;
        (std::ptr::from_ref(&here).addr() as u64).rotate_left(32)
            ^ time
            ^ u64::from(std::process::id())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_millisecond_differ_and_ascend() {
        let ids = Ids::new();
        let first = ids.next(5);
        let second = ids.next(5);
        assert!(second > first);
        assert_eq!((first >> TIME_SHIFT, second >> TIME_SHIFT), (5, 5));
    }

    #[test]
    fn two_generators_share_nothing() {
        assert_ne!(Ids::new().next(5), Ids::new().next(5));
    }

    #[test]
    fn a_seeded_generator_repeats() {
        let ids = Ids::new();
        ids.seed(7);
        assert_eq!(ids.next(1), 1 << TIME_SHIFT | 7);
    }
}
