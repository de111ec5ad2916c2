//! `meta`: the caller's own context, a flat JSON object of scalars.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fields::Members;
use super::limits::{META_BYTES, META_KEYS};
use super::rejection::{Code, Rejection};

/// Keys that the log line owns; the library refuses them as extras.
pub const RESERVED_KEYS: [&str; 15] = [
    "checkpoint",
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
    "error",
    "error_message",
    "success",
    "outcome",
];

/// Validated meta: JSON text that is known to be a flat object of scalars
/// within its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta<'a>(Cow<'a, str>);

impl<'a> Meta<'a> {
    /// Checks `text`; reserved keys pass, as only the library refuses those.
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        match Meta::plain(text) {
            Some(meta) => Ok(meta),
            None => Meta::parse_thoroughly(text),
        }
    }

    /// Nearly every meta, read in one pass; whatever else there is to allow or
    /// to refuse is left to the thorough way.
    pub(super) fn plain(text: &'a str) -> Option<Self> {
        Meta::flat::<true>(text)
    }

    fn flat<const RESERVED: bool>(text: &'a str) -> Option<Self> {
        if text.len() > META_BYTES || serde_json::from_str::<Flat<RESERVED>>(text).is_err() {
            return None;
        }
        Some(Meta(Cow::Borrowed(text)))
    }

    fn parse_thoroughly(text: &'a str) -> Result<Self, Rejection> {
        let too_large = |detail: String| Rejection::new(Code::MetaTooLarge, Some("meta"), detail);
        if text.len() > META_BYTES {
            return Err(too_large(format!("{} bytes, at most {META_BYTES}", text.len())));
        }
        let members = Members::parse(text).map_err(|e| {
            Rejection::invalid("meta", format!("expected a JSON object of scalars: {e}"))
        })?;
        if members.0.len() > META_KEYS {
            return Err(too_large(format!("{} keys, at most {META_KEYS}", members.0.len())));
        }
        match members.0.iter().find(|(_, value)| !is_scalar(value)) {
            Some((key, _)) => Err(Rejection::invalid(
                "meta",
                format!("the value of {key:?} must be a string, finite number, boolean or null"),
            )),
            None => Ok(Meta(Cow::Borrowed(text))),
        }
    }

    /// What of `text` may be sent, and how many keys (or, where nothing can
    /// be saved, whole objects) had to go. `None` is what remains of nothing.
    pub fn salvage(text: &'a str) -> (Option<Meta<'a>>, u64) {
        if let Some(meta) = Meta::flat::<false>(text) {
            return (Some(meta), 0);
        }
        match Meta::parse(text) {
            Ok(meta) if meta.reserved_key().is_none() => (Some(meta), 0),
            Err(rejection) if rejection.code == Code::MetaTooLarge => (None, 1),
            _ => salvage_members(text),
        }
    }

    /// The first reserved key, if there is one.
    pub fn reserved_key(&self) -> Option<&'static str> {
        let members = Members::parse(&self.0).ok()?;
        RESERVED_KEYS.into_iter().find(|key| members.0.iter().any(|(name, _)| name == key))
    }

    /// Keys and values, in the order they were written.
    pub fn entries(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        Members::parse(&self.0).map(|members| members.0).unwrap_or_default()
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The JSON text of an object of these keys and JSON values, in their order.
pub fn write_object<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let fields: Vec<String> =
        members.map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key))).collect();
    format!("{{{}}}", fields.join(","))
}

/// An object of scalars with few keys, without escapes, none twice, and unless
/// they may be, none `RESERVED`.
struct Flat<const RESERVED: bool>;

impl<'a, const RESERVED: bool> Deserialize<'a> for Flat<RESERVED> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FlatVisitor::<RESERVED>)
    }
}

struct FlatVisitor<const RESERVED: bool>;

impl<'a, const RESERVED: bool> Visitor<'a> for FlatVisitor<RESERVED> {
    type Value = Flat<RESERVED>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flat object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Flat<RESERVED>, A::Error> {
        let (mut keys, mut count) = ([""; META_KEYS], 0);
        while let Some(key) = map.next_key::<&'a str>()? {
            if count == META_KEYS || keys[..count].contains(&key) {
                return Err(A::Error::custom("too many, or twice"));
            }
            if !RESERVED && RESERVED_KEYS.contains(&key) {
                return Err(A::Error::custom("reserved"));
            }
            keys[count] = key;
            count += 1;
            map.next_value::<Scalar>()?;
        }
        Ok(Flat::<RESERVED>)
    }
}

/// A string, finite number, boolean or null.
struct Scalar;

impl<'a> Deserialize<'a> for Scalar {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
        Ok(Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Scalar, E> {
        Ok(Scalar)
    }
}

fn salvage_members(text: &str) -> (Option<Meta<'_>>, u64) {
    let Ok(members) = Members::parse(text) else { return (None, 1) };
    let total = members.0.len();
    let kept: Vec<_> = members
        .0
        .into_iter()
        .filter(|(key, value)| is_scalar(value) && !RESERVED_KEYS.contains(&key.as_ref()))
        .collect();
    let dropped = (total - kept.len()) as u64;
    if kept.is_empty() {
        return (None, dropped);
    }
    let text = write_object(kept.iter().map(|(key, value)| (key.as_ref(), value.get())));
    (Some(Meta(Cow::Owned(text))), dropped)
}

fn is_scalar(value: &RawValue) -> bool {
    match value.get().as_bytes().first() {
        Some(b'{' | b'[') | None => false,
        Some(b'"') => super::fields::string(value).is_some(),
        // Finite: serde_json refuses a number that no f64 can hold.
        Some(b'-' | b'0'..=b'9') => serde_json::from_str::<f64>(value.get()).is_ok(),
        Some(_) => true,
    }
}

impl Serialize for Meta<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_object_of_scalars_passes_untouched() {
        let text = r#"{"a":1,"b":"zwei","c":null,"d":true,"e":-1.5e3}"#;
        assert_eq!(Meta::parse(text).unwrap().as_str(), text);
    }

    #[test]
    fn what_is_not_flat_finite_and_small_is_refused_with_the_key_named() {
        for (text, code) in [
            (r#"{"a":{}}"#.to_owned(), Code::InvalidField),
            (r#"{"a":[1]}"#.to_owned(), Code::InvalidField),
            (r#"{"a":1e400}"#.to_owned(), Code::InvalidField),
            (r#"{"a":1,"a":2}"#.to_owned(), Code::InvalidField),
            (r#"{"a":"\ud800"}"#.to_owned(), Code::InvalidField),
            ("[]".to_owned(), Code::InvalidField),
            (format!(r#"{{"a":"{}"}}"#, "x".repeat(META_BYTES)), Code::MetaTooLarge),
            (many_keys(META_KEYS + 1), Code::MetaTooLarge),
        ] {
            let rejection = Meta::parse(&text).unwrap_err();
            assert_eq!(
                (rejection.code, rejection.field.as_deref()),
                (code, Some("meta")),
                "{text}"
            );
        }
    }

    #[test]
    fn salvage_keeps_the_good_keys_and_counts_the_rest() {
        let (meta, dropped) = Meta::salvage(r#"{"a":1,"error":"x","b":{},"c\"d":"e"}"#);
        assert_eq!(meta.unwrap().as_str(), r#"{"a":1,"c\"d":"e"}"#);
        assert_eq!(dropped, 2);
        assert_eq!(Meta::salvage("no json"), (None, 1));
        assert_eq!(Meta::salvage(r#"{"type":"web"}"#), (None, 1));
    }

    fn many_keys(count: usize) -> String {
        let keys: Vec<String> = (0..count).map(|i| format!(r#""k{i}":{i}"#)).collect();
        format!("{{{}}}", keys.join(","))
    }
}
