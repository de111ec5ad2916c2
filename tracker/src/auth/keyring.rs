//! The keys of one issuer over time: fetched in the background, fetched at once
//! for a key that is not known yet, and kept while the issuer is away.
//!
//! A request can cause a fetch at most once in 30 s, whatever it brings, and
//! only with a token that would be good if its key were. Within these 30 s a
//! new key has to wait; so that this stays rare, names for which a fetch has
//! found nothing are not looked for again for a while, twice as long each time,
//! and the fetches in the background do not count. A rotation is then picked
//! up by the first token that is signed with the new key, and, if somebody
//! invents names without end, after 30 s: clients keep what they could not send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jsonwebtoken::Algorithm;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::denied::Denied;
use super::keyset::{KeySet, PublicKey};
use super::misses::Misses;
use super::source::Source;
use crate::clock::Clock;
use crate::limits::{KEYSET_GUARD_MS, KEYSET_REFRESH_MS, KEYSET_RETRY_MS};

pub(super) struct KeyRing {
    issuer: String,
    source: Source,
    algorithms: Vec<Algorithm>,
    clock: Arc<dyn Clock>,
    /// The last good set; empty until there is one.
    current: RwLock<Arc<KeySet>>,
    /// Held by whoever fetches: others wait for the outcome instead of asking, too.
    flight: Arc<AsyncMutex<Flight>>,
    /// What went wrong last, said once and not with each attempt.
    trouble: Mutex<Option<String>>,
    pub(super) watch: Watch,
}

/// What the metrics tell of it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When the keys were last fetched; 0: never.
    pub(super) fetched_ms: AtomicU64,
    pub(super) fetches: AtomicU64,
    pub(super) failures: AtomicU64,
}

#[derive(Default)]
struct Flight {
    /// When any attempt began.
    tried_ms: Option<i64>,
    /// When one began because of a request.
    asked_ms: Option<i64>,
    failed: bool,
    misses: Misses,
}

impl KeyRing {
    pub(super) fn new(
        issuer: String,
        source: Source,
        algorithms: Vec<Algorithm>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        KeyRing {
            issuer,
            source,
            algorithms,
            clock,
            current: RwLock::default(),
            flight: Arc::default(),
            trouble: Mutex::default(),
            watch: Watch::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.set().len()
    }

    /// The key of that name, if it is known.
    pub(super) fn known(&self, kid: &str, algorithm: Algorithm) -> Option<PublicKey> {
        self.set().find(kid, algorithm).cloned()
    }

    /// The key of that name, fetched if it is time for that.
    pub(super) async fn look_for(
        self: &Arc<Self>,
        kid: &str,
        algorithm: Algorithm,
    ) -> Result<PublicKey, Denied> {
        let mut flight = self.flight.clone().lock_owned().await;
        if let Some(key) = self.known(kid, algorithm) {
            return Ok(key); // the flight that was waited for has brought it
        }
        let now = self.clock.now_ms();
        let too_soon = flight.asked_ms.is_some_and(|asked| is_within(KEYSET_GUARD_MS, asked, now));
        if !too_soon && !flight.misses.is_known(kid, now) {
            flight.asked_ms = Some(now);
            flight = self.fetch(flight).await?;
            if !flight.failed && self.known(kid, algorithm).is_none() {
                flight.misses.add(kid, now);
            }
        }
        match self.known(kid, algorithm) {
            Some(key) => Ok(key),
            // It may well be good: only the issuer could say.
            None if flight.failed || self.set().len() == 0 => Err(Denied::KeysUnavailable),
            None => Err(Denied::UnknownKey),
        }
    }

    /// Fetches if the keys are old, or if the last attempt failed some time ago.
    pub(super) async fn refresh(self: &Arc<Self>) {
        let flight = self.flight.clone().lock_owned().await;
        let wait = if flight.failed { KEYSET_RETRY_MS } else { KEYSET_REFRESH_MS };
        let now = self.clock.now_ms();
        if !flight.tried_ms.is_some_and(|tried| is_within(wait, tried, now)) {
            let _ = self.fetch(flight).await;
        }
    }

    fn set(&self) -> Arc<KeySet> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// In a task of its own: a client that hangs up does not break it off.
    async fn fetch(
        self: &Arc<Self>,
        mut flight: OwnedMutexGuard<Flight>,
    ) -> Result<OwnedMutexGuard<Flight>, Denied> {
        flight.tried_ms = Some(self.clock.now_ms());
        let ring = self.clone();
        let task = tokio::spawn(async move {
            let source = ring.clone();
            let fetched =
                tokio::task::spawn_blocking(move || source.source.fetch(&source.algorithms)).await;
            flight.failed = !ring.take(fetched.unwrap_or_else(|e| Err(e.to_string())));
            flight
        });
        // Only a runtime that shuts down ends the task early.
        task.await.map_err(|_| Denied::KeysUnavailable)
    }

    /// Puts what was fetched in force, or keeps what is.
    fn take(&self, fetched: Result<KeySet, String>) -> bool {
        let issuer = &self.issuer;
        self.watch.fetches.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(set) => {
                let now = u64::try_from(self.clock.now_ms()).unwrap_or_default();
                self.watch.fetched_ms.store(now, Ordering::Relaxed);
                if trouble.take().is_some() {
                    tracing::info!(issuer, "the issuer's keys could be fetched again");
                }
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
                true
            }
            Err(error) => {
                self.watch.failures.fetch_add(1, Ordering::Relaxed);
                if trouble.as_ref() != Some(&error) {
                    let kept = self.len();
                    tracing::warn!(issuer, kept, "the issuer's keys could not be fetched: {error}");
                }
                *trouble = Some(error);
                false
            }
        }
    }
}

/// A clock that was set back has no say in how long ago something was.
fn is_within(span_ms: i64, since_ms: i64, now_ms: i64) -> bool {
    (0..span_ms).contains(&(now_ms - since_ms))
}
