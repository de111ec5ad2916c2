//! From the text of a token to claims that an issuer has signed.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};

use super::claims::Claims;
use super::denied::Denied;
use super::keyset::PublicKey;
use crate::limits::{CREDENTIAL_BYTES, KID_BYTES};

/// What `typ` may say: a token for access, not one for logging out or for
/// proving something (RFC 8725, 3.11).
const TYPES: [&str; 4] = ["JWT", "at+jwt", "application/jwt", "application/at+jwt"];

/// How a credential may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `Authorization: Bearer CREDENTIAL`.
    Bearer,
    /// That, or `Basic` with the credential for a password (RFC 7617): what a
    /// browser can ask its user for.
    BearerOrBasic,
}

/// The credential of a request. The scheme's name is case-insensitive (RFC 9110).
pub(super) fn credential(headers: &HeaderMap, scheme: Scheme) -> Result<Cow<'_, [u8]>, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::Missing)?.as_bytes();
    if values.next().is_some() {
        return Err(Denied::Ambiguous);
    }
    let credential = match (strip_scheme(value, b"bearer "), strip_scheme(value, b"basic ")) {
        (Some(credential), _) => Cow::Borrowed(credential),
        (_, Some(encoded)) if scheme == Scheme::BearerOrBasic => password(encoded)?,
        _ => return Err(Denied::Missing),
    };
    match credential.len() {
        0 => Err(Denied::Missing),
        1..=CREDENTIAL_BYTES => Ok(credential),
        _ => Err(Denied::TooLong),
    }
}

fn strip_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (named, rest) = value.split_at_checked(scheme.len())?;
    named.eq_ignore_ascii_case(scheme).then(|| rest.trim_ascii())
}

/// Of `user:password` in base64; the user is whoever it likes to be.
fn password(encoded: &[u8]) -> Result<Cow<'static, [u8]>, Denied> {
    // A third more than its bytes, and some for the user.
    if encoded.len() > 2 * CREDENTIAL_BYTES {
        return Err(Denied::TooLong);
    }
    let mut pair = BASE64_STANDARD.decode(encoded).map_err(|_| Denied::Missing)?;
    let colon = pair.iter().position(|byte| *byte == b':').ok_or(Denied::Missing)?;
    Ok(Cow::Owned(pair.split_off(colon + 1)))
}

/// A token as it came: who says so is not known yet.
pub(super) struct Unverified<'a> {
    text: &'a [u8],
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    pub(super) claims: Claims,
}

impl<'a> Unverified<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, Denied> {
        if text.iter().filter(|byte| **byte == b'.').count() != 2 {
            return Err(Denied::Unknown);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| Denied::Malformed("header"))?;
        check(&header)?;
        let claims = jsonwebtoken::dangerous::insecure_decode_claims(text)
            .map_err(|_| Denied::Malformed("payload"))?;
        let kid = header.kid.filter(|kid| (1..=KID_BYTES).contains(&kid.len()));
        let kid = kid.ok_or(Denied::Malformed("kid"))?;
        Ok(Unverified { text, algorithm: header.alg, kid, claims })
    }

    /// What the owner of `key` has signed, for `issuer` and one of `audiences`.
    pub(super) fn verify(
        &self,
        key: &PublicKey,
        issuer: &str,
        audiences: &[String],
    ) -> Result<Claims, Denied> {
        if self.algorithm != key.algorithm {
            return Err(Denied::WrongAlgorithm);
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(audiences);
        // These two read the machine's clock; ours is injected: `Claims::judge`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        match jsonwebtoken::decode::<Claims>(self.text, &key.key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.into_kind() {
                ErrorKind::MissingRequiredClaim(claim) => Denied::Claim(claim.into()),
                ErrorKind::InvalidIssuer => Denied::UnknownIssuer,
                ErrorKind::InvalidAudience => Denied::WrongAudience,
                _ => Denied::BadSignature,
            }),
        }
    }
}

/// A header that says where its key is, or brings it, changes nothing: keys
/// come from the issuer. One that says the text is something else does.
fn check(header: &Header) -> Result<(), Denied> {
    let refuse = |part| Err(Denied::Malformed(part));
    if header.crit.is_some() {
        return refuse("crit");
    }
    if header.cty.is_some() {
        return refuse("cty");
    }
    if header.enc.is_some() || header.zip.is_some() {
        return refuse("enc");
    }
    let known = |typ: &str| TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ));
    match &header.typ {
        Some(typ) if !known(typ) => refuse("typ"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[&str], scheme: Scheme) -> Result<String, Denied> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        credential(&headers, scheme).map(|found| String::from_utf8(found.into_owned()).unwrap())
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn a_browser_shows_its_key_as_a_password_where_that_is_understood() {
        for (pair, key) in [("me:labkit_1", "labkit_1"), (":a:b", "a:b"), ("x:é", "é")] {
            assert_eq!(shown(&[&basic(pair)], Scheme::BearerOrBasic).unwrap(), key);
            assert_eq!(shown(&[&basic(pair)], Scheme::Bearer), Err(Denied::Missing));
        }
        for scheme in [Scheme::Bearer, Scheme::BearerOrBasic] {
            assert_eq!(shown(&["bEaReR  labkit_1 "], scheme).unwrap(), "labkit_1");
        }
    }

    #[test]
    fn what_is_no_pair_shows_nothing() {
        let long = basic(&format!("me:{}", "k".repeat(CREDENTIAL_BYTES + 1)));
        let longer = format!("Basic {}", "=".repeat(2 * CREDENTIAL_BYTES + 1));
        for (value, denied) in [
            (&*basic("no colon"), Denied::Missing),
            (&*basic("nothing:"), Denied::Missing),
            ("Basic", Denied::Missing),
            ("Basic ", Denied::Missing),
            ("Basic !", Denied::Missing),
            ("Basic bWU6a", Denied::Missing),
            ("Digest bWU6a2V5", Denied::Missing),
            (&*long, Denied::TooLong),
            (&*longer, Denied::TooLong),
        ] {
            assert_eq!(shown(&[value], Scheme::BearerOrBasic), Err(denied), "{value:.40}");
        }
        let twice = [&*basic("me:a"), "Bearer a"];
        assert_eq!(shown(&twice, Scheme::BearerOrBasic), Err(Denied::Ambiguous));
    }
}
