//! What `/metrics` tells of who came, and of the issuers' keys.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use super::denied::{Denied, OUTCOMES};
use super::grant::Grant;
use super::issuer::Issuer;
use crate::emit::Exposition;

#[derive(Debug)]
pub(super) struct Outcomes {
    admitted: AtomicU64,
    denied: [AtomicU64; OUTCOMES.len()],
}

impl Default for Outcomes {
    fn default() -> Self {
        Outcomes { admitted: AtomicU64::new(0), denied: array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Outcomes {
    pub(super) fn count(&self, granted: &Result<Grant, Denied>) {
        let counter = match granted {
            Ok(_) => &self.admitted,
            Err(denied) => &self.denied[denied.outcome()],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The label `issuer` is from the configuration, never from a token.
    pub(super) fn render(&self, issuers: &[Issuer], now_ms: i64) -> String {
        let mut page = Exposition::default();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let name = "labkit_tracker_authentications_total";
        page.family(name, "counter", "Requests that showed a credential or should have.");
        page.sample(name, &[("outcome", "admitted")], get(&self.admitted));
        for (outcome, count) in OUTCOMES.iter().zip(&self.denied) {
            page.sample(name, &[("outcome", outcome)], get(count));
        }
        let mut each = |name: &str, kind: &str, help: &str, of: &dyn Fn(&Issuer) -> String| {
            if issuers.is_empty() {
                return; // A family without a sample is one that promtool refuses.
            }
            page.family(name, kind, help);
            for issuer in issuers {
                page.sample(name, &[("issuer", &issuer.iss)], of(issuer));
            }
        };
        let name = "labkit_tracker_issuer_keys";
        let help = "Keys of the issuer that are in force; 0: none was ever fetched.";
        each(name, "gauge", help, &|issuer| issuer.keys.len().to_string());
        let name = "labkit_tracker_issuer_keys_age_seconds";
        let help = "How long ago the issuer's keys were last fetched; +Inf: never.";
        each(name, "gauge", help, &|issuer| match get(&issuer.keys.watch.fetched_ms) {
            0 => "+Inf".to_owned(),
            at => ((now_ms as f64 - at as f64).max(0.0) / 1e3).to_string(),
        });
        let name = "labkit_tracker_issuer_fetches_total";
        let help = "Attempts to fetch the issuer's keys.";
        each(name, "counter", help, &|issuer| get(&issuer.keys.watch.fetches).to_string());
        let name = "labkit_tracker_issuer_fetch_failures_total";
        let help = "Those of them that failed; the keys fetched before stay in force.";
        each(name, "counter", help, &|issuer| get(&issuer.keys.watch.failures).to_string());
        page.finish()
    }
}
