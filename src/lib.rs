//! # labkit
//!
//! Records whether user experiences start, proceed and end, from inside any
//! process, and never harms it.
//!
//! ```text
//! app thread --record--> queue --> worker: batch --> transport ==HTTP==> tracker
//!                                    |  spool           retry
//! ```
//!
//! A *user experience* ("creating a merge request") is defined in a YAML file.
//! One run of it has a `start`, any number of `intermediate` checkpoints and an
//! `end`, perhaps in different processes. Recording costs about a hundred
//! nanoseconds on the caller's thread; one background thread sends batches to
//! the tracker, which notices the runs that never end.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), labkit::Error> {
//! let client = labkit::Client::from_json(
//!     r#"{"endpoint": "http://127.0.0.1:8480", "definitions": "config/user_experience_slis", "type": "web"}"#,
//! )?;
//! let definition = client.definition("create_merge_request")?;
//! let mut experience = client.start(definition, None, None)?;
//! client.checkpoint(&experience, Some("form_posted"), Some(r#"{"project_id": 7}"#))?;
//! client.complete(&mut experience, None)?;
//! client.shutdown(Duration::from_millis(500))?;
//! # Ok(())
//! # }
//! ```
//!
//! What it promises its host: no call blocks, prints or panics because of the
//! tracker, the network or the disk; memory is bounded and every drop counted;
//! a fork child goes on without being told.
//!
//! What it does not do: metrics, traces, logs, sampling, or any arithmetic on
//! outcomes. That is the tracker's.

#![deny(unsafe_code)] // allowed in `ffi` and in `fork`, with a reason for each block

pub mod wire;

pub mod definition;
pub mod experience;

mod client;
mod config;
mod process;
mod queue;

mod batch;
mod retry;
mod spool;
mod token;
mod transport;
mod worker;

mod clock;
mod error;
mod flight;
mod fork;
mod guarded;
mod id;
mod inject;
#[cfg(all(test, model))]
#[path = "../models/src/mod.rs"]
mod models;
mod quiet;
#[cfg(test)]
mod scratch;
mod stats;
mod sync;

pub mod ffi;

pub use client::{Client, Delivery, Observed, Testing};
pub use config::{Config, NonLocalExit, TransportKind};
pub use error::Error;
pub use experience::{Exit, Experience, Inactive};
pub use stats::{DropReason, Stats};
