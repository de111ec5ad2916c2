//! Virtual time, which each shard keeps for itself and all of them advance together.

use futures_util::future::try_join_all;
use redis::{Pipeline, Value, from_redis_value};

use super::fault::Fault;
use super::link::Means;
use super::scripts::call;
use super::shards::{PAGES, Shard};
use super::{Ordering, Redis};
use crate::clock::VirtualTime;
use crate::limits::TICK_GAP_MS;
use crate::store::rows::{self, Unreadable};

/// The layout of the keys; `begin` refuses another one.
const LAYOUT: &str = "1";

impl Redis {
    /// In two steps: first every shard has to take a write that moves nothing, and
    /// to confirm it like one that is acknowledged. Or time would pass in some of
    /// them while requests, which touch many, are refused.
    pub(super) async fn tick(&self, now: i64, late_arrivals: u64) -> Result<VirtualTime, Fault> {
        self.accepts().await?;
        let probes = self.shards.iter().map(|shard| self.probe(shard));
        let times = try_join_all(probes).await?;
        if times.iter().any(Vec::is_empty) {
            self.begin(now).await?;
        }
        let page = self.ticks.fetch_add(1, Ordering::Relaxed);
        let set = self.shards.iter().zip(times).map(|(shard, old)| async move {
            let new = match old.is_empty() {
                true => VirtualTime::new(now),
                false => advance(rows::unpack_time(&old)?, now, late_arrivals),
            };
            self.set_time(shard, &old, new, page).await
        });
        let times = try_join_all(set).await?;
        times
            .into_iter()
            .min_by_key(|time| time.v)
            .ok_or(Unreadable::Damaged("virtual time").into())
    }

    /// Writes something, and reads the row of virtual time; empty if there is none.
    async fn probe(&self, shard: &Shard) -> Result<Vec<u8>, Fault> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HSET").arg(&shard.meta).arg("probe").arg(1);
        pipeline.cmd("HGET").arg(&shard.meta).arg("time");
        let mut answers = self.link.run(shard, pipeline, Means::Written).await?;
        let time: Option<Vec<u8>> = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        Ok(time.unwrap_or_default())
    }

    /// Sets the time, unless another tracker was faster; the one that stands then.
    async fn set_time(
        &self,
        shard: &Shard,
        old: &[u8],
        new: VirtualTime,
        page: u64,
    ) -> Result<VirtualTime, Fault> {
        let mut pipeline = Pipeline::new();
        let keys = [&*shard.meta, &shard.tombstones, &shard.outbox];
        let page = (page % u64::from(PAGES)) as u16;
        call(&mut pipeline, &self.scripts.tick, &keys)
            .arg(old)
            .arg(rows::pack_time(new))
            .arg(new.v)
            .arg(&page.to_be_bytes());
        let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
        let answer = answers.pop().unwrap_or(Value::Nil);
        let (time, lines): (Vec<u8>, i64) = from_redis_value(answer)?;
        self.heard(shard, lines);
        Ok(rows::unpack_time(&time)?)
    }

    /// Sets up whatever is not there yet, and refuses what another layout left.
    pub(super) async fn begin(&self, now: i64) -> Result<(), Fault> {
        let begin = self.shards.iter().map(|shard| async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("HSETNX").arg(&shard.meta).arg("layout").arg(LAYOUT);
            pipeline.cmd("HGET").arg(&shard.meta).arg("layout");
            let mut answers = self.link.run(shard, pipeline, Means::Done).await?;
            let layout: String = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
            if layout != LAYOUT {
                return Err(Fault::Unfit(format!(
                    "its keys are of layout {layout}, and this version reads layout {LAYOUT}: run \
                     the version of labkit-tracker that wrote them, or a later one"
                )));
            }
            self.set_time(shard, &[], VirtualTime::new(now), 0).await
        });
        try_join_all(begin).await.map(|_| ())
    }
}

/// Several trackers tick, and their clocks differ by a little: one that is
/// behind by no more than a tick may be late has come second, and no clock was
/// set back.
fn advance(time: VirtualTime, now: i64, late_arrivals: u64) -> VirtualTime {
    let behind = time.last_tick.saturating_sub(now);
    let now = if (0..=TICK_GAP_MS).contains(&behind) { time.last_tick } else { now };
    time.tick(now, late_arrivals)
}
