//! The one clock of a client: wall time that cannot step, and monotonic time
//! that runs through suspend, both from a single reading.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use nix::time::{ClockId, clock_gettime};

#[cfg(target_os = "linux")]
const MONOTONIC: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const MONOTONIC: ClockId = ClockId::CLOCK_MONOTONIC;

const NANOS_PER_MILLI: i64 = 1_000_000;
/// The manual clock is off; no real time is this early.
const OFF: i64 = i64::MIN;

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Milliseconds since the Unix epoch.
    pub(crate) wall_ms: i64,
    /// Nanoseconds since some fixed point of this machine's life.
    pub(crate) mono_ns: u64,
}

/// Wall time is monotonic time plus an anchor. The two times that the tracker
/// subtracts from each other thus never see a step of the system's clock;
/// the anchor moves only while nothing is queued.
pub(crate) struct Clock {
    anchor_ns: AtomicI64,
    manual_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = Clock { anchor_ns: AtomicI64::new(0), manual_ms: AtomicI64::new(OFF) };
        clock.renew_anchor();
        clock
    }

    /// Takes the system's wall time as the truth again.
    pub(crate) fn renew_anchor(&self) {
        self.anchor_ns.store(nanos(ClockId::CLOCK_REALTIME) - nanos(MONOTONIC), Relaxed);
    }

    /// Stops the clock at `wall_ms`; it moves only by further calls.
    pub(crate) fn set(&self, wall_ms: i64) {
        self.manual_ms.store(wall_ms.max(0), Relaxed);
    }

    #[inline]
    pub(crate) fn now(&self) -> Now {
        let manual = self.manual_ms.load(Relaxed);
        if manual != OFF {
            let mono_ns = (manual as u64).saturating_mul(NANOS_PER_MILLI as u64);
            return Now { wall_ms: manual, mono_ns };
        }
        let mono = nanos(MONOTONIC);
        let wall = mono + self.anchor_ns.load(Relaxed);
        Now { wall_ms: wall.div_euclid(NANOS_PER_MILLI), mono_ns: mono as u64 }
    }
}

/// These clocks exist on every kernel we run on, so the call cannot fail; if
/// it did, a reading of zero harms nobody's process.
#[inline]
fn nanos(clock: ClockId) -> i64 {
    match clock_gettime(clock) {
        Ok(time) => time.tv_sec() * 1_000_000_000 + time.tv_nsec(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_only_when_told() {
        let clock = Clock::new();
        clock.set(1_000);
        assert_eq!(clock.now(), Now { wall_ms: 1_000, mono_ns: 1_000_000_000 });
        clock.set(2_500);
        assert_eq!(clock.now().mono_ns, 2_500_000_000);
    }

    #[test]
    fn the_running_clock_agrees_with_the_systems() {
        let system = nanos(ClockId::CLOCK_REALTIME) / NANOS_PER_MILLI;
        let ours = Clock::new().now().wall_ms;
        assert!((ours - system).abs() < 1_000, "{ours} {system}");
    }
}
