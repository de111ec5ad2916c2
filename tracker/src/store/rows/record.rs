//! The row of one experience.

use std::sync::Arc;

use labkit::wire::{CheckpointId, Outcome};
use serde::{Deserialize, Serialize};

use super::{FORMAT_OF_INSTANCES, ROOM, Unreadable, extend, pack_onto, unpack};
use crate::transition::{
    DROP_REASONS, Definition, End, Ended, Final, Instance, Record, Seen, Span, State, Stored,
    Tombstone,
};

/// Outcomes stand as their places in [`Final::ALL`].
#[derive(Serialize, Deserialize)]
enum StoredRow<'a> {
    #[serde(borrow)]
    Whole(RecordRow<'a>),
    Tombstone(u8),
    #[serde(borrow)]
    Instance(InstanceRow<'a>),
}

#[derive(Serialize, Deserialize)]
struct InstanceRow<'a> {
    sdk: &'a str,
    silent: bool,
    sent_at: i64,
    recorded: u64,
    queued: u64,
    dropped: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct RecordRow<'a> {
    definition: u32,
    #[serde(borrow)]
    state: StateRow<'a>,
    opened_at: i64,
    started: Option<i64>,
    service: &'a str,
    owner_instance: Option<[u8; 16]>,
    ids: Vec<[u8; 16]>,
    fingerprints: Vec<[u8; 8]>,
    events: u32,
}

/// The beginning of a [`StoredRow`], for whoever needs no more: rows are read
/// from front to back.
#[derive(Deserialize)]
enum StoredHead<'a> {
    #[serde(borrow)]
    Whole(RecordHead<'a>),
    Tombstone(#[expect(dead_code, reason = "it stands there")] u8),
    #[serde(borrow)]
    Instance(#[expect(dead_code, reason = "it stands there")] InstanceRow<'a>),
}

/// The first fields of a [`RecordRow`].
#[derive(Deserialize)]
struct RecordHead<'a> {
    #[expect(dead_code, reason = "it stands there")]
    definition: u32,
    #[serde(borrow)]
    state: StateRow<'a>,
    opened_at: i64,
    started: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum StateRow<'a> {
    Open,
    Implicit,
    Held(#[serde(borrow)] EndRow<'a>),
    Ended(#[serde(borrow)] EndedRow<'a>),
}

#[derive(Serialize, Deserialize)]
struct EndRow<'a> {
    outcome: u8,
    reason: Option<&'a str>,
    category: Option<&'a str>,
    meta: Option<&'a str>,
    service: &'a str,
    derived: i64,
    started_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct EndedRow<'a> {
    outcome: u8,
    reason: Option<&'a str>,
    at: i64,
    /// Microseconds, clamped, skewed.
    span: Option<(i64, bool, bool)>,
    apdex: Option<bool>,
    recanted: bool,
}

/// The row of `stored`, without its deadline; `definition` is its number.
pub(in crate::store) fn pack_stored(stored: &Stored, definition: u32) -> Vec<u8> {
    pack_stored_onto(Vec::with_capacity(ROOM), stored, definition)
}

/// The same, behind what is in `bytes`.
pub(in crate::store) fn pack_stored_onto(
    bytes: Vec<u8>,
    stored: &Stored,
    definition: u32,
) -> Vec<u8> {
    match stored {
        Stored::Tombstone(tombstone) => {
            pack_onto(bytes, &StoredRow::Tombstone(tombstone.outcome as u8))
        }
        Stored::Instance(instance) => {
            let mut bytes = bytes;
            bytes.push(FORMAT_OF_INSTANCES);
            extend(bytes, &instance_row(instance))
        }
        Stored::Whole(record) => {
            let (ids, fingerprints) = record.seen.parts();
            let row = StoredRow::Whole(RecordRow {
                definition,
                state: state_row(&record.state),
                opened_at: record.opened_at,
                started: record.started,
                service: &record.service,
                owner_instance: record.owner_instance.map(|id| id.0.to_be_bytes()),
                ids: ids.iter().map(|id| id.to_be_bytes()).collect(),
                fingerprints: fingerprints.iter().map(|f| f.to_be_bytes()).collect(),
                events: record.events,
            });
            pack_onto(bytes, &row)
        }
    }
}

/// As [`Stored::unfinished_since`], from a row.
pub(in crate::store) fn unfinished_since(row: &[u8]) -> Result<Option<i64>, Unreadable> {
    Ok(match unpack(row, "record")? {
        StoredHead::Whole(RecordHead { state: StateRow::Ended(_), .. }) => None,
        StoredHead::Whole(RecordHead { opened_at, started, .. }) => {
            Some(started.unwrap_or(opened_at))
        }
        StoredHead::Tombstone(_) | StoredHead::Instance(_) => None,
    })
}

/// What was stored, due at `due`; `definition` looks one up by its number.
pub(in crate::store) fn unpack_stored<E: From<Unreadable>>(
    row: &[u8],
    due: i64,
    definition: impl FnOnce(u32) -> Result<Arc<Definition>, E>,
) -> Result<Stored, E> {
    let row = match unpack(row, "record")? {
        StoredRow::Tombstone(outcome) => {
            return Ok(Stored::Tombstone(Tombstone { outcome: ending(outcome)?, due }));
        }
        StoredRow::Instance(row) => return Ok(Stored::Instance(instance(row, due))),
        StoredRow::Whole(row) => row,
    };
    Ok(Stored::Whole(Record {
        definition: definition(row.definition)?,
        state: state(row.state)?,
        due,
        opened_at: row.opened_at,
        started: row.started,
        service: row.service.into(),
        owner_instance: row.owner_instance.map(|id| CheckpointId(u128::from_be_bytes(id))),
        seen: Seen::from_parts(
            row.ids.into_iter().map(u128::from_be_bytes).collect(),
            row.fingerprints.into_iter().map(u64::from_be_bytes).collect(),
        ),
        events: row.events,
    }))
}

fn instance_row(instance: &Instance) -> StoredRow<'_> {
    StoredRow::Instance(InstanceRow {
        sdk: &instance.sdk,
        silent: instance.silent,
        sent_at: instance.sent_at,
        recorded: instance.recorded,
        queued: instance.queued,
        dropped: instance.dropped.to_vec(),
    })
}

fn instance(row: InstanceRow<'_>, due: i64) -> Instance {
    let InstanceRow { sdk, silent, sent_at, recorded, queued, dropped: listed } = row;
    let mut dropped = [0; DROP_REASONS];
    // A version that knew more of them or fewer may have written it.
    dropped.iter_mut().zip(listed).for_each(|(known, listed)| *known = listed);
    Instance { sdk: sdk.into(), due, silent, sent_at, recorded, dropped, queued }
}

fn state_row(state: &State) -> StateRow<'_> {
    match state {
        State::Open => StateRow::Open,
        State::Implicit => StateRow::Implicit,
        State::Held(end) => StateRow::Held(EndRow {
            outcome: Final::from(end.outcome) as u8,
            reason: end.reason.as_deref(),
            category: end.category.as_deref(),
            meta: end.meta.as_deref(),
            service: &end.service,
            derived: end.derived,
            started_at: end.started_at,
        }),
        State::Ended(ended) => StateRow::Ended(EndedRow {
            outcome: ended.outcome as u8,
            reason: ended.reason.as_deref(),
            at: ended.at,
            span: ended.span.map(|span| (span.us, span.clamped, span.skewed)),
            apdex: ended.apdex,
            recanted: ended.recanted,
        }),
    }
}

fn state(row: StateRow<'_>) -> Result<State, Unreadable> {
    Ok(match row {
        StateRow::Open => State::Open,
        StateRow::Implicit => State::Implicit,
        StateRow::Held(row) => State::Held(Box::new(End {
            outcome: match ending(row.outcome)? {
                Final::Success => Outcome::Success,
                Final::Handled => Outcome::Handled,
                Final::Error => Outcome::Error,
                Final::Discarded => Outcome::Discarded,
                Final::Timeout => return Err(Unreadable::Damaged("record")),
            },
            reason: row.reason.map(Into::into),
            category: row.category.map(Into::into),
            meta: row.meta.map(Into::into),
            service: row.service.into(),
            derived: row.derived,
            started_at: row.started_at,
        })),
        StateRow::Ended(row) => State::Ended(Box::new(Ended {
            outcome: ending(row.outcome)?,
            reason: row.reason.map(Into::into),
            at: row.at,
            span: row.span.map(|(us, clamped, skewed)| Span { us, clamped, skewed }),
            apdex: row.apdex,
            recanted: row.recanted,
        })),
    })
}

fn ending(place: u8) -> Result<Final, Unreadable> {
    Final::ALL.get(usize::from(place)).copied().ok_or(Unreadable::Damaged("record"))
}
