//! Death at every single write of a commit: kill -9, where what was written
//! stays in the kernel's hands, and a power cut, where any part of what was
//! not synced is lost. `LABKIT_POWER_CUTS` says how many ways to lose it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::tests::{lines, opened, opening};
use super::*;
use crate::limits::OUTBOX_LINES;
use crate::store::sample::{T0, identity};

const POWER_CUTS: usize = 2;
/// Commits of a life that is not cut short.
const COMMITS: u128 = 4;
/// Experiences that each of them opens.
const EACH: u128 = 3;

/// A disk, and the moment at which all ends.
#[derive(Debug, Default)]
struct Disk {
    /// What a power cut leaves in any case.
    synced: Vec<u8>,
    /// What the kernel holds.
    written: Vec<u8>,
    /// The writes in between.
    pending: Vec<(usize, Vec<u8>)>,
    /// Writes, changes of length and syncs that remain.
    left: usize,
}

impl Disk {
    fn holding(image: Vec<u8>, left: usize) -> Shared {
        Shared(Arc::new(Mutex::new(Disk {
            synced: image.clone(),
            written: image,
            pending: Vec::new(),
            left,
        })))
    }

    fn live(&mut self) -> io::Result<()> {
        let left = self.left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        self.left = left;
        Ok(())
    }

    /// The image after a power cut: `survives` says which writes got through.
    fn after_a_power_cut(&self, mut survives: impl FnMut() -> bool) -> Vec<u8> {
        let mut image = self.synced.clone();
        image.resize(self.written.len(), 0);
        for (at, bytes) in &self.pending {
            // Disks write sectors; a large write can get through in part.
            for (index, sector) in bytes.chunks(512).enumerate() {
                let from = at + index * 512;
                if survives() && from + sector.len() <= image.len() {
                    image[from..from + sector.len()].copy_from_slice(sector);
                }
            }
        }
        image
    }
}

#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Disk>>);

impl Shared {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    fn open(&self) -> Result<Embedded, OpenError> {
        let shared = self.clone();
        let opener = move || {
            let explained = |fault: Fault| OpenError::new(Path::new("disk"), &fault);
            let database = redb::Builder::new().create_with_backend(shared.clone());
            let database = database.map_err(|error| explained(error.into()))?;
            if file::is_ours(&database).map_err(explained)?.is_none() {
                file::initialise(&database, T0).map_err(explained)?;
            }
            Ok(database)
        };
        Embedded::start(Box::new(opener), OUTBOX_LINES)
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        let disk = self.disk();
        let bytes = disk.written.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.live()?;
        disk.written.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.live()?;
        disk.synced = disk.written.clone();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut disk, offset) = (self.disk(), offset as usize);
        disk.live()?;
        disk.written[offset..offset + data.len()].copy_from_slice(data);
        disk.pending.push((offset, data.to_vec()));
        Ok(())
    }
}

/// From 0 to 99, by chance, and the same each time.
fn chance(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish() % 100
}

/// Opens experiences until death: how many were acknowledged.
async fn live(store: &Embedded) -> u128 {
    let mut acknowledged = 0;
    for commit in 0..COMMITS {
        let _ = store.tick(T0 + commit as i64, 0).await;
        let first = commit * EACH;
        let changes = (first..first + EACH).map(|number| opening("make_it", number, 0));
        if store.commit(changes.collect()).await.is_err() {
            break;
        }
        acknowledged = first + EACH;
    }
    acknowledged
}

/// All or nothing of each commit; how many are lost of what was acknowledged.
async fn lost(image: Vec<u8>, acknowledged: u128, how: &str) -> u128 {
    let store = Disk::holding(image, usize::MAX).open().unwrap_or_else(|e| panic!("{how}: {e}"));
    let asked: Vec<_> = (0..COMMITS * EACH).map(|number| identity("make_it", number)).collect();
    let loaded = store.load(&asked).await.unwrap();
    let there = loaded.iter().take_while(|loaded| loaded.stored.is_some()).count() as u128;
    assert_eq!(there % EACH, 0, "{how}: a commit is there in part");
    assert!(loaded[there as usize..].iter().all(|loaded| loaded.stored.is_none()), "{how}");
    assert_eq!(opened(&store).await, there as i64, "{how}: each is counted once");
    assert_eq!(lines(&store).await.len() as u128, there, "{how}: each is told once");
    assert_eq!(store.due(99).await.unwrap().len(), 0, "{how}: nothing is due yet");
    store.tick(T0 + 500, 0).await.unwrap();
    assert_eq!(store.due(99).await.unwrap().len() as u128, there, "{how}: each has its deadline");
    let next = opening("make_it", there, 0);
    assert_eq!(store.commit(vec![next]).await, Ok(vec![crate::store::Commit::Done]), "{how}");
    acknowledged.saturating_sub(there)
}

#[tokio::test]
async fn death_at_any_write_of_a_commit_loses_nothing_acknowledged_and_halves_nothing() {
    let cuts = std::env::var("LABKIT_POWER_CUTS").map_or(POWER_CUTS, |n| n.parse().unwrap());
    let fresh = Disk::holding(Vec::new(), usize::MAX);
    drop(fresh.open().unwrap());
    let image = fresh.disk().written.clone();
    let (mut deaths, mut missing) = (0, 0);
    for allowed in 0.. {
        let disk = Disk::holding(image.clone(), allowed);
        let acknowledged = match disk.open() {
            Ok(store) => live(&store).await,
            Err(_) => 0,
        };
        let survived = acknowledged == COMMITS * EACH;
        let how = format!("killed at write {allowed}");
        let written = disk.disk().written.clone();
        missing += lost(written, acknowledged, &how).await;
        for cut in 0..cuts {
            let (share, mut sector) = (chance((allowed, cut)), 0);
            let survives = || {
                sector += 1;
                chance((allowed, cut, sector)) <= share
            };
            let image = disk.disk().after_a_power_cut(survives);
            missing += lost(image, acknowledged, &format!("{how}, power cut {cut}")).await;
        }
        deaths += 1 + cuts;
        if survived {
            break;
        }
    }
    println!(
        r#"{{"name":"embedded store killed in mid-commit","rounds":{deaths},"lost":{missing}}}"#
    );
    assert_eq!(missing, 0);
    assert!(deaths > 50, "{deaths}: a commit takes more writes than that");
}
