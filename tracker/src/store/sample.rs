//! An experience as the tests of single stores need it: one that is opened.

use std::sync::Arc;

use labkit::wire::CorrelationId;

use super::Change;
use crate::transition::{Cell, Counts, Definition, Identity, Record, Seen, Series, State, Stored};

pub(super) const T0: i64 = 1_000_000;

fn definition(id: &str) -> Arc<Definition> {
    Arc::new(Definition {
        id: id.into(),
        feature_category: "making".into(),
        urgency: "sync_slow".into(),
        threshold_us: 5_000_000,
        ttl_ms: 60_000,
    })
}

pub(super) fn identity(id: &str, number: u128) -> Identity {
    Identity {
        tenant: "t".into(),
        user_experience_id: id.into(),
        correlation_id: CorrelationId::from_ulid(number),
    }
}

/// Opens an experience, counts that, and tells it.
pub(super) fn opening(id: &str, number: u128, seen: Seen, expected: u64) -> Change {
    let definition = definition(id);
    let record = Record {
        definition: definition.clone(),
        state: State::Open,
        due: T0 + 500,
        opened_at: T0,
        started: Some(T0 - number as i64),
        service: "web".into(),
        owner_instance: None,
        seen,
        events: 1,
    };
    let series = Series { definition, service: "web".into() };
    Change {
        identity: identity(id, number),
        expected,
        next: Some(Stored::Whole(record)),
        counts: vec![Counts { series, moves: vec![(Cell::Opened, 1)] }],
        lines: vec![format!("{id} {number}").into()],
    }
}
