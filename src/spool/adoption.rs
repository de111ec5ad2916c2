//! What dead processes left in the spool directory. A hostile directory must
//! not cost its reader more than milliseconds: everything is bounded, nothing
//! is followed, and what is not ours is left alone.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{Folder, Locks};
use crate::wire::CheckpointId;

/// Folders adopted at a time; the others' turn comes when these are settled.
const FOLDERS: usize = 64;
/// Entries looked at in one go, those of the folders included.
const ENTRIES: usize = 4_096;

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

impl Adopted {
    /// Looks through `dir` for folders without an owner; `own` is not one.
    pub(super) fn look(&mut self, dir: &Path, own: CheckpointId, locks: &Arc<Locks>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        // Others may write into a directory that many share, and what they
        // write there would be sent under our name.
        let owner = nix::unistd::geteuid().as_raw();
        let mut budget = ENTRIES;
        for entry in entries.flatten() {
            if budget == 0 || self.folders.len() == FOLDERS {
                break;
            }
            budget -= 1;
            let Some(instance_id) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let is_ours = entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == owner);
            if !is_ours || instance_id == own {
                continue;
            }
            if let Ok(folder) = Folder::take(entry.path(), locks) {
                let orphans = segments(folder.path(), instance_id, &mut budget);
                if !orphans.is_empty() {
                    self.orphans.extend(orphans);
                    self.folders.push(folder);
                }
            }
        }
    }

    /// Gives the folders back once nothing is left to do in them.
    pub(super) fn release(&mut self) {
        self.folders.clear();
    }
}

/// In the order they were written. A name is a number; what is called
/// otherwise is not ours.
fn segments(folder: &Path, instance_id: CheckpointId, budget: &mut usize) -> Vec<Orphan> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(u64, Orphan)> = Vec::new();
    for entry in entries.flatten().take(*budget) {
        *budget -= 1;
        let path = entry.path();
        let number = path.extension().filter(|e| *e == "seg").and(path.file_stem());
        let number = number.and_then(|stem| stem.to_str()?.parse().ok());
        if let (Some(number), Ok(meta)) = (number, entry.metadata()) {
            if meta.is_file() {
                found.push((number, Orphan { instance_id, path, bytes: meta.len() }));
            }
        }
    }
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, orphan)| orphan).collect()
}
