//! What a flush promises, and that it comes back.

use shuttle::thread;

use super::*;
use crate::stats::DropReason;

/// Flushes after two records of its own; if that says "settled", they are.
fn flush_means_settled(client: &Client) {
    let told = ["mine0", "mine1"].map(|name| (name, record(client, name)));
    if client.flush(LONG).is_err() {
        return;
    }
    let lost = client.stats().dropped[DropReason::ShutDown as usize];
    let arrived = arrived(client);
    let queued = told.iter().filter(|(_, delivery)| *delivery == Delivery::Queued);
    let missing = queued.filter(|(name, _)| !arrived.iter().any(|other| other == name)).count();
    assert!(missing as u64 <= lost, "{missing} of {told:?} wait, {lost} were dropped");
}

#[test]
fn a_flush_is_ok_only_when_all_that_was_recorded_before_is_settled() {
    explore(Time::Passes, Threads::Start, || {
        let client = client();
        let other = client.clone();
        let other = thread::spawn(move || {
            record(&other, "other");
        });
        flush_means_settled(&client);
        other.join().unwrap();
        let _ = client.shutdown(LONG);
        world::join_workers();
        balanced(&client);
    });
}

#[test]
fn a_flush_is_ok_only_when_all_is_settled_also_during_a_shutdown() {
    explore(Time::Passes, Threads::Start, || {
        let client = client();
        let other = client.clone();
        let other = thread::spawn(move || {
            record(&other, "other");
            let _ = other.shutdown(LONG);
        });
        flush_means_settled(&client);
        other.join().unwrap();
        world::join_workers();
        balanced(&client);
    });
}

#[test]
fn a_flush_returns_while_the_worker_leaves() {
    explore(Time::Stands, Threads::Start, || {
        let client = client();
        let callers = [0, 1].map(|_| {
            let client = client.clone();
            thread::spawn(move || {
                record(&client, "a");
                let _ = client.flush(LONG);
            })
        });
        client.shutdown(LONG).ok();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        world::join_workers();
        assert_eq!(balanced(&client).queued, 0);
    });
}

#[test]
fn a_flush_returns_where_no_worker_can_be_started() {
    explore(Time::Stands, Threads::Uncertain, || {
        let client = client();
        let callers = [0, 1].map(|number| {
            let client = client.clone();
            thread::spawn(move || {
                // The second asks for a worker again, whatever became of the first.
                client.shared_in_a_model().clock.set(number * 2_000);
                record(&client, "a");
                let _ = client.flush(LONG);
            })
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let _ = client.shutdown(LONG);
        world::join_workers();
        assert_eq!(balanced(&client).queued, 0);
    });
}
