//! A store that takes nothing while it is told so, as one whose disk is full
//! or whose network is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use labkit_tracker::clock::VirtualTime;
use labkit_tracker::store::{
    Change, Commit, Filter, Loaded, Memory, Pending, Reply, Row, Store, StoreError,
};
use labkit_tracker::transition::{Identity, Stored};

pub struct Refusing {
    store: Memory,
    refuses: AtomicBool,
}

impl Refusing {
    pub fn new(store: Memory) -> Self {
        Refusing { store, refuses: AtomicBool::new(false) }
    }

    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    fn unless_refused<'a, T: Send + 'a>(
        &'a self,
        reply: impl FnOnce() -> Reply<'a, T>,
    ) -> Reply<'a, T> {
        match self.refuses.load(Ordering::SeqCst) {
            true => Box::pin(std::future::ready(Err(StoreError::Unavailable))),
            false => reply(),
        }
    }
}

impl Store for Refusing {
    fn load<'a>(&'a self, identities: &'a [Identity]) -> Reply<'a, Vec<Loaded>> {
        self.unless_refused(|| self.store.load(identities))
    }

    fn commit(&self, changes: Vec<Change>) -> Reply<'_, Vec<Commit>> {
        self.unless_refused(|| self.store.commit(changes))
    }

    fn tick(&self, now: i64, late_arrivals: u64) -> Reply<'_, VirtualTime> {
        self.unless_refused(|| self.store.tick(now, late_arrivals))
    }

    fn due(&self, limit: usize) -> Reply<'_, Vec<Identity>> {
        self.unless_refused(|| self.store.due(limit))
    }

    fn counters(&self) -> Reply<'_, Vec<Row>> {
        self.unless_refused(|| self.store.counters())
    }

    fn oldest(&self) -> Reply<'_, Vec<(Arc<str>, i64)>> {
        self.unless_refused(|| self.store.oldest())
    }

    fn list(&self, filter: Filter, limit: usize) -> Reply<'_, Vec<(Identity, Stored)>> {
        self.unless_refused(|| self.store.list(filter, limit))
    }

    fn outbox(&self, limit: usize) -> Reply<'_, Vec<Pending>> {
        self.unless_refused(|| self.store.outbox(limit))
    }

    fn settle<'a>(&'a self, delivered: &'a [Pending]) -> Reply<'a, ()> {
        self.unless_refused(|| self.store.settle(delivered))
    }

    fn backlog(&self) -> Reply<'_, usize> {
        self.unless_refused(|| self.store.backlog())
    }
}
