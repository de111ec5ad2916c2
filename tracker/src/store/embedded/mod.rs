//! One file on this machine's disk, for exactly one tracker: what was
//! acknowledged survives kill -9 and power cuts, and is there again at once.
//!
//! ```text
//! commit, tick, settle --> queue --> writer: one transaction for all that wait --> sync --> answers
//! load, due, outbox, ... --> view of what is committed, on a thread that may wait for the disk
//! ```
//!
//! When the disk fails, whatever was not committed is refused, the file is
//! opened again, and the next write tries anew; as ticks are writes, too,
//! virtual time stands still meanwhile.

mod fault;
mod file;
mod read;
mod tables;
mod write;
mod writer;

#[cfg(test)]
mod killed;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

pub use fault::OpenError;

use self::fault::Fault;
use self::file::{File, Opener};
use self::read::{Definitions, View};
use self::writer::{Answer, Job};
use super::{Change, Commit, Filter, Loaded, Pending, Reply, Row, Store, StoreError, rows};
use crate::clock::VirtualTime;
use crate::limits::STORE_QUEUE;
use crate::transition::{Identity, Stored};

/// The embedded store.
pub struct Embedded {
    file: Arc<File>,
    definitions: Arc<Definitions>,
    /// Bounded, so that a slow disk makes callers wait instead of memory grow.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    /// The store in the file `path`, which is made if it is not there: then its
    /// virtual time begins at `now`. So many log lines may wait in it.
    pub fn open(path: &Path, now: i64, outbox_lines: usize) -> Result<Self, OpenError> {
        let path = path.to_owned();
        Self::start(Box::new(move || file::open(&path, now)), outbox_lines)
    }

    fn start(opener: Opener, outbox_lines: usize) -> Result<Self, OpenError> {
        let file = Arc::new(File::open(opener)?);
        let (jobs, queue) = mpsc::channel(STORE_QUEUE);
        let written = file.clone();
        let writer = std::thread::spawn(move || writer::run(&written, queue, outbox_lines));
        Ok(Embedded { file, definitions: Arc::default(), jobs: Some(jobs), writer: Some(writer) })
    }

    fn write<T: Send + 'static>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Reply<'_, T> {
        let (answer, answered) = oneshot::channel();
        let (job, jobs) = (job(answer), self.jobs.clone());
        Box::pin(async move {
            let jobs = jobs.ok_or(StoreError::Unavailable)?;
            jobs.send(job).await.map_err(|_| StoreError::Unavailable)?;
            drop(jobs);
            answered.await.unwrap_or(Err(StoreError::Unavailable))
        })
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Reply<'static, T> {
        let (file, definitions) = (self.file.clone(), self.definitions.clone());
        let work = move || {
            let view = |transaction: &_| work(&View { transaction, definitions: &definitions });
            file.read(view).map_err(|fault| {
                file.report(&fault);
                StoreError::Unavailable
            })
        };
        Box::pin(async move {
            tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Unavailable))
        })
    }
}

impl Drop for Embedded {
    /// Waits for the transaction under way, so that the file is free for the
    /// next one when this is over.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Store for Embedded {
    fn load<'a>(&'a self, identities: &'a [Identity]) -> Reply<'a, Vec<Loaded>> {
        let keys: Vec<Vec<u8>> = identities.iter().map(tables::key).collect();
        self.read(move |view| view.load(&keys))
    }

    fn commit(&self, changes: Vec<Change>) -> Reply<'_, Vec<Commit>> {
        self.write(|answer| Job::Commit(changes, answer))
    }

    fn tick(&self, now: i64, late_arrivals: u64) -> Reply<'_, VirtualTime> {
        self.write(|answer| Job::Tick { now, late_arrivals, answer })
    }

    fn due(&self, limit: usize) -> Reply<'_, Vec<Identity>> {
        self.read(move |view| view.due(limit))
    }

    fn counters(&self) -> Reply<'_, Vec<Row>> {
        self.read(|view| view.counters())
    }

    fn oldest(&self) -> Reply<'_, Vec<(Arc<str>, i64)>> {
        self.read(|view| view.oldest())
    }

    fn list(&self, filter: Filter, limit: usize) -> Reply<'_, Vec<(Identity, Stored)>> {
        self.read(move |view| view.list(&filter, limit))
    }

    fn outbox(&self, limit: usize) -> Reply<'_, Vec<Pending>> {
        self.read(move |view| view.outbox(limit))
    }

    fn settle<'a>(&'a self, delivered: &'a [Pending]) -> Reply<'a, ()> {
        match delivered.iter().map(|pending| pending.position.number).max() {
            Some(through) => self.write(|answer| Job::Settle { through, answer }),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn backlog(&self) -> Reply<'_, usize> {
        self.read(|view| view.backlog())
    }
}
