//! What is read. Each question goes to the shards it concerns, to each once.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::{Pipeline, Value, from_redis_value};

use super::fault::Fault;
use super::link::Means;
use super::names::Digest;
use super::scripts::call;
use super::shards::{self, Id, Place, SHARDS, Shard};
use super::{Redis, record};
use crate::store::rows::Unreadable;
use crate::store::{Loaded, Pending, Position, Row};
use crate::transition::{Cell, Definition, Identity, Series};

/// At least so many are asked of a shard at once, where the least of all shards
/// are wanted.
const CHUNK: usize = 16;
/// How long a tracker that stopped delivering the log holds up another one.
const READER_MS: u64 = 3_000;

impl Redis {
    pub(super) async fn load(&self, identities: &[Identity]) -> Result<Vec<Loaded>, Fault> {
        let mut shards: [Vec<(usize, Place)>; SHARDS] = Default::default();
        for (index, identity) in identities.iter().enumerate() {
            let place = Place::new(identity);
            shards[place.shard].push((index, place));
        }
        let wanted = self.shards.iter().zip(shards).filter(|(_, places)| !places.is_empty());
        let found = wanted.map(|(shard, places)| self.load_from(shard, places));
        let mut found: Vec<_> = try_join_all(found).await?.into_iter().flatten().collect();
        found.sort_unstable_by_key(|(index, _)| *index);
        Ok(found.into_iter().map(|(_, loaded)| loaded).collect())
    }

    async fn load_from(
        &self,
        shard: &Shard,
        places: Vec<(usize, Place)>,
    ) -> Result<Vec<(usize, Loaded)>, Fault> {
        let mut pipeline = Pipeline::new();
        let keys = [&*shard.records, &shard.tombstones, &shard.meta];
        let call = call(&mut pipeline, &self.scripts.load, &keys);
        for (_, place) in &places {
            call.arg(&place.key).arg(&place.page).arg(&place.fingerprint);
        }
        let mut answers = self.link.run(shard, pipeline, Means::Read).await?;
        let mut found: Vec<Option<Vec<u8>>> =
            from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        if found.len() != places.len() + 1 {
            return Err(Unreadable::Damaged("shard").into());
        }
        let v = found.remove(0).and_then(|v| std::str::from_utf8(&v).ok()?.parse().ok());
        // Somebody emptied it. The next tick begins anew.
        let v: i64 = v.ok_or(Unreadable::Damaged("virtual time"))?;
        self.learn_definitions(shard, found.iter().flatten()).await?;
        let loaded = places.into_iter().zip(found).map(|((index, _), found)| match found {
            None => Ok((index, Loaded { version: 0, v, stored: None })),
            Some(bytes) => Ok((index, record::unpack(&bytes, v, |digest| self.known(&digest))?)),
        });
        loaded.collect()
    }

    pub(super) fn known(&self, digest: &Digest) -> Result<Arc<Definition>, Fault> {
        self.names.definition(digest).ok_or(Unreadable::Damaged("definition").into())
    }

    /// Asks for the definitions that these records refer to and nobody here
    /// has met: seldom, as there are few.
    pub(super) async fn learn_definitions(
        &self,
        shard: &Shard,
        records: impl Iterator<Item = &Vec<u8>>,
    ) -> Result<(), Fault> {
        let digests = records.filter_map(|record| record::definition_in(record));
        self.learn(shard, digests.collect()).await
    }

    pub(super) async fn learn(&self, shard: &Shard, digests: Vec<Digest>) -> Result<(), Fault> {
        let unknown = digests.into_iter().filter(|d| self.names.definition(d).is_none()).collect();
        for (digest, row) in self.rows(shard, &shard.definitions, unknown).await? {
            self.names.learn_definition(digest, &row)?;
        }
        Ok(())
    }

    async fn rows(
        &self,
        shard: &Shard,
        table: &str,
        mut digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Vec<u8>)>, Fault> {
        digests.sort_unstable();
        digests.dedup();
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HMGET").arg(table);
        digests.iter().for_each(|digest| _ = pipeline.arg(digest));
        let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
        let rows: Vec<Option<Vec<u8>>> = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let found = digests.into_iter().zip(rows).filter_map(|(digest, row)| Some((digest, row?)));
        Ok(found.collect())
    }

    /// The identities behind ids of a shard.
    pub(super) async fn identities(
        &self,
        shard: &Shard,
        ids: &[Id],
    ) -> Result<Vec<Identity>, Fault> {
        let digests = ids.iter().map(shards::name_in);
        let unknown = digests.filter(|digest| self.names.name(digest).is_none());
        for (digest, row) in self.rows(shard, &shard.names, unknown.collect()).await? {
            self.names.learn_name(digest, &row)?;
        }
        let identity = |id: &Id| match self.names.name(&shards::name_in(id)) {
            Some(name) => Ok(shards::identity(id, &name)),
            None => Err(Unreadable::Damaged("name").into()),
        };
        ids.iter().map(identity).collect()
    }

    pub(super) async fn due(&self, limit: usize) -> Result<Vec<Identity>, Fault> {
        let least = self.least(limit, |shard, most| self.due_in(shard, most)).await?;
        let mut ids: [Vec<Id>; SHARDS] = Default::default();
        least.iter().for_each(|(shard, (_, id))| ids[*shard].push(*id));
        let identities =
            self.shards.iter().zip(&ids).map(|(shard, ids)| self.identities(shard, ids));
        let identities = try_join_all(identities).await?;
        let mut identities: Vec<_> = identities.into_iter().map(Vec::into_iter).collect();
        Ok(least.into_iter().filter_map(|(shard, _)| identities[shard].next()).collect())
    }

    async fn due_in(&self, shard: usize, most: usize) -> Result<Vec<(i64, Id)>, Fault> {
        let shard = &self.shards[shard];
        let mut pipeline = Pipeline::new();
        let keys = [&*shard.due, &shard.records, &shard.meta];
        call(&mut pipeline, &self.scripts.due, &keys).arg(most);
        let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
        let due: Vec<(Vec<u8>, f64)> = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let due = due.into_iter().map(|(record, due)| Ok((due as i64, record::id_in(&record)?)));
        due.collect()
    }

    pub(super) async fn outbox(&self, limit: usize) -> Result<Vec<Pending>, Fault> {
        let least = self.least(limit, |shard, most| self.outbox_of(shard, most)).await?;
        let pending = least.into_iter().map(|(shard, (number, line))| Pending {
            position: Position { shard, number },
            line: line.into(),
        });
        Ok(pending.collect())
    }

    async fn outbox_of(&self, shard: usize, most: usize) -> Result<Vec<(u64, String)>, Fault> {
        let shard = &self.shards[shard];
        let mut pipeline = Pipeline::new();
        call(&mut pipeline, &self.scripts.outbox, &[&shard.outbox, &shard.reader])
            .arg(&self.reader)
            .arg(READER_MS)
            .arg(most);
        let mut answers = self.link.run(shard, pipeline, Means::Copied).await?;
        let entries: Vec<(String, (String, String))> =
            from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let entries = entries.into_iter().map(|(id, (_, line))| {
            let number = id.split('-').next().and_then(|number| number.parse().ok());
            Ok((number.ok_or(Unreadable::Damaged("line's number"))?, line))
        });
        entries.collect()
    }

    /// The least `limit` of all shards, in order, each with the number of its
    /// shard. Asks each for its share, and for more where that turns out too few.
    async fn least<T: Ord, F: Future<Output = Result<Vec<T>, Fault>>>(
        &self,
        limit: usize,
        fetch: impl Fn(usize, usize) -> F,
    ) -> Result<Vec<(usize, T)>, Fault> {
        let mut most = limit.min(CHUNK.max(limit / SHARDS));
        loop {
            let found = try_join_all((0..SHARDS).map(|shard| fetch(shard, most))).await?;
            // Beyond the last that a shard gave may lie others of it.
            let cut_off = found.iter().filter(|of_shard| of_shard.len() == most);
            let horizon = cut_off.filter_map(|of_shard| of_shard.last()).min();
            let within = |item: &T| horizon.is_none_or(|horizon| item <= horizon);
            let count = found.iter().flatten().filter(|item| within(item)).count();
            if count < limit && horizon.is_some() && most < limit {
                most = limit.min(most * 4);
                continue;
            }
            let numbered = found.into_iter().enumerate();
            let mut least: Vec<(usize, T)> = numbered
                .flat_map(|(shard, items)| items.into_iter().map(move |item| (shard, item)))
                .collect();
            least.sort_unstable_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
            least.truncate(if most == limit { limit } else { count.min(limit) });
            return Ok(least);
        }
    }

    pub(super) async fn counters(&self) -> Result<Vec<Row>, Fault> {
        let read = self.shards.iter().map(|shard| async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("HGETALL").arg(&shard.counters);
            // What a failover takes would make them go down, and a counter that
            // goes down counts as begun anew: all of it once more.
            let mut answers = self.link.run(shard, pipeline, Means::Read).await?;
            let fields: Vec<(Vec<u8>, i64)> =
                from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
            let digests = fields.iter().filter_map(|(field, _)| field.first_chunk::<6>().copied());
            self.learn(shard, digests.collect()).await?;
            Ok::<_, Fault>(fields)
        });
        let mut sums: HashMap<Series, [i64; Cell::COUNT]> = HashMap::new();
        for (field, number) in try_join_all(read).await?.into_iter().flatten() {
            let damaged = Unreadable::Damaged("counter");
            let (digest, rest) = field.split_first_chunk::<6>().ok_or(damaged)?;
            let (cell, service) = rest.split_first().ok_or(damaged)?;
            let service = std::str::from_utf8(service).map_err(|_| damaged)?.into();
            let series = Series { definition: self.known(digest)?, service };
            let row = sums.entry(series).or_insert_with(|| [0; Cell::COUNT]);
            let sum = row.get_mut(usize::from(*cell)).ok_or(damaged)?;
            *sum = sum.saturating_add(number);
        }
        Ok(sums.into_iter().collect())
    }
}
