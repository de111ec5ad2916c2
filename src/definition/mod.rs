//! What product teams write: one YAML file per user experience. Read and
//! validated here for the library, the tracker and the linter alike; loading
//! never touches the network.

mod finding;
mod load;
mod read;
mod yaml;

use std::collections::HashMap;

pub use finding::{Finding, Severity};
pub use load::load;
pub use read::read;

/// How soon an experience should end.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the names are the YAML's own
pub enum Urgency {
    SyncFast,
    SyncSlow,
    AsyncFast,
    AsyncSlow,
    /// A threshold of its own, in seconds.
    Custom(f64),
}

impl Urgency {
    /// The word in the definition, on the wire and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Urgency::SyncFast => "sync_fast",
            Urgency::SyncSlow => "sync_slow",
            Urgency::AsyncFast => "async_fast",
            Urgency::AsyncSlow => "async_slow",
            Urgency::Custom(_) => "custom",
        }
    }

    /// The Apdex threshold in seconds; an end exactly on it is good.
    pub fn threshold_s(self) -> f64 {
        match self {
            Urgency::SyncFast => 2.0,
            Urgency::SyncSlow => 5.0,
            Urgency::AsyncFast => 15.0,
            Urgency::AsyncSlow => 300.0,
            Urgency::Custom(seconds) => seconds,
        }
    }
}

/// Service level objective, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    /// Share of ends within the threshold.
    pub apdex_pct: f64,
    /// Share of ends that are errors.
    pub error_pct: f64,
}

impl Default for Slo {
    /// GitLab's defaults.
    fn default() -> Self {
        Slo { apdex_pct: 99.95, error_pct: 0.05 }
    }
}

/// One user experience, as its file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The file's basename.
    pub id: String,
    /// For people.
    pub description: String,
    /// Who owns it.
    pub feature_category: String,
    /// How soon it should end.
    pub urgency: Urgency,
    /// What share must be good.
    pub slo: Slo,
    /// How long the tracker waits for an end before it declares a timeout, in seconds.
    pub ttl_s: f64,
}

impl Definition {
    /// The Apdex threshold in seconds.
    pub fn threshold_s(&self) -> f64 {
        self.urgency.threshold_s()
    }

    /// The wait when a file names none: a dozen thresholds, but at least a
    /// minute (clocks and queues jitter) and no longer than two hours, unless
    /// the threshold itself is longer than an hour.
    pub fn default_ttl_s(threshold_s: f64) -> f64 {
        (12.0 * threshold_s).clamp(60.0, (2.0 * threshold_s).max(7200.0))
    }
}

/// All definitions of one directory, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    definitions: Vec<Definition>,
    by_id: HashMap<String, u32>,
}

impl Registry {
    /// From definitions with distinct ids.
    pub fn new(mut definitions: Vec<Definition>) -> Self {
        definitions.sort_by(|a, b| a.id.cmp(&b.id));
        let by_id = (0u32..).zip(&definitions).map(|(i, d)| (d.id.clone(), i)).collect();
        Registry { definitions, by_id }
    }

    /// The index of `id`; it stays good as long as the registry.
    pub fn index(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// By index.
    pub fn get(&self, index: u32) -> Option<&Definition> {
        self.definitions.get(index as usize)
    }

    /// By id.
    pub fn find(&self, id: &str) -> Option<&Definition> {
        self.index(id).and_then(|index| self.get(index))
    }

    /// All of them, sorted by id.
    pub fn iter(&self) -> std::slice::Iter<'_, Definition> {
        self.definitions.iter()
    }
}

impl<'a> IntoIterator for &'a Registry {
    type Item = &'a Definition;
    type IntoIter = std::slice::Iter<'a, Definition>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
