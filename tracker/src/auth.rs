//! Who is calling, and in whose name: a credential in, a tenant out.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The tenant of everybody where nobody has to say who they are.
pub const DEFAULT_TENANT: &str = "default";

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
}

/// Decides which tenant a request belongs to.
#[derive(Clone, Debug)]
pub struct Auth {
    keys: Vec<([u8; 32], Arc<str>)>,
    default: Arc<str>,
}

/// The credential is missing or not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No `Authorization: Bearer` at all.
    Missing,
    /// A key that nobody configured.
    Unknown,
}

impl Auth {
    /// From the configured keys; without any, everybody is [`DEFAULT_TENANT`].
    pub fn new(keys: &[Key]) -> Result<Self, String> {
        let mut known: Vec<([u8; 32], Arc<str>)> = Vec::with_capacity(keys.len());
        for key in keys {
            let digest = parse_hex(&key.sha256).ok_or_else(|| {
                format!("key {:?}: `sha256` must be 64 hex digits, the hash of the key", key.name)
            })?;
            if key.tenant.is_empty() {
                return Err(format!("key {:?}: `tenant` must not be empty", key.name));
            }
            if known.iter().any(|(other, _)| *other == digest) {
                return Err(format!("key {:?}: another key has the same `sha256`", key.name));
            }
            known.push((digest, key.tenant.as_str().into()));
        }
        Ok(Auth { keys: known, default: DEFAULT_TENANT.into() })
    }

    /// The tenant of a request with this `Authorization` header.
    pub fn tenant(&self, header: Option<&[u8]>) -> Result<Arc<str>, Denied> {
        if self.keys.is_empty() {
            return Ok(self.default.clone());
        }
        let token = header.and_then(bearer_token).ok_or(Denied::Missing)?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        // Every key is compared, in constant time: neither how many there are
        // nor which one is close shows in the time it takes.
        let mut found = None;
        for (key, tenant) in &self.keys {
            if bool::from(key.ct_eq(&digest)) {
                found = Some(tenant.clone());
            }
        }
        found.ok_or(Denied::Unknown)
    }
}

/// The scheme's name is case-insensitive (RFC 9110).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
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

/// The hash of a key, as the configuration file wants it.
pub fn sha256_hex(key: &str) -> String {
    Sha256::digest(key).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> Auth {
        let key = |name: &str, tenant: &str, secret: &str| Key {
            name: name.into(),
            tenant: tenant.into(),
            sha256: sha256_hex(secret),
        };
        Auth::new(&[key("a", "one", "secret-1"), key("b", "two", "secret-2")]).unwrap()
    }

    #[test]
    fn each_key_opens_its_own_tenant() {
        for (header, tenant) in [("Bearer secret-1", "one"), ("bearer  secret-2 ", "two")] {
            assert_eq!(&*auth().tenant(Some(header.as_bytes())).unwrap(), tenant);
        }
    }

    #[test]
    fn everything_else_is_denied() {
        assert_eq!(auth().tenant(None), Err(Denied::Missing));
        for header in ["", "Bearer", "Bearer ", "Basic secret-1", "secret-1", "Bearersecret-1"] {
            assert_eq!(auth().tenant(Some(header.as_bytes())), Err(Denied::Missing), "{header}");
        }
        for header in ["Bearer secret-3", "Bearer secret-1x", "Bearer \u{e9}"] {
            assert_eq!(auth().tenant(Some(header.as_bytes())), Err(Denied::Unknown), "{header}");
        }
    }

    #[test]
    fn without_keys_everybody_is_the_default_tenant() {
        let auth = Auth::new(&[]).unwrap();
        assert_eq!(&*auth.tenant(Some(b"Bearer whatever")).unwrap(), DEFAULT_TENANT);
    }

    #[test]
    fn one_key_cannot_belong_to_two_tenants() {
        let key = |name: &str| Key {
            name: name.into(),
            tenant: name.into(),
            sha256: sha256_hex("secret"),
        };
        assert!(Auth::new(&[key("web"), key("cron")]).unwrap_err().contains("\"cron\""));
    }

    #[test]
    fn a_hash_that_is_none_is_refused_with_the_name_of_its_key() {
        let key = Key { name: "web".into(), tenant: "t".into(), sha256: "secret".into() };
        assert!(Auth::new(&[key]).unwrap_err().contains("\"web\""));
    }
}
