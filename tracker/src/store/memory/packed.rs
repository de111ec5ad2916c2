//! Records as bytes, one allocation each: a million open experiences are kept
//! for hours, and each is looked at three or four times. As the transition's
//! own structs they would take three times as much.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use labkit::wire::CorrelationId;

use crate::store::rows::{self, Unreadable};
use crate::store::{StoreError, Version};
use crate::transition::{Definition, Identity, Stored};

const KEY: usize = 20;
/// Where a record is packed before its length is known.
const ROOM: usize = 256;
/// An identity: the correlation id's bits, and the number of the rest.
pub(super) type Key = [u8; KEY];

/// Key, version, deadline, and then the row that other stores keep, too.
#[derive(Debug)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn new(key: &Key, version: Version, stored: &Stored, definition: u32) -> Self {
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.extend(key);
        // Cannot fail: a vector grows, and every length is known.
        let bytes = postcard::to_extend(&(version, stored.due()), bytes).unwrap_or_default();
        let bytes = rows::pack_stored_onto(bytes, stored, definition);
        // A copy of the right length: to shrink would leave the rest in pieces.
        Packed(bytes.as_slice().into())
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

    pub(super) fn unpack(&self, names: &Names) -> Result<(Version, Stored), StoreError> {
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

impl Borrow<Key> for Packed {
    fn borrow(&self) -> &Key {
        self.key()
    }
}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Packed {}

/// Texts and definitions that records have in common, and their numbers. They
/// are as few as definitions, tenants and types, and so are never forgotten.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By definition id and tenant.
    numbers: HashMap<Arc<str>, HashMap<Arc<str>, u32>>,
    names: Vec<(Arc<str>, Arc<str>)>,
    definition_numbers: HashMap<Arc<Definition>, u32>,
    definitions: Vec<Arc<Definition>>,
}

impl Names {
    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of an identity, unless nothing of its name was ever kept.
    pub(super) fn key(&self, identity: &Identity) -> Option<Key> {
        let (id, tenant) = (&identity.user_experience_id, &identity.tenant);
        let number = *self.known().numbers.get(id)?.get(tenant)?;
        Some(key(identity.correlation_id, number))
    }

    /// The key of an identity of which something is kept from now on.
    pub(super) fn make_key(&self, identity: &Identity) -> Key {
        if let Some(key) = self.key(identity) {
            return key;
        }
        let (id, tenant) = (&identity.user_experience_id, &identity.tenant);
        let known = &mut *self.learn();
        let next = known.names.len() as u32;
        let of_id = known.numbers.entry(id.clone()).or_default();
        let number = *of_id.entry(tenant.clone()).or_insert_with(|| {
            known.names.push((id.clone(), tenant.clone()));
            next
        });
        key(identity.correlation_id, number)
    }

    /// The inverse of [`Names::make_key`].
    pub(super) fn identity(&self, key: &Key) -> Option<Identity> {
        let (bits, rest) = key.split_first_chunk::<16>()?;
        let rest = u32::from_be_bytes(*rest.first_chunk()?);
        let (id, tenant) = self.known().names.get(rest as usize >> 1)?.clone();
        Some(Identity {
            correlation_id: CorrelationId::from_parts(u128::from_be_bytes(*bits), rest & 1 == 1),
            user_experience_id: id,
            tenant,
        })
    }

    /// The definition id in a key.
    pub(super) fn id(&self, key: &Key) -> Option<Arc<str>> {
        let rest = u32::from_be_bytes(*key.last_chunk()?);
        Some(self.known().names.get(rest as usize >> 1)?.0.clone())
    }

    pub(super) fn number(&self, stored: &Stored) -> u32 {
        let Stored::Whole(record) = stored else { return 0 };
        if let Some(number) = self.known().definition_numbers.get(&record.definition) {
            return *number;
        }
        let known = &mut *self.learn();
        let next = known.definitions.len() as u32;
        *known.definition_numbers.entry(record.definition.clone()).or_insert_with(|| {
            known.definitions.push(record.definition.clone());
            next
        })
    }

    fn definition(&self, number: u32) -> Result<Arc<Definition>, Unreadable> {
        let known = self.known().definitions.get(number as usize).cloned();
        known.ok_or(Unreadable::Damaged("definition"))
    }
}

fn key(id: CorrelationId, number: u32) -> Key {
    let (bits, hex) = id.to_parts();
    let mut key = [0; KEY];
    key[..16].copy_from_slice(&bits.to_be_bytes());
    key[16..].copy_from_slice(&(number << 1 | u32::from(hex)).to_be_bytes());
    key
}
