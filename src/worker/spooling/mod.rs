//! What the worker does with a spool while the tracker is away, and with what
//! the dead left in it.

mod inheritance;
mod outage;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::hand::Hand;
use super::keep_going;
use super::sender::Sender;
use super::stage::*;
use crate::process::Shared;
use crate::scratch::Scratch;
use crate::stats::{DropReason, Stats};
use crate::wire::CheckpointId;

fn shared_at(dir: &Path) -> Shared {
    shared(|config| config.spool_dir = Some(dir.into()))
}

/// Whose segments hold five checkpoints, of some 350 bytes each.
fn shared_of_8_kb(dir: &Path) -> Shared {
    shared(|config| {
        config.spool_dir = Some(dir.into());
        config.spool_bytes = 8_000;
    })
}

fn away() -> Tracker {
    let tracker = Tracker::default();
    tracker.book().script = vec![Step::Unreachable; 1_000].into();
    tracker
}

fn returns(tracker: &Tracker) {
    tracker.book().script.clear();
}

fn turn<'a>(shared: &'a Shared, hand: &mut Hand<'a>, tracker: &Tracker) {
    Sender::new(shared, shared.process(), Box::new(tracker.clone()), hand).turn();
}

fn turns<'a>(count: i64, shared: &'a Shared, hand: &mut Hand<'a>, tracker: &Tracker) {
    for _ in 0..count {
        shared.clock.set(shared.clock.now().wall_ms + 1_000);
        turn(shared, hand, tracker);
    }
}

/// A process that recorded `count`, was told nothing by any tracker, and left.
fn dead(dir: &Path, count: usize) -> CheckpointId {
    let dead = shared_at(dir);
    (0..count).for_each(|_| record(&dead, ""));
    shut_down(&dead, Instant::now());
    keep_going(&dead, dead.process(), || Box::new(away()));
    assert_eq!(balanced(&dead).spooled as usize, count);
    dead.process().instance_id
}

/// Turns an heir's worker until it has settled all that it finds.
fn inherit(dir: &Path) -> (Stats, Tracker) {
    let (heir, tracker) = (shared_at(dir), Tracker::default());
    turns(20, &heir, &mut Hand::new(&heir, heir.process()), &tracker);
    (balanced(&heir), tracker)
}

/// Files whose names end in `end`, anywhere under `dir`.
fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let entries = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut found: Vec<_> = entries(dir).iter().flat_map(|folder| entries(folder)).collect();
    found.retain(|path| path.to_str().unwrap().ends_with(end));
    found.sort();
    found
}

fn bytes_of(paths: &[PathBuf]) -> u64 {
    paths.iter().map(|path| path.metadata().unwrap().len()).sum()
}
