//! From the text of a token to claims that an issuer has signed.

use axum::http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};

use super::claims::Claims;
use super::denied::Denied;
use super::keyset::PublicKey;
use crate::limits::{CREDENTIAL_BYTES, KID_BYTES};

/// What `typ` may say: a token for access, not one for logging out or for
/// proving something (RFC 8725, 3.11).
const TYPES: [&str; 4] = ["JWT", "at+jwt", "application/jwt", "application/at+jwt"];

/// The credential of a request. The scheme's name is case-insensitive (RFC 9110).
pub(super) fn bearer(headers: &HeaderMap) -> Result<&[u8], Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::Missing)?.as_bytes();
    if values.next().is_some() {
        return Err(Denied::Ambiguous);
    }
    let (scheme, credential) = value.split_at_checked(7).ok_or(Denied::Missing)?;
    let credential = credential.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer ") || credential.is_empty() {
        return Err(Denied::Missing);
    }
    match credential.len() {
        ..=CREDENTIAL_BYTES => Ok(credential),
        _ => Err(Denied::TooLong),
    }
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
