//! Tests of `heartbeat` in the worker: what a process says that has nothing to send.

use super::hand::Hand;
use super::sender::Sender;
use super::stage::*;
use crate::config::{Config, TransportKind};
use crate::process::Shared;

const PERIOD_MS: i64 = 20_000;

fn with_a_tracker(config: &mut Config) {
    config.transport = TransportKind::Http;
    config.endpoint = "http://127.0.0.1:1".into(); // the stage's is asked instead
}

/// Lets time pass, in steps of a second, as the worker wakes.
fn pass(shared: &Shared, sender: &mut Sender<'_, '_>, millis: i64) {
    for _ in 0..millis / 1_000 {
        shared.clock.set(shared.clock.now().wall_ms + 1_000);
        sender.turn();
    }
}

#[test]
fn an_idle_process_shows_once_a_period_that_it_lives() {
    let (shared, tracker) = (shared(with_a_tracker), Tracker::default());
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
    pass(&shared, &mut sender, 3 * PERIOD_MS);
    let requests = || tracker.book().requests.clone();
    assert_eq!(requests(), [], "a process that recorded nothing is of no interest");
    record(&shared, "");
    pass(&shared, &mut sender, 1_000 + 3 * PERIOD_MS);
    let beat = (0, Some(0));
    assert_eq!(requests(), [(1, Some(0)), beat, beat, beat]);
    pass(&shared, &mut sender, PERIOD_MS / 2);
    record(&shared, "");
    pass(&shared, &mut sender, PERIOD_MS);
    assert_eq!(requests().len(), 5, "a batch is a sign of life, too");
    assert_eq!(balanced(&shared).acknowledged, 2);
}

#[test]
fn a_period_of_zero_and_a_client_without_a_tracker_never_beat() {
    for transport in [TransportKind::Http, TransportKind::Memory] {
        let shared = shared(|config| {
            with_a_tracker(config);
            config.heartbeat_ms = if transport == TransportKind::Http { 0 } else { 1 };
            config.transport = transport;
        });
        let tracker = Tracker::default();
        let mut hand = Hand::new(&shared, shared.process());
        let mut sender =
            Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
        record(&shared, "");
        pass(&shared, &mut sender, 3 * PERIOD_MS);
        assert_eq!(tracker.book().requests.len(), 1);
    }
}

#[test]
fn a_sign_of_life_that_is_not_answered_is_tried_again_soon_and_holds_nothing_up() {
    for step in [Step::Status(503, Some(3_600)), Step::Unreachable, Step::Garbage, Step::Panic] {
        let (shared, tracker) = (shared(with_a_tracker), Tracker::default());
        let mut hand = Hand::new(&shared, shared.process());
        let mut sender =
            Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
        record(&shared, "");
        pass(&shared, &mut sender, 1_000);
        let again = match step {
            Step::Status(..) => 0, // in an hour
            _ => 1,
        };
        tracker.book().script.push_back(step);
        pass(&shared, &mut sender, PERIOD_MS + PERIOD_MS / 4);
        assert_eq!(tracker.book().requests.len(), 2 + again);
        record(&shared, "");
        pass(&shared, &mut sender, 2_000);
        let stats = balanced(&shared);
        assert_eq!((stats.acknowledged, stats.queued, stats.retries), (2, 0, 0));
    }
}

#[test]
fn a_batch_says_how_much_waits_behind_it() {
    let (shared, tracker) = (shared(|_| {}), Tracker::default());
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker.clone()), &mut hand);
    (0..12).for_each(|_| record(&shared, ""));
    let flushed = flush(&shared);
    sender.turn();
    assert_eq!(flushed.try_recv(), Ok(()));
    let requests = tracker.book().requests.clone();
    assert_eq!(requests, [(5, Some(7)), (5, Some(2)), (2, Some(0))]);
}
