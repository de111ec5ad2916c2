//! The copies on disk, which the spool keeps: up to date, and within the quota.

use std::io;

use super::{Hand, Parcel};
use crate::spool::Unread;
use crate::stats::DropReason;

impl Hand<'_> {
    /// Brings them up to date; false if there is no spool, or if it refuses. The
    /// quota is kept at the cost of the oldest.
    pub(super) fn save(&mut self) -> bool {
        if !self.spool.is_on() {
            return false;
        }
        let on_disk = &self.process.counters.spooled;
        let mut is_written = false;
        let mut parcels = self.waiting.iter_mut().chain(std::iter::once(&mut self.open));
        let result = parcels.try_for_each(|parcel| {
            parcel.save(&mut self.spool, on_disk).map(|wrote| is_written |= wrote)
        });
        if is_written || result.is_err() {
            self.report(result);
        }
        while self.spool.is_over_quota() && self.evict() {}
        !self.is_failing
    }

    /// What has to wait should survive a power cut, too.
    pub(super) fn sync(&mut self) {
        let on_disk = &self.process.counters.spooled;
        let mut parcels = self.waiting.iter_mut().chain(std::iter::once(&mut self.open));
        let result = parcels.try_for_each(|parcel| parcel.sync(&mut self.spool, on_disk));
        if result.is_err() {
            self.report(result);
        }
    }

    pub(super) fn report(&mut self, result: io::Result<()>) {
        let was_failing = std::mem::replace(&mut self.is_failing, result.is_err());
        match result {
            Err(e) if !was_failing => self
                .process
                .log(format!("the spool cannot be used, so what waits is in memory alone: {e}")),
            Ok(()) if was_failing => self.process.log("the spool can be used again"),
            _ => {}
        }
    }

    /// Gives up the oldest segment that may go: those of the dead first, and of
    /// our own none that is in memory, too. False if there is none.
    pub(super) fn evict(&mut self) -> bool {
        if let Some(orphan) = self.adopted.pop_front() {
            self.give_up(orphan, DropReason::SpoolFull);
            return true;
        }
        match self.spool.adopt() {
            Some(Err(Unread::ForNow)) => return false,
            Some(adoption) => {
                if let Some(orphan) = self.take_in(adoption) {
                    self.give_up(orphan, DropReason::SpoolFull);
                }
                return true;
            }
            None => {}
        }
        let oldest = self.waiting.iter().position(Parcel::is_on_disk_only);
        let Some(own) = oldest.and_then(|at| self.waiting.remove(at)) else { return false };
        self.give_up(own, DropReason::SpoolFull);
        true
    }

    /// Leaves what there is to the next process; what cannot be left is lost.
    pub(in crate::worker) fn hand_over(&mut self) {
        loop {
            let is_drained = self.draw();
            self.save();
            if !self.open.is_empty() {
                self.close();
            }
            self.sync();
            self.save(); // what could not be synced is no copy any more
            let unsaved = self.waiting.drain(..).map(|parcel| parcel.len() - parcel.saved()).sum();
            self.process.counters.drop(DropReason::ShutDown, unsaved as u64);
            self.let_go(unsaved);
            if is_drained {
                return self.spool.release();
            }
        }
    }
}
