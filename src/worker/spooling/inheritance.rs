//! What the dead left, whole, damaged or forged.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};

use super::*;

#[test]
fn over_the_quota_the_oldest_go_those_of_the_dead_first() {
    let (dir, tracker) = (Scratch::new(), away());
    dead(dir.path(), 5);
    let shared = shared_of_8_kb(dir.path());
    let mut hand = Hand::new(&shared, shared.process());
    turn(&shared, &mut hand, &tracker);
    for _ in 0..20 {
        (0..5).for_each(|_| record(&shared, ""));
        turn(&shared, &mut hand, &tracker);
    }
    let stats = balanced(&shared);
    assert_eq!(stats.adopted_lost, 5);
    let dropped = stats.dropped[DropReason::SpoolFull as usize];
    assert!(dropped > 0 && dropped % 5 == 0);
    assert!((4_000..8_000).contains(&bytes_of(&files(dir.path(), ".seg"))));
}

#[test]
fn lives_that_end_during_one_long_outage_keep_to_one_quota() {
    let dir = Scratch::new();
    for _ in 0..30 {
        let life = shared_of_8_kb(dir.path());
        (0..10).for_each(|_| record(&life, ""));
        turn(&life, &mut Hand::new(&life, life.process()), &away());
        assert!(balanced(&life).spooled > 0);
    }
    let bytes = bytes_of(&files(dir.path(), ".seg"));
    assert!((4_000..14_000).contains(&bytes), "{bytes}");
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
        let book = tracker.book();
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
fn a_segment_that_cannot_be_one_is_set_aside_once_and_hides_nothing() {
    for liar in ["0.seg", "1.seg"] {
        let dir = Scratch::new();
        let id = dead(dir.path(), 10);
        let path = dir.path().join(id.to_string()).join(liar);
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        for lost in [1, 0] {
            let (stats, _) = inherit(dir.path());
            assert_eq!((stats.adopted, stats.adopted_lost), (5 * lost, lost));
        }
        assert_eq!(files(dir.path(), ".bad").len(), 1);
    }
}

#[test]
fn what_a_living_process_holds_is_not_adopted() {
    let dir = Scratch::new();
    let living = shared_at(dir.path());
    record(&living, "");
    let mut hand = Hand::new(&living, living.process());
    turn(&living, &mut hand, &away());
    assert_eq!(living.process().counters.spooled.load(Relaxed), 1);
    let (stats, tracker) = inherit(dir.path());
    assert_eq!((stats.adopted, tracker.book().acknowledged), (0, 0));
    drop(hand);
    assert_eq!(inherit(dir.path()).0.adopted, 1);
}

#[test]
fn a_host_that_is_never_idle_sends_what_the_dead_left_all_the_same() {
    let dir = Scratch::new();
    dead(dir.path(), 12);
    let (heir, tracker) = (shared_at(dir.path()), Tracker::default());
    let mut hand = Hand::new(&heir, heir.process());
    for _ in 0..20 {
        record(&heir, "");
        turn(&heir, &mut hand, &tracker);
    }
    assert_eq!(balanced(&heir).adopted, 12);
}

/// Junk, crowds, pipes, links, a folder where a file should be, and marks only.
fn make_hostile(dir: &Path) {
    let folder = |id: u128| dir.join(CheckpointId(id).to_string());
    (0..3_000).for_each(|name| fs::write(dir.join(format!("junk-{name}")), "x").unwrap());
    (10..200).for_each(|number| fs::create_dir(folder(number)).unwrap());
    let crowded = folder(1 << 100);
    fs::create_dir(&crowded).unwrap();
    (0..3_000).for_each(|name| fs::write(crowded.join(format!("{name}.seg")), "x").unwrap());
    nix::unistd::mkfifo(&folder(10).join("lock"), Mode::S_IRWXU).unwrap();
    nix::unistd::mkfifo(&folder(11).join("0.seg"), Mode::S_IRWXU).unwrap();
    fs::write(folder(12).join("0.seg"), b"lkf1".repeat(1 << 20)).unwrap();
    fs::create_dir(folder(13).join("0.seg")).unwrap();
    let links = [("elsewhere", folder(14).join("lock")), ("zero", folder(15).join("0.seg"))];
    for (target, link) in links {
        std::os::unix::fs::symlink(dir.join(target), link).unwrap();
    }
}

#[test]
fn no_turn_in_a_hostile_directory_costs_its_host_100_ms() {
    let dir = Scratch::new();
    make_hostile(dir.path());
    let id = dead(dir.path(), 5);
    let (heir, tracker) = (shared_at(dir.path()), Tracker::default());
    let mut hand = Hand::new(&heir, heir.process());
    // Of this thread alone: what else runs on the machine is not the spool's cost.
    let spent = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let mut worst = Duration::ZERO;
    for _ in 0..4_000 {
        let begun = spent();
        turns(1, &heir, &mut hand, &tracker);
        worst = worst.max(spent() - begun);
    }
    // What ships is optimised; this may not be.
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 100 });
    assert!(worst < bound, "{worst:?}");
    assert!(tracker.book().instances.contains(&id), "the honest ones are hidden");
    assert!(!dir.path().join("elsewhere").exists(), "something was made through a link");
}
