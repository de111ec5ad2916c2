//! The tracker is away, or the disk, or both.

use super::super::mourn;
use super::*;
use crate::{inject, quiet};

const HOUR_MS: i64 = 3_600_000;

/// Puts a file where a process's folder was: the disk says no until it is taken
/// away again.
struct Refusal {
    folder: PathBuf,
    aside: PathBuf,
}

impl Refusal {
    fn of(dir: &Path, instance_id: CheckpointId) -> Self {
        let folder = dir.join(instance_id.to_string());
        let aside = dir.join("aside");
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "").unwrap();
        Refusal { folder, aside }
    }

    fn end(self) {
        fs::remove_file(&self.folder).unwrap();
        fs::rename(&self.aside, &self.folder).unwrap();
    }
}

#[test]
fn an_outage_fills_the_disk_and_not_the_queue_and_its_end_brings_all_of_it_in_order() {
    let (dir, tracker) = (Scratch::new(), away());
    let shared = shared_at(dir.path());
    let mut hand = Hand::new(&shared, shared.process());
    for _ in 0..100 {
        (0..7).for_each(|_| record(&shared, ""));
        turn(&shared, &mut hand, &tracker);
        let stats = balanced(&shared);
        assert_eq!((stats.queued, stats.spooled), (stats.recorded, stats.recorded));
        assert_eq!(shared.process().queue.len(), 0);
    }
    assert_eq!(files(dir.path(), ".seg").len(), 140);
    returns(&tracker);
    turns(2, &shared, &mut hand, &tracker);
    let stats = balanced(&shared);
    assert_eq!((stats.acknowledged, stats.spooled), (700, 0));
    assert!(tracker.book().ids.is_sorted(), "the order was lost");
    assert!(files(dir.path(), ".seg").is_empty());
}

#[test]
fn what_waited_for_more_than_a_day_is_dropped_unsent() {
    let (dir, tracker) = (Scratch::new(), away());
    let shared = shared_at(dir.path());
    let mut hand = Hand::new(&shared, shared.process());
    (0..12).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    shared.clock.set(NOON + 25 * HOUR_MS);
    returns(&tracker);
    turn(&shared, &mut hand, &tracker);
    assert_eq!(balanced(&shared).dropped[DropReason::Expired as usize], 12);
    assert!(files(dir.path(), ".seg").is_empty());
}

#[test]
fn a_directory_that_is_cleared_costs_what_was_on_disk_alone_and_counts_it() {
    let (dir, tracker) = (Scratch::new(), away());
    let shared = shared_at(dir.path());
    let mut hand = Hand::new(&shared, shared.process());
    (0..12).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    fs::remove_dir_all(dir.path()).unwrap();
    (0..3).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    returns(&tracker);
    turns(5, &shared, &mut hand, &tracker);
    let stats = balanced(&shared);
    // The first batch and the open one were in memory, too.
    assert_eq!((stats.acknowledged, stats.dropped[DropReason::SpoolLost as usize]), (10, 5));
    assert_eq!((stats.queued, stats.spooled), (0, 0));
}

#[test]
fn a_disk_that_refuses_leaves_the_worker_as_it_is_without_a_spool() {
    let (dir, tracker) = (Scratch::new(), away());
    fs::write(dir.path().join("file"), "").unwrap();
    let shared = shared_at(&dir.path().join("file"));
    let mut hand = Hand::new(&shared, shared.process());
    for _ in 0..10 {
        (0..5).for_each(|_| record(&shared, ""));
        turn(&shared, &mut hand, &tracker);
    }
    let stats = balanced(&shared);
    assert_eq!((stats.spooled, stats.dropped[DropReason::QueueFull as usize]), (0, 50 - 32 - 5));
    let log = shared.process().drain_log(|_| true).unwrap();
    assert_eq!(log.matches("the spool cannot be used").count(), 1, "{log}");
    fs::remove_file(dir.path().join("file")).unwrap();
    turn(&shared, &mut hand, &tracker);
    assert_eq!(balanced(&shared).spooled, 37);
    assert!(shared.process().drain_log(|_| true).unwrap().contains("can be used again"));
}

#[test]
fn what_cannot_be_read_for_a_moment_waits_and_is_not_lost() {
    let (dir, tracker) = (Scratch::new(), away());
    let shared = shared_at(dir.path());
    let mut hand = Hand::new(&shared, shared.process());
    (0..12).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    let refusal = Refusal::of(dir.path(), shared.process().instance_id);
    returns(&tracker);
    turns(5, &shared, &mut hand, &tracker);
    assert_eq!((balanced(&shared).acknowledged, balanced(&shared).dropped_total()), (5, 0));
    refusal.end();
    turns(5, &shared, &mut hand, &tracker);
    assert_eq!(balanced(&shared).acknowledged, 12);
}

#[test]
fn a_batch_that_changes_while_the_disk_refuses_is_counted_as_it_is_and_written_anew() {
    for is_late in [false, true] {
        let (dir, tracker) = (Scratch::new(), away());
        let shared = shared_at(dir.path());
        tracker.book().script.push_front(Step::Status(413, None));
        let mut hand = Hand::new(&shared, shared.process());
        (0..3).for_each(|_| record(&shared, ""));
        turn(&shared, &mut hand, &tracker);
        assert_eq!(balanced(&shared).spooled, 3);
        let refusal = Refusal::of(dir.path(), shared.process().instance_id);
        if is_late {
            shared.clock.set(NOON + 25 * HOUR_MS); // the three expire
        }
        (0..2).for_each(|_| record(&shared, ""));
        turn(&shared, &mut hand, &tracker);
        let left = if is_late { 2 } else { 5 };
        assert_eq!((balanced(&shared).queued, balanced(&shared).spooled), (left, 0));
        refusal.end();
        // What the refused copy had, nobody could remove; it is an old one by now.
        fs::remove_file(files(dir.path(), "0.seg").remove(0)).unwrap();
        turn(&shared, &mut hand, &tracker);
        assert_eq!((balanced(&shared).queued, balanced(&shared).spooled), (left, left));
        drop(hand);
        assert_eq!(inherit(dir.path()).0.adopted, left, "late: {is_late}");
    }
}

#[test]
fn a_panic_costs_the_record_it_met_and_nothing_that_is_on_disk() {
    let (dir, tracker) = (Scratch::new(), away());
    let shared = shared_at(dir.path());
    let mut hand = Hand::new(&shared, shared.process());
    (0..12).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    for poison in ["", inject::WORKER, ""] {
        record(&shared, poison);
    }
    let message = quiet::catch(|| turn(&shared, &mut hand, &tracker)).unwrap_err();
    mourn(shared.process(), &mut hand, &message);
    returns(&tracker);
    turns(5, &shared, &mut hand, &tracker);
    let stats = balanced(&shared);
    assert_eq!((stats.acknowledged, stats.dropped[DropReason::WorkerLost as usize]), (14, 1));
    assert_eq!(stats.spooled, 0);
}
