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
    copy: Option<Stored>,
    /// Checkpoints that are on disk, be it in the copy of the other half.
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

    pub(super) fn is_on_disk(&self) -> bool {
        self.unread > 0
    }

    /// Checkpoints that would survive a kill.
    pub(super) fn saved(&self) -> usize {
        self.saved
    }

    fn is_saved(&self) -> bool {
        self.saved == self.len()
    }

    /// Brings the copy up to date.
    pub(super) fn save(&mut self, spool: &mut Spool, on_disk: &AtomicU64) -> io::Result<()> {
        if self.is_saved() {
            return Ok(());
        }
        let result = spool.save(&self.batch, &mut self.copy);
        let saved = self.copy.as_ref().map_or(0, |copy| copy.items);
        self.set_saved(saved, on_disk);
        result
    }

    pub(super) fn sync(&mut self, spool: &mut Spool) -> io::Result<()> {
        self.copy.as_mut().map_or(Ok(()), |copy| spool.sync(copy))
    }

    /// Leaves it to the disk alone, if all of it is there.
    pub(super) fn put_down(&mut self) {
        if self.is_saved() && self.copy.as_ref().is_some_and(|copy| copy.items == self.saved) {
            self.unread = self.len();
            self.batch = Batch::default();
        }
    }

    /// Takes it back from the disk; returns how many of it are gone, and why.
    pub(super) fn pick_up(&mut self, spool: &Spool, on_disk: &AtomicU64) -> (usize, String) {
        let expected = std::mem::take(&mut self.unread);
        let Some(copy) = self.copy.as_ref().filter(|_| expected > 0) else {
            return (0, String::new());
        };
        let mut reason = "damaged".to_owned();
        self.batch = spool.load(copy).unwrap_or_else(|e| {
            reason = e.to_string();
            Batch::default()
        });
        // Nobody else writes there; but the ledger must not depend on that.
        self.batch.truncate(expected);
        self.set_saved(self.batch.len(), on_disk);
        (expected - self.batch.len(), reason)
    }

    /// Removes what is from before `earliest_ms`; returns how many those were.
    pub(super) fn expire(&mut self, earliest_ms: i64, on_disk: &AtomicU64) -> usize {
        let expired = self.batch.expire(earliest_ms);
        if expired > 0 {
            self.set_saved(self.saved.min(self.len()), on_disk);
        }
        expired
    }

    /// The first half, and the rest with the copy of both: it goes with the
    /// second. What is sent twice, should we die between, is a duplicate.
    pub(super) fn halve(self) -> (Parcel, Parcel) {
        let Parcel { batch, origin, copy, saved, .. } = self;
        let (first, rest) = batch.halve();
        let first_saved = saved.min(first.len());
        let unread = 0;
        let first =
            Parcel { batch: first, unread, origin: origin.clone(), copy: None, saved: first_saved };
        (first, Parcel { batch: rest, unread, origin, copy, saved: saved - first_saved })
    }

    /// All of it is answered for, or lost.
    pub(super) fn finish(mut self, spool: &mut Spool, on_disk: &AtomicU64) {
        self.set_saved(0, on_disk);
        if let Some(copy) = self.copy {
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
