//! Time: the wall clock, injected, and the virtual time in which deadlines run.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::limits::{SETTLING_EXTENSION_MS, SETTLING_MOST_MS, SETTLING_MS, TICK_GAP_MS};
use crate::transition::Owner;

/// Where the tracker reads the wall clock; tests turn the hands themselves.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands until it is set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        ManualClock(AtomicI64::new(now_ms))
    }

    /// Moves the hands, forwards or backwards.
    pub fn step(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The moment of an input, in both times, and who is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Virtual time at the last tick: deadlines are compared with it.
    pub v: i64,
    /// The tracker's wall clock: what logs and derived times are written in.
    pub real: i64,
    /// Who started what the input is for, if that was asked.
    pub owner: Owner,
}

/// Virtual time. It advances with the wall clock from tick to tick, and stands
/// still through the tracker's own pauses and clock steps, and while clients
/// deliver what queued up meanwhile. So our own downtime times nobody out.
///
/// A plain value that the store keeps beside the records, so that it survives
/// whatever they survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualTime {
    /// Milliseconds of virtual time; starts at the wall clock's value.
    pub v: i64,
    /// The wall clock at the last tick.
    pub last_tick: i64,
    /// Settling that remains.
    pub settling: i64,
    /// Settling granted since the last pause, to bound the extensions.
    pub granted: i64,
    /// All time during which `v` stood still.
    pub blind: i64,
}

impl VirtualTime {
    /// For an empty store: nothing can be overdue, so nothing has to settle.
    pub fn new(now: i64) -> Self {
        VirtualTime { v: now, last_tick: now, settling: 0, granted: 0, blind: 0 }
    }

    /// The next tick. `late_arrivals` counts the checkpoints older than the
    /// reorder window that came in since the last one.
    pub fn tick(mut self, now: i64, late_arrivals: u64) -> Self {
        let passed = now.saturating_sub(self.last_tick);
        self.last_tick = now;
        if !(0..=TICK_GAP_MS).contains(&passed) {
            self.blind += passed.max(0);
            self.settling = self.settling.max(SETTLING_MS);
            self.granted = self.settling;
            return self;
        }
        if self.settling > 0 {
            let wanted = SETTLING_EXTENSION_MS
                .saturating_mul(i64::try_from(late_arrivals).unwrap_or(i64::MAX));
            let extension = wanted.min(SETTLING_MOST_MS - self.granted);
            self.settling += extension;
            self.granted += extension;
        }
        let still = passed.min(self.settling);
        self.settling -= still;
        self.blind += still;
        self.v += passed - still;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticked(mut time: VirtualTime, by: i64, times: i64) -> VirtualTime {
        for _ in 0..times {
            time = time.tick(time.last_tick + by, 0);
        }
        time
    }

    #[test]
    fn virtual_time_advances_with_real_time_while_the_tracker_ticks() {
        let time = ticked(VirtualTime::new(0), 1_000, 60);
        assert_eq!((time.v, time.blind), (60_000, 0));
    }

    #[test]
    fn a_gap_of_two_seconds_passes_and_one_above_stands_still_and_settles() {
        assert_eq!(VirtualTime::new(0).tick(2_000, 0).v, 2_000);
        let paused = VirtualTime::new(0).tick(2_001, 0);
        assert_eq!((paused.v, paused.blind, paused.settling), (0, 2_001, 120_000));
        let settled = ticked(paused, 1_000, 120);
        assert_eq!((settled.v, settled.settling, settled.blind), (0, 0, 122_001));
        assert_eq!(ticked(settled, 1_000, 1).v, 1_000);
    }

    #[test]
    fn a_step_of_the_clock_in_either_direction_moves_no_deadline() {
        for hour in [3_600_000, -3_600_000] {
            let before = ticked(VirtualTime::new(10_000_000), 100, 10);
            let after = before.tick(before.last_tick + hour, 0);
            assert_eq!(after.v, before.v);
            assert_eq!(after.settling, 120_000);
            assert_eq!(ticked(after, 1_000, 121).v, before.v + 1_000);
        }
    }

    #[test]
    fn old_checkpoints_extend_the_settling_to_ten_minutes_at_most() {
        let paused = VirtualTime::new(0).tick(60_000, 0);
        let once = paused.tick(paused.last_tick, 1);
        assert_eq!(once.settling, 150_000);
        let flood = once.tick(once.last_tick, 1_000_000);
        assert_eq!(flood.settling, 600_000);
        assert_eq!(flood.tick(flood.last_tick, 1).settling, 600_000);
    }

    #[test]
    fn a_pause_while_settling_takes_nothing_away_from_it() {
        let paused = VirtualTime::new(0).tick(60_000, 0);
        let extended = paused.tick(paused.last_tick, 4);
        assert_eq!(extended.settling, 240_000);
        let again = extended.tick(extended.last_tick + 3_000, 0);
        assert_eq!(again.settling, 240_000);
        assert_eq!(again.tick(again.last_tick, 1_000).settling, 600_000, "the bound stays");
    }

    #[test]
    fn old_checkpoints_outside_of_settling_change_nothing() {
        assert_eq!(VirtualTime::new(0).tick(100, 50), VirtualTime::new(0).tick(100, 0));
    }
}
