//! What dead processes left in the spool directory. A hostile directory must
//! not cost its reader more than milliseconds: everything is bounded, nothing
//! is followed, and what is not ours is left alone.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::folder::{Folder, Locks, SEGMENT_BYTES};
use crate::wire::CheckpointId;

/// Folders adopted at a time, as each takes a descriptor of the host's; the
/// others' turn comes when these are settled.
const FOLDERS: usize = 8;
/// Names looked at in one go; to pass one by costs next to nothing.
const NAMES: usize = 65_536;
/// Folders and files looked at in one go.
const ENTRIES: usize = 4_096;
/// What could not be read is kept for a day, for whoever wonders.
const BAD_AGE: Duration = Duration::from_secs(24 * 3600);

/// Folders that are now ours, with what lies in them.
#[derive(Default)]
pub(super) struct Adopted {
    /// The oldest first.
    pub(super) orphans: VecDeque<Orphan>,
    /// Held until their orphans are settled, so that nobody else adopts them.
    folders: Vec<Folder>,
}

/// One segment of a dead process, not read yet: memory holds one at a time.
pub(super) struct Orphan {
    pub(super) instance_id: CheckpointId,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What a look found beside orphans.
#[derive(Default)]
pub(crate) struct Sight {
    /// Segments that are lost: beyond the quota, or no segments at all.
    pub(crate) lost: u64,
    /// There are more folders than were adopted.
    pub(crate) is_more: bool,
    /// Why something could not be looked at.
    pub(crate) trouble: Option<String>,
}

impl Adopted {
    /// Looks through `dir` for folders without an owner; `own` is not one. Of
    /// all the dead together no more than `quota` bytes are kept, the latest.
    pub(super) fn look(
        &mut self,
        dir: &Path,
        own: CheckpointId,
        quota: u64,
        locks: &Arc<Locks>,
    ) -> Sight {
        let mut sight = Sight::default();
        let mut names = match folders(dir, own) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return sight,
            Err(e) => {
                sight.trouble = Some(format!("{}: {e}", dir.display()));
                return sight;
            }
        };
        names.sort_unstable_by(|left, right| right.cmp(left)); // the latest first
        let (mut kept, mut budget, mut dead) = (0_u64, ENTRIES, Vec::new());
        for instance_id in names {
            let path = dir.join(instance_id.to_string());
            let folder = match Folder::take(path, locks) {
                Ok(folder) if budget > 0 => folder,
                Ok(_) => break,
                Err(e) => {
                    sight.note(&e);
                    continue;
                }
            };
            let (orphans, bad) = segments(folder.path(), instance_id, &mut budget);
            sight.lost += bad;
            let bytes = orphans.iter().fold(0_u64, |sum, orphan| sum.saturating_add(orphan.bytes));
            if kept.saturating_add(bytes) > quota {
                orphans.iter().for_each(|orphan| drop(fs::remove_file(&orphan.path)));
                sight.lost += orphans.len() as u64;
            } else if !orphans.is_empty() {
                kept += bytes;
                dead.push((folder, orphans));
                // The oldest are adopted; a newer one must wait with its lock free.
                sight.is_more |= dead.len() > FOLDERS;
                if dead.len() > FOLDERS {
                    dead.remove(0);
                }
            }
        }
        for (folder, orphans) in dead.into_iter().rev() {
            self.orphans.extend(orphans);
            self.folders.push(folder);
        }
        sight
    }

    /// Gives the folders back once nothing is left to do in them.
    pub(super) fn release(&mut self) {
        self.folders.clear();
    }
}

impl Sight {
    /// That a folder has an owner, or has just gone, is no trouble.
    fn note(&mut self, e: &io::Error) {
        if !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) {
            self.trouble = Some(e.to_string());
        }
    }
}

/// The processes that have folders of ours. Others may write into a directory
/// that many share, and what they write would be sent under our name.
fn folders(dir: &Path, own: CheckpointId) -> io::Result<Vec<CheckpointId>> {
    let owner = nix::unistd::geteuid().as_raw();
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)?.flatten().take(NAMES) {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<CheckpointId>().ok());
        let Some(id) = id.filter(|id| *id != own) else { continue };
        let is_ours = entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == owner);
        if is_ours {
            found.push(id);
        }
        if found.len() == ENTRIES {
            break;
        }
    }
    Ok(found)
}

/// In the order they were written, and how many cannot be segments: those are set
/// aside as `*.bad`. A segment's name is a number; what is called otherwise is
/// not ours.
fn segments(folder: &Path, instance_id: CheckpointId, budget: &mut usize) -> (Vec<Orphan>, u64) {
    let (mut found, mut bad) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().take(*budget) {
        *budget -= 1;
        let path = entry.path();
        let Ok(meta) = entry.metadata() else { continue };
        if path.extension().is_some_and(|e| e == "bad") {
            forget_bad(&path, &meta);
            continue;
        }
        let number = path.extension().filter(|e| *e == "seg").and(path.file_stem());
        let number = number.and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let Some(number) = number.filter(|_| meta.is_file()) else { continue };
        if meta.len() > SEGMENT_BYTES {
            bad += u64::from(set_aside(&path).is_ok());
            continue;
        }
        found.push((number, Orphan { instance_id, path, bytes: meta.len() }));
    }
    found.sort_by_key(|(number, _)| *number);
    (found.into_iter().map(|(_, orphan)| orphan).collect(), bad)
}

/// What is no segment is kept beside them under another name.
pub(super) fn set_aside(path: &Path) -> io::Result<()> {
    fs::rename(path, path.with_extension("bad"))
}

fn forget_bad(path: &Path, meta: &fs::Metadata) {
    let age = meta.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    if age.is_some_and(|age| age > BAD_AGE) {
        let _ = fs::remove_file(path);
    }
}
