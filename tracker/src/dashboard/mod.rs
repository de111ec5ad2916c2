//! `labkit-tracker dashboard DIR`: a Grafana dashboard, as JSON to import.
//!
//! It shows what `labkit-tracker rules` records, and the tracker's own pages.
//! The JSON is written from values, in the order of the screen.

mod experiences;
mod layout;
mod panel;
mod query;
mod services;
mod variables;

use labkit::definition::Registry;
use serde_json::json;

use layout::Layout;

/// The version of Grafana's model that the JSON is of: Grafana 10.1's. Later
/// ones migrate it when they load it.
const SCHEMA_VERSION: u32 = 38;
/// Fixed, so that a dashboard that is imported again takes the place of the old one.
const UID: &str = "labkit-user-experiences";

/// The dashboard for the definitions of `registry`; ends with a line end.
pub fn render(registry: &Registry) -> String {
    let mut layout = Layout::default();
    experiences::rows(&mut layout);
    services::rows(&mut layout);
    layout.row("Definitions", [panel::definitions(registry)]);
    let dashboard = json!({
        "uid": UID,
        "title": "User experiences",
        "description": "Whether what users do works, and in time. Written by \
                        `labkit-tracker dashboard`; write it again when definitions change.",
        "tags": ["labkit"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables::all(registry)},
        "annotations": {"list": []},
        "links": [],
        "panels": layout.finish()
    });
    // Cannot fail: strings, numbers, and keys that are strings.
    serde_json::to_string_pretty(&dashboard).unwrap_or_default() + "\n"
}
