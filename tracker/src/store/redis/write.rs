//! What is written: changes, and the outbox's trimming.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::{Pipeline, Value, from_redis_value};

use super::Redis;
use super::fault::Fault;
use super::link::Means;
use super::names::{Digest, Name};
use super::scripts::call;
use super::shards::{self, Place, SHARDS, Shard};
use super::{Ordering, record};
use crate::store::{Change, Commit, Pending, rows};
use crate::transition::{Counts, Definition, OF_INSTANCES, Stored};

/// What `commit.lua` answers if it did nothing.
const CONFLICT: i64 = -1;
const NAME_UNKNOWN: i64 = -2;

impl Redis {
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Commit>, Fault> {
        self.accepts().await?;
        let mut commits = vec![Commit::Conflict; changes.len()];
        let mut shards: [Vec<(usize, Place, &Change)>; SHARDS] = Default::default();
        for (index, change) in changes.iter().enumerate() {
            let place = Place::new(&change.identity);
            shards[place.shard].push((index, place, change));
        }
        let wanted = self.shards.iter().zip(shards).filter(|(_, changes)| !changes.is_empty());
        let done = wanted.map(|(shard, changes)| self.commit_in(shard, changes));
        for index in try_join_all(done).await?.into_iter().flatten() {
            commits[index] = Commit::Done;
        }
        Ok(commits)
    }

    /// The changes of one shard; which of them are done.
    async fn commit_in(
        &self,
        shard: &Shard,
        mut changes: Vec<(usize, Place, &Change)>,
    ) -> Result<Vec<usize>, Fault> {
        let mut done = Vec::with_capacity(changes.len());
        // A second time only where the shard lost what it had been told.
        for _ in 0..2 {
            let mut pipeline = Pipeline::with_capacity(changes.len() + 2);
            let mut named = Vec::new();
            for (_, place, change) in &changes {
                named.push(self.append_commit(&mut pipeline, shard, place, change));
            }
            let answers = self.link.run(shard, pipeline, Means::Written).await?;
            let mut again = Vec::new();
            for ((answer, change), named) in answers.into_iter().zip(changes).zip(named) {
                match from_redis_value(answer)? {
                    CONFLICT => {}
                    NAME_UNKNOWN => again.push(change),
                    _ => {
                        let lines = change.2.lines.len();
                        self.waiting[shard.number].fetch_add(lines, Ordering::Relaxed);
                        named.into_iter().for_each(|digest| self.names.told(shard.number, digest));
                        done.push(change.0);
                    }
                }
            }
            if again.is_empty() {
                return Ok(done);
            }
            self.names.forget_told(shard.number);
            changes = again;
        }
        Err(Fault::Unfit("it forgets names as soon as it is told them".to_owned()))
    }

    /// Appends one call of `commit.lua`; the names that it refers to.
    fn append_commit(
        &self,
        pipeline: &mut Pipeline,
        shard: &Shard,
        place: &Place,
        change: &Change,
    ) -> Vec<Digest> {
        // The first is of the name, the others are of definitions.
        let mut named: Vec<(Digest, Option<&Arc<Definition>>)> = Vec::with_capacity(2);
        named.push((shards::name_in(&place.id), None));
        let mut refer = |definition| {
            let digest = self.names.digest_of(definition);
            if named.iter().all(|(known, _)| *known != digest) {
                named.push((digest, Some(definition)));
            }
            digest
        };
        let (mut whole, mut due, mut began, mut kept) = Default::default();
        match &change.next {
            Some(Stored::Tombstone(tombstone)) => kept = record::keep(tombstone).to_vec(),
            Some(stored @ (Stored::Whole(_) | Stored::Instance(_))) => {
                let version = record::version(self.draw());
                let definition = stored.definition().unwrap_or(&OF_INSTANCES);
                whole = record::pack(stored, version, refer(definition), &place.id);
                due = stored.due().to_string();
                began = stored.unfinished_since().map(|began| began.to_string());
            }
            None => {}
        }
        let moves = moves(&change.counts, &mut refer);
        let unfinished = shard.unfinished(&change.identity.user_experience_id);
        let keys = [
            &*shard.records,
            &shard.due,
            &unfinished,
            &shard.tombstones,
            &shard.names,
            &shard.definitions,
            &shard.counters,
            &shard.outbox,
            &shard.meta,
        ];
        let call = call(pipeline, &self.scripts.commit, &keys)
            .arg(&place.key)
            .arg(record::expected(change.expected))
            .arg(&place.page)
            .arg(&place.fingerprint)
            .arg(whole)
            .arg(due)
            .arg(began.unwrap_or_default())
            .arg(kept)
            .arg(named.len());
        for (digest, definition) in &named {
            call.arg(digest);
            match definition {
                _ if self.names.is_told(shard.number, digest) => call.arg(b""),
                Some(definition) => call.arg(rows::pack_definition(definition)),
                None => call.arg(Name::of(&change.identity).row()),
            };
        }
        call.arg(moves.len());
        for (field, by) in moves {
            call.arg(field).arg(by);
        }
        for line in &change.lines {
            call.arg(&**line);
        }
        named.into_iter().map(|(digest, _)| digest).collect()
    }

    pub(super) fn heard(&self, shard: &Shard, lines: i64) {
        self.waiting[shard.number].store(lines.max(0) as usize, Ordering::Relaxed);
    }

    /// Whether the event log keeps up, as far as is known; the truth is asked
    /// for only when it seems not to.
    pub(super) async fn accepts(&self) -> Result<(), Fault> {
        let known = self.waiting.iter().map(|lines| lines.load(Ordering::Relaxed)).sum::<usize>();
        match known < self.outbox_lines || self.backlog().await? < self.outbox_lines {
            true => Ok(()),
            false => Err(Fault::OutboxFull),
        }
    }

    /// Delivery is in order, so what is delivered stands in front of its shard.
    pub(super) async fn settle(&self, delivered: &[Pending]) -> Result<(), Fault> {
        let mut through = [None; SHARDS];
        for Pending { position, .. } in delivered {
            let Some(through) = through.get_mut(position.shard) else { continue };
            *through = (*through).max(Some(position.number));
        }
        let settle = self.shards.iter().zip(through).map(|(shard, through)| async move {
            let Some(through) = through else { return Ok(()) };
            let mut pipeline = Pipeline::new();
            let after = through.saturating_add(1);
            pipeline.cmd("XTRIM").arg(&shard.outbox).arg("MINID").arg(after);
            pipeline.cmd("XLEN").arg(&shard.outbox);
            let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
            self.heard(shard, from_redis_value(answers.pop().unwrap_or(Value::Nil))?);
            Ok::<(), Fault>(())
        });
        try_join_all(settle).await.map(|_| ())
    }

    pub(super) async fn backlog(&self) -> Result<usize, Fault> {
        let lengths = self.shards.iter().map(|shard| async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("XLEN").arg(&shard.outbox);
            let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
            let lines = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
            self.heard(shard, lines);
            Ok::<usize, Fault>(lines.max(0) as usize)
        });
        Ok(try_join_all(lengths).await?.into_iter().sum())
    }
}

/// What moves, each field once: digest of the definition, cell, type.
fn moves<'a>(
    counts: &'a [Counts],
    mut refer: impl FnMut(&'a Arc<Definition>) -> Digest,
) -> Vec<(Vec<u8>, i64)> {
    let mut moves: Vec<(Vec<u8>, i64)> = Vec::new();
    for Counts { series, moves: of_series } in counts {
        let digest = refer(&series.definition);
        for (cell, by) in of_series {
            let mut field = digest.to_vec();
            field.push(cell.index() as u8);
            field.extend(series.service.as_bytes());
            match moves.iter_mut().find(|(known, _)| *known == field) {
                Some((_, sum)) => *sum = sum.saturating_add(*by),
                None => moves.push((field, *by)),
            }
        }
    }
    moves.retain(|(_, by)| *by != 0);
    moves
}
