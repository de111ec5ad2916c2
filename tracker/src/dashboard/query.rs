//! What a panel asks Prometheus for.

use serde_json::{Value, json};

/// The data source that the reader has chosen.
pub(super) struct Datasource(&'static str);

pub(super) const DATASOURCE: Datasource = Datasource("${datasource}");

impl Datasource {
    pub(super) fn to_json(&self) -> Value {
        json!({"type": "prometheus", "uid": self.0})
    }
}

/// The reader's choice where series have all of its labels,
pub(super) const CHOSEN: &str =
    "env=~\"$env\",type=~\"$type\",user_experience_id=~\"$user_experience_id\"";
/// where they are not by type,
pub(super) const BY_ID: &str = "env=~\"$env\",user_experience_id=~\"$user_experience_id\"";
/// and where they are of no experience.
pub(super) const BY_ENV: &str = "env=~\"$env\"";

/// An expression, and how its series are called.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) expr: String,
    pub(super) legend: &'static str,
    /// `time_series`, `table` or `heatmap`.
    pub(super) format: &'static str,
    /// Only as things stand now.
    pub(super) instant: bool,
}

impl Query {
    pub(super) fn new(expr: impl Into<String>, legend: &'static str) -> Self {
        Query { expr: expr.into(), legend, format: "time_series", instant: false }
    }

    /// A column of a table.
    pub(super) fn column(expr: impl Into<String>) -> Self {
        Query { expr: expr.into(), legend: "", format: "table", instant: true }
    }

    pub(super) fn heatmap(expr: impl Into<String>) -> Self {
        Query { format: "heatmap", ..Query::new(expr, "{{le}}") }
    }

    pub(super) fn to_json(&self, ref_id: &str) -> Value {
        json!({
            "refId": ref_id, "datasource": DATASOURCE.to_json(), "expr": self.expr,
            "legendFormat": self.legend, "format": self.format, "instant": self.instant,
            "range": !self.instant, "editorMode": "code"
        })
    }
}
