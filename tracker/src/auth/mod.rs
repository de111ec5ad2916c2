//! Who is calling, and in whose name: a credential in, a tenant out, with what
//! it may do.
//!
//! ```text
//! Authorization --> static key, by its hash ----------------------------> grant
//!              \--> token: shape --> issuer by `iss` --> key by `kid` --> claims
//!                                          (key ring <-- key set over https)
//! ```

mod claims;
mod crypto;
mod denied;
mod grant;
mod issuer;
mod keyring;
mod keys;
mod keyset;
mod misses;
mod outcomes;
mod reach;
mod source;
mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use futures_util::future::join_all;

use crate::clock::Clock;
use crate::limits::Limits;
use issuer::Issuer;
use keys::StaticKeys;
use outcomes::Outcomes;
use token::{Scheme, Unverified};

pub use denied::Denied;
pub use grant::Grant;
pub use issuer::IssuerConfig;
pub use keys::{Key, generate, introduce, sha256_hex};
pub(crate) use reach::matches;
pub use reach::{Reach, Scope};

/// The tenant of everybody where nobody has to say who they are.
pub const DEFAULT_TENANT: &str = "default";

/// How often it is looked whether keys are old. Whether they are is for the
/// injected clock to say.
const LOOK: Duration = Duration::from_secs(1);

/// Decides who is let in, and as whom.
pub struct Auth {
    keys: StaticKeys,
    issuers: Vec<Issuer>,
    /// What everybody is granted where nothing is configured.
    open: Grant,
    clock: Arc<dyn Clock>,
    outcomes: Outcomes,
}

impl Auth {
    /// From the configured keys and issuers; without any, everybody may do
    /// everything as [`DEFAULT_TENANT`]. The error names the entry and what it
    /// should say. Nothing is fetched yet.
    pub fn new(
        keys: &[Key],
        issuers: &[IssuerConfig],
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        crypto::install();
        check_namespaces(issuers)?;
        let keys = StaticKeys::new(keys, limits, clock.now_ms())?;
        let issuers = issuers.iter().map(|config| Issuer::new(config, limits, clock.clone()));
        let issuers = issuers.collect::<Result<_, _>>()?;
        let open = Grant {
            tenant: DEFAULT_TENANT.into(),
            scopes: Scope::all(),
            reach: Arc::default(),
            bucket: None,
        };
        Ok(Auth { keys, issuers, open, clock, outcomes: Outcomes::default() })
    }

    /// Lets the sender of these headers in, if `wanted` is among what its
    /// credential may do. May wait for an issuer, for three seconds at most.
    pub async fn admit(&self, headers: &HeaderMap, wanted: Scope) -> Result<Grant, Denied> {
        self.admit_by(headers, Scheme::Bearer, wanted).await
    }

    /// The same for a page that a browser opens, which can show a key only as
    /// a password. It is not for anything that changes something: what a browser
    /// was told once it also sends where another site leads it.
    pub async fn admit_browser(&self, headers: &HeaderMap) -> Result<Grant, Denied> {
        self.admit_by(headers, Scheme::BearerOrBasic, Scope::Read).await
    }

    async fn admit_by(
        &self,
        headers: &HeaderMap,
        scheme: Scheme,
        wanted: Scope,
    ) -> Result<Grant, Denied> {
        if self.keys.is_empty() && self.issuers.is_empty() {
            return Ok(self.open.clone());
        }
        let granted = self.grant(headers, scheme).await;
        let granted = granted.and_then(|grant| grant.check(wanted).map(|()| grant));
        self.outcomes.count(&granted);
        granted
    }

    async fn grant(&self, headers: &HeaderMap, scheme: Scheme) -> Result<Grant, Denied> {
        let credential = token::credential(headers, scheme)?;
        if let Some(grant) = self.keys.find(&credential) {
            // It claims nothing, so there is nothing that other headers could contradict.
            return Ok(grant.clone());
        }
        if self.issuers.is_empty() {
            return Err(Denied::Unknown);
        }
        let token = Unverified::read(&credential)?;
        let iss = token.claims.text("iss").ok_or(Denied::Claim("iss".into()))?;
        let issuer = self.issuers.iter().find(|issuer| issuer.iss == iss);
        issuer.ok_or(Denied::UnknownIssuer)?.grant(&token, headers, self.clock.now_ms()).await
    }

    /// Fetches the keys of the issuers that are due.
    pub async fn refresh(&self) {
        join_all(self.issuers.iter().map(|issuer| issuer.keys.refresh())).await;
    }

    /// Keeps the issuers' keys fresh, for as long as it is polled.
    pub async fn keep_fresh(&self) {
        loop {
            self.refresh().await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Its part of the page `/metrics`.
    pub fn render(&self) -> String {
        self.outcomes.render(&self.issuers, self.clock.now_ms())
    }
}

/// The tenants of one issuer must not be names that another can give out, too.
/// Two with the same namespace are an issuer that moves, and said in so many words.
fn check_namespaces(issuers: &[IssuerConfig]) -> Result<(), String> {
    for (index, one) in issuers.iter().enumerate() {
        let others = || issuers.iter().enumerate().filter(|(other, _)| *other != index);
        if others().any(|(_, other)| other.iss == one.iss) {
            return Err(format!("issuer {:?}: it is configured twice", one.iss));
        }
        let within = |other: &&IssuerConfig| {
            other.namespace().strip_prefix(one.namespace()).is_some_and(|r| r.starts_with('/'))
        };
        if let Some(other) = others().map(|(_, other)| other).find(within) {
            return Err(format!(
                "issuer {:?}: the namespace {:?} lies within that of {:?}, which could give out \
                 the same tenants; set another `namespace`",
                other.iss,
                other.namespace(),
                one.iss
            ));
        }
    }
    Ok(())
}
