//! Everything in this process's memory, gone with it: for tests, trials and
//! whoever can lose what is open.

mod packed;

use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::future::ready;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::packed::{Key, Names, Packed};
use super::{
    Change, Commit, Filter, Loaded, Pending, Position, Reply, Row, Store, StoreError, Version,
};
use crate::clock::VirtualTime;
use crate::limits::{OUTBOX_LINES, SHARDS};
use crate::transition::{Cell, Counts, Identity, Series, Stored};

/// The in-memory store.
#[derive(Debug)]
pub struct Memory {
    /// Plain mutexes: each is held for microseconds and never across an await.
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    names: Names,
    time: Mutex<VirtualTime>,
    /// Lines that wait, over all shards.
    waiting: AtomicUsize,
    /// How many may.
    outbox_lines: usize,
    /// The last number of an outbox line, over all shards, so that a reader
    /// of all of them can tell the order.
    last_line: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    records: HashSet<Packed>,
    due: BTreeSet<(i64, Key)>,
    counters: HashMap<Series, Box<[i64; Cell::COUNT]>>,
    outbox: VecDeque<(u64, Arc<str>)>,
    /// The last version given out. It only rises.
    last_version: Version,
}

impl Memory {
    /// An empty store whose virtual time begins at `now`.
    pub fn new(now: i64) -> Self {
        Memory {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            names: Names::default(),
            time: Mutex::new(VirtualTime::new(now)),
            waiting: AtomicUsize::new(0),
            outbox_lines: OUTBOX_LINES,
            last_line: AtomicU64::new(0),
        }
    }

    /// The same, in which so many log lines may wait.
    pub fn with_outbox_lines(self, outbox_lines: usize) -> Self {
        Memory { outbox_lines, ..self }
    }

    fn shard_of(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        lock(&self.shards[(hash % SHARDS as u64) as usize])
    }

    /// All at once, in their order; everybody else takes one at a time.
    fn lock_all(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.shards.iter().map(lock).collect()
    }

    fn time(&self) -> MutexGuard<'_, VirtualTime> {
        lock(&self.time)
    }

    fn accepts(&self) -> Result<(), StoreError> {
        match self.waiting.load(Ordering::Relaxed) < self.outbox_lines {
            true => Ok(()),
            false => Err(StoreError::OutboxFull),
        }
    }

    fn apply_all(&self, changes: Vec<Change>) -> Result<Vec<Commit>, StoreError> {
        self.accepts()?;
        let apply = |change: Change| {
            let key = self.names.make_key(&change.identity);
            let number = change.next.as_ref().map_or(0, |stored| self.names.number(stored));
            // Counted before they can be delivered, or the number could pass below 0.
            let lines = change.lines.len();
            self.waiting.fetch_add(lines, Ordering::Relaxed);
            let commit = self.shard_of(&key).apply(key, number, change, &self.last_line);
            if commit != Ok(Commit::Done) {
                self.waiting.fetch_sub(lines, Ordering::Relaxed);
            }
            commit
        };
        changes.into_iter().map(apply).collect()
    }

    fn load_one(&self, identity: &Identity, v: i64) -> Result<Loaded, StoreError> {
        let absent = Loaded { version: 0, v, stored: None };
        let Some(key) = self.names.key(identity) else { return Ok(absent) };
        let shard = self.shard_of(&key);
        let Some(packed) = shard.records.get(&key) else { return Ok(absent) };
        let (version, stored) = packed.unpack(&self.names)?;
        Ok(Loaded { version, v, stored: Some(stored) })
    }

    fn oldest_of_all(&self) -> Result<Vec<(Arc<str>, i64)>, StoreError> {
        let mut oldest: HashMap<Arc<str>, i64> = HashMap::new();
        for shard in &self.shards {
            for packed in &lock(shard).records {
                let Some(began) = packed.unfinished_since()? else { continue };
                let Some(id) = self.names.id(packed.key()) else { continue };
                let oldest = oldest.entry(id).or_insert(began);
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
            for packed in &lock(shard).records {
                let Some(began) = packed.unfinished_since()? else { continue };
                let Some(identity) = self.names.identity(packed.key()) else { continue };
                let (_, stored) = packed.unpack(&self.names)?;
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

/// The least `limit` of several sorted sources, in order, each with the number
/// of its source. Nothing is looked at that is not wanted: to collect as many
/// from each shard and sort them doubles the cost of a sweep.
fn merge<T: Ord>(mut sources: Vec<impl Iterator<Item = T>>, limit: usize) -> Vec<(usize, T)> {
    let first = sources.iter_mut().enumerate();
    let mut heads: BinaryHeap<Reverse<(T, usize)>> =
        first.filter_map(|(index, source)| Some(Reverse((source.next()?, index)))).collect();
    let mut least = Vec::new();
    while least.len() < limit {
        let Some(Reverse((item, index))) = heads.pop() else { break };
        heads.extend(sources[index].next().map(|next| Reverse((next, index))));
        least.push((index, item));
    }
    least
}

impl Shard {
    fn apply(
        &mut self,
        key: Key,
        definition: u32,
        change: Change,
        last_line: &AtomicU64,
    ) -> Result<Commit, StoreError> {
        let current = self.records.get(&key).map(Packed::head).transpose()?;
        let (version, due) = current.map_or((0, None), |(version, due)| (version, Some(due)));
        if version != change.expected {
            return Ok(Commit::Conflict);
        }
        let next_due = change.next.as_ref().map(Stored::due);
        if due != next_due {
            due.map(|due| self.due.remove(&(due, key)));
            next_due.map(|due| self.due.insert((due, key)));
        }
        self.last_version += 1;
        match &change.next {
            Some(stored) => {
                let packed = Packed::new(&key, self.last_version, stored, definition);
                self.records.replace(packed);
            }
            None => {
                self.records.remove(&key);
            }
        }
        change.counts.into_iter().for_each(|counts| self.count(counts));
        for line in change.lines {
            let number = last_line.fetch_add(1, Ordering::Relaxed) + 1;
            self.outbox.push_back((number, line.into()));
        }
        Ok(Commit::Done)
    }

    fn count(&mut self, counts: Counts) {
        let row = self.counters.entry(counts.series).or_insert_with(|| Box::new([0; Cell::COUNT]));
        for (cell, by) in counts.moves {
            let number = &mut row[cell.index()];
            *number = number.saturating_add(by);
        }
    }
}

impl Store for Memory {
    fn load<'a>(&'a self, identities: &'a [Identity]) -> Reply<'a, Vec<Loaded>> {
        let v = self.time().v;
        let load = |identity| self.load_one(identity, v);
        Box::pin(ready(identities.iter().map(load).collect()))
    }

    fn commit(&self, changes: Vec<Change>) -> Reply<'_, Vec<Commit>> {
        Box::pin(ready(self.apply_all(changes)))
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
        let v = self.time().v;
        let shards = self.lock_all();
        let due = shards.iter().map(|shard| shard.due.iter().take_while(|(at, _)| *at <= v));
        let due = merge(due.collect(), limit).into_iter();
        let due = due.filter_map(|(_, (_, key))| self.names.identity(key));
        Box::pin(ready(Ok(due.collect())))
    }

    fn counters(&self) -> Reply<'_, Vec<Row>> {
        let mut sums: HashMap<Series, [i64; Cell::COUNT]> = HashMap::new();
        for shard in &self.shards {
            for (series, row) in &lock(shard).counters {
                match sums.get_mut(series) {
                    Some(sum) => sum
                        .iter_mut()
                        .zip(row.iter())
                        .for_each(|(sum, n)| *sum = sum.saturating_add(*n)),
                    None => {
                        sums.insert(series.clone(), **row);
                    }
                }
            }
        }
        Box::pin(ready(Ok(sums.into_iter().collect())))
    }

    fn oldest(&self) -> Reply<'_, Vec<(Arc<str>, i64)>> {
        Box::pin(ready(self.oldest_of_all()))
    }

    fn list(&self, filter: Filter, limit: usize) -> Reply<'_, Vec<(Identity, Stored)>> {
        Box::pin(ready(self.list_all(&filter, limit)))
    }

    fn outbox(&self, limit: usize) -> Reply<'_, Vec<Pending>> {
        let shards = self.lock_all();
        let lines = shards.iter().map(|shard| shard.outbox.iter());
        let pending = merge(lines.collect(), limit).into_iter().map(|(shard, (number, line))| {
            Pending { position: Position { shard, number: *number }, line: line.clone() }
        });
        Box::pin(ready(Ok(pending.collect())))
    }

    fn settle<'a>(&'a self, delivered: &'a [Pending]) -> Reply<'a, ()> {
        for Pending { position, .. } in delivered {
            let Some(shard) = self.shards.get(position.shard) else { continue };
            let outbox = &mut lock(shard).outbox;
            // Delivery is in order, so what is delivered stands in front.
            while outbox.front().is_some_and(|(number, _)| *number <= position.number) {
                outbox.pop_front();
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn backlog(&self) -> Reply<'_, usize> {
        Box::pin(ready(Ok(self.waiting.load(Ordering::Relaxed))))
    }
}
