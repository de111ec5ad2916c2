//! What a token says, and whether that is still so.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::denied::Denied;
use super::reach::Scope;
use crate::limits::{CLOCK_LEEWAY_S, TENANT_BYTES};

/// The end of the year 9999: a later time is one in milliseconds.
const LATEST_S: f64 = 253_402_300_799.0;

/// The payload of a token: an object that names no claim twice. Which of two
/// counted would be a guess, and somebody else's guess may differ.
#[derive(Clone, Debug)]
pub(super) struct Claims(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim stands there twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Claims {
    /// A claim that is a text, where it is one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Refuses a token that is not for us, or not for now.
    pub(super) fn judge(&self, audiences: &[String], now_ms: i64) -> Result<(), Denied> {
        let now = now_ms as f64 / 1e3;
        let expires = self.time("exp")?.ok_or(Denied::Claim("exp".into()))?;
        if now >= expires + CLOCK_LEEWAY_S {
            return Err(Denied::Expired);
        }
        for claim in ["nbf", "iat"] {
            if self.time(claim)?.is_some_and(|time| time > now + CLOCK_LEEWAY_S) {
                return Err(Denied::NotYetValid(claim));
            }
        }
        let ours = |named: &str| audiences.iter().any(|audience| audience == named);
        match self.audiences()?.into_iter().any(ours) {
            true => Ok(()),
            false => Err(Denied::WrongAudience),
        }
    }

    fn time(&self, name: &'static str) -> Result<Option<f64>, Denied> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        match value.as_f64() {
            Some(time) if (0.0..=LATEST_S).contains(&time) => Ok(Some(time)),
            _ => Err(Denied::Claim(name.into())),
        }
    }

    /// One, or a list of nothing else.
    fn audiences(&self) -> Result<Vec<&str>, Denied> {
        let odd = || Denied::Claim("aud".into());
        match self.0.get("aud") {
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(some)) => {
                some.iter().map(|value| value.as_str().ok_or_else(odd)).collect()
            }
            _ => Err(odd()),
        }
    }

    /// The scopes of ours among those granted: in `scopes`, a list, as GitLab
    /// writes them, or in `scope`, with spaces between them (RFC 8693).
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let listed = self.0.get("scopes").and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let spaced = self.text("scope").unwrap_or_default().split(' ');
        let named: Vec<&str> = listed.chain(spaced).collect();
        Scope::all().into_iter().filter(|scope| named.contains(&scope.as_str())).collect()
    }

    /// The part of a tenant's name that the token decides.
    pub(super) fn tenant(&self, name: &str) -> Result<&str, Denied> {
        let good = |text: &&str| {
            (1..=TENANT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        self.text(name).filter(good).ok_or_else(|| Denied::Claim(name.to_owned().into()))
    }
}
