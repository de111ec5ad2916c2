//! An alert: a condition, who is told, and what they do first.

use super::Span;

/// The guide whose headings the alerts lead to.
pub const RUNBOOK: &str = "docs/operations.md";

/// Who is told, and how soon they have to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it on the next working day.
    Ticket,
}

impl Severity {
    /// The value of the label `severity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// An alerting rule.
#[derive(Clone, Debug)]
pub struct Alert {
    /// In CamelCase, as is the custom.
    pub name: &'static str,
    /// The condition, in PromQL.
    pub expr: String,
    /// How long it has to hold.
    pub held: Span,
    /// Who is told.
    pub severity: Severity,
    /// Tells apart the rules of one name and severity.
    pub window: Option<String>,
    /// What is the matter, in a line.
    pub summary: String,
    /// What to do first.
    pub description: String,
}

impl Alert {
    /// One that is alone under its name and severity.
    pub(super) fn new(
        name: &'static str,
        severity: Severity,
        held: Span,
        expr: impl Into<String>,
        summary: &str,
        description: &str,
    ) -> Self {
        Alert {
            name,
            expr: expr.into(),
            held,
            severity,
            window: None,
            summary: summary.to_owned(),
            description: description.to_owned(),
        }
    }

    /// Where the guide says more: headings become anchors in lower case.
    pub fn runbook(&self) -> String {
        format!("{RUNBOOK}#{}", self.name.to_ascii_lowercase())
    }
}
