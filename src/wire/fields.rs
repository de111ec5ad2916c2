//! Reading a JSON object member by member, so that each mistake can be laid
//! at the door of the one field that holds it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rejection::Rejection;

/// The members of one object in their order, values still as JSON text.
/// Duplicate keys are refused: which of the two was meant is anybody's guess.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Keys of one object: far above any honest payload, and it bounds the
    /// search for duplicates.
    const MAX: usize = 128;

    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of `key`; an explicit null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.raw(key).filter(|value| value.get() != "null")
    }

    /// The value of `key`, an explicit null included.
    pub(super) fn raw(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// How many keys are not `known`: a newer library's, or somebody's misspelling.
    pub(super) fn unknown(&self, known: fn(&str) -> bool) -> usize {
        self.0.iter().filter(|(name, _)| !known(name)).count()
    }
}

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
        let mut members: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::with_capacity(16);
        while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
            if members.iter().any(|(name, _)| *name == key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            if members.len() == Members::MAX {
                return Err(A::Error::custom(format_args!("more than {} keys", Members::MAX)));
            }
            members.push((key, map.next_value()?));
        }
        Ok(Members(members))
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The string that `raw` holds, borrowed where it has no escapes.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        // Fails on lone surrogates, which no UTF-8 text can hold.
        return serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A required string of 1 to `max` bytes.
pub(super) fn required<'a>(
    members: &Members<'a>,
    field: &'static str,
    max: usize,
) -> Result<Cow<'a, str>, Rejection> {
    optional(members, field, max)?.ok_or_else(|| Rejection::missing(field))
}

/// An optional string of 1 to `max` bytes.
pub(super) fn optional<'a>(
    members: &Members<'a>,
    field: &'static str,
    max: usize,
) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(raw) = members.get(field) else { return Ok(None) };
    match string(raw) {
        Some(text) if !text.is_empty() && text.len() <= max => Ok(Some(text)),
        _ => Err(Rejection::invalid(field, format!("expected a string of 1 to {max} bytes"))),
    }
}

/// An optional string that `T` can be read from; its error says what was expected.
pub(super) fn parsed<T>(members: &Members<'_>, field: &'static str) -> Result<Option<T>, Rejection>
where
    T: std::str::FromStr,
    T::Err: fmt::Display,
{
    let Some(raw) = members.get(field) else { return Ok(None) };
    let text = string(raw).ok_or_else(|| Rejection::invalid(field, "expected a string"))?;
    text.parse().map(Some).map_err(|e: T::Err| Rejection::invalid(field, e.to_string()))
}

/// Whether `name` is `^[a-z0-9_]{1,64}$`, with `-` too where `dash` says so.
pub(crate) fn is_name(name: &str, dash: bool) -> bool {
    let fits = (1..=super::limits::NAME_BYTES).contains(&name.len());
    fits && name
        .bytes()
        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_') || (dash && b == b'-'))
}
