//! What has not ended: the oldest of each definition, and lists for people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::{Pipeline, Value, from_redis_value};

use super::Redis;
use super::fault::Fault;
use super::link::Means;
use super::names::Digest;
use super::record;
use super::shards::{Key, Shard};
use crate::store::Filter;
use crate::transition::{Identity, Stored};

/// Experiences of one definition and shard that are looked at in one step.
const STEP: usize = 100;

/// Where a search is in what one shard has of one definition.
struct Cursor<'a> {
    shard: &'a Shard,
    key: String,
    next: usize,
    found: usize,
}

impl Redis {
    pub(super) async fn oldest(&self) -> Result<Vec<(Arc<str>, i64)>, Fault> {
        let definitions = self.definitions().await?;
        let read = self.shards.iter().map(|shard| {
            let mut pipeline = Pipeline::with_capacity(definitions.len());
            for id in &definitions {
                let key = shard.unfinished(id);
                pipeline.cmd("ZRANGE").arg(key).arg(0).arg(0).arg("WITHSCORES");
            }
            self.link.run(shard, pipeline, Means::Done)
        });
        let mut oldest: BTreeMap<Arc<str>, i64> = BTreeMap::new();
        for answers in try_join_all(read).await? {
            for (id, answer) in definitions.iter().zip(answers) {
                let first: Vec<(Key, f64)> = from_redis_value(answer)?;
                let Some((_, began)) = first.first() else { continue };
                let began = *began as i64;
                let known = oldest.entry(id.clone()).or_insert(began);
                *known = began.min(*known);
            }
        }
        Ok(oldest.into_iter().collect())
    }

    /// The ids of all definitions that ever had an experience.
    async fn definitions(&self) -> Result<BTreeSet<Arc<str>>, Fault> {
        let read = self.shards.iter().map(|shard| async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("HKEYS").arg(&shard.definitions);
            let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
            let digests: Vec<Digest> = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
            self.learn(shard, digests.clone()).await?;
            Ok::<_, Fault>(digests)
        });
        let digests = try_join_all(read).await?.into_iter().flatten();
        digests.map(|digest| Ok(self.known(&digest)?.id.clone())).collect()
    }

    /// All cursors move at once, a step each; the filter sees what they found
    /// in between, as it may not be shared with other threads.
    pub(super) async fn list(
        &self,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<(Identity, Stored)>, Fault> {
        let definitions = self.definitions().await?;
        let cursor = |shard, id: &Arc<str>| Cursor {
            shard,
            key: Shard::unfinished(shard, id),
            next: 0,
            found: 0,
        };
        let mut cursors: Vec<Cursor<'_>> = self
            .shards
            .iter()
            .flat_map(|shard| definitions.iter().map(move |id| cursor(shard, id)))
            .collect();
        let mut found: Vec<(i64, Identity, Stored)> = Vec::new();
        while !cursors.is_empty() {
            let steps = try_join_all(cursors.iter().map(|cursor| self.step(cursor))).await?;
            let mut going = Vec::new();
            for (mut cursor, (seen, experiences)) in cursors.into_iter().zip(steps) {
                cursor.next += seen;
                for (began, identity, stored) in experiences {
                    if filter(&identity, &stored) {
                        cursor.found += 1;
                        found.push((began, identity, stored));
                    }
                }
                if seen == STEP && cursor.found < limit {
                    going.push(cursor);
                }
            }
            cursors = going;
            // Cut after each step, so that a long list never lies in memory whole.
            found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            found.dedup_by(|a, b| a.1 == b.1);
            found.truncate(limit);
        }
        Ok(found.into_iter().map(|(_, identity, stored)| (identity, stored)).collect())
    }

    /// How many entries a cursor's next step has, and the experiences behind them.
    async fn step(
        &self,
        cursor: &Cursor<'_>,
    ) -> Result<(usize, Vec<(i64, Identity, Stored)>), Fault> {
        let (shard, last) = (cursor.shard, cursor.next + STEP - 1);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANGE").arg(&cursor.key).arg(cursor.next).arg(last);
        let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
        let keys: Vec<Key> = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        if keys.is_empty() {
            return Ok((0, Vec::new()));
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HMGET").arg(&shard.records);
        keys.iter().for_each(|key| _ = pipeline.arg(key));
        let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
        let records: Vec<Option<Vec<u8>>> = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        self.learn_definitions(shard, records.iter().flatten()).await?;
        // Others ended since their key was read.
        let records: Vec<Vec<u8>> = records.into_iter().flatten().collect();
        let ids =
            records.iter().map(|record| record::id_in(record)).collect::<Result<Vec<_>, _>>()?;
        let identities = self.identities(shard, &ids).await?;
        let mut experiences = Vec::new();
        for (identity, bytes) in identities.into_iter().zip(records) {
            let loaded = record::unpack(&bytes, 0, |digest| self.known(&digest))?;
            let Some(stored) = loaded.stored else { continue };
            if let Some(began) = stored.unfinished_since() {
                experiences.push((began, identity, stored));
            }
        }
        Ok((keys.len(), experiences))
    }
}
