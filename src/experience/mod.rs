//! The life cycle of one experience as a plain value: it holds no pointer and
//! no lock, costs nothing to copy or to forget, and means the same in a fork
//! child. Every field is an integer, so that any bytes at all are a valid
//! value; what they make no sense as is simply not active.

mod carrier;

pub(crate) use carrier::write as write_carrier;
pub use carrier::{Carried, Carrier};

use crate::clock::Now;
use crate::wire::limits::REASON_BYTES;
use crate::wire::{CorrelationId, Kind, Outcome, Timestamp};

const ACTIVE: u8 = 1;
const OVER: u8 = 2;
/// `started_ms` of an experience whose start nobody told us.
const UNKNOWN: i64 = i64::MIN;

/// One experience. Made by a client, kept by the caller, one thread at a time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Experience {
    correlation: [u64; 2],
    started_ms: i64,
    started_mono_ns: u64,
    /// Generation of the process that started or resumed it.
    generation: u64,
    definition: u32,
    reason_len: u16,
    phase: u8,
    outcome: u8,
    correlation_is_hex: u8,
    /// Whether `started_mono_ns` means anything.
    has_mono: u8,
    reserved: [u8; 6],
    reason: [u8; REASON_BYTES],
}

/// Why a call on an experience had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inactive {
    /// It never started.
    NotStarted,
    /// It has ended already.
    Over,
}

/// How a block of code that held an experience was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By reaching its end.
    Normal,
    /// By an exception or a panic.
    Error,
    /// By `throw`, `break` or `return` past the block's end.
    NonLocal,
    /// By the cancellation of the task that ran it.
    Cancelled,
    /// With the process or the goroutine: nobody is left to say how it ended.
    Abandoned,
    /// By another start of the same definition in the same context.
    Restarted,
}

/// What a checkpoint says about its experience's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) kind: Kind,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) started_ms: Option<i64>,
    pub(crate) elapsed_ns: Option<u64>,
}

impl Experience {
    /// An experience that never started; every call on it is a no-op.
    pub const fn inert() -> Self {
        Experience {
            correlation: [0; 2],
            started_ms: UNKNOWN,
            started_mono_ns: 0,
            generation: 0,
            definition: 0,
            reason_len: 0,
            phase: 0,
            outcome: 0,
            correlation_is_hex: 0,
            has_mono: 0,
            reserved: [0; 6],
            reason: [0; REASON_BYTES],
        }
    }

    pub(crate) fn start(
        definition: u32,
        correlation: CorrelationId,
        now: Now,
        generation: u64,
    ) -> (Self, Moment) {
        let mut experience = Self::active(definition, correlation, generation);
        experience.started_ms = now.wall_ms;
        experience.started_mono_ns = now.mono_ns;
        experience.has_mono = 1;
        let moment =
            Moment { kind: Kind::Start, outcome: None, started_ms: None, elapsed_ns: None };
        (experience, moment)
    }

    pub(crate) fn resume(definition: u32, carried: Carried, generation: u64) -> (Self, Moment) {
        let mut experience = Self::active(definition, carried.correlation_id, generation);
        experience.started_ms = carried.start_time.map_or(UNKNOWN, Timestamp::as_millis);
        let moment = experience.moment(Kind::Intermediate);
        (experience, moment)
    }

    fn active(definition: u32, correlation: CorrelationId, generation: u64) -> Self {
        let (bits, hex) = correlation.to_parts();
        Experience {
            correlation: [(bits >> 64) as u64, bits as u64],
            correlation_is_hex: u8::from(hex),
            generation,
            definition,
            phase: ACTIVE,
            ..Self::inert()
        }
    }

    pub(crate) fn intermediate(&self) -> Result<Moment, Inactive> {
        self.ensure_active()?;
        Ok(self.moment(Kind::Intermediate))
    }

    /// Marks how it will end; the end itself carries it. An error outranks an
    /// expected end: a later `handled` does not excuse it.
    pub(crate) fn mark(&mut self, outcome: Outcome, reason: &str) -> Result<(), Inactive> {
        self.ensure_active()?;
        if self.outcome() == Outcome::Error && outcome == Outcome::Handled {
            return Ok(());
        }
        self.outcome = code(outcome);
        let reason = cut(reason, REASON_BYTES);
        self.reason_len = reason.len() as u16;
        self.reason[..reason.len()].copy_from_slice(reason.as_bytes());
        Ok(())
    }

    pub(crate) fn end(&mut self, now: Now, generation: u64) -> Result<Moment, Inactive> {
        self.ensure_active()?;
        self.phase = OVER;
        let mut moment = self.moment(Kind::End);
        moment.outcome = Some(self.outcome());
        if self.has_mono == 1 && self.generation == generation {
            moment.elapsed_ns = Some(now.mono_ns.saturating_sub(self.started_mono_ns));
        }
        Ok(moment)
    }

    fn moment(&self, kind: Kind) -> Moment {
        let started_ms = (self.started_ms != UNKNOWN).then_some(self.started_ms);
        Moment { kind, outcome: None, started_ms, elapsed_ns: None }
    }

    fn ensure_active(&self) -> Result<(), Inactive> {
        match self.phase {
            ACTIVE => Ok(()),
            OVER => Err(Inactive::Over),
            _ => Err(Inactive::NotStarted),
        }
    }

    /// Whether it has started and not ended.
    pub fn is_active(&self) -> bool {
        self.phase == ACTIVE
    }

    /// Whether another process entered it: a fork child says nothing about
    /// a block of its parent's.
    pub(crate) fn is_inherited(&self, generation: u64) -> bool {
        self.generation != generation
    }

    /// How it has been marked to end.
    pub fn outcome(&self) -> Outcome {
        match self.outcome {
            1 => Outcome::Error,
            2 => Outcome::Handled,
            3 => Outcome::Discarded,
            _ => Outcome::Success,
        }
    }

    /// Why, where it is not a success; at most 256 bytes.
    pub fn reason(&self) -> &str {
        let end = usize::from(self.reason_len).min(REASON_BYTES);
        std::str::from_utf8(&self.reason[..end]).unwrap_or_default()
    }

    /// The unique identifier of this experience.
    pub fn correlation_id(&self) -> CorrelationId {
        let bits = u128::from(self.correlation[0]) << 64 | u128::from(self.correlation[1]);
        CorrelationId::from_parts(bits, self.correlation_is_hex == 1)
    }

    /// When it started, if that is known here.
    pub fn started_at(&self) -> Option<Timestamp> {
        (self.started_ms != UNKNOWN).then(|| Timestamp::from_millis(self.started_ms))
    }

    /// Index of its definition in the client that made it.
    pub fn definition(&self) -> u32 {
        self.definition
    }
}

fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Error => 1,
        Outcome::Handled => 2,
        Outcome::Discarded => 3,
    }
}

/// The longest beginning of `text` that fits, whole characters only.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { wall_ms: 1_000, mono_ns: 5_000 };
    const LATER: Now = Now { wall_ms: 3_000, mono_ns: 9_000 };

    fn started() -> Experience {
        Experience::start(3, CorrelationId::from_ulid(7), NOW, 1).0
    }

    #[test]
    fn an_end_carries_outcome_start_and_elapsed_time() {
        let mut xp = started();
        xp.mark(Outcome::Error, "boom").unwrap();
        let end = xp.end(LATER, 1).unwrap();
        assert_eq!(end.outcome, Some(Outcome::Error));
        assert_eq!((end.started_ms, end.elapsed_ns), (Some(1_000), Some(4_000)));
        assert_eq!(xp.reason(), "boom");
    }

    #[test]
    fn a_second_end_and_anything_on_an_inert_one_are_no_ops() {
        let mut xp = started();
        xp.end(LATER, 1).unwrap();
        assert_eq!(xp.end(LATER, 1), Err(Inactive::Over));
        assert_eq!(xp.intermediate(), Err(Inactive::Over));
        assert_eq!(Experience::inert().end(LATER, 1), Err(Inactive::NotStarted));
    }

    #[test]
    fn another_process_gives_no_monotonic_time() {
        assert_eq!(started().end(LATER, 2).unwrap().elapsed_ns, None);
    }

    #[test]
    fn an_error_is_not_excused_by_a_later_handled() {
        let mut xp = started();
        xp.mark(Outcome::Error, "boom").unwrap();
        xp.mark(Outcome::Handled, "fine").unwrap();
        assert_eq!((xp.outcome(), xp.reason()), (Outcome::Error, "boom"));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut xp = started();
        xp.mark(Outcome::Handled, &"ü".repeat(200)).unwrap();
        assert_eq!(xp.reason(), "ü".repeat(128));
        xp.mark(Outcome::Handled, &format!("x{}", "ü".repeat(200))).unwrap();
        assert_eq!(xp.reason().len(), 255);
    }
}
