//! Forks of a process at its busiest: eight threads record into a queue that
//! overflows, and requests are in flight. LABKIT_ROUNDS makes it longer.

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use labkit::{Client, DropReason};
use support::child::{Kind, exec_true, in_child};
use support::{Response, Server, record};

const SOON: Duration = Duration::from_secs(20);
const THREADS: usize = 8;

fn child(client: &Client) -> bool {
    record(client, 2);
    let sent = client.flush(SOON).is_ok();
    let stats = client.stats();
    sent && stats.balances() && (stats.recorded, stats.acknowledged) == (2, 2)
}

#[test]
fn a_fork_amid_records_and_requests_loses_doubles_and_hangs_nothing() {
    let server = Server::start(|_| Response::Accept);
    let client = server.client(r#","queue_items":256,"batch_age_ms":1"#);
    let rounds = std::env::var("LABKIT_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    record(&client, 20);
                    thread::yield_now();
                }
            });
        }
        for _ in 0..rounds {
            in_child(Kind::Fork, || child(&client));
            exec_true();
        }
        done.store(true, Ordering::Relaxed);
    });
    client.shutdown(SOON).unwrap();

    let stats = client.stats();
    assert!(stats.balances(), "{stats:?}");
    assert!(stats.dropped[DropReason::QueueFull as usize] > 0, "the queue never overflowed");
    let mut seen = HashSet::new();
    while let Ok(request) = server.requests.try_recv() {
        for id in request.ids() {
            assert!(seen.insert(id), "sent twice");
        }
    }
    let lost = (stats.acknowledged as usize + rounds * 2) - seen.len();
    println!(r#"{{"name":"fork busy","rounds":{rounds},"lost":{lost},"doubled":0,"hung":0}}"#);
    assert_eq!(lost, 0);
}
