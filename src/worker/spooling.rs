//! What the worker does with a spool while the tracker is away, and with what
//! others left in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use super::hand::Hand;
use super::sender::Sender;
use super::stage::*;
use super::{keep_going, mourn};
use crate::process::Shared;
use crate::quiet;
use crate::scratch::Scratch;
use crate::stats::{DropReason, Stats};
use crate::wire::CheckpointId;

const HOUR_MS: i64 = 3_600_000;

fn shared_at(dir: &Path) -> Shared {
    shared(|config| config.spool_dir = Some(dir.into()))
}

fn away() -> Tracker {
    let tracker = Tracker::default();
    tracker.0.lock().unwrap().script = vec![Step::Unreachable; 1_000].into();
    tracker
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
    let heir = shared_at(dir);
    let tracker = Tracker::default();
    let mut hand = Hand::new(&heir, heir.process());
    let mut sender = Sender::new(&heir, heir.process(), Box::new(tracker.clone()), &mut hand);
    for _ in 0..20 {
        sender.turn();
        heir.clock.set(heir.clock.now().wall_ms + 1_000);
    }
    (balanced(&heir), tracker)
}

/// Of this thread alone: what else runs on the machine is not the spool's cost.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn turn<'a>(shared: &'a Shared, hand: &mut Hand<'a>, tracker: &Tracker) {
    Sender::new(shared, shared.process(), Box::new(tracker.clone()), hand).turn();
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

#[test]
fn an_outage_fills_the_disk_and_not_the_queue_and_its_end_brings_all_of_it_in_order() {
    let dir = Scratch::new();
    let shared = shared_at(dir.path());
    let tracker = away();
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
    for _ in 0..100 {
        (0..7).for_each(|_| record(&shared, ""));
        sender.turn();
        let stats = balanced(&shared);
        assert_eq!(
            (stats.queued, stats.spooled, shared.process().queue.len()),
            (stats.recorded, stats.recorded, 0)
        );
    }
    assert_eq!(files(dir.path(), ".seg").len(), 140);
    tracker.0.lock().unwrap().script.clear();
    for second in 1..=300 {
        shared.clock.set(NOON + second * 1_000);
        sender.turn();
    }
    let stats = balanced(&shared);
    assert_eq!((stats.acknowledged, stats.spooled), (700, 0));
    assert!(tracker.0.lock().unwrap().ids.is_sorted(), "the order was lost");
    assert!(files(dir.path(), ".seg").is_empty());
}

#[test]
fn over_the_quota_the_oldest_go_those_of_the_dead_first() {
    let dir = Scratch::new();
    dead(dir.path(), 5);
    let shared = shared(|config| {
        config.spool_dir = Some(dir.path().into());
        config.spool_bytes = 8_000;
    });
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(away()), &mut hand);
    sender.turn();
    for _ in 0..20 {
        (0..5).for_each(|_| record(&shared, ""));
        sender.turn();
    }
    let stats = balanced(&shared);
    assert_eq!(stats.adopted_lost, 5);
    let dropped = stats.dropped[DropReason::SpoolFull as usize];
    assert!(dropped > 0 && dropped % 5 == 0);
    let bytes: u64 = files(dir.path(), ".seg").iter().map(|p| p.metadata().unwrap().len()).sum();
    assert!((4_000..8_000).contains(&bytes), "{bytes}");
}

#[test]
fn what_waited_for_more_than_a_day_is_dropped_unsent() {
    let dir = Scratch::new();
    let shared = shared_at(dir.path());
    let tracker = away();
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
    (0..12).for_each(|_| record(&shared, ""));
    sender.turn();
    shared.clock.set(NOON + 25 * HOUR_MS);
    tracker.0.lock().unwrap().script.clear();
    sender.turn();
    assert_eq!(balanced(&shared).dropped[DropReason::Expired as usize], 12);
    assert!(files(dir.path(), ".seg").is_empty());
}

#[test]
fn a_directory_that_is_cleared_costs_what_was_on_disk_alone_and_counts_it() {
    let dir = Scratch::new();
    let shared = shared_at(dir.path());
    let tracker = away();
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
    (0..12).for_each(|_| record(&shared, ""));
    sender.turn();
    fs::remove_dir_all(dir.path()).unwrap();
    (0..3).for_each(|_| record(&shared, ""));
    sender.turn();
    tracker.0.lock().unwrap().script.clear();
    for second in 1..=100 {
        shared.clock.set(NOON + second * 1_000);
        sender.turn();
    }
    let stats = balanced(&shared);
    // The first batch and the open one were in memory, too.
    assert_eq!((stats.acknowledged, stats.dropped[DropReason::SpoolLost as usize]), (10, 5));
    assert_eq!((stats.queued, stats.spooled), (0, 0));
}

#[test]
fn a_disk_that_refuses_leaves_the_worker_as_it_is_without_a_spool() {
    let dir = Scratch::new();
    fs::write(dir.path().join("file"), "").unwrap();
    let shared = shared_at(&dir.path().join("file"));
    let tracker = away();
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
    for _ in 0..10 {
        (0..5).for_each(|_| record(&shared, ""));
        sender.turn();
    }
    let stats = balanced(&shared);
    assert_eq!((stats.spooled, stats.dropped[DropReason::QueueFull as usize]), (0, 50 - 32 - 5));
    let log = shared.process().drain_log(|_| true).unwrap();
    assert_eq!(log.matches("the spool cannot be used").count(), 1, "{log}");
    fs::remove_file(dir.path().join("file")).unwrap();
    sender.turn();
    assert_eq!(balanced(&shared).spooled, 37);
    assert!(shared.process().drain_log(|_| true).unwrap().contains("can be used again"));
}

#[test]
fn a_panic_costs_the_record_it_met_and_nothing_that_is_on_disk() {
    let dir = Scratch::new();
    let shared = shared_at(dir.path());
    let tracker = away();
    let mut hand = Hand::new(&shared, shared.process());
    (0..12).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    record(&shared, "");
    record(&shared, crate::inject::WORKER);
    record(&shared, "");
    let message = quiet::catch(|| turn(&shared, &mut hand, &tracker)).unwrap_err();
    mourn(shared.process(), &mut hand, &message);
    tracker.0.lock().unwrap().script.clear();
    for second in 1..=100 {
        shared.clock.set(NOON + second * 1_000);
        turn(&shared, &mut hand, &tracker);
    }
    let stats = balanced(&shared);
    assert_eq!((stats.acknowledged, stats.dropped[DropReason::WorkerLost as usize]), (14, 1));
    assert_eq!(stats.spooled, 0);
}

#[test]
fn a_segment_cut_off_at_any_byte_brings_every_checkpoint_before_the_cut() {
    let dir = Scratch::new();
    let id = dead(dir.path(), 3);
    let folder = dir.path().join(id.to_string());
    let whole = fs::read(folder.join("0.seg")).unwrap();
    let mut most = 0;
    for cut in 0..=whole.len() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("0.seg"), &whole[..cut]).unwrap();
        let (stats, tracker) = inherit(dir.path());
        let book = tracker.0.lock().unwrap();
        assert_eq!((stats.adopted, stats.adopted_lost), (book.acknowledged, 0), "cut at {cut}");
        assert!(book.acknowledged >= most, "cut at {cut}");
        assert!(book.instances.iter().all(|instance| *instance == id));
        most = book.acknowledged;
        assert!(!folder.exists(), "cut at {cut}");
    }
    assert_eq!(most, 3);
}

#[test]
fn a_damaged_middle_costs_one_checkpoint_and_is_counted() {
    let dir = Scratch::new();
    let id = dead(dir.path(), 5);
    let path = dir.path().join(id.to_string()).join("0.seg");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let (stats, _) = inherit(dir.path());
    assert_eq!((stats.adopted, stats.adopted_lost), (4, 1));
}

#[test]
fn a_segment_that_cannot_be_read_is_set_aside_once_and_hides_nothing() {
    let dir = Scratch::new();
    let id = dead(dir.path(), 7);
    let path = dir.path().join(id.to_string()).join("0.seg");
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    for lost in [1, 0] {
        let (stats, _) = inherit(dir.path());
        assert_eq!((stats.adopted, stats.adopted_lost), (2 * lost, lost));
    }
    assert_eq!(files(dir.path(), ".bad").len(), 1);
}

#[test]
fn a_hostile_directory_costs_its_host_less_than_100_ms() {
    use nix::sys::stat::Mode;
    let dir = Scratch::new();
    let id = dead(dir.path(), 5);
    let folder = |id: u128| dir.path().join(CheckpointId(id).to_string());
    (0..3_000).for_each(|name| fs::write(dir.path().join(format!("junk-{name}")), "x").unwrap());
    for number in 10..200 {
        fs::create_dir(folder(number)).unwrap();
    }
    let crowded = folder(1 << 100);
    fs::create_dir(&crowded).unwrap();
    (0..5_000).for_each(|name| fs::write(crowded.join(format!("{name}.seg")), "x").unwrap());
    nix::unistd::mkfifo(&folder(10).join("lock"), Mode::S_IRWXU).unwrap();
    nix::unistd::mkfifo(&folder(11).join("0.seg"), Mode::S_IRWXU).unwrap();
    fs::write(folder(12).join("0.seg"), b"lkf1".repeat(1 << 20)).unwrap();
    fs::create_dir(folder(13).join("0.seg")).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, folder(14).join("lock")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder(15).join("0.seg")).unwrap();

    let heir = shared_at(dir.path());
    let tracker = Tracker::default();
    let mut hand = Hand::new(&heir, heir.process());
    let mut sender = Sender::new(&heir, heir.process(), Box::new(tracker.clone()), &mut hand);
    let begun = processor_time();
    record(&heir, "");
    heir.clock.set(NOON + 1_000);
    sender.turn();
    let spent = processor_time() - begun;
    assert_eq!(balanced(&heir).acknowledged, 1);
    // What ships is optimised; this may not be.
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 100 });
    assert!(spent < bound, "{spent:?}");
    // The honest ones come, in the end, and nothing was made through a link.
    for minute in 1..200 {
        heir.clock.set(NOON + minute * 61_000);
        (0..200).for_each(|_| sender.turn());
    }
    assert!(tracker.0.lock().unwrap().instances.contains(&id));
    assert!(!elsewhere.exists());
}

#[test]
fn what_a_living_process_holds_is_not_adopted() {
    let dir = Scratch::new();
    let living = shared_at(dir.path());
    record(&living, "");
    let mut hand = Hand::new(&living, living.process());
    Sender::new(&living, living.process(), Box::new(away()), &mut hand).turn();
    assert_eq!(living.process().counters.spooled.load(Relaxed), 1);
    let (stats, tracker) = inherit(dir.path());
    assert_eq!((stats.adopted, tracker.0.lock().unwrap().acknowledged), (0, 0));
    drop(hand);
    assert_eq!(inherit(dir.path()).0.adopted, 1);
}

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
fn what_cannot_be_read_for_a_moment_waits_and_is_not_lost() {
    let dir = Scratch::new();
    let shared = shared_at(dir.path());
    let tracker = away();
    let mut hand = Hand::new(&shared, shared.process());
    (0..12).for_each(|_| record(&shared, ""));
    turn(&shared, &mut hand, &tracker);
    let refusal = Refusal::of(dir.path(), shared.process().instance_id);
    tracker.0.lock().unwrap().script.clear();
    for second in 1..=20 {
        shared.clock.set(NOON + second * 1_000);
        turn(&shared, &mut hand, &tracker);
    }
    assert_eq!((balanced(&shared).acknowledged, balanced(&shared).dropped_total()), (5, 0));
    refusal.end();
    for second in 21..=60 {
        shared.clock.set(NOON + second * 1_000);
        turn(&shared, &mut hand, &tracker);
    }
    assert_eq!(balanced(&shared).acknowledged, 12);
}

#[test]
fn a_batch_that_changes_while_the_disk_refuses_is_counted_as_it_is_and_written_anew() {
    for is_late in [false, true] {
        let dir = Scratch::new();
        let shared = shared_at(dir.path());
        let tracker = away();
        let too_large = Step::Status(413, None);
        tracker.0.lock().unwrap().script.push_front(too_large);
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
fn a_host_that_is_never_idle_sends_what_the_dead_left_all_the_same() {
    let dir = Scratch::new();
    dead(dir.path(), 12);
    let heir = shared_at(dir.path());
    let tracker = Tracker::default();
    let mut hand = Hand::new(&heir, heir.process());
    for _ in 0..20 {
        record(&heir, "");
        turn(&heir, &mut hand, &tracker);
    }
    assert_eq!(balanced(&heir).adopted, 12);
}

#[test]
fn lives_that_end_during_one_long_outage_keep_to_one_quota() {
    let dir = Scratch::new();
    for _ in 0..30 {
        let life = shared(|config| {
            config.spool_dir = Some(dir.path().into());
            config.spool_bytes = 8_000;
        });
        (0..10).for_each(|_| record(&life, ""));
        let mut hand = Hand::new(&life, life.process());
        turn(&life, &mut hand, &away());
        assert!(balanced(&life).spooled > 0);
    }
    let bytes: u64 = files(dir.path(), ".seg").iter().map(|p| p.metadata().unwrap().len()).sum();
    assert!((4_000..14_000).contains(&bytes), "{bytes}");
}
