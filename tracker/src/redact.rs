//! Values of `meta` that nobody here wants to keep. They are taken out of a
//! request's text before it is read, so that neither the store, nor the log,
//! nor an answer, nor the hash that tells a retry has ever seen them. So two
//! checkpoints without an `id` that differ in such a value alone are one.

use std::borrow::Cow;

use labkit::wire::limits::META_BYTES;
use labkit::wire::{Body, Meta, write_object};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::matches;

/// What stands in the place of a value, as JSON.
const INSTEAD: &str = "\"[redacted]\"";

/// Which keys of `meta` lose their values; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redact {
    /// In lower case.
    patterns: Vec<String>,
}

/// All of a checkpoint that matters here.
#[derive(Deserialize)]
struct WithMeta<'a> {
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

impl Redact {
    /// From names of keys, in any case, in which `*` stands for any run of characters.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let patterns = patterns.iter().map(|pattern| pattern.trim().to_lowercase());
        let patterns: Vec<String> = patterns.collect();
        if patterns.iter().any(String::is_empty) {
            return Err("--redact: a key of `meta` has at least one character".to_owned());
        }
        Ok(Redact { patterns })
    }

    /// A request's text without these values. What is no request, and what has
    /// no good `meta`, stays as it is: it is refused, and so it is not kept either.
    pub(crate) fn apply(&self, text: String) -> String {
        if self.patterns.is_empty() {
            return text;
        }
        let parts = match Body::parse(&text) {
            Ok(Body::Single { text, .. }) => self.part(text).into_iter().collect(),
            Ok(Body::Batch(batch)) => {
                batch.checkpoints.iter().filter_map(|c| self.part(c.get())).collect()
            }
            Err(_) => Vec::new(),
        };
        let parts: Vec<(usize, usize, String)> = parts
            .into_iter()
            .map(|(part, new): (&str, String)| {
                // The part is a slice of the text, so that this is where it begins.
                (part.as_ptr().addr() - text.as_ptr().addr(), part.len(), new)
            })
            .collect();
        splice(text, &parts)
    }

    /// The `meta` of a checkpoint that has to change, and what it becomes.
    fn part<'a>(&self, checkpoint: &'a str) -> Option<(&'a str, String)> {
        let meta = serde_json::from_str::<WithMeta<'_>>(checkpoint).ok()?.meta?.get();
        let parsed = Meta::parse(meta).ok()?;
        let entries = parsed.entries();
        if !entries.iter().any(|(key, _)| self.is_meant(key)) {
            return None;
        }
        let new = self.write(&entries, Some(INSTEAD));
        // It was small enough as it came, and is not refused for what we make of it.
        Some((meta, if new.len() > META_BYTES { self.write(&entries, None) } else { new }))
    }

    fn is_meant(&self, key: &str) -> bool {
        let key = key.to_lowercase();
        self.patterns.iter().any(|pattern| matches(pattern.as_bytes(), key.as_bytes()))
    }

    fn write(&self, entries: &[(Cow<'_, str>, &RawValue)], instead: Option<&str>) -> String {
        write_object(entries.iter().filter_map(|(key, value)| {
            let value = if self.is_meant(key) { instead? } else { value.get() };
            Some((key.as_ref(), value))
        }))
    }
}

/// Puts each part, which begins there and is so long, in its place.
fn splice(text: String, parts: &[(usize, usize, String)]) -> String {
    if parts.is_empty() {
        return text;
    }
    let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
    for (at, length, new) in parts {
        out.push_str(&text[copied..*at]);
        out.push_str(new);
        copied = at + length;
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn redact(patterns: &[&str]) -> Redact {
        Redact::new(&patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn redacted(patterns: &[&str], meta: &str) -> Value {
        let text = redact(patterns).apply(format!(r#"{{"type":"web","meta":{meta},"id":1}}"#));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_value_is_replaced_whatever_it_is_and_however_its_key_is_written() {
        let meta = r#" { "email" : "a@b.c", "Email\u0020": 1, "EMAIL":null, "\u0065mail2":true } "#;
        let body = redacted(&["eMail"], meta);
        let expected = json!({
            "email": "[redacted]", "Email ": 1, "EMAIL": "[redacted]", "email2": true
        });
        assert_eq!(
            (&body["meta"], &body["type"], &body["id"]),
            (&expected, &json!("web"), &json!(1))
        );
        assert_eq!(redacted(&["*MAIL*"], meta)["meta"]["email2"], "[redacted]");
        assert_eq!(redacted(&["straße"], r#"{"STRAßE":1}"#)["meta"]["STRAßE"], "[redacted]");
    }

    #[test]
    fn each_checkpoint_of_a_batch_loses_its_own() {
        let item = |n: u32| json!({"meta": {"token": format!("secret-{n}"), "n": n}});
        let plain = json!({"meta": {"n": 7}});
        let body = json!({
            "sent_at": "2026-01-05T10:00:00Z", "checkpoints": [item(1), plain, 7, item(2)]
        });
        let body: Value =
            serde_json::from_str(&redact(&["token"]).apply(body.to_string())).unwrap();
        let metas: Vec<&Value> =
            body["checkpoints"].as_array().unwrap().iter().map(|c| &c["meta"]).collect();
        let gone = |n: u32| json!({"token": "[redacted]", "n": n});
        assert_eq!(metas, [&gone(1), &json!({"n": 7}), &Value::Null, &gone(2)]);
    }

    #[test]
    fn nothing_else_is_touched() {
        for text in [
            "",
            "[]",
            r#"{"meta":{"a":{}}}"#,
            r#"{"meta":{"a":1,"a":2}}"#,
            r#"{"meta":{},"meta":{"a":1}}"#,
            r#"{"meta":null}"#,
            r#"{"reason":"a","meta":{"b":"a"}}"#,
            r#"{"sent_at":"x","checkpoints":[{"meta":{"a":1}}]}"#,
        ] {
            assert_eq!(redact(&["a"]).apply(text.to_owned()), text);
        }
        let text = r#"{"meta":{"a":1}}"#;
        assert_eq!(Redact::default().apply(text.to_owned()), text);
    }

    #[test]
    fn what_was_small_enough_stays_so() {
        let keys = (0..31).map(|n| format!(r#""k{n}":1"#)).collect::<Vec<_>>().join(",");
        let pad = "x".repeat(META_BYTES - keys.len() - r#"{"pad":"",}"#.len());
        let meta = format!(r#"{{"pad":"{pad}",{keys}}}"#);
        assert!(Meta::parse(&meta).is_ok());
        assert_eq!(redacted(&["k*"], &meta)["meta"], json!({"pad": pad}));
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert!(Redact::new(&[String::new()]).unwrap_err().contains("--redact"));
    }
}
