//! Everything in this process's memory, gone with it: for tests, trials and
//! whoever can lose what is open.

mod counters;
mod due;
mod names;
mod outbox;
mod packed;

use std::collections::HashMap;
use std::future::ready;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use self::counters::Counters;
use self::due::Due;
use self::names::{Key, Names, Reader};
use self::outbox::Outbox;
use self::packed::Packed;
use super::{Change, Commit, Filter, Loaded, Pending, Reply, Row, Store, StoreError, Version};
use crate::clock::VirtualTime;
use crate::limits::{OUTBOX_LINES, SHARDS};
use crate::transition::{Identity, Stored};

/// The in-memory store.
#[derive(Debug)]
pub struct Memory {
    /// Plain mutexes: each is held for microseconds and never across an await.
    shards: Vec<Mutex<Shard>>,
    /// Locked after the shard of a change, and for less than a microsecond.
    common: Mutex<Common>,
    /// With keys of this process's own, because clients choose the correlation
    /// ids; and fast, as it is nearly all that finding a record takes.
    hasher: DefaultHashBuilder,
    names: Names,
    time: Mutex<VirtualTime>,
    /// How many lines may wait.
    outbox_lines: usize,
}

#[derive(Debug, Default)]
struct Shard {
    records: HashTable<Packed>,
    /// The last version given out. It only rises.
    last_version: Version,
}

/// What moves with the records of all shards.
#[derive(Debug)]
struct Common {
    due: Due,
    counters: Counters,
    outbox: Outbox,
}

/// What the changes of one call share.
#[derive(Default)]
struct Scratch {
    names: Reader,
    /// Where records are packed.
    room: Vec<u8>,
}

/// A record to load, and where to put it.
struct Wanted {
    hash: u64,
    key: Key,
    place: usize,
}

/// By bits of the hash that the tables of the shards do not look at: they take
/// the lowest and the highest ones.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

impl Memory {
    /// An empty store whose virtual time begins at `now`.
    pub fn new(now: i64) -> Self {
        Memory {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            common: Mutex::new(Common {
                due: Due::new(now),
                counters: Counters::default(),
                outbox: Outbox::default(),
            }),
            hasher: DefaultHashBuilder::default(),
            names: Names::default(),
            time: Mutex::new(VirtualTime::new(now)),
            outbox_lines: OUTBOX_LINES,
        }
    }

    /// The same, in which so many log lines may wait.
    pub fn with_outbox_lines(self, outbox_lines: usize) -> Self {
        Memory { outbox_lines, ..self }
    }

    fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(hash)])
    }

    fn time(&self) -> MutexGuard<'_, VirtualTime> {
        lock(&self.time)
    }

    fn accepts(&self) -> Result<(), StoreError> {
        match lock(&self.common).outbox.len() < self.outbox_lines {
            true => Ok(()),
            false => Err(StoreError::OutboxFull),
        }
    }

    fn commit_all(&self, changes: Vec<Change>) -> Result<Vec<Commit>, StoreError> {
        self.accepts()?;
        let mut scratch = Scratch::default();
        changes.into_iter().map(|change| self.commit_one(change, &mut scratch)).collect()
    }

    fn commit_one(&self, change: Change, scratch: &mut Scratch) -> Result<Commit, StoreError> {
        let (key, definition) = self.numbers(&change, &mut scratch.names)?;
        let hash = self.hash(&key);
        let shard = &mut *self.shard(hash);
        let rehash = |packed: &Packed| self.hash(packed.key());
        let entry = shard.records.entry(hash, |packed| packed.key() == &key, rehash);
        let current = match &entry {
            Entry::Occupied(found) => Some(found.get().head()?),
            Entry::Vacant(_) => None,
        };
        let (version, due) = current.map_or((0, None), |(version, due)| (version, Some(due)));
        if version != change.expected {
            return Ok(Commit::Conflict);
        }
        shard.last_version += 1;
        let packed = change.next.as_ref().map(|stored| {
            Packed::new(&key, shard.last_version, stored, definition, &mut scratch.room)
        });
        match (entry, packed) {
            (Entry::Occupied(mut found), Some(packed)) => *found.get_mut() = packed,
            (Entry::Occupied(found), None) => drop(found.remove()),
            (Entry::Vacant(place), Some(packed)) => drop(place.insert(packed)),
            (Entry::Vacant(_), None) => {}
        }
        let next_due = change.next.as_ref().map(Stored::due);
        let common = &mut *lock(&self.common);
        if due != next_due {
            due.into_iter().for_each(|at| common.due.remove(at, &key, hash));
            next_due
                .into_iter()
                .for_each(|at| common.due.insert(at, &key, hash, |key| self.hash(key)));
        }
        change.counts.into_iter().for_each(|counts| common.counters.count(counts));
        common.outbox.extend(change.lines);
        Ok(Commit::Done)
    }

    /// The key of a change, and the number of its record's definition.
    fn numbers(&self, change: &Change, names: &mut Reader) -> Result<(Key, u32), StoreError> {
        let mut numbers = || {
            let known = self.names.known();
            let key = names.key(&known, &change.identity)?;
            Some((key, names.definition(&known, change.next.as_ref())?))
        };
        if let Some(numbers) = numbers() {
            return Ok(numbers);
        }
        self.names.learn(&change.identity, change.next.as_ref());
        // Cannot fail: nothing is ever forgotten.
        numbers().ok_or(StoreError::Unavailable)
    }

    fn load_all(&self, identities: &[Identity]) -> Result<Vec<Loaded>, StoreError> {
        let (v, known, mut names) = (self.time().v, self.names.known(), Reader::default());
        let mut loaded = vec![Loaded { version: 0, v, stored: None }; identities.len()];
        let wanted = identities.iter().enumerate().filter_map(|(place, identity)| {
            let key = names.key(&known, identity)?;
            Some(Wanted { hash: self.hash(&key), key, place })
        });
        let mut wanted: Vec<Wanted> = wanted.collect();
        wanted.sort_unstable_by_key(|wanted| shard_of(wanted.hash));
        for wanted in wanted.chunk_by(|a, b| shard_of(a.hash) == shard_of(b.hash)) {
            let shard = self.shard(wanted[0].hash);
            // First all are looked for and then all are read: so the processor
            // waits for the memory of many at once.
            let find = |wanted: &Wanted| {
                shard.records.find(wanted.hash, |packed| packed.key() == &wanted.key)
            };
            let found: Vec<Option<&Packed>> = wanted.iter().map(find).collect();
            for (wanted, packed) in wanted.iter().zip(found) {
                let Some(packed) = packed else { continue };
                let (version, stored) = packed.unpack(&known)?;
                loaded[wanted.place] = Loaded { version, v, stored: Some(stored) };
            }
        }
        Ok(loaded)
    }

    fn due_now(&self, limit: usize) -> Vec<Identity> {
        let (v, known) = (self.time().v, self.names.known());
        let due = &mut lock(&self.common).due;
        due.until(v).take(limit).filter_map(|key| known.identity(key)).collect()
    }

    fn oldest_of_all(&self) -> Result<Vec<(Arc<str>, i64)>, StoreError> {
        let mut oldest: HashMap<Arc<str>, i64> = HashMap::new();
        for shard in &self.shards {
            let known = self.names.known();
            for packed in &lock(shard).records {
                let Some(began) = packed.unfinished_since()? else { continue };
                let Some(id) = known.id(packed.key()) else { continue };
                let oldest = oldest.entry(id.clone()).or_insert(began);
                *oldest = began.min(*oldest);
            }
        }
        Ok(oldest.into_iter().collect())
    }

    fn list_all(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<(Identity, Stored)>, StoreError> {
        let mut found: Vec<(i64, Identity, Stored)> = Vec::new();
        for shard in &self.shards {
            let known = self.names.known();
            for packed in &lock(shard).records {
                let Some(began) = packed.unfinished_since()? else { continue };
                let Some(identity) = known.identity(packed.key()) else { continue };
                let (_, stored) = packed.unpack(&known)?;
                if filter(&identity, &stored) {
                    found.push((began, identity, stored));
                }
            }
            // Cut after each shard, so that a long list never lies in memory whole.
            found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            found.truncate(limit);
        }
        Ok(found.into_iter().map(|(_, identity, stored)| (identity, stored)).collect())
    }
}

/// A panic under the lock is a bug in this file that poisons nothing: each
/// change is checked before its first write, and none of the writes can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for Memory {
    fn load<'a>(&'a self, identities: &'a [Identity]) -> Reply<'a, Vec<Loaded>> {
        Box::pin(ready(self.load_all(identities)))
    }

    fn commit(&self, changes: Vec<Change>) -> Reply<'_, Vec<Commit>> {
        Box::pin(ready(self.commit_all(changes)))
    }

    fn tick(&self, now: i64, late_arrivals: u64) -> Reply<'_, VirtualTime> {
        let ticked = self.accepts().map(|()| {
            let mut time = self.time();
            *time = time.tick(now, late_arrivals);
            *time
        });
        Box::pin(ready(ticked))
    }

    fn due(&self, limit: usize) -> Reply<'_, Vec<Identity>> {
        Box::pin(ready(Ok(self.due_now(limit))))
    }

    fn counters(&self) -> Reply<'_, Vec<Row>> {
        Box::pin(ready(Ok(lock(&self.common).counters.rows())))
    }

    fn oldest(&self) -> Reply<'_, Vec<(Arc<str>, i64)>> {
        Box::pin(ready(self.oldest_of_all()))
    }

    fn list(&self, filter: Filter, limit: usize) -> Reply<'_, Vec<(Identity, Stored)>> {
        Box::pin(ready(self.list_all(&filter, limit)))
    }

    fn outbox(&self, limit: usize) -> Reply<'_, Vec<Pending>> {
        Box::pin(ready(Ok(lock(&self.common).outbox.first(limit))))
    }

    fn settle<'a>(&'a self, delivered: &'a [Pending]) -> Reply<'a, ()> {
        if let Some(through) = delivered.iter().map(|pending| pending.position.number).max() {
            lock(&self.common).outbox.settle(through);
        }
        Box::pin(ready(Ok(())))
    }

    fn backlog(&self) -> Reply<'_, usize> {
        Box::pin(ready(Ok(lock(&self.common).outbox.len())))
    }
}
