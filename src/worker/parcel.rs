//! A batch, and where its copy on disk lies.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::batch::Batch;
use crate::spool::{Origin, Spool, Stored};

/// Of this process's own, `saved` is always in step with the counter of what
/// is on disk, which every method here is given for that.
#[derive(Default)]
pub(super) struct Parcel {
    /// Empty while it is on disk only.
    pub(super) batch: Batch,
    /// Checkpoints that are on disk only.
    unread: usize,
    /// Whose, if not this process's own.
    pub(super) origin: Option<Origin>,
    /// Of a batch that is not all saved, it has the first ones, unchanged: what
    /// changes such a batch gives the copy up.
    copy: Option<Stored>,
    /// Checkpoints that are on disk; of a first half, in the copy that the
    /// second has.
    saved: usize,
}

impl Parcel {
    pub(super) fn own(batch: Batch) -> Self {
        Parcel { batch, ..Parcel::default() }
    }

    /// Of a dead process.
    pub(super) fn adopted(origin: Origin, batch: Batch, copy: Stored) -> Self {
        Parcel { batch, origin: Some(origin), copy: Some(copy), ..Parcel::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.batch.len() + self.unread
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_own(&self) -> bool {
        self.origin.is_none()
    }

    pub(super) fn is_on_disk_only(&self) -> bool {
        self.unread > 0
    }

    /// Checkpoints that would survive a kill.
    pub(super) fn saved(&self) -> usize {
        self.saved
    }

    fn is_saved(&self) -> bool {
        self.saved == self.len()
    }

    /// Brings the copy up to date; true if that took a write.
    pub(super) fn save(&mut self, spool: &mut Spool, on_disk: &AtomicU64) -> io::Result<bool> {
        if self.is_saved() || !self.is_own() {
            return Ok(false);
        }
        let result = spool.save(&self.batch, &mut self.copy);
        let saved = self.copy.as_ref().map_or(0, |copy| copy.items);
        self.set_saved(saved, on_disk);
        result.map(|()| true)
    }

    /// Makes the copy survive a power cut. One that cannot is none: what the
    /// kernel has failed to write once, it may claim to have written later.
    pub(super) fn sync(&mut self, spool: &mut Spool, on_disk: &AtomicU64) -> io::Result<()> {
        let Some(copy) = &mut self.copy else { return Ok(()) };
        let result = spool.sync(copy);
        if result.is_err() && self.is_own() && self.unread == 0 {
            self.give_up_copy(spool, on_disk);
        }
        result
    }

    /// Leaves it to the disk alone, if all of it is there.
    pub(super) fn put_down(&mut self) {
        if self.is_saved() && self.copy.as_ref().is_some_and(|copy| copy.items == self.saved) {
            self.unread = self.len();
            self.batch = Batch::default();
        }
    }

    /// Takes it back from the disk; returns how many of it are gone.
    ///
    /// # Errors
    /// The disk cannot be read now; it stays where it is.
    pub(super) fn pick_up(&mut self, spool: &Spool, on_disk: &AtomicU64) -> io::Result<usize> {
        let Some(copy) = self.copy.as_ref().filter(|_| self.unread > 0) else { return Ok(0) };
        self.batch = spool.load(copy)?.unwrap_or_default();
        // Nobody else writes there; but the ledger must not depend on that.
        self.batch.truncate(self.unread);
        let gone = self.unread - self.batch.len();
        self.unread = 0;
        self.set_saved(self.batch.len(), on_disk);
        Ok(gone)
    }

    /// Removes what is from before `earliest_ms`; returns how many those were.
    pub(super) fn expire(
        &mut self,
        earliest_ms: i64,
        spool: &mut Spool,
        on_disk: &AtomicU64,
    ) -> usize {
        let was_saved = self.is_saved();
        let expired = self.batch.expire(earliest_ms);
        if expired > 0 && self.is_own() {
            match was_saved {
                true => self.set_saved(self.len(), on_disk),
                false => self.give_up_copy(spool, on_disk),
            }
        }
        expired
    }

    /// The first half, and the rest with the copy of both: it goes with the
    /// second. What is sent twice, should we die between, is a duplicate.
    pub(super) fn halve(mut self, spool: &mut Spool, on_disk: &AtomicU64) -> (Parcel, Parcel) {
        if self.is_own() && !self.is_saved() {
            self.give_up_copy(spool, on_disk);
        }
        let Parcel { batch, origin, copy, saved, .. } = self;
        let (first, rest) = batch.halve();
        let unread = 0;
        let first_saved = saved.min(first.len());
        let first =
            Parcel { batch: first, unread, origin: origin.clone(), copy: None, saved: first_saved };
        (first, Parcel { batch: rest, unread, origin, copy, saved: saved - first_saved })
    }

    /// All of it is answered for, or lost.
    pub(super) fn finish(mut self, spool: &mut Spool, on_disk: &AtomicU64) {
        self.give_up_copy(spool, on_disk);
    }

    fn give_up_copy(&mut self, spool: &mut Spool, on_disk: &AtomicU64) {
        self.set_saved(0, on_disk);
        if let Some(copy) = self.copy.take() {
            spool.remove(copy);
        }
    }

    fn set_saved(&mut self, saved: usize, on_disk: &AtomicU64) {
        if self.is_own() {
            on_disk.fetch_add(saved as u64, Relaxed);
            on_disk.fetch_sub(self.saved as u64, Relaxed);
            self.saved = saved;
        }
    }
}
