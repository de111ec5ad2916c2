//! What the sender of a batch says of itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::limits::DROP_REASONS;

/// What stands beside the checkpoints of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the wire's own names
pub struct Sender {
    pub sdk: Option<Sdk>,
    /// Cumulative for the instance.
    pub recorded: Option<u64>,
    /// How often the instance shows that it lives while it is idle; 0: never.
    pub heartbeat_ms: Option<u64>,
    /// What the instance still holds, these checkpoints aside.
    pub queued: Option<u64>,
    /// Cumulative for the instance, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// The batch comes from a dead process's spool.
    pub adopted: bool,
}

/// Which library sent a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdk {
    /// `labkit-ruby`, say.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What was dropped, by reason; more of them than any library has are refused.
#[derive(Default)]
pub(super) struct Dropped(pub(super) BTreeMap<String, u64>);

impl Dropped {
    /// For people.
    pub(super) const EXPECTED: &str =
        "expected an object of whole numbers, by at most 64 reasons, none twice";
}

impl<'a> Deserialize<'a> for Dropped {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DroppedVisitor)
    }
}

struct DroppedVisitor;

impl<'a> Visitor<'a> for DroppedVisitor {
    type Value = Dropped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of whole numbers")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Dropped, A::Error> {
        let mut dropped = Dropped::default();
        while let Some((reason, count)) = map.next_entry()? {
            if dropped.0.len() == DROP_REASONS {
                return Err(A::Error::custom(Dropped::EXPECTED));
            }
            if dropped.0.insert(reason, count).is_some() {
                return Err(A::Error::custom(Dropped::EXPECTED));
            }
        }
        Ok(dropped)
    }
}
