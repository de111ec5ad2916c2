//! `labkit-tracker rules DIR`: what Prometheus records and when it alerts, from
//! the definitions. The recorded ratios have the names and labels that GitLab's
//! dashboards and alerts read.
//!
//! ```text
//! counters --> rates and ratios by window --> burn rates against each `slo` --> alerts
//! definitions --> budgets ----------------------/
//! ```
//!
//! No label, function or syntax is younger than Prometheus 2.42; values of `le`
//! are never named, as Prometheus 3 writes them differently.

mod alert;
mod burn;
mod duration;
mod lost;
mod recording;
mod tracker;
mod yaml;

use std::fmt;

use labkit::definition::Registry;

pub use alert::{Alert, RUNBOOK, Severity};
pub use duration::Span;

/// What ratios are aggregated by. `env` and `stage` are labels of the target.
pub const LABELS: &str = "env, type, stage, user_experience_id, feature_category, urgency";
/// What the recorded names begin with.
pub const PREFIX: &str = "gitlab:user_experience_sli";

/// A whole rules file; displays as the YAML that Prometheus loads.
#[derive(Clone, Debug)]
pub struct Rules {
    /// In the order in which one builds on the other.
    pub groups: Vec<Group>,
}

/// Rules that are evaluated one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    /// Unique in the file.
    pub name: String,
    /// Where it differs from what Prometheus does anyway.
    pub interval: Option<Span>,
    /// In the order of evaluation.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub enum Rule {
    /// A new series.
    Record(Record),
    /// A condition that somebody has to know of.
    Alert(Alert),
}

/// A series that is computed from others.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// What it is, in PromQL.
    pub expr: String,
    /// Labels that it gets besides those of the expression.
    pub labels: Vec<(&'static str, String)>,
}

impl Rules {
    /// For all definitions of `registry`.
    pub fn new(registry: &Registry) -> Self {
        let mut groups = recording::groups(registry);
        groups.push(burn::budgets(registry));
        groups.push(burn::alerts());
        groups.push(tracker::alerts());
        groups.push(lost::alerts());
        Rules { groups }
    }

    /// The alerts among them.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.all().filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Record(_) => None,
        })
    }

    /// The recorded series among them.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.all().filter_map(|rule| match rule {
            Rule::Record(record) => Some(record),
            Rule::Alert(_) => None,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }
}

impl Rule {
    fn record(name: impl Into<String>, expr: impl Into<String>) -> Self {
        Rule::Record(Record { name: name.into(), expr: expr.into(), labels: Vec::new() })
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        yaml::write(self, f)
    }
}
