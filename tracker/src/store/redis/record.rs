//! The bytes of a record and of what is kept of it later. They begin with what
//! the scripts look at.

use std::sync::Arc;

use super::fault::Fault;
use super::names::Digest;
use super::shards::Id;
use crate::store::rows::{self, Unreadable};
use crate::store::{Loaded, Version};
use crate::transition::{Definition, Final, Stored, Tombstone};

/// Version, deadline, digest of the definition, id; then the row.
const HEAD: usize = 8 + 8 + 6 + 22;
/// What is kept of a tombstone.
const KEPT: usize = 6;
/// Versions of records have this bit, and are random otherwise: so no two
/// trackers give out the same one, and none is ever used twice. The version of
/// a tombstone is its bytes: all that can change it is that it is forgotten.
const RECORD: Version = 1 << 63;

/// The version of a record, from random bits.
pub(super) fn version(random: u64) -> Version {
    random | RECORD
}

/// The bytes that stand where `version` does, for a script to compare.
pub(super) fn expected(version: Version) -> Vec<u8> {
    match version {
        0 => Vec::new(),
        record if record & RECORD != 0 => record.to_be_bytes().to_vec(),
        tombstone => tombstone.to_be_bytes()[8 - KEPT..].to_vec(),
    }
}

/// The bytes of a whole record.
pub(super) fn pack(stored: &Stored, version: Version, definition: Digest, id: &Id) -> Vec<u8> {
    // The definition is in the head, so the row has no number for it.
    let row = rows::pack_stored(stored, 0);
    let mut bytes = Vec::with_capacity(HEAD + row.len());
    bytes.extend(version.to_be_bytes());
    bytes.extend(stored.due().to_be_bytes());
    bytes.extend(definition);
    bytes.extend(id);
    bytes.extend(row);
    bytes
}

/// What is kept of a tombstone: when it is forgotten, and how it ended.
pub(super) fn keep(tombstone: &Tombstone) -> [u8; KEPT] {
    let due = tombstone.due.clamp(0, (1 << 45) - 1) as u64;
    let bytes = (due << 3 | tombstone.outcome as u64).to_be_bytes();
    let mut kept = [0; KEPT];
    kept.copy_from_slice(&bytes[8 - KEPT..]);
    kept
}

/// The definition that `bytes` refer to, if they are of a whole record.
pub(super) fn definition_in(bytes: &[u8]) -> Option<Digest> {
    bytes.get(16..22)?.try_into().ok()
}

/// Whose record it is.
pub(super) fn id_in(bytes: &[u8]) -> Result<Id, Unreadable> {
    let id = bytes.get(22..HEAD).and_then(|id| id.try_into().ok());
    id.ok_or(Unreadable::Damaged("record"))
}

/// What is there, from what `load.lua` found.
pub(super) fn unpack(
    bytes: &[u8],
    v: i64,
    definition: impl FnOnce(Digest) -> Result<Arc<Definition>, Fault>,
) -> Result<Loaded, Fault> {
    if let Ok(kept) = <[u8; KEPT]>::try_from(bytes) {
        let [a, b, c, d, e, f] = kept;
        let version = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let outcome = Final::ALL.get((version & 7) as usize);
        let outcome = *outcome.ok_or(Unreadable::Damaged("tombstone"))?;
        let due = (version >> 3) as i64;
        let stored = Some(Stored::Tombstone(Tombstone { outcome, due }));
        return Ok(Loaded { version, v, stored });
    }
    let damaged = Unreadable::Damaged("record");
    let (version, rest) = bytes.split_first_chunk::<8>().ok_or(damaged)?;
    let (due, rest) = rest.split_first_chunk::<8>().ok_or(damaged)?;
    let (digest, rest) = rest.split_first_chunk::<6>().ok_or(damaged)?;
    let (_, row) = rest.split_first_chunk::<22>().ok_or(damaged)?;
    let due = i64::from_be_bytes(*due);
    let stored = rows::unpack_stored(row, due, |_| definition(*digest))?;
    Ok(Loaded { version: u64::from_be_bytes(*version), v, stored: Some(stored) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_comes_back_from_what_is_kept_of_it() {
        for outcome in Final::ALL {
            let tombstone = Tombstone { outcome, due: 1_790_000_000_123 };
            let kept = keep(&tombstone);
            let never = |_| Err(Fault::from(Unreadable::Damaged("definition")));
            let loaded = unpack(&kept, 5, never).unwrap();
            assert_eq!(loaded.stored, Some(Stored::Tombstone(tombstone)));
            assert_eq!(expected(loaded.version), kept);
            assert_ne!(loaded.version, 0);
        }
    }

    #[test]
    fn a_record_that_is_cut_off_is_no_record() {
        let never = |_| Err(Fault::from(Unreadable::Damaged("definition")));
        for length in [0, 1, 7, 8, 21, 22, 43, 44, 45] {
            assert!(unpack(&vec![0; length], 5, never).is_err(), "{length}");
        }
    }
}
