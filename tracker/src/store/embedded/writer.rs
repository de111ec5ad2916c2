//! The one writer. What many requests want written at the same time goes into
//! one transaction, as a disk syncs a hundred changes as fast as one; no commit
//! is answered before that is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::fault::Fault;
use super::file::File;
use super::write::{Known, Write};
use crate::clock::VirtualTime;
use crate::limits::{STORE_GATHER, STORE_GROUP, STORE_LOOK};
use crate::store::{Change, Commit, StoreError};

/// Where an answer goes. Dropped without one, the caller hears that the store
/// is unavailable: so a failed transaction has only to be forgotten.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to write.
pub(super) enum Job {
    Commit(Vec<Change>, Answer<Vec<Commit>>),
    Tick { now: i64, late_arrivals: u64, answer: Answer<VirtualTime> },
    Settle { through: u64, answer: Answer<()> },
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Job::Commit(changes, _) => changes.len(),
            Job::Tick { .. } | Job::Settle { .. } => 1,
        }
    }

    /// Writes it; what is returned answers for it once that is committed, unless
    /// whoever asked has gone away.
    fn apply(self, write: &mut Write<'_>) -> Result<Box<dyn FnOnce()>, Fault> {
        Ok(match self {
            Job::Commit(changes, answer) => {
                let commits = write.commit(changes)?;
                Box::new(move || _ = answer.send(commits))
            }
            Job::Tick { now, late_arrivals, answer } => {
                let time = write.tick(now, late_arrivals)?;
                Box::new(move || _ = answer.send(time))
            }
            Job::Settle { through, answer } => {
                write.settle(through)?;
                Box::new(move || _ = answer.send(Ok(())))
            }
        })
    }
}

/// What goes into one transaction.
#[derive(Default)]
struct Group {
    jobs: Vec<Job>,
    weight: usize,
}

impl Group {
    fn add(&mut self, job: Job) {
        self.weight += job.weight();
        self.jobs.push(job);
    }
}

/// How many there were last, and how long they took.
#[derive(Clone, Copy, Default)]
struct Previous {
    jobs: usize,
    took: Duration,
}

impl Previous {
    /// Whoever was answered last comes again soon, one after the other. To begin
    /// with the first of them would make all the others wait for a second
    /// transaction: so they are waited for, for a part of what that would take.
    fn gather(self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> Group {
        let mut group = Group::default();
        group.add(first);
        let until = Instant::now() + (self.took / 4).min(STORE_GATHER);
        while group.weight < STORE_GROUP {
            match jobs.try_recv() {
                Ok(job) => group.add(job),
                Err(TryRecvError::Empty)
                    if group.jobs.len() < self.jobs && Instant::now() < until =>
                {
                    std::thread::sleep(STORE_LOOK);
                }
                Err(_) => break,
            }
        }
        group
    }
}

/// Writes until every sender is gone, and then what they left.
pub(super) fn run(file: &Arc<File>, mut jobs: mpsc::Receiver<Job>, outbox_lines: usize) {
    let (mut known, mut last) = (Known::default(), Previous::default());
    while let Some(first) = jobs.blocking_recv() {
        let group = last.gather(first, &mut jobs).jobs;
        let (count, begun) = (group.len(), Instant::now());
        let answers = file.write(|transaction| {
            let mut write = Write::begin(transaction, &mut known, outbox_lines)?;
            let apply = |job: Job| job.apply(&mut write);
            let answers = group.into_iter().map(apply).collect::<Result<Vec<_>, _>>()?;
            Ok((answers, write.finish()?))
        });
        match answers {
            Ok(answers) => answers.into_iter().for_each(|answer| answer()),
            Err(_) => known = Known::nothing(),
        }
        last = Previous { jobs: count, took: begun.elapsed() };
    }
}
