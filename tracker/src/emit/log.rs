//! Events as log lines: one JSON object each, on one line whatever is in it.

use std::fmt::{Display, Write as _};

use labkit::wire::{Kind, Meta, Timestamp};

use crate::transition::{Event, EventKind, Final, Identity};

/// The keys that belong to the line. An extra of the same name stands under
/// `meta`, and so does one that is called `meta`.
const OWN_KEYS: [&str; 23] = [
    "time",
    "severity",
    "event_id",
    "event",
    "checkpoint",
    "checkpoint_category",
    "checkpoint_action",
    "user_experience_id",
    "correlation_id",
    "feature_category",
    "urgency",
    "type",
    "start_time",
    "checkpoint_time",
    "end_time",
    "elapsed_time_s",
    "urgency_threshold_s",
    "success",
    "error",
    "error_message",
    "outcome",
    "reason",
    "meta",
];

/// The line of `event`, without a line end. The same event makes the same line
/// and the same `event_id` each time.
pub fn line(identity: &Identity, event: &Event<'_>, time: i64) -> String {
    let ends = matches!(event.kind, EventKind::Success | EventKind::Failure | EventKind::Discarded);
    let mut line = Line::new();
    line.time("time", Some(time));
    line.text("severity", severity(event.kind));
    line.text("event_id", &event_id(identity, event.sequence));
    line.text("event", event.kind.as_str());
    line.optional("checkpoint", event.checkpoint.map(Kind::as_str));
    line.optional("checkpoint_category", event.category.as_deref());
    line.optional("checkpoint_action", event.category.as_deref());
    line.text("user_experience_id", &identity.user_experience_id);
    line.plain("correlation_id", Some(Quoted(identity.correlation_id)));
    line.text("feature_category", &event.definition.feature_category);
    line.text("urgency", &event.definition.urgency);
    line.text("type", &event.service);
    line.time("start_time", event.start_time);
    line.time("checkpoint_time", event.checkpoint_time);
    line.time("end_time", event.end_time);
    line.plain("elapsed_time_s", event.span.map(|span| seconds(span.us)));
    line.plain("urgency_threshold_s", Some(seconds(event.definition.threshold_us)));
    line.plain("success", event.apdex);
    line.plain("error", event.outcome.filter(|_| ends).and_then(is_error));
    if ends && event.outcome == Some(Final::Error) {
        line.optional("error_message", event.reason.as_deref());
    }
    line.optional("outcome", event.outcome.map(Final::as_str));
    line.optional("reason", event.reason.as_deref());
    if let Some(meta) = event.meta.as_deref() {
        line.extras(meta);
    }
    line.finish()
}

/// Stable over deliveries, and different for all events of all tenants.
fn event_id(identity: &Identity, sequence: u32) -> String {
    // FNV-1a: a fixed recipe, unlike the standard library's hasher.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let named = identity.tenant.bytes().chain([0]).chain(identity.user_experience_id.bytes());
    for byte in named {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{}-{hash:016x}-{sequence}", identity.correlation_id)
}

fn severity(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Failure => "ERROR",
        EventKind::LateEnd | EventKind::Anomaly(_) => "WARN",
        _ => "INFO",
    }
}

/// A discarded experience neither failed nor did not.
fn is_error(outcome: Final) -> Option<bool> {
    match outcome {
        Final::Success | Final::Handled => Some(false),
        Final::Error | Final::Timeout => Some(true),
        Final::Discarded => None,
    }
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

/// Text of our own that needs no escapes.
struct Quoted<T>(T);

impl<T: Display> Display for Quoted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

struct Line(String);

impl Line {
    fn new() -> Self {
        let mut text = String::with_capacity(768);
        text.push('{');
        Line(text)
    }

    /// A key of ours, which needs no escapes.
    fn key(&mut self, key: &str) {
        self.separate();
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// A key of a caller's.
    fn foreign_key(&mut self, key: &str) {
        self.separate();
        push_quoted(&mut self.0, key);
        self.0.push(':');
    }

    fn separate(&mut self) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_quoted(&mut self.0, value);
    }

    fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn time(&mut self, key: &str, millis: Option<i64>) {
        self.plain(key, millis.map(|millis| Quoted(Timestamp::from_millis(millis))));
    }

    /// A value whose text is JSON already.
    fn plain(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.key(key);
            // Writing to a String cannot fail.
            let _ = write!(self.0, "{value}");
        }
    }

    /// Extras flat, and those whose names are taken in an object of their own.
    fn extras(&mut self, meta: &str) {
        let Ok(meta) = Meta::parse(meta) else { return };
        let mut taken = Line(String::from("{"));
        for (key, value) in meta.entries() {
            let line = if OWN_KEYS.contains(&key.as_ref()) { &mut taken } else { &mut *self };
            line.foreign_key(&key);
            push_json(&mut line.0, value.get());
        }
        if taken.0.len() > 1 {
            let taken = taken.finish();
            self.plain("meta", Some(taken));
        }
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Text that stands in JSON, and on a line, as it is; nearly all of it.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || breaks_a_line(c)) {
        let (clean, special) = rest.split_at(at);
        out.push_str(clean);
        let mut chars = special.chars();
        match chars.next() {
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(c) => push_escape(out, c),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// JSON text of a scalar: it may hold, unescaped, what JSON allows in a string
/// and a reader of lines does not.
fn push_json(out: &mut String, json: &str) {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return out.push_str(json);
    }
    for c in json.chars() {
        match breaks_a_line(c) {
            true => push_escape(out, c),
            false => out.push(c),
        }
    }
}

/// Controls, C1 and DEL among them, and Unicode's own line ends.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn push_escape(out: &mut String, c: char) {
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::transition::{Definition, Span};

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

    fn parsed(meta: Option<&str>) -> Value {
        serde_json::from_str(&line(&identity(), &event(meta), 2_000)).unwrap()
    }

    #[test]
    fn a_line_has_exactly_the_keys_of_the_specification() {
        let mut line = parsed(None);
        let id = line["event_id"].take();
        assert!(id.as_str().unwrap().starts_with("01HZZZZZZZZZZZZZZZZZZZZZZZ-"), "{id}");
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
        let ids = [
            event_id(&base, 1),
            event_id(&base, 2),
            event_id(&tenant, 1),
            event_id(&definition, 1),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(ids[0], event_id(&base, 1));
    }
}
