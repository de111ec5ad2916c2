//! What dead processes left: taken in batch by batch, and sent like our own.

use std::sync::atomic::Ordering::Relaxed;

use super::{Hand, Parcel};
use crate::clock::Now;
use crate::spool::{Adoption, Unread};

impl Hand<'_> {
    /// Takes up the next batch that a dead process left; false if there is none,
    /// or if the next one was no good: the one after it is for the next turn, so
    /// that a directory full of rubbish keeps nobody from being heard.
    pub(in crate::worker) fn take_up_adopted(&mut self) -> bool {
        let next = self.adopted.pop_front();
        self.flying = next.or_else(|| self.spool.adopt().and_then(|one| self.take_in(one)));
        if self.flying.is_none() {
            self.spool.release_settled();
        }
        self.flying.is_some()
    }

    /// Looks for what dead processes left, once in a while, whether it can be sent
    /// now or not: it counts towards the quota.
    pub(in crate::worker) fn look(&mut self, now: Now) {
        if !self.adopted.is_empty() {
            return;
        }
        let Some(sight) = self.spool.look(now.mono_ns) else { return };
        if sight.lost > 0 {
            self.process.counters.adopted_lost.fetch_add(sight.lost, Relaxed);
            self.process.log(format!("{} segments of the spool are given up", sight.lost));
        }
        if let Some(trouble) = sight.trouble {
            self.process.log(format!("the spool cannot be looked through: {trouble}"));
        }
        while self.spool.is_over_quota() && self.evict() {}
    }

    pub(super) fn take_in(&mut self, adoption: Result<Adoption, Unread>) -> Option<Parcel> {
        let lost = &self.process.counters.adopted_lost;
        let Adoption { origin, batch, copy, damaged } = match adoption {
            Ok(adoption) => adoption,
            Err(Unread::ForNow) => return None,
            Err(Unread::ForGood(reason)) => {
                lost.fetch_add(1, Relaxed); // how many they were, nobody can tell
                self.process.log(format!("a segment of the spool was set aside: {reason}"));
                return None;
            }
        };
        if damaged > 0 {
            lost.fetch_add(damaged as u64, Relaxed);
            self.process
                .log(format!("{damaged} checkpoints of {} are damaged", origin.instance_id));
        }
        let parcel = Parcel::adopted(origin, batch, copy);
        if parcel.is_empty() {
            self.finish(parcel);
            return None;
        }
        Some(parcel)
    }
}
