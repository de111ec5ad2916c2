//! Static bearer keys: random, known here by their hashes only, any number in
//! force at once so that one can replace another without a gap.

use std::fmt::Write as _;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::grant::Grant;
use super::reach::{Reach, Scope};
use crate::limits::{Bucket, Limits};

/// What a key begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "labkit_";

/// A static bearer key, as the configuration file names it. Its hash, not the
/// key, so that the file gives nothing away.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// For people: whose key it is.
    pub name: String,
    /// The namespace of what is sent with it.
    pub tenant: String,
    /// SHA-256 of the key, 64 hex digits: `printf %s "$KEY" | sha256sum`.
    pub sha256: String,
    /// What it may do; by default all.
    #[serde(default = "Scope::all")]
    pub scopes: Vec<Scope>,
    /// Patterns of the `type`s that it may send; empty: any.
    #[serde(default)]
    pub types: Vec<String>,
    /// Patterns of the experiences that it may send; empty: any.
    #[serde(default)]
    pub experiences: Vec<String>,
}

/// The keys in force.
#[derive(Debug, Default)]
pub(super) struct StaticKeys(Vec<([u8; 32], Grant)>);

impl StaticKeys {
    pub(super) fn new(keys: &[Key], limits: &Limits, now_ms: i64) -> Result<Self, String> {
        let mut known: Vec<([u8; 32], Grant)> = Vec::with_capacity(keys.len());
        for key in keys {
            let refuse = |what: &str| Err(format!("key {:?}: {what}", key.name));
            let Some(digest) = parse_hex(&key.sha256) else {
                return refuse("`sha256` must be 64 hex digits, the hash of the key");
            };
            if key.tenant.is_empty() {
                return refuse("`tenant` must not be empty");
            }
            if known.iter().any(|(other, _)| *other == digest) {
                return refuse("another key has the same `sha256`");
            }
            let reach = match Reach::new(&key.types, &key.experiences) {
                Ok(reach) => Arc::new(reach),
                Err(what) => return refuse(&what),
            };
            let grant = Grant {
                tenant: key.tenant.as_str().into(),
                scopes: key.scopes.clone(),
                reach,
                bucket: Some(Arc::new(Bucket::new(limits, now_ms))),
            };
            known.push((digest, grant));
        }
        Ok(StaticKeys(known))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every key is compared, in constant time: neither how many there are nor
    /// which one is close shows in the time it takes.
    pub(super) fn find(&self, credential: &[u8]) -> Option<&Grant> {
        let digest: [u8; 32] = Sha256::digest(credential).into();
        let mut found = None;
        for (key, grant) in &self.0 {
            if bool::from(key.ct_eq(&digest)) {
                found = Some(grant);
            }
        }
        found
    }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The hash of a key, as the configuration file wants it.
pub fn sha256_hex(key: &str) -> String {
    hex(&Sha256::digest(key))
}

/// A new key of 256 random bits.
pub fn generate() -> Result<String, String> {
    let mut secret = [0; 32];
    let no_randomness = |_| "the system has no randomness to give".to_owned();
    SystemRandom::new().fill(&mut secret).map_err(no_randomness)?;
    Ok(format!("{PREFIX}{}", hex(&secret)))
}

/// What a person needs of a new key: itself, for the last time, and the lines
/// for the configuration file.
pub fn introduce(key: &str, name: &str, tenant: &str, scopes: &[Scope]) -> Result<String, String> {
    for (flag, value) in [("--name", name), ("--tenant", tenant)] {
        // So that what is printed is TOML whatever it is.
        let plain = |b: u8| (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\';
        if value.is_empty() || !value.bytes().all(plain) {
            return Err(format!("{flag} {value:?}: expected plain ASCII without quotes"));
        }
    }
    let sha256 = sha256_hex(key);
    let scopes: Vec<String> =
        scopes.iter().map(|scope| format!("\"{}\"", scope.as_str())).collect();
    let scopes = scopes.join(", ");
    Ok(format!(
        "The key, for whoever is to use it; it is shown only now:\n\n{key}\n\n\
         For the --config file of the tracker:\n\n\
         [[keys]]\nname = \"{name}\"\ntenant = \"{tenant}\"\nsha256 = \"{sha256}\"\n\
         scopes = [{scopes}]\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, tenant: &str, secret: &str) -> Key {
        let sha256 = sha256_hex(secret);
        toml::from_str(&format!("name='{name}'\ntenant='{tenant}'\nsha256='{sha256}'")).unwrap()
    }

    fn keys(keys: &[Key]) -> Result<StaticKeys, String> {
        StaticKeys::new(keys, &Limits::default(), 0)
    }

    #[test]
    fn each_key_opens_its_own_tenant() {
        let keys = keys(&[key("a", "one", "secret-1"), key("b", "two", "secret-2")]).unwrap();
        assert_eq!(&*keys.find(b"secret-1").unwrap().tenant, "one");
        assert_eq!(&*keys.find(b"secret-2").unwrap().tenant, "two");
        for other in ["secret-3", "secret-1x", "", "\u{e9}"] {
            assert!(keys.find(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn an_old_key_and_its_successor_open_the_same_tenant() {
        let keys = keys(&[key("2025", "one", "old"), key("2026", "one", "new")]).unwrap();
        assert_eq!(keys.find(b"old").unwrap().tenant, keys.find(b"new").unwrap().tenant);
    }

    #[test]
    fn one_key_cannot_belong_to_two_tenants() {
        let error = keys(&[key("web", "web", "secret"), key("cron", "cron", "secret")]);
        assert!(error.unwrap_err().contains("\"cron\""));
    }

    #[test]
    fn a_hash_that_is_none_is_refused_with_the_name_of_its_key() {
        let bad = Key { sha256: "secret".into(), ..key("web", "t", "x") };
        assert!(keys(&[bad]).unwrap_err().contains("\"web\""));
    }

    #[test]
    fn new_keys_have_256_bits_and_differ() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), PREFIX.len() + 64);
        assert_ne!(one, two);
    }

    #[test]
    fn what_is_printed_for_the_configuration_file_opens_the_tenant_to_the_key() {
        let new = generate().unwrap();
        let printed = introduce(&new, "web", "prod", &[Scope::Write]).unwrap();
        let (before, toml) = printed.split_once("[[keys]]\n").unwrap();
        assert!(before.contains(&new) && !toml.contains(&new));
        let keys = keys(&[toml::from_str(toml).unwrap()]).unwrap();
        let granted = keys.find(new.as_bytes()).unwrap();
        assert_eq!((&*granted.tenant, &granted.scopes[..]), ("prod", &[Scope::Write][..]));
    }

    #[test]
    fn a_name_that_would_break_the_file_is_refused() {
        for bad in ["", "a\"b", "a\nb", "a\\b", "\u{e9}"] {
            assert!(introduce("k", bad, "t", &[]).unwrap_err().contains("--name"), "{bad:?}");
        }
    }
}
