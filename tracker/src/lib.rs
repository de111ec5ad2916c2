//! The tracker: a small server that keeps the state of every user experience,
//! counts how they end, and notices the ones that never do.
//!
//! ```text
//! HTTP --> auth --> ingest: validate --> transition --> store --> outbox --> log (stdout)
//!                                           ^             \-----> counters --> /metrics/sli
//!                                           |
//!                                        sweep (deadlines in virtual time)
//! ```
//!
//! What it promises: a checkpoint that was answered 2xx has its effect, once;
//! an experience has one outcome, ever; a pause of the tracker times nobody
//! out; nothing a client sends is answered 5xx.
#![forbid(unsafe_code)]

mod admission;
mod apply;
pub mod auth;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboard;
mod definitions;
mod drafts;
pub mod emit;
pub mod history;
pub mod http;
pub mod ingest;
mod instances;
pub mod limits;
pub mod redact;
pub mod rehearsal;
mod reload;
pub mod rules;
mod run;
pub mod stats;
pub mod store;
mod sweep;
pub mod tracker;
pub mod transition;
pub mod types;
pub mod view;

pub use run::{RunError, run};
pub use tracker::{Settings, Tracker};
