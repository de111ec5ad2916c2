//! What only a store with a file has to do; the rest is in `store/contract.rs`.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend, TableDefinition};

use super::tables::{META, TIME};
use super::*;
use crate::limits::OUTBOX_LINES;
use crate::store::Commit;
use crate::store::sample::{self, T0, identity};
use crate::transition::{Cell, Definition, Seen};

fn open_at(path: &Path) -> Result<Embedded, String> {
    Embedded::open(path, T0, OUTBOX_LINES).map_err(|error| error.to_string())
}

/// Opens an experience, counts that, and tells it.
pub(super) fn opening(id: &str, number: u128, expected: u64) -> Change {
    sample::opening(id, number, Seen::default(), expected)
}

pub(super) async fn opened(store: &Embedded) -> i64 {
    let rows = store.counters().await.unwrap();
    rows.iter().map(|(_, cells)| cells[Cell::Opened.index()]).sum()
}

pub(super) async fn lines(store: &Embedded) -> Vec<String> {
    let pending = store.outbox(99).await.unwrap();
    pending.iter().map(|pending| pending.line.to_string()).collect()
}

#[tokio::test]
async fn records_counters_lines_and_virtual_time_are_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open_at(&path).unwrap();
    for number in 1..=3 {
        store.commit(vec![opening("make_it", number, 0)]).await.unwrap();
    }
    let first = store.outbox(1).await.unwrap();
    store.settle(&first).await.unwrap();
    // The second one stays off the disk until the store is closed.
    store.tick(T0 + 600, 0).await.unwrap();
    store.tick(T0 + 700, 0).await.unwrap();
    let asked: Vec<_> = (1..=4).map(|number| identity("make_it", number)).collect();
    let (loaded, due) = (store.load(&asked).await.unwrap(), store.due(9).await.unwrap());
    drop(store);

    let store = Embedded::open(&path, 77, OUTBOX_LINES).unwrap();
    assert_eq!(store.load(&asked).await.unwrap(), loaded);
    assert_eq!(store.due(9).await.unwrap(), due);
    assert_eq!((due.len(), loaded[3].version), (3, 0));
    assert_eq!(opened(&store).await, 3);
    assert_eq!(lines(&store).await, ["make_it 2", "make_it 3"]);
    assert_eq!(store.oldest().await.unwrap(), [("make_it".into(), T0 - 3)]);
    let time = store.tick(T0 + 800, 0).await.unwrap();
    assert_eq!((time.v, time.last_tick), (T0 + 800, T0 + 800), "it went on where it stood");
}

#[tokio::test]
async fn no_version_and_no_line_number_is_used_twice_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open_at(&path).unwrap();
    store.commit(vec![opening("make_it", 1, 0)]).await.unwrap();
    let version = store.load(&[identity("make_it", 1)]).await.unwrap()[0].version;
    let forget = Change { next: None, lines: vec![], ..opening("make_it", 1, version) };
    store.commit(vec![forget]).await.unwrap();
    let settled = store.outbox(9).await.unwrap();
    store.settle(&settled).await.unwrap();
    drop(store);

    let store = open_at(&path).unwrap();
    store.commit(vec![opening("make_it", 1, 0)]).await.unwrap();
    assert!(store.load(&[identity("make_it", 1)]).await.unwrap()[0].version > version);
    let pending = store.outbox(9).await.unwrap();
    assert!(pending[0].position > settled[0].position);
}

#[tokio::test]
async fn a_changed_definition_is_another_series_and_old_records_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open_at(&path).unwrap();
    store.commit(vec![opening("make_it", 1, 0), opening("break_it", 2, 0)]).await.unwrap();
    drop(store);
    let store = open_at(&path).unwrap();
    let mut changed = opening("make_it", 3, 0);
    if let Some(Stored::Whole(record)) = &mut changed.next {
        let definition = Definition { ttl_ms: 1, ..(*record.definition).clone() };
        record.definition = Arc::new(definition);
        changed.counts[0].series.definition = record.definition.clone();
    }
    store.commit(vec![changed, opening("make_it", 4, 0)]).await.unwrap();
    let asked: Vec<_> = [1, 3, 4].map(|number| identity("make_it", number)).into();
    let loaded = store.load(&asked).await.unwrap();
    let ttls: Vec<_> = loaded
        .iter()
        .map(|loaded| match &loaded.stored {
            Some(Stored::Whole(record)) => record.definition.ttl_ms,
            _ => 0,
        })
        .collect();
    assert_eq!(ttls, [60_000, 1, 60_000]);
    assert_eq!(store.counters().await.unwrap().len(), 3);
    let mut oldest = store.oldest().await.unwrap();
    oldest.sort();
    assert_eq!(oldest, [("break_it".into(), T0 - 2), ("make_it".into(), T0 - 4)]);
    let listed = store.list(Box::new(|_, _| true), 3).await.unwrap();
    let began: Vec<_> = listed.iter().filter_map(|(_, stored)| stored.unfinished_since()).collect();
    assert_eq!(began, [T0 - 4, T0 - 3, T0 - 2], "the oldest first, over all definitions");
}

#[test]
fn a_second_instance_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let first = open_at(&path).unwrap();
    let refused = open_at(&path).err().unwrap();
    assert!(refused.contains("another process has the file open"), "{refused}");
    drop(first);
    assert!(open_at(&path).is_ok());
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_to_do_and_stays_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    fs::write(&short, "notes").unwrap();
    fs::write(&long, "notes ".repeat(10_000)).unwrap();
    let foreign = dir.path().join("foreign");
    let database = Database::create(&foreign).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u8, u8>::new("theirs")).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for (path, expected) in [
        (dir.path().join("missing/store"), "missing does not exist: create it first"),
        (dir.path().to_owned(), "it is a directory: name a file in it"),
        (short.clone(), "it is no database"),
        (long.clone(), "it is no database"),
        (foreign, "it is the database of another program"),
    ] {
        let refused = open_at(&path).err().unwrap();
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.starts_with(&format!("--store embedded:{}", path.display())));
    }
    assert_eq!(fs::read_to_string(&short).unwrap(), "notes");
    assert_eq!(fs::read_to_string(&long).unwrap().len(), 60_000);
}

#[test]
fn a_file_of_a_later_format_is_refused_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(open_at(&path).unwrap());
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(TIME, &[9, 1, 2][..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = open_at(&path).err().unwrap();
    assert!(
        refused.contains("a row is of format 9, and this version reads formats up to 2"),
        "{refused}"
    );
}

/// A disk on which so many bytes can still be written.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    room: Arc<AtomicUsize>,
}

impl Disk {
    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = |room: usize| room.checked_sub(bytes).filter(|_| room > 0);
        let taken = self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        taken.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.take(0).and_then(|()| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.take(0).and_then(|()| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.take(data.len()).and_then(|()| self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A store on a disk that can be filled.
fn on_a_disk(path: &Path) -> (Embedded, Arc<AtomicUsize>) {
    let room = Arc::new(AtomicUsize::new(usize::MAX));
    let (path, shared) = (path.to_owned(), room.clone());
    let opener = move || {
        let explained = |fault: Fault| OpenError::new(&path, &fault);
        let disk = || -> io::Result<Disk> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = FileBackend::new(options.open(&path)?).map_err(io::Error::other)?;
            Ok(Disk { file, room: shared.clone() })
        };
        let disk = disk().map_err(|io| explained(redb::StorageError::Io(io).into()))?;
        let database = redb::Builder::new().create_with_backend(disk);
        let database = database.map_err(|error| explained(error.into()))?;
        if file::is_ours(&database).map_err(explained)?.is_none() {
            file::initialise(&database, T0).map_err(explained)?;
        }
        Ok(database)
    };
    (Embedded::start(Box::new(opener), OUTBOX_LINES).unwrap(), room)
}

#[tokio::test]
async fn a_full_disk_refuses_ingest_stops_time_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (store, room) = on_a_disk(&dir.path().join("store"));
    store.commit(vec![opening("make_it", 1, 0)]).await.unwrap();
    store.tick(T0 + 100, 0).await.unwrap();
    room.store(0, Ordering::SeqCst);
    for _ in 0..3 {
        let refused = store.commit(vec![opening("break_it", 2, 0)]).await;
        assert_eq!(refused, Err(StoreError::Unavailable));
        assert_eq!(store.tick(T0 + 200, 0).await, Err(StoreError::Unavailable));
    }
    room.store(usize::MAX, Ordering::SeqCst);
    let time = store.tick(T0 + 5_000, 0).await.unwrap();
    assert_eq!((time.v, time.blind), (T0 + 100, 4_900));
    assert_eq!(store.commit(vec![opening("break_it", 2, 0)]).await, Ok(vec![Commit::Done]));
    assert_eq!(opened(&store).await, 2);
    assert_eq!(lines(&store).await, ["make_it 1", "break_it 2"]);
    let loaded = store.load(&[identity("make_it", 1), identity("break_it", 2)]).await.unwrap();
    assert!(loaded.iter().all(|loaded| loaded.stored.is_some()));
}

#[tokio::test]
async fn a_nearly_full_disk_that_takes_ticks_but_no_batches_stops_time_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, room) = on_a_disk(&dir.path().join("store"));
    let little = 1_000_000;
    room.store(little, Ordering::SeqCst);
    store.tick(T0 + 100, 0).await.unwrap();
    let flood = || (1..=5_000).map(|number| opening("make_it", number, 0)).collect();
    assert_eq!(store.commit(flood()).await, Err(StoreError::Unavailable));
    for _ in 0..3 {
        room.store(little, Ordering::SeqCst);
        assert_eq!(store.tick(T0 + 200, 0).await, Err(StoreError::Unavailable));
    }
    room.store(usize::MAX, Ordering::SeqCst);
    store.tick(T0 + 300, 0).await.unwrap();
    room.store(little, Ordering::SeqCst);
    assert_eq!(store.tick(T0 + 1_500, 0).await.unwrap().v, T0 + 1_500, "it is mended");
    room.store(usize::MAX, Ordering::SeqCst);
    store.commit(flood()).await.unwrap();
    assert_eq!(opened(&store).await, 5_000);
}

#[tokio::test]
async fn what_many_ask_for_at_once_is_answered_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open_at(&dir.path().join("store")).unwrap());
    let commit = |number: u128| {
        let store = store.clone();
        // Two for each experience: one of them wins.
        async move { store.commit(vec![opening("make_it", number / 2, 0)]).await.unwrap()[0] }
    };
    let asked: Vec<_> = (0..200).map(|number| tokio::spawn(commit(number))).collect();
    let mut done = 0;
    for asked in asked {
        done += i64::from(asked.await.unwrap() == Commit::Done);
    }
    assert_eq!((done, opened(&store).await), (100, 100));
    assert_eq!(store.backlog().await.unwrap(), 100);
}
