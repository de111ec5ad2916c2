//! Forks at moments of which each once broke somebody's client library.

mod support;

use std::io::Read;
use std::sync::mpsc::channel;
use std::time::Duration;

use labkit::{Delivery, DropReason};
use nix::unistd::{setsid, write};
use support::child::{Kind, in_child, start};
use support::{Response, Server, record};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_child_made_while_a_request_is_in_flight_leaves_its_connection_alone() {
    let (open, gate) = channel::<()>();
    let mut is_first = true;
    let server = Server::start(move |_| {
        if std::mem::take(&mut is_first) {
            gate.recv().unwrap();
        }
        Response::Accept
    });
    let children = Server::start(|_| Response::Accept);
    let client = server.client("");
    record(&client, 3);
    // The worker is inside its request from here until the gate opens.
    while client.stats().requests == 0 {
        std::thread::yield_now();
    }
    in_child(Kind::Fork, || {
        // The one server is busy with the parent: nothing may reach it from here.
        record(&client, 2);
        let is_waiting = client.flush(Duration::from_millis(50)).is_err();
        let own = children.client("");
        record(&own, 2);
        own.flush(SOON).is_ok() && is_waiting && client.stats().queued == 2
    });
    open.send(()).unwrap();
    client.flush(SOON).unwrap();
    record(&client, 4);
    client.flush(SOON).unwrap();
    assert_eq!(client.stats().acknowledged, 7);
    let parents = client.stats().requests;
    let mut connections = Vec::new();
    while let Ok(request) = server.requests.try_recv() {
        if request.ids().len() != 2 {
            connections.push(request.connection);
        }
    }
    assert_eq!(connections.len() as u64, parents);
    assert!(connections.iter().all(|connection| *connection == connections[0]));
}

#[test]
fn a_child_of_a_process_whose_queue_is_full_begins_with_an_empty_one() {
    let server = Server::start(|_| Response::BlackHole);
    let client = server.client(r#","queue_items":16,"batch_items":4"#);
    record(&client, 100);
    assert!(client.stats().dropped[DropReason::QueueFull as usize] > 0);
    let definition = client.definition("create_order").unwrap();
    in_child(Kind::Fork, || {
        let experience = client.start(definition, None, None).unwrap();
        let delivery = client.checkpoint(&experience, None, None).unwrap();
        let stats = client.stats();
        delivery == Delivery::Queued && (stats.recorded, stats.queued) == (2, 2)
    });
    assert!(client.stats().balances());
}

#[test]
fn a_daemon_goes_on_recording_after_both_its_parents_and_its_descriptors_are_gone() {
    let server = Server::start(|_| Response::Accept);
    let client = server.client("");
    record(&client, 3);
    client.flush(SOON).unwrap();
    server.next();
    in_child(Kind::Fork, || {
        setsid().unwrap();
        record(&client, 1); // a worker of its own, which the daemon loses again
        let is_sent = client.flush(SOON).is_ok();
        let (mut gone, tell) = std::io::pipe().unwrap();
        start(Kind::Fork, || {
            drop(tell);
            // The host's parent is gone when nobody holds the other end any more.
            let _ = gone.read(&mut [0]);
            for descriptor in 3..1024 {
                let _ = nix::unistd::close(descriptor);
            }
            // The numbers are the host's again: nothing of ours may be written there.
            let (mine, theirs) = std::io::pipe().unwrap();
            record(&client, 2);
            let is_sent = client.flush(SOON).is_ok();
            write(&theirs, b"!").unwrap();
            drop(theirs);
            let mut bytes = Vec::new();
            { mine }.read_to_end(&mut bytes).unwrap();
            record(&client, if is_sent && bytes == b"!" { 5 } else { 1 });
            client.shutdown(SOON).is_ok()
        })
        .orphan();
        is_sent
    });
    let counts = [1, 2, 5].map(|_| server.next().ids().len());
    assert_eq!(counts, [1, 2, 5]);
}
