//! What could not be sent before the process ended, kept for the next one.
//!
//! `DIR/<instance>/lock` is held by the process that owns the folder, for as
//! long as it lives; whoever can take the lock of another folder adopts what
//! lies in it. A segment is a file of frames (length, CRC32C, bytes): first a
//! header that says whose they are, then one checkpoint each. It appears
//! under its name only when complete and synced, and is deleted only when the
//! tracker has answered for it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::wire::limits::CHECKPOINT_BYTES;
use crate::wire::{CheckpointId, Sdk};

/// A segment holds one batch; what is larger is no segment of ours.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Folders looked at on start-up: a hostile directory must not cost its host.
const FOLDERS: usize = 64;
/// Entries of a directory that are looked at, for the same reason.
const ENTRIES: usize = 4_096;
const FRAME_HEAD: usize = 8;
const TIME_BYTES: usize = 8;

/// What was read back from one segment.
pub(crate) struct Segment {
    pub(crate) instance_id: CheckpointId,
    pub(crate) sdk: Sdk,
    pub(crate) batch: Batch,
    /// What to delete; the first part of a split segment has nothing.
    path: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    instance_id: String,
    sdk: Sdk,
}

/// One process's view of the spool directory; without one it does nothing.
pub(crate) struct Spool {
    dir: Option<PathBuf>,
    instance_id: CheckpointId,
    own: Option<Flock<File>>,
    stored: u32,
    found: Option<Found>,
}

#[derive(Default)]
struct Found {
    /// Read when their turn comes: memory holds one segment, not the directory.
    paths: VecDeque<PathBuf>,
    /// Read, and not settled yet.
    open: VecDeque<Segment>,
    /// Held until the segments are settled, so that nobody else adopts them.
    locks: Vec<(PathBuf, Flock<File>)>,
}

impl Spool {
    pub(crate) fn new(dir: Option<&Path>, instance_id: CheckpointId) -> Self {
        Spool { dir: dir.map(Into::into), instance_id, own: None, stored: 0, found: None }
    }

    /// Keeps `batch` for the next process; false if there is no directory.
    pub(crate) fn store(&mut self, batch: &Batch, sdk: &Sdk) -> io::Result<bool> {
        let Some(dir) = &self.dir else { return Ok(false) };
        let folder = dir.join(self.instance_id.to_string());
        if self.own.is_none() {
            fs::create_dir_all(&folder)?;
            self.own = Some(lock(&folder)?);
        }
        let temporary = folder.join(format!("{}.tmp", self.stored));
        let mut file = File::create(&temporary)?;
        file.write_all(&segment_bytes(self.instance_id, sdk, batch))?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(format!("{}.seg", self.stored)))?;
        File::open(&folder)?.sync_all()?;
        self.stored += 1;
        Ok(true)
    }

    /// The next segment that a dead process left. The first call looks
    /// through the directory; what is unreadable in it is left alone.
    pub(crate) fn next(&mut self) -> Option<Segment> {
        let dir = self.dir.as_deref()?;
        let found = self.found.get_or_insert_with(|| adopt(dir, self.instance_id));
        let open = found.open.pop_front();
        let segment =
            open.or_else(|| std::iter::from_fn(|| found.paths.pop_front()).find_map(read));
        if segment.is_none() {
            for (folder, lock) in found.locks.drain(..) {
                let _ = fs::remove_file(folder.join("lock"));
                let _ = fs::remove_dir(folder); // stays if something unreadable is in it
                drop(lock);
            }
        }
        segment
    }

    /// The tracker has answered for it.
    pub(crate) fn finish(&mut self, segment: Segment) {
        if let Some(path) = segment.path {
            let _ = fs::remove_file(path);
        }
    }

    /// Too large for the tracker: its halves are the next ones. The file goes
    /// with the second; what is sent twice, should we die between, is a
    /// duplicate to the tracker.
    pub(crate) fn split(&mut self, segment: Segment) {
        let Segment { instance_id, sdk, batch, path } = segment;
        let (first, rest) = batch.halve();
        self.put_back(Segment { instance_id, sdk: sdk.clone(), batch: rest, path });
        self.put_back(Segment { instance_id, sdk, batch: first, path: None });
    }

    /// The tracker is away: it is the next one again.
    pub(crate) fn put_back(&mut self, segment: Segment) {
        if let Some(found) = &mut self.found {
            found.open.push_front(segment);
        }
    }
}

fn lock(folder: &Path) -> io::Result<Flock<File>> {
    let path = folder.join("lock");
    let file = careful().create(true).truncate(false).write(true).open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

fn adopt(dir: &Path, own: CheckpointId) -> Found {
    let mut found = Found::default();
    let Ok(entries) = fs::read_dir(dir) else { return found };
    let is_id = |name: &str| name.parse::<CheckpointId>().is_ok_and(|id| id != own);
    for entry in entries.flatten().take(ENTRIES) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || !entry.file_name().to_str().is_some_and(is_id) {
            continue;
        }
        if let Ok(lock) = lock(&entry.path()) {
            found.paths.extend(segments(&entry.path()));
            found.locks.push((entry.path(), lock));
        }
        if found.locks.len() == FOLDERS {
            break;
        }
    }
    found
}

/// The segments of a dead process, the oldest first. What it had not finished
/// writing is nobody's.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().take(ENTRIES).map(|entry| entry.path());
    let (mut segments, others): (Vec<_>, Vec<_>) =
        paths.partition(|path| path.extension().is_some_and(|e| e == "seg"));
    for torn in others.iter().filter(|path| path.extension().is_some_and(|e| e == "tmp")) {
        let _ = fs::remove_file(torn);
    }
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u32>().ok();
    segments.sort_by_key(number);
    segments
}

/// Neither through a link nor, where a pipe lies in a file's place, for ever.
fn careful() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

fn read(path: PathBuf) -> Option<Segment> {
    let file = careful().read(true).open(&path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > SEGMENT_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(SEGMENT_BYTES).read_to_end(&mut bytes).ok()?;
    let mut frames = Frames(&bytes);
    let header: Header = serde_json::from_slice(frames.next()?).ok()?;
    let instance_id = header.instance_id.parse().ok()?;
    let mut batch = Batch::default();
    for frame in frames {
        let Some((time, json)) = frame.split_at_checked(TIME_BYTES) else { continue };
        let wall_ms = i64::from_le_bytes(time.try_into().ok()?);
        batch.add(wall_ms, |out| out.extend_from_slice(json));
    }
    Some(Segment { instance_id, sdk: header.sdk, batch, path: Some(path) })
}

fn segment_bytes(instance_id: CheckpointId, sdk: &Sdk, batch: &Batch) -> Vec<u8> {
    let header = Header { instance_id: instance_id.to_string(), sdk: sdk.clone() };
    let mut out = Vec::new();
    frame(&mut out, &[&serde_json::to_vec(&header).unwrap_or_default()]);
    for (wall_ms, json) in batch.timed() {
        frame(&mut out, &[&wall_ms.to_le_bytes(), json]);
    }
    out
}

fn frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let bytes = parts.concat();
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// The frames whose checksums are right, up to the first torn one.
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (head, rest) = self.0.split_at_checked(FRAME_HEAD)?;
            let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
            let checksum = u32::from_le_bytes(head[4..].try_into().ok()?);
            if length > CHECKPOINT_BYTES + TIME_BYTES {
                return None; // no frame of ours is so long: the length itself is damaged
            }
            let (bytes, rest) = rest.split_at_checked(length)?;
            self.0 = rest;
            if crc32c::crc32c(bytes) == checksum {
                return Some(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const DEAD: CheckpointId = CheckpointId(1);
    const HEIR: CheckpointId = CheckpointId(2);

    fn batch(texts: &[&str]) -> Batch {
        let mut batch = Batch::default();
        for text in texts {
            batch.add(5, |out| out.extend_from_slice(text.as_bytes()));
        }
        batch
    }

    fn texts(segment: &Segment) -> Vec<String> {
        segment.batch.iter().map(|json| String::from_utf8_lossy(json).into_owned()).collect()
    }

    #[test]
    fn what_a_dead_process_left_is_adopted_once_under_its_own_name() {
        let dir = Scratch::new();
        let sdk = Sdk { name: "labkit-ruby".into(), version: "1".into() };
        let mut dead = Spool::new(Some(dir.path()), DEAD);
        assert!(dead.store(&batch(&["one", "two"]), &sdk).unwrap());
        let mut heir = Spool::new(Some(dir.path()), HEIR);
        assert!(heir.next().is_none(), "the owner still lives");
        drop(dead);
        let mut heir = Spool::new(Some(dir.path()), HEIR);
        let segment = heir.next().unwrap();
        assert_eq!(texts(&segment), ["one", "two"]);
        assert_eq!((segment.instance_id, segment.sdk.name.as_str()), (DEAD, "labkit-ruby"));
        heir.put_back(segment);
        let segment = heir.next().unwrap();
        heir.finish(segment);
        assert!(heir.next().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_split_segment_comes_back_in_halves_and_its_file_goes_with_the_second() {
        let dir = Scratch::new();
        let mut dead = Spool::new(Some(dir.path()), DEAD);
        dead.store(&batch(&["one", "two", "three"]), &Sdk::default()).unwrap();
        drop(dead);
        let mut heir = Spool::new(Some(dir.path()), HEIR);
        let segment = heir.next().unwrap();
        let path = segment.path.clone().unwrap();
        heir.split(segment);
        let first = heir.next().unwrap();
        assert_eq!(texts(&first), ["one"]);
        heir.finish(first);
        assert!(path.exists());
        let rest = heir.next().unwrap();
        assert_eq!(texts(&rest), ["two", "three"]);
        heir.finish(rest);
        assert!(!path.exists());
    }

    #[test]
    fn a_hostile_directory_neither_blocks_nor_hides_what_is_honest() {
        use nix::sys::stat::Mode;
        let dir = Scratch::new();
        let folder = |id: u128| dir.path().join(CheckpointId(id).to_string());
        for name in 0..100 {
            fs::write(dir.path().join(format!("junk-{name}")), "").unwrap();
        }
        for id in 10..13 {
            fs::create_dir(folder(id)).unwrap();
        }
        nix::unistd::mkfifo(&folder(10).join("lock"), Mode::S_IRWXU).unwrap();
        nix::unistd::mkfifo(&folder(11).join("0.seg"), Mode::S_IRWXU).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder(12).join("lock")).unwrap();
        let mut dead = Spool::new(Some(dir.path()), DEAD);
        dead.store(&batch(&["one"]), &Sdk::default()).unwrap();
        fs::write(folder(1).join("1.tmp"), "torn").unwrap();
        drop(dead);

        let mut heir = Spool::new(Some(dir.path()), HEIR);
        let segment = heir.next().unwrap();
        assert_eq!(texts(&segment), ["one"]);
        heir.finish(segment);
        assert!(heir.next().is_none());
        assert!(!elsewhere.exists(), "the lock was made through a link");
        assert!(!folder(1).exists(), "a torn segment keeps the folder for ever");
    }

    #[test]
    fn a_torn_tail_and_a_bad_middle_cost_only_themselves() {
        let whole = segment_bytes(DEAD, &Sdk::default(), &batch(&["one", "two", "three"]));
        let count = |bytes: &[u8]| Frames(bytes).count();
        assert_eq!(count(&whole), 4);
        for end in 0..whole.len() {
            assert!(count(&whole[..end]) < 4);
        }
        let mut damaged = whole.clone();
        let middle = whole.windows(3).position(|window| window == b"two").unwrap();
        damaged[middle] ^= 1;
        assert_eq!(count(&damaged), 3);
    }

    #[test]
    fn without_a_directory_nothing_is_kept() {
        assert!(!Spool::new(None, DEAD).store(&batch(&["one"]), &Sdk::default()).unwrap());
    }
}
