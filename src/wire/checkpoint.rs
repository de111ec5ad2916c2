//! One checkpoint, as both sides see it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::correlation::{CorrelationId, parse_ulid};
use super::fields::{self, Members};
use super::limits::{CHECKPOINT_BYTES, EXPERIENCE_ID_BYTES, NAME_BYTES, REASON_BYTES};
use super::meta::Meta;
use super::rejection::Rejection;
use super::time::Timestamp;

/// Which moment of an experience a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Kind {
    Start,
    Intermediate,
    End,
}

/// How an experience ended, as its own process saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ended well.
    Success,
    /// It failed.
    Error,
    /// It ended as expected, though not as hoped: no failure of ours.
    Handled,
    /// It turned out not to be an experience; counts nowhere.
    Discarded,
}

macro_rules! words {
    ($type:ident { $($word:literal => $variant:ident),+ $(,)? }) => {
        impl $type {
            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok($type::$variant),)+
                    _ => Err(UnknownWord(&[$($word),+])),
                }
            }
        }
    };
}

words!(Kind { "start" => Start, "intermediate" => Intermediate, "end" => End });
words!(Outcome {
    "success" => Success,
    "error" => Error,
    "handled" => Handled,
    "discarded" => Discarded,
});

/// A word outside its closed set; displays the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord(&'static [&'static str]);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of: {}", self.0.join(", "))
    }
}

/// The idempotency key of a checkpoint: a ULID's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId(pub u128);

impl CheckpointId {
    /// When it was made, by its maker's clock, in milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        (self.0 >> 80) as i64 // 48 bits
    }
}

impl FromStr for CheckpointId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        parse_ulid(text)
            .map(CheckpointId)
            .ok_or("expected a ULID (26 characters, Crockford's base32)")
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        CorrelationId::from_ulid(self.0).fmt(f)
    }
}

impl Serialize for CheckpointId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One checkpoint. Serialised, its fields stand in this order; the first nine
/// are those of the original payload.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)] // wire names; units and rules stand in the wire format
pub struct Checkpoint<'a> {
    pub correlation_id: CorrelationId,
    pub user_experience_id: Cow<'a, str>,
    pub checkpoint: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_category: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    pub service: Cow<'a, str>,
    pub feature_category: Cow<'a, str>,
    pub urgency: Cow<'a, str>,
    pub client_timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<CheckpointId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_if_it_is")]
    pub elapsed_ms: Option<f64>,
}

impl<'a> Checkpoint<'a> {
    /// Reads and validates one checkpoint object. Fields that are not known
    /// are ignored: newer libraries may send to older trackers.
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        Self::parse_counting(text).map(|(checkpoint, _)| checkpoint)
    }

    /// The same, and how many fields were ignored.
    pub fn parse_counting(text: &'a str) -> Result<(Self, usize), Rejection> {
        if text.len() > CHECKPOINT_BYTES {
            let detail = format!("{} bytes, at most {CHECKPOINT_BYTES}", text.len());
            return Err(Rejection::new(super::Code::InvalidField, None, detail));
        }
        let members = Members::parse(text).map_err(|e| {
            let detail = format!("expected a checkpoint object: {e}");
            Rejection::new(super::Code::InvalidField, None, detail)
        })?;
        Ok((Self::from_members(&members)?, members.unknown(is_field)))
    }

    fn from_members(members: &Members<'a>) -> Result<Self, Rejection> {
        let kind = parsed_required(members, "checkpoint")?;
        let outcome = fields::parsed(members, "outcome")?;
        if outcome.is_some() && kind != Kind::End {
            return Err(Rejection::invalid("outcome", "only an `end` has an outcome"));
        }
        Ok(Checkpoint {
            correlation_id: parsed_required(members, "correlation_id")?,
            user_experience_id: fields::required(
                members,
                "user_experience_id",
                EXPERIENCE_ID_BYTES,
            )?,
            checkpoint: kind,
            checkpoint_category: category(members)?,
            service: service(members)?,
            feature_category: fields::required(members, "feature_category", NAME_BYTES)?,
            urgency: fields::required(members, "urgency", NAME_BYTES)?,
            client_timestamp: parsed_required(members, "client_timestamp")?,
            meta: members.get("meta").map(|raw| Meta::parse(raw.get())).transpose()?,
            id: fields::parsed(members, "id")?,
            outcome,
            reason: fields::optional(members, "reason", REASON_BYTES)?,
            started_at: fields::parsed(members, "started_at")?,
            elapsed_ms: elapsed(members)?,
        })
    }

    /// The idempotency key: the one given, else one derived from the fields
    /// of the original payload, so that a plain client's retry is recognised.
    pub fn idempotency_key(&self) -> CheckpointId {
        self.id.unwrap_or_else(|| {
            let original = Checkpoint {
                id: None,
                outcome: None,
                reason: None,
                started_at: None,
                elapsed_ms: None,
                ..self.clone()
            };
            // Cannot fail: every field was validated or built by us.
            CheckpointId(digest128(&serde_json::to_vec(&original).unwrap_or_default()))
        })
    }
}

/// Every field of the wire format; `sent_at` stands on a checkpoint that
/// travels alone, and `server_timestamp` on one that was answered before.
fn is_field(name: &str) -> bool {
    matches!(
        name,
        "correlation_id"
            | "user_experience_id"
            | "checkpoint"
            | "checkpoint_category"
            | "type"
            | "feature_category"
            | "urgency"
            | "client_timestamp"
            | "server_timestamp"
            | "meta"
            | "id"
            | "outcome"
            | "reason"
            | "started_at"
            | "elapsed_ms"
            | "sent_at"
    )
}

/// The first 128 bits of SHA-256, big-endian: a recipe any language can follow.
pub(crate) fn digest128(bytes: &[u8]) -> u128 {
    let digest = Sha256::digest(bytes);
    digest[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

fn parsed_required<T>(members: &Members<'_>, field: &'static str) -> Result<T, Rejection>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fields::parsed(members, field)?.ok_or_else(|| Rejection::missing(field))
}

fn category<'a>(members: &Members<'a>) -> Result<Option<Cow<'a, str>>, Rejection> {
    match fields::optional(members, "checkpoint_category", NAME_BYTES)? {
        Some(name) if !fields::is_name(&name, false) => {
            Err(Rejection::invalid("checkpoint_category", "expected ^[a-z0-9_]{1,64}$"))
        }
        category => Ok(category),
    }
}

fn service<'a>(members: &Members<'a>) -> Result<Cow<'a, str>, Rejection> {
    let name = fields::required(members, "type", NAME_BYTES)?;
    match fields::is_name(&name, true) {
        true => Ok(name),
        false => Err(Rejection::invalid("type", "expected ^[a-z0-9_-]{1,64}$")),
    }
}

fn elapsed(members: &Members<'_>) -> Result<Option<f64>, Rejection> {
    let Some(raw) = members.get("elapsed_ms") else { return Ok(None) };
    match serde_json::from_str::<f64>(raw.get()) {
        Ok(millis) if millis >= 0.0 => Ok(Some(millis)),
        _ => Err(Rejection::invalid("elapsed_ms", "expected a finite number >= 0")),
    }
}

/// `1500`, not `1500.0`: the shortest spelling, and the same in every language.
fn whole_if_it_is<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    match value {
        Some(number) if number.fract() == 0.0 && *number < EXACT => {
            serializer.serialize_u64(*number as u64)
        }
        Some(number) => serializer.serialize_f64(*number),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_written_is_known_when_it_is_read_and_others_are_counted() {
        let written = serde_json::to_value(Checkpoint {
            correlation_id: CorrelationId::from_ulid(1),
            user_experience_id: "create_it".into(),
            checkpoint: Kind::End,
            checkpoint_category: Some("create".into()),
            service: "web".into(),
            feature_category: "making".into(),
            urgency: "sync_slow".into(),
            client_timestamp: Timestamp::from_millis(0),
            meta: Some(Meta::parse("{}").unwrap()),
            id: Some(CheckpointId(1)),
            outcome: Some(Outcome::Error),
            reason: Some("x".into()),
            started_at: Some(Timestamp::from_millis(0)),
            elapsed_ms: Some(1.5),
        });
        let mut fields = written.unwrap();
        let unknown =
            |fields: &serde_json::Value| Checkpoint::parse_counting(&fields.to_string()).unwrap().1;
        assert_eq!(unknown(&fields), 0);
        fields["outcom"] = "error".into();
        fields["shard"] = serde_json::json!({"of": [1, 2]});
        assert_eq!(unknown(&fields), 2);
    }
}
