//! What the library does with each answer of the tracker, and without one.

mod support;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use labkit::{Delivery, DropReason, Error, Inactive, Stats};
use support::scratch::Scratch;
use support::{Response, Server, client_of, record};

const SOON: Duration = Duration::from_secs(10);

fn plain(status: u16) -> Response {
    Response::Plain(status, "", String::new())
}

fn assert_balanced(stats: &Stats) {
    assert!(stats.balances(), "{stats:?}");
}

#[test]
fn what_the_tracker_cannot_take_now_is_sent_again_unchanged() {
    for status in [401, 403, 404, 408, 429, 500, 502, 503] {
        let mut first = true;
        let server = Server::start(move |_| match std::mem::take(&mut first) {
            true => plain(status),
            false => Response::Accept,
        });
        let client = server.client("");
        record(&client, 3);
        client.flush(SOON).unwrap();
        let (refused, accepted) = (server.next().ids(), server.next().ids());
        assert_eq!(refused, accepted, "{status}");
        let stats = client.stats();
        assert_eq!((stats.recorded, stats.acknowledged, stats.retries), (3, 3, 1), "{status}");
        assert_balanced(&stats);
    }
}

#[test]
fn what_it_refuses_for_good_is_dropped_and_counted() {
    for status in [400, 415, 422] {
        let server = Server::start(move |_| plain(status));
        let client = server.client("");
        record(&client, 3);
        client.flush(SOON).unwrap();
        let stats = client.stats();
        assert_eq!(stats.dropped[DropReason::Refused as usize], 3, "{status}");
        assert_balanced(&stats);
        assert!(client.drain_log().contains(&format!("status {status}")));
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_down_to_the_one_that_never_fits() {
    let mut poison = None;
    let server = Server::start(move |request| {
        let ids = request.ids();
        let poison = poison.get_or_insert_with(|| ids[5].clone());
        match ids.contains(poison) {
            true => plain(413),
            false => Response::Accept,
        }
    });
    let client = server.client("");
    record(&client, 16);
    client.flush(SOON).unwrap();
    let stats = client.stats();
    assert_eq!(stats.acknowledged, 15);
    assert_eq!(stats.dropped[DropReason::TooLarge as usize], 1);
    assert_balanced(&stats);
}

#[test]
fn rejected_checkpoints_are_counted_and_the_first_is_logged() {
    let answer = r#"{"server_timestamp":"","accepted":1,"duplicate":1,"rejected":[{"index":2,"id":null,"code":"unknown_experience","field":"user_experience_id","detail":"no such definition"}]}"#;
    let server = Server::start(move |_| Response::Plain(200, "", answer.to_owned()));
    let client = server.client("");
    record(&client, 3);
    client.flush(SOON).unwrap();
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.rejected), (2, 1));
    assert_balanced(&stats);
    assert!(client.drain_log().contains("unknown_experience"));
}

#[test]
fn somebody_elses_200_is_no_acknowledgement() {
    let mut first = true;
    let server = Server::start(move |_| match std::mem::take(&mut first) {
        true => Response::Plain(200, "", "<html>log in, please</html>".to_owned()),
        false => Response::Accept,
    });
    let client = server.client("");
    record(&client, 2);
    client.flush(SOON).unwrap();
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.retries), (2, 1));
    assert_balanced(&stats);
}

#[test]
fn the_tracker_says_when_to_come_back() {
    let mut first = true;
    let server = Server::start(move |_| match std::mem::take(&mut first) {
        true => Response::Plain(503, "Retry-After: 1\r\n", String::new()),
        false => Response::Accept,
    });
    let client = server.client("");
    let begun = Instant::now();
    record(&client, 1);
    client.flush(SOON).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_token_that_is_set_at_run_time_goes_with_the_next_attempt() {
    let server = Server::start(|request| {
        match request.head.to_ascii_lowercase().contains("authorization: bearer new") {
            true => Response::Accept,
            false => plain(401),
        }
    });
    let client = server.client(r#","token":"old""#);
    record(&client, 1);
    assert!(server.next().head.contains("Bearer old"));
    client.set_token(Some("new")).unwrap();
    client.flush(SOON).unwrap();
    assert_eq!(client.stats().acknowledged, 1);
}

/// Accepts whoever bears `token`.
fn guarded(token: &'static str) -> Server {
    Server::start(move |request| match request.head.contains(&format!("Bearer {token}\r\n")) {
        true => Response::Accept,
        false => plain(401),
    })
}

#[test]
fn a_refused_token_is_read_again_from_its_file_and_tried_at_once() {
    let dir = Scratch::new();
    let path = dir.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let server = guarded("new");
    // No other attempt comes for an hour.
    let client = server.client(&format!(
        r#","token_file":{path:?},"backoff_base_ms":3600000,"backoff_cap_ms":3600000,"batch_age_ms":60000"#
    ));
    record(&client, 3);
    let replaced = dir.path().join("replaced");
    std::fs::write(&replaced, "new\n").unwrap();
    std::fs::rename(&replaced, &path).unwrap();
    client.flush(SOON).unwrap();
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.retries), (3, 0));
    assert_balanced(&stats);
}

#[test]
fn a_token_that_is_refused_for_good_holds_the_queue_and_loses_nothing() {
    let dir = Scratch::new();
    let path = dir.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let server = guarded("new");
    let client = server.client(&format!(r#","token_file":{path:?}"#));
    record(&client, 3);
    for _ in 0..3 {
        assert!(server.next().head.contains("Bearer old"));
    }
    let stats = client.stats();
    assert_eq!((stats.queued, stats.dropped_total()), (3, 0));
    assert!(client.drain_log().contains("status 401"));
    std::fs::write(&path, "new").unwrap();
    client.flush(SOON).unwrap();
    assert_eq!(client.stats().acknowledged, 3);
}

#[test]
fn a_token_file_that_cannot_be_used_is_named_when_the_client_is_made() {
    let refused = labkit::Client::from_json(
        r#"{"definitions":"tests/scenarios/definitions","type":"web","endpoint":"http://localhost:1","token_file":"/nowhere"}"#,
    );
    let reason = refused.err().unwrap().to_string();
    assert!(reason.contains("`token_file`: /nowhere: "), "{reason}");
}

#[test]
fn a_large_request_is_compressed_and_a_small_one_is_not_nor_the_first_one() {
    let server = Server::start(|_| Response::Accept);
    let client = server.client(r#","batch_age_ms":60000"#);
    for (count, is_compressed) in [(100, false), (1, false), (100, true)] {
        record(&client, count);
        client.flush(SOON).unwrap();
        let request = server.next();
        assert_eq!(request.ids().len(), count);
        assert_eq!(
            request.head.to_ascii_lowercase().contains("\r\ncontent-encoding: gzip\r\n"),
            is_compressed
        );
    }
    assert_eq!(client.stats().acknowledged, 201);
}

#[test]
fn nothing_is_lost_while_the_tracker_is_away() {
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let client = client_of(address, "");
    record(&client, 500);
    assert_eq!(client.flush(Duration::from_millis(100)), Err(Error::DeadlineExceeded));
    let stats = client.stats();
    assert_eq!((stats.recorded, stats.queued), (500, 500));
    assert_balanced(&stats);
    assert!(client.drain_log().contains("checkpoints wait"));
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_them() {
    let server = Server::start(|_| Response::BlackHole);
    let client = server.client(r#","queue_items":100,"batch_items":10"#);
    record(&client, 500);
    let stats = client.stats();
    assert!(stats.dropped[DropReason::QueueFull as usize] >= 390, "{stats:?}");
    assert_balanced(&stats);
}

#[test]
fn shutdown_keeps_its_deadline_against_a_black_hole_and_a_dripping_body() {
    for answer in [|| Response::BlackHole, || Response::Drip] {
        let server = Server::start(move |_| answer());
        let client = server.client("");
        record(&client, 5);
        server.next();
        record(&client, 5);
        let begun = Instant::now();
        assert_eq!(client.shutdown(Duration::from_millis(500)), Err(Error::DeadlineExceeded));
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(600), "{took:?}");
        client.shutdown(SOON).unwrap(); // a second one does nothing
        record(&client, 1);
        let stats = client.stats();
        assert_eq!(stats.recorded, 11);
        assert_balanced(&stats);
    }
}

#[test]
fn shutdown_sends_what_is_there() {
    let server = Server::start(|_| Response::Accept);
    let client = server.client(r#","batch_age_ms":60000"#);
    record(&client, 1000);
    client.shutdown(SOON).unwrap();
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.queued), (1000, 0));
    assert_balanced(&stats);
}

#[test]
fn what_shutdown_could_not_send_is_sent_by_the_next_client_from_the_spool() {
    let dir = Scratch::new();
    let spool = format!(r#","spool_dir":{:?}"#, dir.path());
    let hole = Server::start(|_| plain(503));
    let dying = hole.client(&spool);
    record(&dying, 7);
    dying.shutdown(Duration::from_millis(50)).unwrap();
    let stats = dying.stats();
    assert_eq!((stats.queued, stats.dropped_total()), (7, 0));
    assert_balanced(&stats);
    let instance = instance_of(&hole.next().body);
    drop(dying);

    let server = Server::start(|_| Response::Accept);
    let heir = server.client(&spool);
    record(&heir, 1);
    let (first, second) = (server.next(), server.next());
    let is_adopted = first.body.contains(r#""adopted":true"#);
    let (adopted, own) = if is_adopted { (first, second) } else { (second, first) };
    assert_eq!((own.ids().len(), adopted.ids().len()), (1, 7));
    assert_eq!(instance_of(&adopted.body), instance);
    assert!(adopted.body.contains(r#""adopted":true"#));
    heir.shutdown(SOON).unwrap();
    assert_balanced(&heir.stats());
}

#[test]
fn a_shutdown_with_nothing_to_send_does_not_wait_for_the_dead() {
    let dir = Scratch::new();
    let spool = format!(r#","batch_age_ms":60000,"spool_dir":{:?}"#, dir.path());
    let dying = Server::start(|_| plain(503));
    let client = dying.client(&spool);
    record(&client, 7);
    client.shutdown(Duration::from_millis(50)).unwrap();
    drop(client);

    let hole = Server::start(|request| match request.body.contains(r#""adopted":true"#) {
        true => Response::BlackHole,
        false => Response::Accept,
    });
    for is_in_flight in [false, true] {
        let heir = hole.client(&spool);
        record(&heir, 1);
        // It is tried as soon as there is nothing else to do.
        while is_in_flight && !hole.next().body.contains(r#""adopted":true"#) {}
        let begun = Instant::now();
        heir.shutdown(SOON).unwrap();
        assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
        assert_eq!(heir.stats().acknowledged, 1);
    }
}

#[test]
fn a_sign_of_life_that_nobody_answers_holds_up_neither_flush_nor_shutdown() {
    let hole = Server::start(|request| match request.ids().is_empty() {
        true => Response::BlackHole,
        false => Response::Accept,
    });
    let client = hole.client(r#","heartbeat_ms":1"#);
    record(&client, 1);
    let until_it_beats = || while !hole.next().ids().is_empty() {};
    until_it_beats();
    let begun = Instant::now();
    client.flush(SOON).unwrap();
    record(&client, 1);
    client.flush(SOON).unwrap();
    until_it_beats();
    client.shutdown(SOON).unwrap();
    assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.retries), (2, 0));
    assert_balanced(&stats);
}

#[test]
fn a_wait_for_ever_is_a_long_one_and_no_panic() {
    let server = Server::start(|_| Response::Accept);
    let client = server.client("");
    record(&client, 3);
    client.flush(Duration::MAX).unwrap();
    client.shutdown(Duration::MAX).unwrap();
    assert_eq!(client.flush(Duration::MAX), Ok(()));
    assert_balanced(&client.stats());
}

#[test]
fn what_another_client_started_is_not_ours_to_continue() {
    let server = Server::start(|_| Response::Accept);
    let none = Scratch::new();
    let ours = server.client("");
    let theirs = server.client(&format!(r#","definitions":{:?}"#, none.path()));
    let experience = ours.start(ours.definition("sign_in").unwrap(), None, None).unwrap();
    let ignored = Ok(Delivery::Ignored(Inactive::NotStarted));
    assert_eq!(theirs.checkpoint(&experience, None, None), ignored);
    assert_eq!(theirs.stats().recorded, 0);
}

fn instance_of(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    value["instance_id"].as_str().unwrap().to_owned()
}
