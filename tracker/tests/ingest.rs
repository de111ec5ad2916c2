//! What the edge of the tracker makes of good, odd and hostile payloads.

mod support;

use labkit_tracker::Settings;
use labkit_tracker::limits::Limits;
use labkit_tracker::rehearsal::Rehearsal;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::stage::*;

#[test]
fn a_client_that_sends_only_the_ten_original_fields_works() {
    let tracker = tracker();
    let answered = tracker.ingest("default", &original("start").to_string());
    assert_eq!((answered.status, &answered.body["server_timestamp"]), (200, &json!(time(0))));
    assert_eq!(answered.body["user_experience_id"], "create_it");
    tracker.advance(3_000);
    let end = with(original("end"), "client_timestamp", json!(time(3_000)));
    assert_eq!(tracker.ingest("default", &end.to_string()).status, 200);
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!((view.state, view.elapsed_time_s, view.success), ("success", Some(3.0), Some(true)));
    let lines = tracker.drain_events();
    assert_eq!(lines.len(), 2);
    let line: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!((&line["event"], &line["project_id"]), (&json!("success"), &json!(7)));
    assert!(tracker.sli().contains(
        "gitlab_user_experience_total{user_experience_id=\"create_it\",\
        feature_category=\"making\",urgency=\"sync_slow\",type=\"web\",error=\"false\"} 1\n"
    ));
}

#[test]
fn a_plain_clients_retry_is_recognised() {
    let tracker = tracker();
    for _ in 0..3 {
        assert_eq!(tracker.ingest("default", &original("start").to_string()).status, 200);
    }
    assert_eq!(tracker.drain_events().len(), 1);
    assert!(tracker.metrics().contains("checkpoints_total{disposition=\"duplicate\"} 2\n"));
}

#[test]
fn a_single_checkpoint_that_is_wrong_is_named_by_code_and_field() {
    let cases = [
        ("correlation_id", json!("01"), "invalid_field", "correlation_id"),
        ("correlation_id", json!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), "invalid_field", "correlation_id"),
        ("correlation_id", json!("01HZZZZZZZZZZZZZZZZZZZZZZU"), "invalid_field", "correlation_id"),
        ("correlation_id", json!(null), "missing_field", "correlation_id"),
        ("user_experience_id", json!("nobody_knows"), "unknown_experience", "user_experience_id"),
        ("user_experience_id", json!(7), "invalid_field", "user_experience_id"),
        ("checkpoint", json!("begin"), "invalid_field", "checkpoint"),
        ("type", json!("Web Server"), "invalid_field", "type"),
        ("type", json!(["web"]), "invalid_field", "type"),
        ("checkpoint_category", json!("a-b"), "invalid_field", "checkpoint_category"),
        ("feature_category", json!(""), "invalid_field", "feature_category"),
        ("client_timestamp", json!("yesterday"), "invalid_field", "client_timestamp"),
        ("client_timestamp", json!(0), "invalid_field", "client_timestamp"),
        ("client_timestamp", json!(time(-86_400_001)), "too_old", "client_timestamp"),
        ("id", json!("not-a-ulid"), "invalid_field", "id"),
        ("outcome", json!("success"), "invalid_field", "outcome"),
        ("reason", json!("x".repeat(257)), "invalid_field", "reason"),
        ("elapsed_ms", json!(-1), "invalid_field", "elapsed_ms"),
        ("elapsed_ms", json!("1"), "invalid_field", "elapsed_ms"),
        ("started_at", json!("10:00"), "invalid_field", "started_at"),
        ("meta", json!({"a": {}}), "invalid_field", "meta"),
        ("meta", json!({"a": "x".repeat(4_096)}), "meta_too_large", "meta"),
        ("sent_at", json!(time(12 * 3_600_000 + 1)), "in_future", "sent_at"),
        ("sent_at", json!(time(-12 * 3_600_000 - 1)), "too_old", "sent_at"),
    ];
    let tracker = tracker();
    for (field, value, code, at_fault) in cases {
        let body = with(original("start"), field, value.clone()).to_string();
        let answered = tracker.ingest("default", &body);
        assert_eq!(code_and_field(&answered), (422, Some(code), Some(at_fault)), "{field} {value}");
        assert!(!answered.body["detail"].as_str().unwrap().is_empty());
    }
    assert!(tracker.drain_events().is_empty(), "nothing had an effect");
}

#[test]
fn a_type_outside_of_the_list_is_refused() {
    let settings = Settings { types: vec!["web".into()], ..Settings::default() };
    let tracker = Rehearsal::new(registry(), settings, T0);
    let body = with(original("start"), "type", json!("cron")).to_string();
    let answered = tracker.ingest("default", &body);
    assert_eq!(code_and_field(&answered), (422, Some("type_not_allowed"), Some("type")));
    assert_eq!(tracker.ingest("default", &original("start").to_string()).status, 200);
}

#[test]
fn what_is_no_request_is_refused_as_a_whole() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(9), "]".repeat(9));
    let very_deep = "[".repeat(200_000);
    let cases: Vec<(String, u16, Option<&str>)> = vec![
        (String::new(), 400, None),
        ("checkpoint=start".into(), 400, None),
        ("null".into(), 400, None),
        ("[]".into(), 400, None),
        ("\"text\"".into(), 400, None),
        (format!("\u{feff}{}", original("start")), 400, None),
        (format!("{}\0", original("start")), 400, None),
        (format!("{} x", original("start")), 400, None),
        (original("start").to_string().replace("7", "NaN"), 400, None),
        (r#"{"type":"web","type":"web"}"#.into(), 400, None),
        (deep, 400, None),
        (very_deep, 400, None),
        (r#"{"checkpoints":[]}"#.into(), 400, Some("sent_at")),
        (r#"{"sent_at":"now","checkpoints":[]}"#.into(), 400, Some("sent_at")),
        (format!(r#"{{"sent_at":"{}","checkpoints":{{}}}}"#, time(0)), 400, Some("checkpoints")),
        (
            format!(r#"{{"sent_at":"{}","instance_id":"x","checkpoints":[]}}"#, time(0)),
            400,
            Some("instance_id"),
        ),
        (batch(&vec![original("start"); 501]), 413, None),
    ];
    let tracker = tracker();
    for (body, status, field) in cases {
        let answered = tracker.ingest("default", &body);
        let start: String = body.chars().take(80).collect();
        assert_eq!(code_and_field(&answered), (status, None, field), "{start}");
        assert_eq!(answered.body["status"], status);
    }
    assert!(tracker.drain_events().is_empty());
}

#[test]
fn no_refusal_quotes_a_whole_body_back() {
    let key = "k".repeat(10_000);
    let twice = format!(r#"{{"{key}":1,"{key}":2}}"#);
    let in_meta = with(original("start"), "meta", json!({"k".repeat(4_000): []})).to_string();
    for (body, status) in [(twice, 400), (in_meta, 422)] {
        let answered = tracker().ingest("default", &body);
        assert_eq!(answered.status, status);
        assert!(answered.body["detail"].as_str().unwrap().len() <= 240);
    }
}

#[test]
fn bad_items_of_a_batch_never_harm_the_good_ones() {
    let good = |last: char| with(original("start"), "correlation_id", json!(format!("{ID}{last}")));
    let id = format!("{ID}Z");
    let raw = |text: &str| text.to_owned();
    let surrogate = original("start").to_string().replace("\"create\"", "\"\\ud800\"");
    let big = with(original("start"), "pad", json!("x".repeat(17_000))).to_string();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(9), "]".repeat(9));
    let named = with(with(good('B'), "id", json!(id)), "type", json!("?")).to_string();
    // Code, field and id of each rejection.
    type Rejected<'a> = Option<(&'a str, Option<&'a str>, Option<&'a str>)>;
    let items: Vec<(String, Rejected<'_>)> = vec![
        (good('B').to_string(), None),
        (raw("7"), Some(("invalid_field", None, None))),
        (raw("null"), Some(("invalid_field", None, None))),
        (raw("[]"), Some(("invalid_field", None, None))),
        (raw("{}"), Some(("missing_field", Some("checkpoint"), None))),
        (raw(r#"{"type":"a","type":"b"}"#), Some(("invalid_field", None, None))),
        (deep, Some(("invalid_field", None, None))),
        (surrogate, Some(("invalid_field", Some("checkpoint_category"), None))),
        (big, Some(("invalid_field", None, None))),
        (named, Some(("invalid_field", Some("type"), Some(&id)))),
        (
            with(original("start"), "elapsed_ms", json!(0)).to_string().replace(":0", ":1e999"),
            Some(("invalid_field", Some("elapsed_ms"), None)),
        ),
        (
            with(original("start"), "client_timestamp", json!(time(600_001))).to_string(),
            Some(("in_future", Some("client_timestamp"), None)),
        ),
        (
            with(original("start"), "client_timestamp", json!(time(-86_400_001))).to_string(),
            Some(("too_old", Some("client_timestamp"), None)),
        ),
        (good('C').to_string(), None),
    ];
    let texts: Vec<&str> = items.iter().map(|(text, _)| text.as_str()).collect();
    let body = format!(r#"{{"sent_at":"{}","checkpoints":[{}]}}"#, time(0), texts.join(","));
    let tracker = tracker();
    let answered = tracker.ingest("default", &body);
    assert_eq!((answered.status, &answered.body["accepted"]), (200, &json!(2)));
    let expected: Vec<_> = items
        .iter()
        .enumerate()
        .filter_map(|(index, (_, rejection))| {
            rejection.map(|(code, field, id)| (index, code, field, id))
        })
        .collect();
    let rejected: Vec<_> = answered.body["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let index = r["index"].as_u64().unwrap() as usize;
            (index, r["code"].as_str().unwrap(), r["field"].as_str(), r["id"].as_str())
        })
        .collect();
    assert_eq!(rejected, expected);
    assert_eq!((state(&tracker, 'B'), state(&tracker, 'C')), (Some("open"), Some("open")));
}

#[test]
fn a_batch_from_a_broken_clock_is_refused_item_by_item() {
    for (sent, code) in [(-13 * 3_600_000, "too_old"), (13 * 3_600_000, "in_future")] {
        let body = json!({
            "sent_at": time(sent),
            "checkpoints": [original("start"), original("end")]
        });
        let answered = tracker().ingest("default", &body.to_string());
        assert_eq!(answered.status, 200);
        for rejected in answered.body["rejected"].as_array().unwrap() {
            assert_eq!((&rejected["code"], &rejected["field"]), (&json!(code), &json!("sent_at")));
        }
    }
}

#[test]
fn fields_that_nobody_knows_are_ignored_and_counted() {
    let tracker = tracker();
    let newer = with(with(original("start"), "outcom", json!("error")), "sent_at", json!(time(0)));
    assert_eq!(tracker.ingest("default", &newer.to_string()).status, 200);
    assert!(tracker.metrics().contains("labkit_tracker_unknown_fields_total 1\n"));
    let end = with(original("end"), "elapsed_ms", json!(3));
    let body = json!({
        "sent_at": time(0), "instance_id": format!("{ID}X"), "recorded": 2, "dropped": {},
        "sdk": {"name": "labkit", "version": "1"}, "adopted": false, "shard": 7,
        "checkpoints": [with(end, "colour", json!({"r": 1})), {"colour": "red"}]
    });
    assert_eq!(tracker.ingest("default", &body.to_string()).body["accepted"], 1);
    let counted = tracker.metrics();
    assert!(counted.contains("labkit_tracker_unknown_fields_total 3\n"), "{counted}");
}

#[test]
fn configured_limits_take_the_place_of_the_defaults() {
    let limits = Limits {
        batch_items: 2,
        checkpoint_bytes: 512,
        json_depth: 4,
        acceptance_age_ms: 60_000,
        future_ms: 0,
        sent_at_ms: 120_000,
        learned_types: 1,
        ..Limits::default()
    };
    assert_eq!(limits.check(), Ok(()));
    let tracker = Rehearsal::new(registry(), Settings { limits, ..Settings::default() }, T0);
    let send = |body: &str| tracker.ingest("default", body);

    let three = send(&batch(&vec![original("start"); 3]));
    assert_eq!(
        (three.status, &three.body["detail"]),
        (413, &json!("3 checkpoints in one batch, at most 2"))
    );
    let big = with(original("start"), "reason", json!("x".repeat(250))).to_string();
    let big = send(&big);
    assert_eq!(code_and_field(&big), (422, Some("invalid_field"), None));
    assert!(big.body["detail"].as_str().unwrap().ends_with("at most 512"));
    assert_eq!(send(r#"{"a":[[[[]]]]}"#).status, 400);
    let old = with(original("start"), "client_timestamp", json!(time(-60_001))).to_string();
    assert_eq!(code_and_field(&send(&old)), (422, Some("too_old"), Some("client_timestamp")));
    let stale = with(original("start"), "sent_at", json!(time(-120_001))).to_string();
    assert_eq!(code_and_field(&send(&stale)), (422, Some("too_old"), Some("sent_at")));
    let early = with(original("start"), "client_timestamp", json!(time(1)));
    let early = with(early, "sent_at", json!(time(0))).to_string();
    assert_eq!(code_and_field(&send(&early)), (422, Some("in_future"), Some("client_timestamp")));
    for service in ["web", "sidekiq"] {
        let start = with(original("start"), "type", json!(service)).to_string();
        assert_eq!(send(&start).status, 200);
    }
    assert!(tracker.sli().contains("type=\"other\",checkpoint=\"start\"} 1\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_sent_is_answered_and_never_as_our_error(
        kind in prop_oneof![Just("start"), Just("intermediate"), Just("end")],
        in_batch in any::<bool>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let body = if in_batch { batch(&[original(kind), original("end")]) } else { original(kind).to_string() };
        let mut chars: Vec<char> = body.chars().collect();
        for (place, replacement) in damage {
            let place = place.index(chars.len());
            chars[place] = replacement;
        }
        chars.truncate(cut.map_or(chars.len(), |cut| cut.index(chars.len())));
        let tracker = tracker();
        let answered = tracker.ingest("default", &chars.into_iter().collect::<String>());
        prop_assert!([200, 400, 413, 422].contains(&answered.status), "{answered:?}");
        if answered.status == 422 {
            prop_assert!(answered.body["code"].is_string());
        }
        // Whatever it was, the next good one is taken.
        let good = with(original("start"), "correlation_id", json!(format!("{ID}Y"))).to_string();
        prop_assert_eq!(tracker.ingest("default", &good).status, 200);
        tracker.advance(61_000);
        prop_assert_eq!(state(&tracker, 'Y'), Some("timeout"));
        for line in tracker.drain_events() {
            prop_assert!(serde_json::from_str::<Value>(&line).is_ok());
        }
    }
}
