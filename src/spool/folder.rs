//! One process's folder in the spool directory, `DIR/<instance>`: the file
//! `lock` in it is held by the folder's owner for as long as he lives, and
//! whoever can take it adopts what lies there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::FlockArg;

use crate::guarded::{Guarded, Identity};

/// A segment holds one batch, of half a megabyte at most; what is larger than
/// this is no segment of ours.
pub(super) const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// An heir who is just leaving may take away a folder between two of our steps.
const ATTEMPTS: usize = 3;

/// A folder whose lock this process holds.
pub(super) struct Folder {
    path: PathBuf,
    lock: Lock,
}

impl Folder {
    /// This process's own, made if need be.
    pub(super) fn own(path: PathBuf, locks: &Arc<Locks>) -> io::Result<Self> {
        let mut result = Err(io::ErrorKind::WouldBlock.into());
        for _ in 0..ATTEMPTS {
            DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            result = Self::take(path.clone(), locks);
            if result.is_ok() {
                path.parent().map_or(Ok(()), sync_names)?;
                break;
            }
        }
        result
    }

    /// One that may have an owner: then this fails, and nothing is touched.
    pub(super) fn take(path: PathBuf, locks: &Arc<Locks>) -> io::Result<Self> {
        let name = path.join("lock");
        let lock = Lock::open(&name, locks)?;
        flock(lock.file.get()?, FlockArg::LockExclusiveNonblock)?;
        // Its last owner may have removed the name while we were opening it.
        match named(&fs::symlink_metadata(&name)?) == lock.file.identity() {
            true => Ok(Folder { path, lock }),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether it still is ours: the host may have closed the lock.
    pub(super) fn is_held(&self) -> bool {
        self.lock.file.get().is_ok()
    }

    /// Where segment `number` lies.
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number}.seg"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the names in it survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_names(&self.path)
    }
}

impl Drop for Folder {
    /// An empty folder goes; one with segments waits for its heir.
    fn drop(&mut self) {
        let is_empty = fs::read_dir(&self.path).is_ok_and(|entries| entries.count() == 1);
        if is_empty && self.is_held() {
            let _ = fs::remove_file(self.path.join("lock"));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The file `lock`, locked or not.
struct Lock {
    file: Guarded<File>,
    locks: Arc<Locks>,
}

impl Lock {
    /// It is noted before it is locked, for the child that is made in between.
    fn open(name: &Path, locks: &Arc<Locks>) -> io::Result<Self> {
        let file = careful().create(true).truncate(false).write(true).mode(0o600).open(name)?;
        let lock = Lock { file: Guarded::new(file)?, locks: Arc::clone(locks) };
        locks.note(&lock.file);
        Ok(lock)
    }
}

impl Drop for Lock {
    /// Unlocked for a fork child that has it, too: to close ours would not do.
    fn drop(&mut self) {
        self.locks.forget(&self.file);
        let _ = self.file.get().and_then(|file| flock(file, FlockArg::Unlock));
    }
}

fn sync_names(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The library's own guard panics when the host has closed the descriptor.
#[allow(deprecated)]
fn flock(file: &File, how: FlockArg) -> io::Result<()> {
    Ok(nix::fcntl::flock(file.as_raw_fd(), how)?)
}

/// Neither through a link nor, where a pipe lies in a file's place, for ever.
fn careful() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

/// Writes `bytes` from `offset` on; the file is made if that is 0. What a write
/// that failed leaves behind is cut off: an heir must not find more than we
/// know of.
///
/// It is opened for each write: so no descriptor is there for a fork child to
/// inherit, or for the host to close behind our back.
pub(super) fn write(path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let file = careful().create(offset == 0).truncate(false).write(true).mode(0o600).open(path)?;
    file.write_all_at(bytes, offset).inspect_err(|_| {
        let _ = file.set_len(offset);
    })
}

/// The whole file, if it can be a segment.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = careful().read(true).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > SEGMENT_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    file.take(SEGMENT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes the bytes of a file survive a power cut.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    careful().write(true).open(path)?.sync_all()
}

fn named(meta: &fs::Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// The locks that this process holds. A fork child inherits their descriptors,
/// and each would keep the lock when its owner is dead: so the child closes
/// them, with its first record. That does not unlock them for the parent.
#[derive(Default)]
pub(crate) struct Locks(Mutex<Vec<(i32, Identity)>>);

impl Locks {
    fn note(&self, lock: &Guarded<File>) {
        if let Ok(file) = lock.get() {
            self.held().push((file.as_raw_fd(), lock.identity()));
        }
    }

    fn forget(&self, lock: &Guarded<File>) {
        self.held().retain(|(_, identity)| *identity != lock.identity());
    }

    fn held(&self) -> MutexGuard<'_, Vec<(i32, Identity)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a fork child, about its parent's. If a thread that was not copied
    /// holds the list, the locks stay until the child ends: what its parent
    /// leaves is adopted later.
    pub(crate) fn close_inherited(&self) {
        let Ok(mut held) = self.0.try_lock() else { return };
        for (descriptor, inherited) in held.drain(..) {
            // The host may have closed it, and opened something else in its place.
            let here = fs::metadata(format!("/proc/self/fd/{descriptor}"));
            if here.is_ok_and(|meta| named(&meta) == inherited) {
                let _ = nix::unistd::close(descriptor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_folder_has_one_owner_and_goes_with_him_if_it_is_empty() {
        let dir = Scratch::new();
        let (path, locks) = (dir.path().join("a/b"), Arc::default());
        let own = Folder::own(path.clone(), &locks).unwrap();
        assert!(Folder::take(path.clone(), &locks).is_err(), "it has an owner");
        write(&own.segment(0), 0, b"kept").unwrap();
        drop(own);
        let heir = Folder::take(path.clone(), &locks).unwrap();
        fs::remove_file(heir.segment(0)).unwrap();
        drop(heir);
        assert!(!path.exists());
        assert!(locks.held().is_empty());
    }

    #[test]
    fn what_lies_behind_the_offset_is_written_over() {
        let dir = Scratch::new();
        let path = dir.path().join("0.seg");
        assert!(write(&path, 3, b"x").is_err(), "nothing to go on with");
        write(&path, 0, b"onetorn").unwrap();
        write(&path, 3, b"two...").unwrap();
        assert_eq!(read(&path).unwrap(), b"onetwo...");
    }

    #[test]
    fn descriptors_are_closed_only_where_they_still_are_the_locks() {
        let dir = Scratch::new();
        let mine = File::create(dir.path().join("mine")).unwrap();
        let locks = Locks::default();
        locks.held().push((mine.as_raw_fd(), (0, 0)));
        locks.close_inherited();
        assert!(mine.metadata().is_ok(), "the host's own file was closed");
    }
}
