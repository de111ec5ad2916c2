//! Tokens that OpenSSL has signed, in every algorithm.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use serde_json::{Value, json};

use super::issuer::{base64url, openssl};

/// Signs with the command of that name.
pub struct OpenSsl {
    dir: tempfile::TempDir,
    algorithm: &'static str,
    /// Bytes of each half of an ECDSA signature.
    half: Option<usize>,
    pub jwk: Value,
}

impl OpenSsl {
    pub fn new(algorithm: &'static str, curve: Option<(&str, usize)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let path = path.to_str().unwrap();
        let named = curve.map(|(name, _)| format!("ec_paramgen_curve:{name}"));
        let kind: &[&str] = match (&named, algorithm) {
            (Some(named), _) => &["-algorithm", "EC", "-pkeyopt", named],
            (None, "EdDSA") => &["-algorithm", "ED25519"],
            (None, _) => &["-algorithm", "RSA"],
        };
        openssl(&[&["genpkey", "-quiet", "-out", path], kind].concat());
        let der = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"]);
        let jwk = match curve {
            Some((name, half)) => {
                let (x, y) = der[der.len() - 2 * half..].split_at(half);
                json!({"kty": "EC", "crv": name, "x": base64url(x), "y": base64url(y)})
            }
            None if algorithm == "EdDSA" => {
                let x = base64url(&der[der.len() - 32..]);
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
            None => {
                let modulus = openssl(&["rsa", "-in", path, "-noout", "-modulus"]);
                let hex = String::from_utf8(modulus).unwrap();
                let hex = hex.trim().strip_prefix("Modulus=").unwrap();
                let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                // With a zero in front, as some issuers write it.
                let n: Vec<u8> =
                    [0].into_iter().chain((0..hex.len()).step_by(2).map(byte)).collect();
                json!({"kty": "RSA", "n": base64url(n), "e": "AQAB"})
            }
        };
        OpenSsl { dir, algorithm, half: curve.map(|(_, half)| half), jwk }
    }

    pub fn token(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(payload));
        let file = self.dir.path().join("message");
        std::fs::write(&file, &message).unwrap();
        let key = self.dir.path().join("key.pem");
        let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
        let digest = format!("-sha{}", &self.algorithm[2..]);
        let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
        let signature = match self.algorithm {
            "EdDSA" => openssl(&["pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", file]),
            name if name.starts_with("PS") => {
                openssl(&[&["dgst", &digest, "-sign", key][..], &pss, &[file]].concat())
            }
            _ => openssl(&["dgst", &digest, "-sign", key, file]),
        };
        let signature = self.half.map_or(signature.clone(), |half| fixed(&signature, half));
        format!("{message}.{}", base64url(signature))
    }
}

/// From DER to the encoding of tokens.
fn fixed(der: &[u8], half: usize) -> Vec<u8> {
    assert_eq!((der[0], usize::from(der[1])), (0x30, der.len() - 2));
    let (mut rest, mut both) = (&der[2..], Vec::new());
    for _ in 0..2 {
        let (integer, after) = rest[2..].split_at(usize::from(rest[1]));
        let bare = integer.strip_prefix(&[0]).unwrap_or(integer);
        both.extend(vec![0; half - bare.len()]);
        both.extend(bare);
        rest = after;
    }
    both
}
