//! A fork child goes on without being told. One test, as a test binary with
//! other threads at work would fork them, too. LABKIT_ROUNDS makes it longer.

mod support;

use std::collections::HashSet;
use std::time::Duration;

use labkit::{Client, Exit, Stats};
use support::child::{Kind, in_child};
use support::{Response, Server, record};

const SOON: Duration = Duration::from_secs(10);

fn is(client: &Client, expected: (u64, u64)) -> bool {
    let stats: Stats = client.stats();
    stats.balances() && (stats.recorded, stats.acknowledged) == expected
}

#[test]
fn the_parent_keeps_its_queue_and_the_child_sends_only_its_own() {
    let server = Server::start(|_| Response::Accept);
    let client = server.client(r#","batch_age_ms":60000"#);
    let definition = client.definition("create_order").unwrap();
    record(&client, 10);
    let mut inherited = client.start(definition, None, None).unwrap();

    let rounds = std::env::var("LABKIT_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let client = client.clone();
        let kind = if round % 2 == 0 { Kind::Fork } else { Kind::RawClone };
        in_child(kind, move || {
            let fresh = is(&client, (0, 0));
            // A block of the parent's is the parent's to end.
            client.leave(&mut inherited, Exit::Restarted, "", None).unwrap();
            client.leave(&mut inherited, Exit::Normal, "", None).unwrap();
            let silent = is(&client, (0, 0));
            record(&client, 2);
            let sent = client.flush(SOON).is_ok() && is(&client, (2, 2));
            // So does a child of the child, whose parent has a worker at work.
            in_child(Kind::Fork, || {
                let fresh = is(&client, (0, 0));
                record(&client, 1);
                client.shutdown(SOON).is_ok() && fresh && is(&client, (1, 1))
            });
            fresh && silent && sent && is(&client, (2, 2))
        });
    }

    client.leave(&mut inherited, Exit::Normal, "", None).unwrap();
    client.shutdown(SOON).unwrap();
    assert!(is(&client, (12, 12)));
    let mut seen = HashSet::new();
    let mut instances = HashSet::new();
    while let Ok(request) = server.requests.try_recv() {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        instances.insert(body["instance_id"].as_str().unwrap().to_owned());
        for id in request.ids() {
            assert!(seen.insert(id), "sent twice");
        }
    }
    let lost = (12 + rounds * 3) - seen.len();
    println!(r#"{{"name":"fork","rounds":{rounds},"lost":{lost},"doubled":0,"hung":0}}"#);
    assert_eq!((lost, instances.len()), (0, rounds * 2 + 1));
}
