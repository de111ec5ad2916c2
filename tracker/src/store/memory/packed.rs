//! Records as bytes, one allocation each: a million open experiences are kept
//! for hours, and each is looked at three or four times. As the transition's
//! own structs they would take three times as much.

use super::names::{KEY, Key, Known};
use crate::store::rows::{self, Unreadable};
use crate::store::{StoreError, Version};
use crate::transition::Stored;

/// Key, version, deadline, and then the row that other stores keep, too.
#[derive(Debug)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    /// `room` is where it is packed before its length is known.
    pub(super) fn new(
        key: &Key,
        version: Version,
        stored: &Stored,
        definition: u32,
        room: &mut Vec<u8>,
    ) -> Self {
        room.clear();
        room.extend(key);
        // Cannot fail: a vector grows, and every length is known.
        let bytes = std::mem::take(room);
        let bytes = postcard::to_extend(&(version, stored.due()), bytes).unwrap_or_default();
        *room = rows::pack_stored_onto(bytes, stored, definition);
        // A copy of the right length: to shrink would leave the rest in pieces.
        Packed(room.as_slice().into())
    }

    pub(super) fn key(&self) -> &Key {
        // Always as long: the constructor begins with one.
        self.0.first_chunk().unwrap_or(&[0; KEY])
    }

    fn parts(&self) -> Result<(Version, i64, &[u8]), Unreadable> {
        let ((version, due), row) = postcard::take_from_bytes(self.0.get(KEY..).unwrap_or(&[]))
            .map_err(|_| Unreadable::Damaged("record"))?;
        Ok((version, due, row))
    }

    /// The version, and when it is due.
    pub(super) fn head(&self) -> Result<(Version, i64), StoreError> {
        let (version, due, _) = self.parts().map_err(unavailable)?;
        Ok((version, due))
    }

    /// When it began, if it has not ended; the rest stays packed.
    pub(super) fn unfinished_since(&self) -> Result<Option<i64>, StoreError> {
        let (_, _, row) = self.parts().map_err(unavailable)?;
        rows::unfinished_since(row).map_err(unavailable)
    }

    pub(super) fn unpack(&self, names: &Known) -> Result<(Version, Stored), StoreError> {
        let unpack = || {
            let (version, due, row) = self.parts()?;
            let stored = rows::unpack_stored(row, due, |number| names.definition(number))?;
            Ok((version, stored))
        };
        unpack().map_err(unavailable)
    }
}

/// What this process packed it can unpack; a bug here is no client's fault.
fn unavailable(unreadable: Unreadable) -> StoreError {
    tracing::error!("the store in memory: {unreadable}");
    StoreError::Unavailable
}
