//! Texts and definitions that records have in common, and their numbers. They
//! are as few as definitions, tenants and types, and so are never forgotten.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use labkit::wire::CorrelationId;

use crate::store::rows::Unreadable;
use crate::transition::{Definition, Identity, Stored};

pub(super) const KEY: usize = 20;
/// An identity: the correlation id's bits, and the number of the rest.
pub(super) type Key = [u8; KEY];

/// Everything that has a number.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<Known>);

#[derive(Debug, Default)]
pub(super) struct Known {
    /// By definition id and tenant.
    numbers: HashMap<Arc<str>, HashMap<Arc<str>, u32>>,
    names: Vec<(Arc<str>, Arc<str>)>,
    definition_numbers: HashMap<Arc<Definition>, u32>,
    definitions: Vec<Arc<Definition>>,
}

impl Names {
    pub(super) fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers for what is kept from now on.
    pub(super) fn learn(&self, identity: &Identity, stored: Option<&Stored>) {
        let known = &mut *self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (id, tenant) = (&identity.user_experience_id, &identity.tenant);
        let of_id = known.numbers.entry(id.clone()).or_default();
        of_id.entry(tenant.clone()).or_insert_with(|| {
            known.names.push((id.clone(), tenant.clone()));
            known.names.len() as u32 - 1
        });
        if let Some(Stored::Whole(record)) = stored {
            let numbers = &mut known.definition_numbers;
            numbers.entry(record.definition.clone()).or_insert_with(|| {
                known.definitions.push(record.definition.clone());
                known.definitions.len() as u32 - 1
            });
        }
    }
}

impl Known {
    /// The inverse of [`Reader::key`].
    pub(super) fn identity(&self, key: &Key) -> Option<Identity> {
        let (bits, rest) = key.split_first_chunk::<16>()?;
        let rest = u32::from_be_bytes(*rest.first_chunk()?);
        let (id, tenant) = self.names.get(rest as usize >> 1)?.clone();
        Some(Identity {
            correlation_id: CorrelationId::from_parts(u128::from_be_bytes(*bits), rest & 1 == 1),
            user_experience_id: id,
            tenant,
        })
    }

    /// The definition id in a key.
    pub(super) fn id(&self, key: &Key) -> Option<&Arc<str>> {
        let rest = u32::from_be_bytes(*key.last_chunk()?);
        Some(&self.names.get(rest as usize >> 1)?.0)
    }

    pub(super) fn definition(&self, number: u32) -> Result<Arc<Definition>, Unreadable> {
        let known = self.definitions.get(number as usize).cloned();
        known.ok_or(Unreadable::Damaged("definition"))
    }
}

/// Looks names up one after the other. Those of one request are nearly always
/// the same ones, and to compare them is a fraction of hashing them.
#[derive(Default)]
pub(super) struct Reader {
    last_name: Option<(Arc<str>, Arc<str>, u32)>,
    last_definition: Option<(Arc<Definition>, u32)>,
}

impl Reader {
    /// The key of an identity, unless nothing of its name was ever kept.
    pub(super) fn key(&mut self, known: &Known, identity: &Identity) -> Option<Key> {
        let (id, tenant) = (&identity.user_experience_id, &identity.tenant);
        let number = match &self.last_name {
            Some((last_id, last_tenant, number))
                if Arc::ptr_eq(id, last_id) && Arc::ptr_eq(tenant, last_tenant) =>
            {
                *number
            }
            _ => {
                let number = *known.numbers.get(id)?.get(tenant)?;
                self.last_name = Some((id.clone(), tenant.clone(), number));
                number
            }
        };
        Some(key(identity.correlation_id, number))
    }

    /// The number of a record's definition; a tombstone has none.
    pub(super) fn definition(&mut self, known: &Known, stored: Option<&Stored>) -> Option<u32> {
        let Some(Stored::Whole(record)) = stored else { return Some(0) };
        match &self.last_definition {
            Some((last, number)) if Arc::ptr_eq(last, &record.definition) => Some(*number),
            _ => {
                let number = *known.definition_numbers.get(&record.definition)?;
                self.last_definition = Some((record.definition.clone(), number));
                Some(number)
            }
        }
    }
}

fn key(id: CorrelationId, number: u32) -> Key {
    let (bits, hex) = id.to_parts();
    let mut key = [0; KEY];
    key[..16].copy_from_slice(&bits.to_be_bytes());
    key[16..].copy_from_slice(&(number << 1 | u32::from(hex)).to_be_bytes());
    key
}
