//! A shutdown is done once, by one, and leaves nothing behind.

use shuttle::thread;

use super::*;

/// Two threads record once each and shut down; a third records meanwhile.
fn two_shut_down() {
    let client = client();
    let callers = [0, 1].map(|number| {
        let client = client.clone();
        thread::spawn(move || {
            // The second asks for a worker again, whatever became of the first.
            client.shared_in_a_model().clock.set(number * 2_000);
            record(&client, "a");
            let _ = client.shutdown(LONG);
        })
    });
    record(&client, "b");
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    world::join_workers();
    let stats = balanced(&client);
    assert_eq!((stats.recorded, stats.queued), (3, 0));
    assert_eq!(arrived(&client).len() as u64, stats.acknowledged);
}

#[test]
fn of_two_that_shut_down_one_does_it_and_both_return() {
    explore(Time::Stands, Threads::Start, two_shut_down);
}

#[test]
fn a_shutdown_does_not_wait_for_a_worker_that_cannot_be_started() {
    explore(Time::Stands, Threads::Uncertain, two_shut_down);
}

#[test]
fn a_shutdown_that_finds_no_worker_strands_no_record() {
    explore(Time::Stands, Threads::Start, || {
        let client = client();
        let callers = [0, 1].map(|_| {
            let client = client.clone();
            thread::spawn(move || {
                record(&client, "a");
            })
        });
        let _ = client.shutdown(LONG);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        world::join_workers();
        let stats = balanced(&client);
        assert_eq!((stats.recorded, stats.queued), (2, 0));
    });
}

#[test]
fn a_worker_leaves_when_the_last_handle_is_gone() {
    explore(Time::Stands, Threads::Start, || {
        let client = client();
        let other = client.clone();
        let other = thread::spawn(move || {
            record(&other, "a");
        });
        record(&client, "b");
        drop(client);
        other.join().unwrap();
        world::join_workers();
    });
}
