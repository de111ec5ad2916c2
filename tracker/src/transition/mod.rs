//! The life cycle of an experience as one pure function. The only place that
//! decides anything; whatever stores, sweeps or answers asks here.
//!
//! It does no I/O and reads no clock: what was, what came and when are its
//! arguments, and what is and what follows from it are its results.

mod effects;
mod input;
mod instance;
mod record;
mod step;
mod table;

#[cfg(test)]
mod cells;
#[cfg(test)]
mod everywhere;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod world;

pub use effects::{
    Anomaly, Cell, Counts, DURATION_BOUNDS, Effects, Event, EventKind, SdkCell, Series,
    TimeoutReason,
};
pub use input::{Arrival, Input, Owner};
pub use instance::{DROP_REASONS, Heard, INSTANCES, Instance, OF_INSTANCES, Report, hear};
pub use record::{
    Definition, End, Ended, Final, Identity, Record, Seen, Span, State, Stored, Tombstone,
};
pub use table::{Disposition, transition};
