//! One Redis, Valkey or cluster of them, for any number of trackers.
//!
//! ```text
//! experience --digest--> shard (one hash tag, so one slot) --> keys of that shard, one script a step
//! request: load, one pipeline a shard --> transition --> commit, one pipeline a shard --> answer
//! ```
//!
//! Each experience changes by one script, whole or not at all, and only if it
//! still is what the change was computed from; so it does not matter who else
//! writes, or whether a change is sent twice. Shards have virtual times of
//! their own, which advance together: no shard's time passes while another one
//! takes nothing in.
//!
//! Whatever Redis answers instead of doing what it was asked is one refusal,
//! [`StoreError::Unavailable`]; why is in the tracker's own log.

mod fault;
mod fitness;
mod link;
mod list;
mod names;
mod read;
mod record;
mod scripts;
mod settings;
mod shards;
mod ticks;
mod write;

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

pub use fault::RedisOpenError;
pub use settings::{Ack, Options, Settings};

use self::fault::Fault;
use self::link::Link;
use self::names::Names;
use self::scripts::Scripts;
use self::shards::{SHARDS, Shard};
use super::{Change, Commit, Filter, Loaded, Pending, Reply, Row, Store, StoreError};
use crate::clock::VirtualTime;
use crate::transition::{Identity, Stored};

/// The Redis store.
pub struct Redis {
    link: Link,
    shards: Vec<Shard>,
    scripts: Scripts,
    names: Names,
    /// Lines that wait in each shard, when last heard of.
    waiting: [AtomicUsize; SHARDS],
    outbox_lines: usize,
    /// Who delivers the log.
    reader: String,
    /// Makes numbers that nobody else makes.
    random: RandomState,
    drawn: AtomicU64,
    /// How many there were: each clears the next page of tombstones.
    ticks: AtomicU64,
    /// So that an outage is said once, not with every request.
    failing: AtomicBool,
}

impl Redis {
    /// The store in that Redis; if it is empty, its virtual time begins at
    /// `now`. So many log lines may wait in it.
    pub async fn open(
        settings: Settings,
        now: i64,
        outbox_lines: usize,
    ) -> Result<Self, RedisOpenError> {
        let explained = |fault: Fault| RedisOpenError::new(&settings, &fault);
        let store = Self::connect(settings.clone(), outbox_lines).await.map_err(explained)?;
        store.begin(now).await.map_err(explained)?;
        Ok(store)
    }

    async fn connect(settings: Settings, outbox_lines: usize) -> Result<Self, Fault> {
        let random = RandomState::new();
        let reader = settings.reader.clone();
        Ok(Redis {
            link: Link::new(settings).await?,
            shards: Shard::all(),
            scripts: Scripts::new(),
            names: Names::default(),
            waiting: Default::default(),
            outbox_lines,
            reader: reader.unwrap_or_else(|| format!("{:016x}", random.hash_one("reader"))),
            random,
            drawn: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        })
    }

    /// A number that no tracker has drawn before: a keyed hash of a count,
    /// under a key that the system drew for this process.
    fn draw(&self) -> u64 {
        self.random.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// Boxes the work, and tells the operator why it failed.
    fn reply<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Reply<'a, T> {
        Box::pin(async move {
            work.await.map_err(|fault| {
                let silent = matches!(fault, Fault::OutboxFull);
                if !silent && !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!("Redis does not do what it is asked: {fault}");
                }
                StoreError::from(&fault)
            })
        })
    }

    /// A tick writes to every shard: with it an outage is over, and not with
    /// the first answer, as a Redis out of memory still answers every question.
    async fn tick_and_tell(&self, now: i64, late_arrivals: u64) -> Result<VirtualTime, Fault> {
        let time = self.tick(now, late_arrivals).await?;
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis does again what it is asked");
        }
        Ok(time)
    }
}

impl Store for Redis {
    fn load<'a>(&'a self, identities: &'a [Identity]) -> Reply<'a, Vec<Loaded>> {
        self.reply(self.load(identities))
    }

    fn commit(&self, changes: Vec<Change>) -> Reply<'_, Vec<Commit>> {
        self.reply(self.commit(changes))
    }

    fn tick(&self, now: i64, late_arrivals: u64) -> Reply<'_, VirtualTime> {
        self.reply(self.tick_and_tell(now, late_arrivals))
    }

    fn due(&self, limit: usize) -> Reply<'_, Vec<Identity>> {
        self.reply(self.due(limit))
    }

    fn counters(&self) -> Reply<'_, Vec<Row>> {
        self.reply(self.counters())
    }

    fn oldest(&self) -> Reply<'_, Vec<(Arc<str>, i64)>> {
        self.reply(self.oldest())
    }

    fn list(&self, filter: Filter, limit: usize) -> Reply<'_, Vec<(Identity, Stored)>> {
        self.reply(self.list(filter, limit))
    }

    fn outbox(&self, limit: usize) -> Reply<'_, Vec<Pending>> {
        self.reply(self.outbox(limit))
    }

    fn settle<'a>(&'a self, delivered: &'a [Pending]) -> Reply<'a, ()> {
        self.reply(self.settle(delivered))
    }

    fn backlog(&self) -> Reply<'_, usize> {
        self.reply(self.backlog())
    }
}
