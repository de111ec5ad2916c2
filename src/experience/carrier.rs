//! The small JSON object that takes experiences from one process to the next.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Experience;
use crate::error::Error;
use crate::wire::limits::CARRIER_BYTES;
use crate::wire::{CorrelationId, Timestamp, digest128};

/// What a carrier says of one experience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The experience.
    pub correlation_id: CorrelationId,
    /// When it started; absent if the carrier did not say.
    pub start_time: Option<Timestamp>,
}

/// A carrier that was read.
#[derive(Clone, Debug)]
pub struct Carrier(BTreeMap<String, Entry>);

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    start_time: Option<String>,
    correlation_id: Option<String>,
}

impl Carrier {
    /// Reads `{"<user_experience_id>": {"start_time", "correlation_id"}}`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > CARRIER_BYTES {
            return Err(Error::TooLong { field: "carrier", limit: CARRIER_BYTES });
        }
        serde_json::from_str(text).map(Carrier).map_err(|e| {
            let form = r#"expected {"<user_experience_id>": {"start_time", "correlation_id"}}"#;
            Error::InvalidCarrier(format!("{form}: {e}"))
        })
    }

    /// The experience of `id`. GitLab's Ruby library carries only the start
    /// time; then the correlation id is derived from it and `job`, the job's
    /// own correlation id or `jid`, so that retries and fan-out stay one
    /// experience.
    pub fn find(&self, id: &str, job: &str) -> Result<Carried, Error> {
        let entry = self.0.get(id).ok_or(Error::NotInCarrier)?;
        let start_time = match &entry.start_time {
            Some(text) => Some(text.parse().map_err(|e| invalid("start_time", e))?),
            None => None,
        };
        let correlation_id = match (&entry.correlation_id, &entry.start_time) {
            (Some(text), _) => text.parse().map_err(|e| invalid("correlation_id", e))?,
            (None, Some(start)) => derived(id, start, job),
            (None, None) => return Err(invalid("correlation_id", "expected it or a start_time")),
        };
        Ok(Carried { correlation_id, start_time })
    }
}

/// The first 128 bits of SHA-256 over the three texts, a newline after each.
fn derived(id: &str, start_time: &str, job: &str) -> CorrelationId {
    CorrelationId::from_ulid(digest128(format!("{id}\n{start_time}\n{job}\n").as_bytes()))
}

fn invalid(field: &str, expected: impl std::fmt::Display) -> Error {
    Error::InvalidCarrier(format!("`{field}`: {expected}"))
}

/// The carrier of one active experience of the definition `id`.
pub(crate) fn write(id: &str, experience: &Experience) -> String {
    let start = match experience.started_at() {
        Some(time) => format!(r#""start_time":"{time}","#),
        None => String::new(),
    };
    format!(r#"{{"{id}":{{{start}"correlation_id":"{}"}}}}"#, experience.correlation_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_alone_gives_one_stable_id_per_job() {
        let carrier = Carrier::parse(r#"{"a":{"start_time":"2026-01-05T10:00:00.000Z"}}"#).unwrap();
        let first = carrier.find("a", "jid-1").unwrap();
        assert_eq!(first, carrier.find("a", "jid-1").unwrap());
        assert_ne!(first.correlation_id, carrier.find("a", "jid-2").unwrap().correlation_id);
        assert_eq!(first.start_time.unwrap().to_string(), "2026-01-05T10:00:00.000Z");
    }

    #[test]
    fn what_cannot_be_read_says_what_was_expected() {
        for (text, expected) in [
            ("[]", "expected {"),
            (r#"{"a":1}"#, "expected {"),
            (r#"{"a":{}}"#, "correlation_id"),
            (r#"{"a":{"correlation_id":"x"}}"#, "ULID"),
            (r#"{"a":{"start_time":"x"}}"#, "start_time"),
        ] {
            let error = Carrier::parse(text).and_then(|c| c.find("a", "")).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        let empty = Carrier::parse("{}").unwrap();
        assert_eq!(empty.find("a", ""), Err(Error::NotInCarrier));
    }
}
