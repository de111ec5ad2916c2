//! The public keys of an issuer, from the JSON in which it publishes them
//! (RFC 7517).

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse, RSAKeyParameters,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

use super::crypto;

/// Bytes of the moduli that are taken: shorter ones are breakable, longer ones
/// cost more than a request should.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;

/// A key and the one algorithm that it is for.
#[derive(Clone, Debug)]
pub(super) struct PublicKey {
    kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// What an issuer publishes, as far as it is of use.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Keys for other uses or algorithms are left out; a set without any key
    /// of use is an error, so that nothing good is ever replaced by it.
    pub(super) fn parse(json: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Published {
            keys: Vec<Value>,
        }
        let published: Published = serde_json::from_slice(json)
            .map_err(|e| format!("expected a JSON object with `keys`: {e}"))?;
        let count = published.keys.len();
        let read = |key| PublicKey::read(serde_json::from_value(key).ok()?, algorithms);
        let keys: Vec<PublicKey> = published.keys.into_iter().filter_map(read).collect();
        match keys.is_empty() {
            false => Ok(KeySet(keys)),
            true => Err(format!(
                "none of its {count} keys has a `kid`, is for signatures and one of the `algs`, \
                 and is long enough"
            )),
        }
    }

    /// The key of that name; of several, the one for `algorithm`.
    pub(super) fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&PublicKey> {
        let named = || self.0.iter().filter(|key| key.kid == kid);
        named().find(|key| key.algorithm == algorithm).or_else(|| named().next())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl PublicKey {
    fn read(jwk: Jwk, algorithms: &[Algorithm]) -> Option<Self> {
        let common = &jwk.common;
        let for_signatures = match &common.public_key_use {
            None | Some(PublicKeyUse::Signature) => true,
            Some(_) => false,
        };
        let for_verifying = match &common.key_operations {
            None => true,
            Some(operations) => operations.contains(&KeyOperations::Verify),
        };
        if !for_signatures || !for_verifying {
            return None;
        }
        let fits = fitting(&jwk.algorithm)?;
        let algorithm = match common.key_algorithm {
            Some(named) => Algorithm::try_from(named).ok().filter(|a| fits.contains(a))?,
            // Each key has one algorithm (RFC 8725, 3.1), also if it does not say so.
            None => *algorithms.iter().find(|a| fits.contains(a))?,
        };
        if !algorithms.contains(&algorithm) || !crypto::is_known(algorithm) {
            return None;
        }
        let key = match &jwk.algorithm {
            AlgorithmParameters::RSA(parameters) => modulus_and_exponent(parameters)?,
            _ => DecodingKey::from_jwk(&jwk).ok()?,
        };
        Some(PublicKey { kid: jwk.common.key_id?, algorithm, key })
    }
}

/// What a key of this kind can be for.
fn fitting(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(&[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ]),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(&[Algorithm::ES256]),
            EllipticCurve::P384 => Some(&[Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(&[Algorithm::EdDSA])
        }
        _ => None,
    }
}

/// Some issuers write their numbers with a zero in front, which ring refuses.
fn modulus_and_exponent(parameters: &RSAKeyParameters) -> Option<DecodingKey> {
    let written = DecodingKey::from_rsa_components(&parameters.n, &parameters.e).ok()?;
    debug_assert!(written.family() == AlgorithmFamily::Rsa);
    let DecodingKeyKind::RsaModulusExponent { n, e } = written.kind() else { return None };
    let bare = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number[zeros..].to_vec()
    };
    let (n, e) = (bare(n), bare(e));
    MODULUS_BYTES.contains(&n.len()).then(|| DecodingKey::from_rsa_raw_components(&n, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    fn rsa(extra: &str, modulus: usize) -> String {
        let n = "q".repeat(modulus * 4 / 3 / 4 * 4);
        format!(r#"{{"kty":"RSA","kid":"k","n":"{n}","e":"AQAB"{extra}}}"#)
    }

    fn count(key: &str) -> usize {
        KeySet::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes(), &ALL).map_or(0, |set| set.len())
    }

    #[test]
    fn only_keys_that_can_verify_signatures_here_are_taken() {
        for (extra, taken) in [
            ("", 1),
            (r#","use":"sig","alg":"RS256""#, 1),
            (r#","key_ops":["verify"]"#, 1),
            (r#","use":"enc""#, 0),
            (r#","key_ops":["encrypt"]"#, 0),
            (r#","alg":"RS384""#, 0),
            (r#","alg":"ES256""#, 0),
            (r#","alg":"HS256""#, 0),
            (r#","alg":"RSA-OAEP""#, 0),
            (r#","alg":"what""#, 0),
        ] {
            assert_eq!(count(&rsa(extra, 384)), taken, "{extra}");
        }
        assert_eq!(count(r#"{"kty":"oct","kid":"k","k":"c2VjcmV0"}"#), 0, "a secret is no key");
        assert_eq!(count(r#"{"kty":"OKP","crv":"X25519","kid":"k","x":"AAAA"}"#), 0);
        assert_eq!(count(&rsa("", 384).replace("\"kid\":\"k\",", "")), 0, "it has no name");
    }

    #[test]
    fn short_keys_are_not_taken() {
        assert_eq!((count(&rsa("", 128)), count(&rsa("", 2_048))), (0, 0));
    }

    #[test]
    fn one_odd_key_does_not_spoil_the_others() {
        let keys = format!(r#"{},{{"kty":7}},null,"x",{{"kty":"new","q":1}}"#, rsa("", 384));
        assert_eq!(count(&keys), 1);
    }

    #[test]
    fn a_set_of_no_use_says_what_was_expected() {
        for json in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#, "<html>"] {
            let error = KeySet::parse(json.as_bytes(), &ALL).unwrap_err();
            assert!(error.contains("keys"), "{json}: {error}");
        }
    }
}
