//! Copies on disk of what the worker holds, so that it survives the process.
//!
//! ```text
//! DIR/<instance>/lock     held by its owner for as long as he lives
//! DIR/<instance>/7.seg    one batch: appended to while it is filled, deleted
//!                         when the tracker has answered for it
//! ```
//!
//! A copy is made before a batch is sent, and survives kill -9 from then on; it
//! is synced when it has to wait for the tracker, and survives a power cut from
//! then on. There is no index beside the segments: whatever is lost with one is in
//! it. What a process leaves is adopted by the next one to look, and sent under the
//! name of the dead.

mod adoption;
mod folder;
mod frame;
mod segment;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use adoption::Sight;
use adoption::{Adopted, Orphan, set_aside};
use folder::Folder;
pub(crate) use folder::Locks;
use segment::Segment;

use crate::batch::Batch;
use crate::config::Config;
use crate::wire::{CheckpointId, Sdk};

/// How long a dead process's checkpoints wait for the next look at most.
const LOOK_AGAIN_NS: u64 = 60_000_000_000;

/// The copy on disk of one batch.
pub(crate) struct Stored {
    path: PathBuf,
    bytes: u64,
    /// Checkpoints in it: the first so many of the batch.
    pub(crate) items: usize,
    is_synced: bool,
}

/// Whose checkpoints a batch has, where they are not this process's own.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) instance_id: CheckpointId,
    pub(crate) sdk: Sdk,
}

/// One segment of a dead process.
pub(crate) struct Adoption {
    pub(crate) origin: Origin,
    pub(crate) batch: Batch,
    pub(crate) copy: Stored,
    /// Frames of it that were damaged.
    pub(crate) damaged: usize,
}

/// Why a segment of a dead process was not adopted.
pub(crate) enum Unread {
    /// The disk cannot be read now: it keeps its turn.
    ForNow,
    /// It never can be, for this reason, and was set aside as `*.bad`.
    ForGood(String),
}

/// One process's view of the spool directory; without one it does nothing.
pub(crate) struct Spool {
    place: Option<Place>,
}

struct Place {
    dir: PathBuf,
    instance_id: CheckpointId,
    sdk: Sdk,
    locks: Arc<Locks>,
    quota: u64,
    own: Option<Folder>,
    next_number: u64,
    /// Of all segments in our hands, the adopted ones included.
    bytes: u64,
    adopted: Adopted,
    looked_ns: Option<u64>,
    /// Something could not be removed.
    is_stuck: bool,
    buffer: Vec<u8>,
}

impl Spool {
    pub(crate) fn new(config: &Config, instance_id: CheckpointId, locks: &Arc<Locks>) -> Self {
        let place = config.spool_dir.clone().map(|dir| Place {
            dir,
            instance_id,
            sdk: config.sdk.clone(),
            locks: Arc::clone(locks),
            quota: config.spool_bytes,
            own: None,
            next_number: 0,
            bytes: 0,
            adopted: Adopted::default(),
            looked_ns: None,
            is_stuck: false,
            buffer: Vec::new(),
        });
        Spool { place }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.place.is_some()
    }

    /// Brings the copy of `batch` up to date, making one if there is none.
    ///
    /// # Errors
    /// What the disk says; what the copy had before, it still has, unless there
    /// is none any more.
    pub(crate) fn save(&mut self, batch: &Batch, copy: &mut Option<Stored>) -> io::Result<()> {
        let Some(place) = &mut self.place else { return Ok(()) };
        let mut current = match copy.take() {
            Some(current) => current,
            None => place.begin()?,
        };
        let result = place.append(batch, &mut current);
        if result.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            // Somebody has cleared the directory, or closed its lock: the next
            // save begins anew.
            place.bytes = place.bytes.saturating_sub(current.bytes);
            place.own = None;
        } else if current.items > 0 {
            *copy = Some(current);
        }
        result
    }

    /// Makes a copy that has to wait survive a power cut, too.
    pub(crate) fn sync(&mut self, copy: &mut Stored) -> io::Result<()> {
        if !copy.is_synced {
            folder::sync(&copy.path)?;
            if let Some(own) = self.place.as_ref().and_then(|place| place.own.as_ref()) {
                own.sync()?;
            }
            copy.is_synced = true;
        }
        Ok(())
    }

    /// What can be read of a copy; `None` if it is gone.
    ///
    /// # Errors
    /// It cannot be read now.
    pub(crate) fn load(&self, copy: &Stored) -> io::Result<Option<Batch>> {
        match folder::read(&copy.path) {
            Ok(bytes) => Ok(Some(segment::read(&bytes).batch)),
            Err(e) if is_final(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The tracker has answered for all that is in it. What cannot be removed
    /// still counts, and is not looked at again at once.
    pub(crate) fn remove(&mut self, copy: Stored) {
        let Some(place) = &mut self.place else { return };
        match fs::remove_file(&copy.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => place.is_stuck = true,
            _ => place.bytes = place.bytes.saturating_sub(copy.bytes),
        }
    }

    /// Whether something has to go before more may come.
    pub(crate) fn is_over_quota(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.bytes > place.quota)
    }

    /// Looks for what dead processes left, once in a while; says what it found
    /// beside orphans.
    pub(crate) fn look(&mut self, now_ns: u64) -> Option<Sight> {
        let place = self.place.as_mut()?;
        let is_due = |looked: u64| now_ns.saturating_sub(looked) >= LOOK_AGAIN_NS;
        let is_done = place.adopted.orphans.is_empty();
        if !is_done || !place.looked_ns.is_none_or(is_due) {
            return None;
        }
        place.adopted.release();
        let sight = place.adopted.look(&place.dir, place.instance_id, place.quota, &place.locks);
        let is_again = sight.is_more && !std::mem::take(&mut place.is_stuck);
        place.looked_ns = (!is_again).then_some(now_ns);
        let found: u64 = place.adopted.orphans.iter().map(|orphan| orphan.bytes).sum();
        place.bytes = place.bytes.saturating_add(found);
        Some(sight)
    }

    /// The oldest segment of a dead process.
    pub(crate) fn adopt(&mut self) -> Option<Result<Adoption, Unread>> {
        let place = self.place.as_mut()?;
        let Orphan { instance_id, path, bytes } = place.adopted.orphans.pop_front()?;
        Some(match folder::read(&path) {
            Ok(read) => {
                let Segment { sdk, batch, damaged } = segment::read(&read);
                let copy = Stored { path, bytes, items: batch.len(), is_synced: true };
                Ok(Adoption { origin: Origin { instance_id, sdk }, batch, copy, damaged })
            }
            Err(e) if is_final(&e) => {
                place.is_stuck |= set_aside(&path).is_err();
                place.bytes = place.bytes.saturating_sub(bytes);
                Err(Unread::ForGood(format!("{}: {e}", path.display())))
            }
            Err(_) => {
                place.adopted.orphans.push_front(Orphan { instance_id, path, bytes });
                Err(Unread::ForNow)
            }
        })
    }

    /// Gives the folders of the dead back, once nothing is left to do in them.
    pub(crate) fn release_settled(&mut self) {
        if let Some(place) = self.place.as_mut().filter(|place| place.adopted.orphans.is_empty()) {
            place.adopted.release();
        }
    }

    /// Gives all folders back: what is left in them is the next process's.
    pub(crate) fn release(&mut self) {
        if let Some(place) = &mut self.place {
            place.own = None;
            place.adopted = Adopted::default();
        }
    }
}

/// Whether a file that could not be read never will be; a host that is out of
/// descriptors, say, has more in a moment.
fn is_final(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData)
        || e.raw_os_error() == Some(libc::ELOOP)
}

impl Place {
    fn begin(&mut self) -> io::Result<Stored> {
        let own = match &mut self.own {
            Some(own) => own,
            none => {
                let path = self.dir.join(self.instance_id.to_string());
                none.insert(Folder::own(path, &self.locks)?)
            }
        };
        let path = own.segment(self.next_number);
        self.next_number += 1;
        Ok(Stored { path, bytes: 0, items: 0, is_synced: false })
    }

    fn append(&mut self, batch: &Batch, copy: &mut Stored) -> io::Result<()> {
        if !self.own.as_ref().is_some_and(Folder::is_held) {
            return Err(io::ErrorKind::NotFound.into()); // somebody else may have it now
        }
        self.buffer.clear();
        if copy.bytes == 0 {
            segment::begin(&mut self.buffer, &self.sdk);
        }
        segment::append(&mut self.buffer, batch, copy.items);
        if let Err(e) = folder::write(&copy.path, copy.bytes, &self.buffer) {
            if copy.bytes == 0 {
                let _ = fs::remove_file(&copy.path);
            }
            return Err(e);
        }
        let written = self.buffer.len() as u64;
        copy.bytes += written;
        (copy.items, copy.is_synced) = (batch.len(), false);
        self.bytes = self.bytes.saturating_add(written);
        Ok(())
    }
}
