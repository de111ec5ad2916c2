//! What is said once a shard instead of once a record: definitions, and the
//! part of an identity that many share.
//!
//! A record refers to them by digest. A number given out by Redis would be
//! given out again after a failover that lost the first giving, and would then
//! mean two things. A digest means the same for ever, and a commit fails if the
//! shard has lost what it stands for; then it is said again.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use super::shards::SHARDS;
use crate::store::rows::{self, Unreadable};
use crate::transition::{Definition, Identity};

/// Forty-eight bits: among ten thousand names two are alike once in five million.
pub(super) type Digest = [u8; 6];

/// What an identity is beside the bits of its correlation id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// How the correlation id is written.
    pub(super) hex: bool,
    pub(super) id: Arc<str>,
    pub(super) tenant: Arc<str>,
}

#[derive(Serialize, Deserialize)]
struct NameRow<'a> {
    hex: bool,
    id: &'a str,
    tenant: &'a str,
}

impl Name {
    pub(super) fn of(identity: &Identity) -> Self {
        let (_, hex) = identity.correlation_id.to_parts();
        Name { hex, id: identity.user_experience_id.clone(), tenant: identity.tenant.clone() }
    }

    pub(super) fn row(&self) -> Vec<u8> {
        rows::pack(&NameRow { hex: self.hex, id: &self.id, tenant: &self.tenant })
    }

    pub(super) fn digest(&self) -> Digest {
        digest(&self.row())
    }

    fn read(row: &[u8]) -> Result<Self, Unreadable> {
        let NameRow { hex, id, tenant } = rows::unpack(row, "name")?;
        Ok(Name { hex, id: id.into(), tenant: tenant.into() })
    }
}

pub(super) fn digest(row: &[u8]) -> Digest {
    let mut digest = [0; 6];
    digest.copy_from_slice(&Sha256::digest(row)[..6]);
    digest
}

/// A map that many read and few write, and that never gives up an entry: there
/// are as many as there are definitions, times tenants.
struct Known<K, V>(RwLock<HashMap<K, V>>);

impl<K: Eq + Hash, V: Clone> Known<K, V> {
    fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: K, value: V) -> V {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert(value).clone()
    }
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Known(RwLock::default())
    }
}

/// What this process knows of them.
#[derive(Default)]
pub(super) struct Names {
    names: Known<Digest, Name>,
    definitions: Known<Digest, Arc<Definition>>,
    digests: Known<Arc<Definition>, Digest>,
    /// What each shard has been told.
    told: [RwLock<HashSet<Digest>>; SHARDS],
}

impl Names {
    pub(super) fn digest_of(&self, definition: &Arc<Definition>) -> Digest {
        self.digests.get(definition).unwrap_or_else(|| {
            let digest = digest(&rows::pack_definition(definition));
            self.definitions.put(digest, definition.clone());
            self.digests.put(definition.clone(), digest)
        })
    }

    pub(super) fn name(&self, digest: &Digest) -> Option<Name> {
        self.names.get(digest)
    }

    pub(super) fn definition(&self, digest: &Digest) -> Option<Arc<Definition>> {
        self.definitions.get(digest)
    }

    pub(super) fn learn_name(&self, digest: Digest, row: &[u8]) -> Result<Name, Fault> {
        Ok(self.names.put(digest, Name::read(row)?))
    }

    pub(super) fn learn_definition(
        &self,
        digest: Digest,
        row: &[u8],
    ) -> Result<Arc<Definition>, Fault> {
        let definition = Arc::new(rows::unpack_definition(row)?);
        self.digests.put(definition.clone(), digest);
        Ok(self.definitions.put(digest, definition))
    }

    pub(super) fn is_told(&self, shard: usize, digest: &Digest) -> bool {
        self.told[shard].read().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    pub(super) fn told(&self, shard: usize, digest: Digest) {
        if !self.is_told(shard, &digest) {
            self.told[shard].write().unwrap_or_else(PoisonError::into_inner).insert(digest);
        }
    }

    /// The shard turned out not to know what it was told.
    pub(super) fn forget_told(&self, shard: usize) {
        self.told[shard].write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
