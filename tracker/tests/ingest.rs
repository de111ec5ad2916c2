//! What the edge of the tracker makes of good, odd and hostile payloads.

use std::path::Path;

use labkit::definition::{self, Registry};
use labkit::wire::Timestamp;
use labkit_tracker::Settings;
use labkit_tracker::limits::Limits;
use labkit_tracker::rehearsal::{Answered, Rehearsal};
use proptest::prelude::*;
use serde_json::{Value, json};

const T0: i64 = 1_790_000_000_000;
const ID: &str = "01HZZZZZZZZZZZZZZZZZZZZZZ";

fn registry() -> Registry {
    let yaml = "description: Making it\nfeature_category: making\nurgency: sync_slow\n";
    let (made, findings) = definition::read(Path::new("create_it.yml"), yaml);
    assert!(findings.is_empty());
    Registry::new(made.into_iter().collect())
}

fn tracker() -> Rehearsal {
    Rehearsal::new(registry(), Settings::default(), T0)
}

fn time(offset: i64) -> String {
    Timestamp::from_millis(T0 + offset).to_string()
}

/// The ten fields of the original payload, and nothing else.
fn original(kind: &str) -> Value {
    json!({
        "correlation_id": format!("{ID}A"), "user_experience_id": "create_it", "checkpoint": kind,
        "checkpoint_category": "create", "type": "web", "feature_category": "making",
        "urgency": "sync_slow", "client_timestamp": time(0), "server_timestamp": null,
        "meta": {"project_id": 7}
    })
}

fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

fn batch(items: &[Value]) -> String {
    json!({"sent_at": time(0), "checkpoints": items}).to_string()
}

fn state(tracker: &Rehearsal, last: char) -> Option<&'static str> {
    tracker.experience("default", "create_it", &format!("{ID}{last}")).map(|view| view.state)
}

fn code_and_field(answered: &Answered) -> (u16, Option<&str>, Option<&str>) {
    (answered.status, answered.body["code"].as_str(), answered.body["field"].as_str())
}

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
fn a_clients_constant_skew_cancels() {
    let skew = 5 * 3_600_000;
    let tracker = tracker();
    let at = |kind: &str, at: i64| with(original(kind), "client_timestamp", json!(time(skew + at)));
    let body = json!({
        "sent_at": time(skew),
        "checkpoints": [at("start", -4_000), at("end", -1_000)]
    });
    tracker.ingest("default", &body.to_string());
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!(
        (view.elapsed_time_s, view.start_time.unwrap().to_string()),
        (Some(3.0), time(-4_000))
    );
}

#[test]
fn one_batch_folds_the_checkpoints_of_one_experience_in_their_order() {
    let tracker = tracker();
    let items = [original("start"), original("intermediate"), original("end"), original("start")];
    let answered = tracker.ingest("default", &batch(&items));
    assert_eq!((&answered.body["accepted"], &answered.body["duplicate"]), (&json!(3), &json!(1)));
    let events: Vec<String> = tracker
        .drain_events()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].to_string())
        .collect();
    assert_eq!(events, ["\"start\"", "\"intermediate\"", "\"success\""]);
    let again = tracker.ingest("default", &batch(&items));
    assert_eq!((&again.body["accepted"], &again.body["duplicate"]), (&json!(0), &json!(4)));
}

#[test]
fn tenants_do_not_see_each_other_and_the_metrics_sum_over_them() {
    let tracker = tracker();
    for tenant in ["one", "two"] {
        assert_eq!(tracker.ingest(tenant, &original("start").to_string()).status, 200);
    }
    assert!(tracker.experience("three", "create_it", &format!("{ID}A")).is_none());
    assert!(tracker.sli().contains("opened_total{user_experience_id=\"create_it\"} 2\n"));
}

#[test]
fn a_batch_names_the_instance_that_owns_what_it_starts() {
    let tracker = tracker();
    let body = json!({
        "sent_at": time(0), "instance_id": format!("{ID}X"), "checkpoints": [original("start")]
    });
    tracker.ingest("default", &body.to_string());
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!(view.owner_instance, Some(format!("{ID}X")));
}

#[test]
fn an_experience_that_never_ends_times_out_once_its_ttl_has_passed() {
    let tracker = tracker();
    tracker.ingest("default", &original("start").to_string());
    tracker.advance(59_000);
    assert_eq!(state(&tracker, 'A'), Some("open"));
    tracker.advance(1_000);
    assert_eq!(state(&tracker, 'A'), Some("timeout"));
    let sli = tracker.sli();
    assert!(sli.contains("type=\"web\",error=\"true\"} 1\n"));
    assert!(sli.contains("outcome=\"timeout\"} 1\n"));
}

#[test]
fn the_lateness_of_a_sweep_is_gone_with_the_next_one() {
    let tracker = tracker();
    let start = with(original("start"), "client_timestamp", json!(time(-500)));
    tracker.ingest("default", &start.to_string());
    for (advance, seconds) in [(60_000, "0.5"), (1_000, "0")] {
        tracker.advance(advance);
        let told = format!("labkit_tracker_sweep_lateness_seconds {seconds}\n");
        assert!(tracker.metrics().contains(&told), "{told}");
    }
}

#[test]
fn a_pause_or_a_step_of_the_trackers_clock_times_nobody_out() {
    for pause in [3_600_000, -3_600_000, 90_000] {
        let tracker = tracker();
        tracker.ingest("default", &original("start").to_string());
        tracker.pause(pause);
        assert_eq!(state(&tracker, 'A'), Some("open"));
        tracker.advance(120_000 + 59_000);
        assert_eq!(state(&tracker, 'A'), Some("open"), "settling, then the rest of its time");
        tracker.advance(1_000);
        assert_eq!(state(&tracker, 'A'), Some("timeout"));
    }
}

#[test]
fn every_definition_has_its_series_at_zero_from_the_start() {
    let settings = Settings { types: vec!["web".into(), "sidekiq".into()], ..Settings::default() };
    let sli = Rehearsal::new(registry(), settings, T0).sli();
    for service in ["web", "sidekiq"] {
        for (name, label) in [
            ("gitlab_user_experience_checkpoint_total", "checkpoint=\"end\""),
            ("gitlab_user_experience_total", "error=\"true\""),
            ("gitlab_user_experience_apdex_total", "success=\"false\""),
        ] {
            let series = format!(
                "{name}{{user_experience_id=\"create_it\",feature_category=\"making\",\
                 urgency=\"sync_slow\",type=\"{service}\",{label}}} 0\n"
            );
            assert!(sli.contains(&series), "{series}");
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

#[test]
fn an_absurd_duration_spoils_neither_the_sum_nor_the_next_one() {
    let tracker = tracker();
    for last in ['A', 'B', 'C'] {
        let end = with(original("end"), "correlation_id", json!(format!("{ID}{last}")));
        let end = with(end, "elapsed_ms", json!(1e300)).to_string();
        assert_eq!(tracker.ingest("default", &end).status, 200);
    }
    let sli = tracker.sli();
    let sum = sli.lines().find(|line| line.contains("duration_seconds_sum")).unwrap();
    let sum: f64 = sum.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0..1e12).contains(&sum), "{sum}");
    assert!(sli.contains("success=\"false\"} 3\n"));
}

#[test]
fn a_flood_of_types_leaves_a_bounded_number_of_labels() {
    let tracker = tracker();
    for i in 0..200u32 {
        let id = format!("{i:032x}");
        let start = with(original("start"), "correlation_id", json!(id));
        tracker.ingest("default", &with(start, "type", json!(format!("t{i}"))).to_string());
    }
    let sli = tracker.sli();
    let series = sli.lines().filter(|line| line.starts_with("gitlab_user_experience_total{"));
    assert_eq!(series.count(), 2 * 65);
    assert!(sli.contains("type=\"other\",checkpoint=\"start\"} 136\n"));
}

#[test]
fn a_log_that_nobody_reads_is_a_503_and_sending_again_is_safe() {
    let tracker = tracker();
    let body = |round: u32| {
        let start = |i| {
            let id = format!("{:032x}", round * 1_000 + i);
            with(original("start"), "correlation_id", json!(id))
        };
        batch(&(0..500).map(start).collect::<Vec<_>>())
    };
    let refused = (0..).find(|round| tracker.ingest("default", &body(*round)).status != 200);
    let refused = body(refused.unwrap());
    let answered = tracker.ingest("default", &refused);
    assert_eq!((answered.status, &answered.body["title"]), (503, &json!("Service Unavailable")));
    let v = tracker.virtual_ms();
    tracker.advance(10_000);
    assert_eq!(tracker.virtual_ms(), v, "a store that refuses ingest stops time, too");
    let lines = tracker.drain_events().len();
    assert_eq!(tracker.ingest("default", &refused).body["accepted"], 500);
    assert_eq!(tracker.drain_events().len(), 500);
    let opened = format!("opened_total{{user_experience_id=\"create_it\"}} {}\n", lines + 500);
    assert!(tracker.sli().contains(&opened));
}

#[test]
fn writers_of_one_experience_and_sweeps_at_once_lose_nothing() {
    let tracker = tracker();
    tracker.ingest("default", &original("start").to_string());
    let engine = tracker.tracker.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    for i in 0..100 {
                        let id = format!("01J0000000000000000000{writer}{i:03}");
                        let body = with(original("intermediate"), "id", json!(id)).to_string();
                        engine.ingest(&"default".into(), &body, T0).await.unwrap();
                        engine.sweep().await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!(view.checkpoints, Some(401));
    assert!(tracker.sli().contains("checkpoint=\"intermediate\"} 400\n"));
    assert_eq!(tracker.drain_events().len(), 401);
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
