//! The open file: transactions, and how it comes back after the disk failed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, TableHandle, WriteTransaction,
};

use super::fault::{Fault, OpenError};
use super::rows::{self, Last};
use super::tables::{COUNTERS, DEFINITIONS, DUE, LAST, META, OUTBOX, RECORDS, TIME, UNFINISHED};
use crate::clock::VirtualTime;
use crate::limits::STORE_CACHE_BYTES;

/// Opens the file, the first time and again; a seam, so that a test can put a
/// failing disk below it.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, OpenError> + Send + Sync>;

/// How far a transaction has to get before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// It wrote nothing.
    None,
    /// Everybody sees it; the next one that reaches the disk takes it along.
    Memory,
    /// It is on the disk.
    Disk,
}

/// The store's file.
pub(super) struct File {
    opener: Opener,
    /// Whoever reads or writes holds it shared for one transaction. Alone it
    /// is held to open the file again: redb refuses everything after a failed
    /// write, until that is done.
    database: RwLock<Result<Database, OpenError>>,
    /// So that an outage is said once, not with every request.
    failing: AtomicBool,
}

impl File {
    pub(super) fn open(opener: Opener) -> Result<Self, OpenError> {
        let database = RwLock::new(Ok(opener()?));
        Ok(File { opener, database, failing: AtomicBool::new(false) })
    }

    /// One consistent view of what is committed.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().map_err(|error| Fault::Closed(error.clone()))?;
        work(&database.begin_read()?)
    }

    /// All of `work` or nothing. `work` says how far it has to get.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(T, Depth), Fault>,
    ) -> Result<T, Fault> {
        if self.is_closed() {
            // What kept it from being opened may be over.
            self.reopen();
        }
        let written = self.try_write(work);
        match &written {
            Ok((_, Depth::Disk)) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the store's file can be written again");
                }
            }
            Ok(_) => {}
            Err(fault) => {
                self.report(fault);
                self.reopen();
            }
        }
        written.map(|(result, _)| result)
    }

    fn try_write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(T, Depth), Fault>,
    ) -> Result<(T, Depth), Fault> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().map_err(|error| Fault::Closed(error.clone()))?;
        let mut transaction = database.begin_write()?;
        let (result, depth) = work(&transaction)?;
        match depth {
            Depth::None => transaction.abort()?,
            Depth::Memory => {
                // Fails only with savepoints, of which there are none.
                let _ = transaction.set_durability(Durability::None);
                transaction.commit()?;
            }
            Depth::Disk => {
                // Otherwise an open after kill -9 would have to walk the whole file.
                transaction.set_quick_repair(true);
                transaction.commit()?;
            }
        }
        Ok((result, depth))
    }

    /// Says what is wrong, once until a write succeeds.
    pub(super) fn report(&self, fault: &Fault) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!("the store's file cannot be used, so ingest is refused: {fault}");
        }
    }

    fn is_closed(&self) -> bool {
        self.database.read().unwrap_or_else(PoisonError::into_inner).is_err()
    }

    fn reopen(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: the lock on the file is the old one's.
        let closed = redb::Error::DatabaseClosed;
        *database = Err(OpenError::new(Path::new(""), &Fault::Database(Box::new(closed))));
        *database = (self.opener)();
    }
}

/// Opens the database at `path`, or makes a new one whose virtual time begins at `now`.
pub(super) fn open(path: &Path, now: i64) -> Result<Database, OpenError> {
    let explained = |fault: &Fault| OpenError::new(path, fault);
    let new = !path.exists();
    let database = Builder::new()
        .set_cache_size(STORE_CACHE_BYTES)
        .create(path)
        .map_err(|error| explained(&error.into()))?;
    match is_ours(&database).map_err(|fault| explained(&fault))? {
        Some(false) => return Err(OpenError::foreign(path)),
        Some(true) => {}
        None => initialise(&database, now).map_err(|fault| explained(&fault))?,
    }
    if new {
        sync_directory(path).map_err(|io| explained(&redb::StorageError::Io(io).into()))?;
    }
    Ok(database)
}

/// `None`: there is nothing in it yet.
pub(super) fn is_ours(database: &Database) -> Result<Option<bool>, Fault> {
    let transaction = database.begin_read()?;
    let names: Vec<String> = transaction.list_tables()?.map(|t| t.name().to_owned()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    if !names.iter().any(|name| name == META.name()) {
        return Ok(Some(false));
    }
    // Fails on a file of another format, before anything is served from it.
    match transaction.open_table(META)?.get(TIME)? {
        Some(row) => rows::unpack_time(row.value()).map(|_| Some(true)).map_err(Fault::from),
        None => Ok(Some(false)),
    }
}

/// Everything in one transaction, so that a file has all of its tables or none.
pub(super) fn initialise(database: &Database, now: i64) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(DUE)?;
    transaction.open_table(UNFINISHED)?;
    transaction.open_table(OUTBOX)?;
    transaction.open_table(COUNTERS)?;
    transaction.open_table(DEFINITIONS)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(TIME, &*rows::pack_time(VirtualTime::new(now)))?;
        meta.insert(LAST, &*rows::pack(&Last::default()))?;
    }
    Ok(transaction.commit()?)
}

/// A new file's name is durable only once its directory is.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
