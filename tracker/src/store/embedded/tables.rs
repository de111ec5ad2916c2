//! The tables of the file, and the bytes of their keys. Keys are ordered so
//! that every question the tracker asks is one look or one range.

use labkit::wire::CorrelationId;
use redb::TableDefinition;

use super::fault::Fault;
use super::rows::Unreadable;
use crate::store::Version;
use crate::transition::Identity;

/// What stands beside a record's bytes: its version, when it is due, and when
/// it began if it has not ended. A commit compares and moves the indexes by
/// these, and reads no further.
pub(super) type Head = (Version, i64, Option<i64>, &'static [u8]);

/// By identity. New ones stand at the end, as ULIDs rise with time.
pub(super) const RECORDS: TableDefinition<&[u8], Head> = TableDefinition::new("records");
/// By deadline: what is due is what stands in front.
pub(super) const DUE: TableDefinition<(i64, &[u8]), ()> = TableDefinition::new("due");
/// What has not ended, by definition and beginning: the oldest of each stands
/// in front, however many tombstones the records table holds.
pub(super) const UNFINISHED: TableDefinition<(&str, i64, &[u8]), ()> =
    TableDefinition::new("unfinished");
/// By number, which only rises: the oldest line stands in front.
pub(super) const OUTBOX: TableDefinition<u64, &str> = TableDefinition::new("outbox");
/// One row a series: definition and `type`.
pub(super) const COUNTERS: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("counters");
/// Definitions as records were opened under them, once for all these records.
pub(super) const DEFINITIONS: TableDefinition<u32, &[u8]> = TableDefinition::new("definitions");
/// Single rows, by these names.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// Virtual time at the last tick.
pub(super) const TIME: &str = "time";
/// The last numbers given out.
pub(super) const LAST: &str = "last";
/// Nothing but bytes, to find out whether so many can be written; gone with
/// the next write.
pub(super) const PROBE: &str = "probe";

/// The key of an identity. The id carries its length, so that no two
/// identities share a key.
pub(super) fn key(identity: &Identity) -> Vec<u8> {
    let (bits, hex) = identity.correlation_id.to_parts();
    let (id, tenant) = (identity.user_experience_id.as_bytes(), identity.tenant.as_bytes());
    let mut key = Vec::with_capacity(16 + 1 + 4 + id.len() + tenant.len());
    key.extend(bits.to_be_bytes());
    key.push(u8::from(hex));
    // An id of a query can be of any length, though none so long is ever stored.
    key.extend(u32::try_from(id.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend(id);
    key.extend(tenant);
    key
}

/// The inverse of [`key`].
pub(super) fn identity(key: &[u8]) -> Result<Identity, Fault> {
    let parse = || {
        let (bits, rest) = key.split_first_chunk::<16>()?;
        let (hex, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (id, tenant) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        Some(Identity {
            correlation_id: CorrelationId::from_parts(u128::from_be_bytes(*bits), *hex == 1),
            user_experience_id: std::str::from_utf8(id).ok()?.into(),
            tenant: std::str::from_utf8(tenant).ok()?.into(),
        })
    };
    parse().ok_or(Fault::Unreadable(Unreadable::Damaged("key")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bits: u128, hex: bool, id: &str, tenant: &str) -> Identity {
        let correlation_id = CorrelationId::from_parts(bits, hex);
        Identity { correlation_id, user_experience_id: id.into(), tenant: tenant.into() }
    }

    #[test]
    fn an_identity_comes_back_from_its_key() {
        for identity in [
            of(0, false, "", ""),
            of(u128::MAX, true, "create_it", "gitlab/eu"),
            of(7, false, "a\0b", "ü"),
        ] {
            assert_eq!(super::identity(&key(&identity)).unwrap(), identity);
        }
        assert!(super::identity(&key(&of(7, false, "create_it", ""))[..25]).is_err());
    }

    #[test]
    fn no_choice_of_an_id_reaches_into_another_tenant() {
        assert_ne!(key(&of(7, false, "a", "b\0c")), key(&of(7, false, "a\0b", "c")));
        assert_ne!(key(&of(7, false, "ab", "c")), key(&of(7, false, "a", "bc")));
        assert_ne!(key(&of(7, false, "a", "b")), key(&of(7, true, "a", "b")));
    }
}
