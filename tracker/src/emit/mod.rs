//! What the tracker tells the world: events to the log, counters to Prometheus.

pub(crate) mod delivery;
pub mod exposition;
pub mod log;
pub(crate) mod sdk;
mod text;

pub use text::Exposition;
