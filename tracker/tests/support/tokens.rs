//! Good claims, whoever signs them, and what may be wrong with them.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use serde_json::{Value, json};

use super::issuer::SigningKey;

pub const ISS: &str = "https://gitlab.example";
pub const OTHER: &str = "https://other.example/auth";
pub const AUDIENCE: &str = "labkit-tracker";
pub const TENANT: &str = "https://gitlab.example/instance-1";
pub const NOW_S: i64 = 1_800_000_000;

/// Those who sign: for the issuer, for another one, and for nobody.
pub struct Desk {
    pub rsa: SigningKey,
    pub ec: SigningKey,
    pub other: SigningKey,
    pub attacker: SigningKey,
}

impl Desk {
    pub fn new() -> Self {
        let ec = SigningKey::ec;
        Desk { rsa: SigningKey::rsa(), ec: ec(), other: ec(), attacker: SigningKey::rsa() }
    }

    /// A token that is good but for what `change` does to its claims.
    pub fn good(&self, change: impl FnOnce(&mut Value)) -> String {
        self.rsa.token(HEADER, &claims(change))
    }
}

pub const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"k1"}"#;

pub fn claims(change: impl FnOnce(&mut Value)) -> String {
    claims_at(NOW_S, change)
}

/// Good claims of the moment `now_s`, but for what `change` does to them.
pub fn claims_at(now_s: i64, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": ISS, "sub": "sub-1", "aud": AUDIENCE, "exp": now_s + 3_600, "nbf": now_s,
        "iat": now_s, "jti": "id-1", "scopes": ["user_experience:write", "user_experience:read"],
        "gitlab_realm": "saas", "gitlab_instance_id": "instance-1"
    });
    change(&mut claims);
    claims.to_string()
}

/// The text of good claims, with `instead` where `claim` stands.
pub fn raw(claim: &str, instead: &str) -> String {
    let good: Value = serde_json::from_str(&claims(|_| {})).unwrap();
    let text = good.to_string();
    let found = format!("\"{claim}\":{}", good[claim]);
    assert!(text.contains(&found), "{claim}");
    text.replace(&found, instead)
}
