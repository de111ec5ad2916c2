//! What travels between the library and the tracker: one vocabulary, read and
//! written by both sides from this module. Nothing here does I/O or reads a
//! clock.

mod body;
mod checkpoint;
mod correlation;
mod fields;
pub mod limits;
mod meta;
mod plain;
mod rejection;
mod sender;
mod time;

pub use body::{Answer, Batch, Body, BodyError, Rejected};
pub(crate) use checkpoint::digest128;
pub use checkpoint::{Checkpoint, CheckpointId, Kind, Outcome};
pub use correlation::CorrelationId;
pub(crate) use fields::is_name;
pub use meta::{Meta, RESERVED_KEYS, write_object};
pub use plain::Plain;
pub use rejection::{Code, Rejection};
pub use sender::{Sdk, Sender};
pub use time::Timestamp;
