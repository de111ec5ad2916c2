//! What the tracker makes of what SDK instances say of themselves.

mod support;

use labkit::Client;
use labkit_tracker::rehearsal::Rehearsal;
use serde_json::{Value, json};
use support::stage::*;
use support::{Server, definitions, figure, until};

/// Made at `T0`.
const OWNER: &str = "01M3250V000000000000000001";
const OTHER: &str = "01M3250V000000000000000002";
/// `sync_slow`: twelve thresholds.
const TTL_MS: i64 = 60_000;

fn says(tracker: &Rehearsal, instance: &str, queued: u64, checkpoints: &[Value]) {
    let offset = tracker.now_ms() - T0;
    send(
        tracker,
        &json!({
            "sent_at": time(offset), "instance_id": instance,
            "sdk": {"name": "labkit-ruby", "version": "1"}, "recorded": 10, "queued": queued,
            "heartbeat_ms": 20_000,
            "dropped": {"queue_full": 2, "on_a_whim": 1}, "checkpoints": checkpoints
        }),
    );
}

fn send(tracker: &Rehearsal, batch: &Value) {
    let answered = tracker.ingest("default", &batch.to_string());
    assert_eq!(answered.status, 200, "{}", answered.body);
}

fn start(last: char) -> Value {
    let start = with(original("start"), "correlation_id", format!("{ID}{last}").into());
    with(start, "id", format!("{ID}{last}").into())
}

fn sdk(tracker: &Rehearsal, name: &str) -> u64 {
    figure(&tracker.sli(), &format!("labkit_sdk_{name}"), &["sdk=\"labkit-ruby\""])
}

fn timeouts(tracker: &Rehearsal, reason: &str) -> u64 {
    let label = format!("reason=\"{reason}\"");
    figure(&tracker.sli(), "labkit_user_experience_timeout_total", &[&label])
}

#[test]
fn a_timeout_says_whether_the_process_that_started_it_is_still_there() {
    let tracker = tracker();
    says(&tracker, OWNER, 0, &[start('A')]);
    says(&tracker, OTHER, 0, &[start('B')]);
    send(&tracker, &json!({"sent_at": time(0), "checkpoints": [start('C')]}));
    for _ in 0..TTL_MS / 20_000 {
        tracker.advance(20_000);
        says(&tracker, OTHER, 0, &[]);
    }
    let reasons: Vec<(String, String)> = tracker
        .drain_events()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["outcome"] == "timeout")
        .map(|line| (text(&line["correlation_id"]), text(&line["reason"])))
        .collect();
    let told = |last: char, reason: &str| {
        assert!(reasons.contains(&(format!("{ID}{last}"), reason.to_owned())), "{reasons:?}");
    };
    told('A', "owner_lost");
    told('B', "no_end");
    told('C', "no_end"); // nobody said whose it is
    assert_eq!((timeouts(&tracker, "owner_lost"), timeouts(&tracker, "no_end")), (1, 2));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn an_instance_that_falls_silent_with_checkpoints_in_hand_is_counted() {
    let tracker = tracker();
    says(&tracker, OWNER, 7, &[]);
    says(&tracker, OTHER, 0, &[]);
    tracker.advance(1_000);
    assert_eq!((sdk(&tracker, "instances"), sdk(&tracker, "recorded_total")), (2, 20));
    let page = tracker.sli();
    for (reason, count) in [("queue_full", 4), ("other", 2), ("expired", 0)] {
        let labels = ["sdk=\"labkit-ruby\"", &format!("reason=\"{reason}\"")];
        assert_eq!(figure(&page, "labkit_sdk_dropped_total", &labels), count, "{reason}");
    }
    tracker.advance(60_000);
    assert_eq!((sdk(&tracker, "instances"), sdk(&tracker, "silent_total")), (0, 1));
    assert_eq!(sdk(&tracker, "unaccounted_total"), 7);

    // Its spool is found, and brings two of them.
    let now = time(tracker.now_ms() - T0);
    let mut batch = json!({
        "sent_at": now, "instance_id": OWNER, "adopted": true,
        "checkpoints": [start('A'), start('B'), start('B')]
    });
    send(&tracker, &batch);
    tracker.advance(1_000);
    assert_eq!(sdk(&tracker, "recovered_total"), 2);
    batch["sent_at"] = time(tracker.now_ms() - T0).into();
    send(&tracker, &batch);
    tracker.advance(1_000);
    assert_eq!((sdk(&tracker, "recovered_total"), sdk(&tracker, "instances")), (2, 0));
}

#[test]
fn a_pause_of_the_tracker_silences_nobody() {
    let tracker = tracker();
    says(&tracker, OWNER, 7, &[]);
    tracker.advance(40_000);
    tracker.pause(3_600_000);
    tracker.advance(60_000); // it settles
    assert_eq!((sdk(&tracker, "instances"), sdk(&tracker, "silent_total")), (1, 0));
    says(&tracker, OWNER, 0, &[]);
    tracker.advance(200_000);
    assert_eq!((sdk(&tracker, "instances"), sdk(&tracker, "silent_total")), (0, 0));
}

#[test]
fn instances_are_neither_experiences_nor_types_nor_definitions() {
    let tracker = tracker();
    says(&tracker, OWNER, 7, &[]);
    tracker.advance(1_000);
    assert!(tracker.experience("default", "(sdk)", OWNER).is_none());
    let page = tracker.sli();
    let strangers: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("(sdk)") || line.contains("type=\"labkit"))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    let sent = with(start('A'), "user_experience_id", "(sdk)".into());
    let answered = tracker.ingest("default", &sent.to_string());
    assert_eq!(answered.status, 422, "{}", answered.body);
}

#[test]
fn an_idle_process_with_the_library_in_it_is_heard_of() {
    let server = Server::start(&[]);
    let config = json!({
        "endpoint": server.url, "definitions": definitions(), "type": "web", "batch_age_ms": 10,
        "heartbeat_ms": 20
    });
    let client = Client::from_json(&config.to_string()).unwrap();
    let definition = client.definition("sign_in_dashboard").unwrap();
    let _experience = client.start(definition, None, None).unwrap();
    let read =
        |page: &str, name: &str, labels: &[&str]| figure(&server.curl(page, &[]).2, name, labels);
    let sdk = |name: &str| read("/metrics/sli", &format!("labkit_sdk_{name}"), &["sdk=\"labkit\""]);
    until("it is heard of", || (sdk("instances"), sdk("recorded_total")) == (1, 1));
    let labels = ["route=\"/v1/checkpoints\"", "status=\"200\""];
    until("it goes on to be", || {
        read("/metrics", "labkit_tracker_http_requests_total", &labels) > 3
    });
    let started = read("/metrics/sli", "labkit_user_experience_opened_total", &[]);
    assert_eq!((started, sdk("recorded_total")), (1, 1), "to be alive is no checkpoint");
}
