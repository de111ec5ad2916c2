use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::limits::ELAPSED_MOST_US;
use crate::transition::Span;

fn event(meta: Option<&str>) -> Event<'_> {
    Event {
        sequence: 2,
        kind: EventKind::Failure,
        definition: Arc::new(Definition {
            id: "create_it".into(),
            feature_category: "making".into(),
            urgency: "sync_fast".into(),
            threshold_us: 2_000_000,
            ttl_ms: 60_000,
        }),
        service: "web".into(),
        checkpoint: Some(Kind::End),
        category: Some(Cow::Borrowed("done")),
        checkpoint_time: Some(1_500),
        start_time: Some(0),
        end_time: Some(1_500),
        span: Some(Span { us: 1_500_000, clamped: false, skewed: false }),
        apdex: None,
        outcome: Some(Final::Error),
        reason: Some(Cow::Borrowed("disk full")),
        meta: meta.map(Cow::Borrowed),
    }
}

fn identity() -> Identity {
    Identity {
        tenant: "default".into(),
        user_experience_id: "create_it".into(),
        correlation_id: "01HZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap(),
    }
}

fn line(identity: &Identity, event: &Event<'_>, time: i64) -> String {
    let mut writer = Writer::new(1, time);
    let place = writer.line(identity, event);
    assert_eq!(place, 0..writer.text.len());
    writer.finish()
}

fn event_id(identity: &Identity, sequence: u32) -> String {
    let line = line(identity, &Event { sequence, ..event(None) }, 0);
    let line: Value = serde_json::from_str(&line).unwrap();
    line["event_id"].as_str().unwrap().to_owned()
}

fn parsed(meta: Option<&str>) -> Value {
    serde_json::from_str(&line(&identity(), &event(meta), 2_000)).unwrap()
}

#[test]
fn a_line_has_exactly_the_keys_of_the_specification() {
    let mut line = parsed(None);
    assert!(line.as_object().unwrap().keys().all(|key| is_own(key)), "{line}");
    let id = line["event_id"].take();
    assert_eq!(id, "01HZZZZZZZZZZZZZZZZZZZZZZZ-505997bcfa1300fe-2");
    assert_eq!(
        line,
        json!({
            "time": "1970-01-01T00:00:02.000Z", "severity": "ERROR", "event_id": null,
            "event": "failure", "checkpoint": "end", "checkpoint_category": "done",
            "checkpoint_action": "done", "user_experience_id": "create_it",
            "correlation_id": "01HZZZZZZZZZZZZZZZZZZZZZZZ", "feature_category": "making",
            "urgency": "sync_fast", "type": "web", "start_time": "1970-01-01T00:00:00.000Z",
            "checkpoint_time": "1970-01-01T00:00:01.500Z",
            "end_time": "1970-01-01T00:00:01.500Z", "elapsed_time_s": 1.5,
            "urgency_threshold_s": 2, "error": true, "error_message": "disk full",
            "outcome": "error", "reason": "disk full"
        })
    );
}

#[test]
fn extras_stand_flat_and_those_with_taken_names_under_meta() {
    let line = parsed(Some(r#"{"project_id":7,"time":"noon","meta":null,"a":"b"}"#));
    assert_eq!((&line["project_id"], &line["a"]), (&json!(7), &json!("b")));
    assert_eq!(line["meta"], json!({"time": "noon", "meta": null}));
    assert_eq!(line["time"], "1970-01-01T00:00:02.000Z");
}

#[test]
fn extras_stand_as_they_came_whatever_is_between_them() {
    for (meta, expected) in [
        ("{}", json!({})),
        ("{ }", json!({})),
        (r#"{ "a" : "b, \"c" , "d":null }"#, json!({"a": "b, \"c", "d": null})),
        (r#"{ "a" : "{b:" , "d": -1.5e3 }"#, json!({"a": "{b:", "d": -1.5e3})),
        (r#"{"a":"time","b":"}"}"#, json!({"a": "time", "b": "}"})),
        (r#"{"":""}"#, json!({"": ""})),
        (r#"{"ti\u006de":1}"#, json!({"meta": {"time": 1}})),
    ] {
        let (mut with, without) = (parsed(Some(meta)), parsed(None));
        let members = with.as_object_mut().unwrap();
        members.retain(|key, _| without.get(key).is_none());
        assert_eq!(with, expected, "{meta}");
    }
}

#[test]
fn seconds_have_as_many_digits_as_they_need() {
    for (us, text) in [(0, "0"), (2_000_000, "2"), (1_500_000, "1.5"), (812_500, "0.8125")] {
        let mut written = String::new();
        Line(&mut written).seconds("", Some(us));
        assert_eq!(written, text);
    }
    for us in [1, 10, 999_999, 1_000_001, 86_400_000_010, ELAPSED_MOST_US, 123_456_789] {
        let mut written = String::new();
        Line(&mut written).seconds("", Some(us));
        assert_eq!(written, (us as f64 / 1e6).to_string());
    }
}

#[test]
fn a_line_is_the_same_whichever_came_before_it() {
    let other = Identity { tenant: "other".into(), ..identity() };
    let service = Event { service: "cron".into(), ..event(None) };
    let definition = Arc::new(Definition {
        feature_category: "breaking".into(),
        ..(*event(None).definition).clone()
    });
    let definition = Event { definition, ..event(None) };
    let told = [
        (&identity(), &event(None)),
        (&other, &event(None)),
        (&other, &service),
        (&other, &definition),
        (&identity(), &event(None)),
    ];
    let mut writer = Writer::new(told.len(), 7);
    let places: Vec<Place> =
        told.iter().map(|(identity, event)| writer.line(identity, event)).collect();
    let text = writer.finish();
    for (place, (identity, event)) in places.into_iter().zip(told) {
        assert_eq!(text[place], line(identity, event, 7));
    }
}

#[test]
fn nothing_that_a_caller_sends_breaks_the_line() {
    let nasty = "a\u{2028}b\u{2029}c\u{85}d\u{7f}e";
    let meta = format!(r#"{{"k{nasty}":"\r\n\u0000{nasty}"}}"#);
    let mut event = event(Some(&meta));
    event.reason = Some(Cow::Borrowed("x\r\n\t\0\"\\\u{1b}[31m\u{2028}y"));
    let line = line(&identity(), &event, 0);
    assert!(!line.chars().any(breaks_a_line), "{line:?}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["reason"], "x\r\n\t\0\"\\\u{1b}[31m\u{2028}y");
    assert_eq!(value[format!("k{nasty}")], format!("\r\n\0{nasty}"));
}

#[test]
fn event_ids_differ_by_tenant_definition_and_sequence_and_repeat_otherwise() {
    let base = identity();
    let tenant = Identity { tenant: "other".into(), ..base.clone() };
    let definition = Identity { user_experience_id: "other".into(), ..base.clone() };
    let ids =
        [event_id(&base, 1), event_id(&base, 2), event_id(&tenant, 1), event_id(&definition, 1)];
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(ids[0], event_id(&base, 1));
}
