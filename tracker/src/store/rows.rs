//! The bytes of a row: a format byte, and then postcard. The types here are
//! the format's own, so that the transition's can change without the files
//! that lie on disks; whoever changes these types makes format 2, and still
//! reads format 1.

mod record;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::VirtualTime;
use crate::transition::{Cell, Definition};

pub(super) use record::{pack_stored, pack_stored_onto, unfinished_since, unpack_stored};

/// The first byte of every row,
pub(super) const FORMAT: u8 = 1;
/// but for those of SDK instances, which format 1 did not have.
pub(super) const FORMAT_OF_INSTANCES: u8 = 2;

/// Why a row makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Another version wrote it.
    Format(u8),
    /// This one would not have written it.
    Damaged(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Format(format) => write!(
                f,
                "a row is of format {format}, and this version reads formats up to \
                 {FORMAT_OF_INSTANCES}: run the version of labkit-tracker that wrote the file, or \
                 a later one"
            ),
            Unreadable::Damaged(what) => write!(
                f,
                "a {what} cannot be read: the file is damaged. Put a backup in its place, or start \
                 with a new file"
            ),
        }
    }
}

/// Room for nearly every row, as growing from nothing costs more than packing.
const ROOM: usize = 192;

/// The row of `value`.
pub(super) fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    pack_onto(Vec::with_capacity(ROOM), value)
}

/// The same, behind what is in `bytes`.
pub(super) fn pack_onto<T: Serialize>(mut bytes: Vec<u8>, value: &T) -> Vec<u8> {
    bytes.push(FORMAT);
    extend(bytes, value)
}

fn extend<T: Serialize>(bytes: Vec<u8>, value: &T) -> Vec<u8> {
    // Cannot fail: a vector grows, and every length is known.
    postcard::to_extend(value, bytes).unwrap_or_default()
}

/// What a row says; `what` it should be is for the error.
pub(super) fn unpack<'a, T: Deserialize<'a>>(
    row: &'a [u8],
    what: &'static str,
) -> Result<T, Unreadable> {
    match row.split_first() {
        Some((&(FORMAT | FORMAT_OF_INSTANCES), rest)) => {
            postcard::from_bytes(rest).map_err(|_| Unreadable::Damaged(what))
        }
        Some((&format, _)) => Err(Unreadable::Format(format)),
        None => Err(Unreadable::Damaged(what)),
    }
}

/// The last numbers given out, so that none is given out again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) version: u64,
    pub(super) line: u64,
    pub(super) definition: u32,
}

#[derive(Serialize, Deserialize)]
struct TimeRow(i64, i64, i64, i64, i64);

pub(super) fn pack_time(time: VirtualTime) -> Vec<u8> {
    let VirtualTime { v, last_tick, settling, granted, blind } = time;
    pack(&TimeRow(v, last_tick, settling, granted, blind))
}

pub(super) fn unpack_time(row: &[u8]) -> Result<VirtualTime, Unreadable> {
    let TimeRow(v, last_tick, settling, granted, blind) = unpack(row, "virtual time")?;
    Ok(VirtualTime { v, last_tick, settling, granted, blind })
}

#[derive(Serialize, Deserialize)]
struct DefinitionRow<'a> {
    id: &'a str,
    feature_category: &'a str,
    urgency: &'a str,
    threshold_us: i64,
    ttl_ms: i64,
}

pub(super) fn pack_definition(definition: &Definition) -> Vec<u8> {
    let Definition { id, feature_category, urgency, threshold_us, ttl_ms } = definition;
    let (threshold_us, ttl_ms) = (*threshold_us, *ttl_ms);
    pack(&DefinitionRow { id, feature_category, urgency, threshold_us, ttl_ms })
}

pub(super) fn unpack_definition(row: &[u8]) -> Result<Definition, Unreadable> {
    let row: DefinitionRow<'_> = unpack(row, "definition")?;
    Ok(Definition {
        id: row.id.into(),
        feature_category: row.feature_category.into(),
        urgency: row.urgency.into(),
        threshold_us: row.threshold_us,
        ttl_ms: row.ttl_ms,
    })
}

pub(super) fn pack_counters(cells: &[i64; Cell::COUNT]) -> Vec<u8> {
    pack(&cells.as_slice())
}

pub(super) fn unpack_counters(row: &[u8]) -> Result<[i64; Cell::COUNT], Unreadable> {
    let cells: Vec<i64> = unpack(row, "row of counters")?;
    if cells.len() > Cell::COUNT {
        return Err(Unreadable::Damaged("row of counters"));
    }
    // An earlier version had fewer.
    let mut row = [0; Cell::COUNT];
    row[..cells.len()].copy_from_slice(&cells);
    Ok(row)
}

#[cfg(test)]
mod tests;
