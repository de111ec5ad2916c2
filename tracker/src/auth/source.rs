//! Where an issuer publishes its keys, and one attempt to get them. Blocks:
//! for a thread that may.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::http::Uri;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::keyset::KeySet;
use crate::limits::{KEYSET_BYTES, KEYSET_TIMEOUT};

/// What OpenID Connect Discovery appends to an issuer's name.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where the keys are.
#[derive(Debug)]
pub(super) enum Source {
    /// In a file, which somebody else keeps up to date.
    File(PathBuf),
    /// At this address.
    Uri(Agent, String),
    /// At the address that the issuer's own description names.
    Discovery(Agent, String),
}

impl Source {
    /// The keys as they are published now.
    pub(super) fn fetch(&self, algorithms: &[Algorithm]) -> Result<KeySet, String> {
        let until = Instant::now() + KEYSET_TIMEOUT;
        let (place, json) = match self {
            Source::File(path) => (path.display().to_string(), read(path)?),
            Source::Uri(agent, uri) => (uri.clone(), get(agent, uri, until)?),
            Source::Discovery(agent, issuer) => {
                let uri = discover(agent, issuer, until)?;
                let json = get(agent, &uri, until)?;
                (uri, json)
            }
        };
        KeySet::parse(&json, algorithms).map_err(|e| format!("{place}: {e}"))
    }
}

/// Refuses addresses at which anybody between could swap the keys.
pub(super) fn check_uri(uri: &str) -> Result<(), String> {
    let refuse = || format!("{uri}: expected https://HOST/PATH (http:// on loopback only)");
    let parsed: Uri = uri.parse().map_err(|_| refuse())?;
    let host = parsed.host().filter(|host| !host.is_empty()).ok_or_else(refuse)?;
    let authority = parsed.authority().ok_or_else(refuse)?;
    let is_ours = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost",
    };
    match parsed.scheme_str() {
        _ if authority.as_str().contains('@') => Err(refuse()),
        Some("https") => Ok(()),
        Some("http") if is_ours => Ok(()),
        _ => Err(refuse()),
    }
}

/// A client that trusts the certificates in `ca_file`, or else Mozilla's list.
pub(super) fn agent(ca_file: Option<&Path>) -> Result<Agent, String> {
    let mut builder = Agent::config_builder()
        // An answer that sends us elsewhere is no answer: elsewhere was not configured.
        .max_redirects(0)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("labkit-tracker/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let place = path.display();
        let pem = std::fs::read(path).map_err(|e| format!("`ca_file` {place}: {e}"))?;
        let certificates: Vec<_> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(format!("`ca_file` {place}: expected certificates in PEM form"));
        }
        builder = builder
            .tls_config(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build());
    }
    Ok(builder.build().new_agent())
}

/// The address of the keys, from the issuer's description of itself.
fn discover(agent: &Agent, issuer: &str, until: Instant) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Described {
        issuer: String,
        jwks_uri: String,
    }
    let uri = format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'));
    let described: Described = serde_json::from_slice(&get(agent, &uri, until)?)
        .map_err(|e| format!("{uri}: expected JSON with `issuer` and `jwks_uri`: {e}"))?;
    if described.issuer != issuer {
        return Err(format!("{uri}: describes another issuer; expected exactly {issuer}"));
    }
    check_uri(&described.jwks_uri).map_err(|e| format!("{uri}: `jwks_uri` {e}"))?;
    Ok(described.jwks_uri)
}

fn get(agent: &Agent, uri: &str, until: Instant) -> Result<Vec<u8>, String> {
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let request = agent.get(uri).config().timeout_global(Some(left));
    // What may come without TLS must not come through somebody else's hands,
    // whatever the environment says of proxies.
    let request = if uri.starts_with("https:") { request } else { request.proxy(None) };
    let mut response = request.build().call().map_err(|e| format!("{uri}: {e}"))?;
    if response.status() != 200 {
        return Err(format!("{uri}: answered {}, expected 200", response.status()));
    }
    let body = response.body_mut().with_config().limit(KEYSET_BYTES);
    body.read_to_vec().map_err(|e| format!("{uri}: {e}"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let place = path.display();
    let mut json = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KEYSET_BYTES + 1).read_to_end(&mut json))
        .map_err(|e| format!("{place}: {e}"))?;
    match json.len() as u64 {
        ..=KEYSET_BYTES => Ok(json),
        _ => Err(format!("{place}: larger than {KEYSET_BYTES} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for uri in [
            "https://gitlab.com/oauth/discovery/keys",
            "https://10.0.0.1:8443/keys",
            "http://127.0.0.1:8080/keys",
            "http://[::1]:8080/keys",
            "http://localhost/keys",
        ] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "gitlab.com/keys",
            "/keys",
            "http://gitlab.com/keys",
            "http://10.0.0.1/keys",
            "http://localhost.example.com/keys",
            "http://127.0.0.1@example.com/keys",
            "https://user:password@example.com/keys",
            "ftp://example.com/keys",
            "file:///etc/keys",
        ] {
            assert!(check_uri(uri).unwrap_err().contains("https://"), "{uri}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_far_too_large_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        assert!(read(&path).unwrap_err().contains("keys.json"));
        std::fs::write(&path, vec![b' '; KEYSET_BYTES as usize + 1]).unwrap();
        assert!(read(&path).unwrap_err().contains("larger"));
        std::fs::write(&path, vec![b' '; KEYSET_BYTES as usize]).unwrap();
        assert_eq!(read(&path).unwrap().len() as u64, KEYSET_BYTES);
    }
}
