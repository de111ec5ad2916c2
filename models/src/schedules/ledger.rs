//! Each record has exactly one fate, and the ledger knows which.

use shuttle::thread;

use super::*;
use crate::stats::DropReason;

/// What the callers were told, and what then became of it.
fn settled(client: &Client, told: &[(String, Delivery)]) {
    world::join_workers();
    let stats = balanced(client);
    assert_eq!((stats.recorded, stats.queued), (told.len() as u64, 0));
    let mut arrived = arrived(client);
    assert_eq!(stats.acknowledged, arrived.len() as u64);
    arrived.sort();
    assert!(arrived.is_sorted_by(|one, other| one < other), "twice: {arrived:?}");
    let mut lost_later = 0;
    for (name, delivery) in told {
        match (delivery, arrived.contains(name)) {
            (Delivery::Queued, true) | (Delivery::Dropped(_), false) => {}
            (Delivery::Queued, false) => lost_later += 1,
            _ => panic!("{name} is {delivery:?}, and yet it arrived"),
        }
    }
    let refused = |reason| told.iter().filter(|(_, it)| *it == Delivery::Dropped(reason)).count();
    for reason in DropReason::ALL {
        let later = if reason == DropReason::ShutDown { lost_later } else { 0 };
        let dropped = stats.dropped[reason as usize];
        assert_eq!(dropped, (refused(reason) + later) as u64, "{reason:?}");
    }
}

/// Two threads record while `other` runs; then all is shut down.
fn two_record_while(other: fn(&Client)) {
    let client = client();
    let callers: Vec<_> = ["a", "b"]
        .map(|caller| {
            let client = client.clone();
            thread::spawn(move || {
                let names = (0..3).map(|number| format!("{caller}{number}"));
                names.map(|name| (name.clone(), record(&client, &name))).collect::<Vec<_>>()
            })
        })
        .into();
    other(&client);
    let told: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    let _ = client.shutdown(LONG);
    settled(&client, &told);
}

#[test]
fn every_record_arrives_or_is_dropped_for_a_reason_while_another_thread_flushes() {
    explore(Time::Passes, Threads::Start, || {
        two_record_while(|client| {
            let _ = client.flush(LONG);
        });
    });
}

#[test]
fn every_record_arrives_or_is_dropped_for_a_reason_while_another_thread_shuts_down() {
    explore(Time::Passes, Threads::Start, || {
        two_record_while(|client| {
            let _ = client.shutdown(LONG);
        });
    });
}

#[test]
fn every_record_arrives_or_is_dropped_for_a_reason_where_threads_are_scarce() {
    explore(Time::Passes, Threads::Uncertain, || {
        two_record_while(|client| {
            let _ = client.shutdown(LONG);
        });
    });
}
