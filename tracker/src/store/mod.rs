//! Where records live. A store never decides: it hands out a versioned record
//! and takes back a new one with everything that follows from it, in one step,
//! if the version still stands. So every store has the same life cycle.

mod embedded;
mod line;
mod memory;
mod redis;
mod rows;

#[cfg(test)]
mod contract;
#[cfg(test)]
#[path = "../../tests/support/redis_server.rs"]
mod redis_server;
#[cfg(test)]
mod sample;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use embedded::{Embedded, OpenError};
pub use line::Line;
pub use memory::Memory;

pub use self::redis::{
    Ack, Options as RedisOptions, Redis, RedisOpenError, Settings as RedisSettings,
};

use crate::clock::VirtualTime;
use crate::transition::{Cell, Counts, Identity, Series, Stored};

/// What a store's call gives back; boxed, so that a tracker can hold any store.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Which state of a record a change was computed from. 0: none was there. A
/// version is never used twice under one identity, even after forgetting.
pub type Version = u64;

/// A record as it was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What the change must expect.
    pub version: Version,
    /// Virtual time at the last tick of its shard.
    pub v: i64,
    /// The record, if there is one.
    pub stored: Option<Stored>,
}

/// One experience's change: applied whole, or refused whole.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which experience.
    pub identity: Identity,
    /// The version it was computed from.
    pub expected: Version,
    /// The new record, due when it says; `None` forgets it.
    pub next: Option<Stored>,
    /// Counters that move with it.
    pub counts: Vec<Counts>,
    /// Lines for the event log, in order.
    pub lines: Vec<Line>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is applied.
    Done,
    /// The version no longer stands: load and compute again.
    Conflict,
}

/// Why a store did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The event log does not keep up.
    OutboxFull,
    /// Others changed the same experience each time.
    Contended,
    /// It cannot be read or written now. Why is for the operator: it says that
    /// in the tracker's own log, and not to clients.
    Unavailable,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreError::OutboxFull => {
                "the event log does not keep up: too many lines wait to be written to stdout"
            }
            StoreError::Contended => "too many writers change the same experience",
            StoreError::Unavailable => {
                "the store cannot be read or written now; the tracker's own log says why"
            }
        })
    }
}

impl std::error::Error for StoreError {}

/// A series and its numbers, each at its [`Cell::index`].
pub type Row = (Series, [i64; Cell::COUNT]);

/// A line of the outbox, and how to say that it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Where it stands.
    pub position: Position,
    /// The line, without its end.
    pub line: Line,
}

/// A place in the outbox: the shard, and a number that rises within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Position {
    pub shard: usize,
    pub number: u64,
}

/// Which unfinished experiences are wanted. It owns what it compares with, as
/// a store may have to search on another thread.
pub type Filter = Box<dyn Fn(&Identity, &Stored) -> bool + Send>;

/// The contract of every store; `store/contract.rs` tests each of them by it.
pub trait Store: Send + Sync {
    /// The records of `identities`, in their order.
    fn load<'a>(&'a self, identities: &'a [Identity]) -> Reply<'a, Vec<Loaded>>;

    /// Applies each change in one atomic step of its own, or refuses it as a
    /// conflict. On an error any number of them may be applied: whoever sends
    /// them again finds their ids seen.
    fn commit(&self, changes: Vec<Change>) -> Reply<'_, Vec<Commit>>;

    /// Advances virtual time to `now` and is the first write of every sweep:
    /// a store that refuses it refuses ingest, too, and so time stands still.
    fn tick(&self, now: i64, late_arrivals: u64) -> Reply<'_, VirtualTime>;

    /// Identities due at the last tick, the earliest first, at most `limit`.
    fn due(&self, limit: usize) -> Reply<'_, Vec<Identity>>;

    /// Every series that ever moved.
    fn counters(&self) -> Reply<'_, Vec<Row>>;

    /// By definition, when the oldest unfinished experience began.
    fn oldest(&self) -> Reply<'_, Vec<(Arc<str>, i64)>>;

    /// Unfinished experiences that pass `filter`, the oldest first, at most `limit`.
    fn list(&self, filter: Filter, limit: usize) -> Reply<'_, Vec<(Identity, Stored)>>;

    /// Lines to deliver, the oldest first; the same ones again until they are
    /// settled.
    fn outbox(&self, limit: usize) -> Reply<'_, Vec<Pending>>;

    /// Forgets lines that were delivered.
    fn settle<'a>(&'a self, delivered: &'a [Pending]) -> Reply<'a, ()>;

    /// Lines that wait.
    fn backlog(&self) -> Reply<'_, usize>;
}
