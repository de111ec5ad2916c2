//! Where in Redis an experience is. The number of shards is fixed: each has a
//! hash tag of its own, so that all of its keys are in one slot of a cluster
//! and a script may touch them in one step.

use labkit::wire::CorrelationId;
use redis::cluster_routing::Slot;
use sha2::{Digest as _, Sha256};

use super::names::{Digest, Name};
use crate::transition::Identity;

/// As many as there are tags.
pub(super) const SHARDS: usize = TAGS.len();
/// Hash tags whose slots lie evenly over a cluster's 16,384, so that two, four,
/// eight or sixteen masters get as many of them each.
const TAGS: [&str; 16] = [
    "labkit60", "labkit1", "labkit11", "labkit20", "labkit61", "labkit0", "labkit10", "labkit21",
    "labkit62", "labkit3", "labkit13", "labkit22", "labkit63", "labkit2", "labkit12", "labkit23",
];
/// Pages of tombstones in a shard: with a million tombstones a page has sixty,
/// with a hundred thousand six.
pub(super) const PAGES: u16 = 1_024;

/// The names of a shard's keys; what is in them is written in `commit.lua`.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) number: usize,
    pub(super) slot: Slot,
    pub(super) records: String,
    pub(super) due: String,
    pub(super) tombstones: String,
    pub(super) names: String,
    pub(super) definitions: String,
    pub(super) counters: String,
    pub(super) outbox: String,
    pub(super) reader: String,
    pub(super) meta: String,
}

impl Shard {
    fn new(number: usize) -> Self {
        let key = |name: &str| format!("{{{}}}:{name}", TAGS[number]);
        Shard {
            number,
            slot: Slot::for_key(TAGS[number]),
            records: key("records"),
            due: key("due"),
            tombstones: key("tombstones"),
            names: key("names"),
            definitions: key("definitions"),
            counters: key("counters"),
            outbox: key("outbox"),
            reader: key("reader"),
            meta: key("meta"),
        }
    }

    pub(super) fn all() -> Vec<Shard> {
        (0..SHARDS).map(Shard::new).collect()
    }

    /// The index of what has not ended, of one definition.
    pub(super) fn unfinished(&self, definition: &str) -> String {
        format!("{{{}}}:unfinished:{definition}", TAGS[self.number])
    }
}

/// The key of an experience within its shard: 112 bits of a digest. Redis keeps
/// it three times for each experience, and two bytes more would take it from
/// sixteen bytes of memory to thirty-two. Who it is stands in the record, once.
pub(super) type Key = [u8; 14];

/// Who an experience is: the correlation id's bits, and the digest of the rest.
pub(super) type Id = [u8; 22];

/// Where an experience is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: Id,
    pub(super) shard: usize,
    pub(super) key: Key,
    pub(super) page: [u8; 2],
    /// With shard and page these are seventy bits: among ten million tombstones
    /// a new experience is taken for one of them once in a hundred trillion.
    pub(super) fingerprint: [u8; 7],
}

impl Place {
    pub(super) fn new(identity: &Identity) -> Self {
        let (bits, _) = identity.correlation_id.to_parts();
        let mut id = [0; 22];
        id[..16].copy_from_slice(&bits.to_be_bytes());
        id[16..].copy_from_slice(&Name::of(identity).digest());
        let hash = Sha256::digest(id);
        let (mut fingerprint, mut key) = ([0; 7], [0; 14]);
        fingerprint.copy_from_slice(&hash[3..10]);
        key.copy_from_slice(&hash[10..24]);
        let page = u16::from_be_bytes([hash[1], hash[2]]) % PAGES;
        let shard = usize::from(hash[0]) % SHARDS;
        Place { id, shard, key, page: page.to_be_bytes(), fingerprint }
    }
}

/// The digest of the name in an id.
pub(super) fn name_in(id: &Id) -> Digest {
    let mut digest = [0; 6];
    digest.copy_from_slice(&id[16..]);
    digest
}

/// The identity behind an id whose name is known.
pub(super) fn identity(id: &Id, name: &Name) -> Identity {
    let mut bits = [0; 16];
    bits.copy_from_slice(&id[..16]);
    Identity {
        correlation_id: CorrelationId::from_parts(u128::from_be_bytes(bits), name.hex),
        user_experience_id: name.id.clone(),
        tenant: name.tenant.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bits: u128, hex: bool, id: &str, tenant: &str) -> Identity {
        let correlation_id = CorrelationId::from_parts(bits, hex);
        Identity { correlation_id, user_experience_id: id.into(), tenant: tenant.into() }
    }

    #[test]
    fn shards_lie_evenly_over_the_slots_of_a_cluster() {
        for (number, shard) in (0_u16..).zip(Shard::all()) {
            let mut range = number * 1_024..(number + 1) * 1_024;
            assert!(range.any(|slot| Slot::new(slot) == Some(shard.slot)), "{number}");
            let unfinished = Slot::for_key(shard.unfinished("make_it"));
            assert_eq!(unfinished, shard.slot, "all keys of a shard are in one slot");
        }
    }

    #[test]
    fn an_identity_comes_back_from_its_id_and_name() {
        for known in [of(0, false, "a", "b"), of(u128::MAX, true, "create_it", "gitlab/eu")] {
            let place = Place::new(&known);
            let name = Name::of(&known);
            assert_eq!(name_in(&place.id), name.digest());
            assert_eq!(identity(&place.id, &name), known);
        }
    }

    #[test]
    fn identities_that_differ_in_anything_have_different_keys() {
        let keys = [
            of(7, false, "a", "b\0c"),
            of(7, false, "a\0b", "c"),
            of(7, true, "a", "b\0c"),
            of(8, false, "a", "b\0c"),
        ];
        let mut keys: Vec<Key> = keys.iter().map(|identity| Place::new(identity).key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 4);
    }
}
