//! An issuer of tokens: what the operator says of it, and whom its tokens
//! stand for.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::Deserialize;

use super::claims::Claims;
use super::denied::Denied;
use super::grant::Grant;
use super::keyring::KeyRing;
use super::reach::Reach;
use super::source::{self, Source};
use super::token::Unverified;
use crate::clock::Clock;
use crate::limits::{Buckets, Limits, TENANT_BYTES};

/// The claim that names an instance of GitLab, and the header that repeats it.
const INSTANCE: (&str, &str) = ("gitlab_instance_id", "X-Gitlab-Instance-Id");
/// The claim that names its realm, and the header that repeats it.
const REALM: (&str, &str) = ("gitlab_realm", "X-Gitlab-Realm");

/// An entry of `[[issuers]]` in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// What `iss` says, to the letter.
    pub iss: String,
    /// Where the key set is; https, or http on loopback.
    pub jwks_uri: Option<String>,
    /// Or the file that it is in.
    pub file: Option<PathBuf>,
    /// Or: it is where `iss` + `/.well-known/openid-configuration` says.
    #[serde(default)]
    pub discovery: bool,
    /// Certificates to trust for these addresses, PEM; by default Mozilla's list.
    pub ca_file: Option<PathBuf>,
    /// What `aud` may say.
    pub audiences: Vec<String>,
    /// The algorithms that are accepted. A key that names none is for the first
    /// of these that fits it.
    #[serde(default = "default_algs")]
    pub algs: Vec<Algorithm>,
    /// The first part of the tenant's name; by default `iss`.
    pub namespace: Option<String>,
    /// The claim that is its second part.
    #[serde(default = "default_tenant_claim")]
    pub tenant_claim: String,
    /// What `gitlab_realm` may say; empty: anything.
    #[serde(default)]
    pub realms: Vec<String>,
    /// Patterns of the `type`s that its tokens may send; empty: any.
    #[serde(default)]
    pub types: Vec<String>,
    /// Patterns of the experiences that its tokens may send; empty: any.
    #[serde(default)]
    pub experiences: Vec<String>,
}

fn default_algs() -> Vec<Algorithm> {
    vec![Algorithm::RS256]
}

fn default_tenant_claim() -> String {
    INSTANCE.0.to_owned()
}

impl IssuerConfig {
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(&self.iss)
    }

    fn source(&self) -> Result<Source, String> {
        let agent = || source::agent(self.ca_file.as_deref());
        match (&self.jwks_uri, &self.file, self.discovery) {
            (Some(uri), None, false) => {
                source::check_uri(uri).map_err(|e| format!("`jwks_uri` {e}"))?;
                Ok(Source::Uri(agent()?, uri.clone()))
            }
            (None, Some(path), false) => Ok(Source::File(path.clone())),
            (None, None, true) => {
                source::check_uri(&self.iss).map_err(|e| format!("`discovery`: `iss` {e}"))?;
                Ok(Source::Discovery(agent()?, self.iss.clone()))
            }
            _ => Err("expected one of `jwks_uri`, `file` and `discovery = true`".into()),
        }
    }
}

/// An issuer in force.
pub(super) struct Issuer {
    pub(super) iss: String,
    audiences: Vec<String>,
    namespace: String,
    tenant_claim: String,
    realms: Vec<String>,
    reach: Arc<Reach>,
    pub(super) keys: Arc<KeyRing>,
    /// By tenant and `sub`: a token is renewed, whose it is stays.
    buckets: Buckets,
}

impl Issuer {
    pub(super) fn new(
        config: &IssuerConfig,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let refuse = |what: String| format!("issuer {:?}: {what}", config.iss);
        if config.iss.is_empty() || config.namespace().is_empty() || config.tenant_claim.is_empty()
        {
            return Err(refuse("`iss`, `namespace` and `tenant_claim` must not be empty".into()));
        }
        if config.audiences.is_empty() || config.audiences.iter().any(String::is_empty) {
            let what = "`audiences` must name this tracker: without, tokens for others would do";
            return Err(refuse(what.into()));
        }
        let secret = |alg: &Algorithm| alg.family() == AlgorithmFamily::Hmac;
        if config.algs.is_empty() || config.algs.iter().any(secret) {
            return Err(refuse("`algs`: expected RS256, ES256 and the like, at least one".into()));
        }
        let source = config.source().map_err(refuse)?;
        let reach = Reach::new(&config.types, &config.experiences).map_err(refuse)?;
        let keys = KeyRing::new(config.iss.clone(), source, config.algs.clone(), clock);
        Ok(Issuer {
            iss: config.iss.clone(),
            audiences: config.audiences.clone(),
            namespace: config.namespace().to_owned(),
            tenant_claim: config.tenant_claim.clone(),
            realms: config.realms.clone(),
            reach: Arc::new(reach),
            keys: Arc::new(keys),
            buckets: Buckets::new(limits),
        })
    }

    /// Whom this token stands for, once everything about it is found good.
    pub(super) async fn grant(
        &self,
        token: &Unverified<'_>,
        headers: &HeaderMap,
        now_ms: i64,
    ) -> Result<Grant, Denied> {
        // First, so that nobody is asked for the key of a token that would not do
        // anyway. It is the text that is verified below.
        token.claims.judge(&self.audiences, now_ms)?;
        let key = match self.keys.known(&token.kid, token.algorithm) {
            Some(key) => key,
            None => self.keys.look_for(&token.kid, token.algorithm).await?,
        };
        let claims = token.verify(&key, &self.iss, &self.audiences)?;
        self.check_realm(&claims)?;
        for (claim, header) in [INSTANCE, REALM] {
            let said = claims.text(claim).map(str::as_bytes);
            if headers.get_all(header).iter().any(|value| Some(value.as_bytes()) != said) {
                return Err(Denied::HeaderMismatch(header));
            }
        }
        let tenant: Arc<str> =
            format!("{}/{}", self.namespace, claims.tenant(&self.tenant_claim)?).into();
        // One that nobody would choose as a name is not worth its memory.
        let subject = claims.text("sub").filter(|sub| sub.len() <= TENANT_BYTES);
        let subject = subject.unwrap_or_default();
        let bucket = self.buckets.find(&tenant, subject, now_ms);
        let reach = self.reach.clone();
        Ok(Grant { tenant, scopes: claims.scopes(), reach, bucket: Some(bucket) })
    }

    fn check_realm(&self, claims: &Claims) -> Result<(), Denied> {
        let realm = claims.text(REALM.0);
        match self.realms.is_empty() || realm.is_some_and(|r| self.realms.iter().any(|a| a == r)) {
            true => Ok(()),
            false => Err(Denied::ForeignRealm),
        }
    }
}
