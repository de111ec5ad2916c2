//! The kinds of panels.

use std::fmt::Write as _;

use labkit::definition::Registry;
use serde_json::{Value, json};

use super::layout::Sized;
use super::query::{DATASOURCE, Query};

/// Lines on a graph are of one height, so that rows of them are even.
const GRAPH_HEIGHT: u32 = 8;

/// Lines over time. `unit` is one of Grafana's names.
pub(super) fn graph(title: &str, about: &str, unit: &str, queries: &[Query]) -> Sized {
    let mut panel = panel("timeseries", title, about, queries);
    panel["fieldConfig"] = json!({
        "defaults": {"unit": unit, "min": 0, "custom": {
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": 5, "showPoints": "never"
        }},
        "overrides": []
    });
    panel["options"] = json!({
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"}
    });
    Sized { panel, width: 8, height: GRAPH_HEIGHT }
}

/// A share near one: a scale from zero would hide what there is to see.
pub(super) fn graph_of_good(title: &str, about: &str, queries: &[Query]) -> Sized {
    let mut sized = graph(title, about, "percentunit", queries);
    if let Some(defaults) = sized.panel["fieldConfig"]["defaults"].as_object_mut() {
        defaults.remove("min");
        defaults.insert("max".to_owned(), json!(1));
    }
    sized
}

/// How many took how long, over time. The query's format is `heatmap`.
pub(super) fn heatmap(title: &str, about: &str, query: Query) -> Sized {
    let mut panel = panel("heatmap", title, about, &[query]);
    panel["fieldConfig"] = json!({"defaults": {}, "overrides": []});
    panel["options"] = json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5,
            "steps": 64, "reverse": false, "fill": "dark-orange"
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": true},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": false, "showColorScale": false},
        "yAxis": {"axisPlacement": "left", "reverse": false, "unit": "s"}
    });
    Sized { panel, width: 8, height: GRAPH_HEIGHT }
}

/// A column of a table: its query, title and unit, and from which value on it
/// is red, if from any.
pub(super) struct Column {
    pub(super) query: Query,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) red_from: Option<f64>,
}

/// One line for each value of the label `by`, one column for each query.
pub(super) fn table(title: &str, about: &str, by: &str, columns: &[Column]) -> Sized {
    let queries: Vec<Query> = columns.iter().map(|column| column.query.clone()).collect();
    let mut panel = panel("table", title, about, &queries);
    let names = (0..columns.len()).map(|index| format!("Value #{}", ref_id(index)));
    let titled = names.zip(columns);
    let overrides: Vec<Value> = titled.map(|(name, column)| override_of(&name, column)).collect();
    panel["fieldConfig"] =
        json!({"defaults": {"custom": {"filterable": false}}, "overrides": overrides});
    panel["options"] = json!({
        "showHeader": true, "cellHeight": "sm", "sortBy": [],
        "footer": {"show": false, "reducer": ["sum"], "countRows": false}
    });
    panel["transformations"] = json!([
        {"id": "joinByField", "options": {"byField": by, "mode": "outer"}},
        {"id": "filterFieldsByName", "options": {"include": {"pattern": format!("^({by}|Value.*)$")}}}
    ]);
    Sized { panel, width: 24, height: 12 }
}

fn override_of(name: &str, column: &Column) -> Value {
    let mut properties = vec![
        json!({"id": "displayName", "value": column.title}),
        json!({"id": "unit", "value": column.unit}),
    ];
    if let Some(limit) = column.red_from {
        let steps = json!([{"color": "green", "value": null}, {"color": "red", "value": limit}]);
        properties.push(json!({"id": "thresholds", "value": {"mode": "absolute", "steps": steps}}));
        properties.push(json!({"id": "custom.cellOptions", "value": {"type": "color-text"}}));
    }
    json!({"matcher": {"id": "byName", "options": name}, "properties": properties})
}

/// What the definitions say, for whoever does not know an id.
pub(super) fn definitions(registry: &Registry) -> Sized {
    let mut text = String::from(
        "| experience | what it is | category | urgency | threshold | TTL | Apdex | errors |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for definition in registry {
        let (slo, urgency) = (definition.slo, definition.urgency);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | `{}` | `{}` | {} s | {} s | {}% | {}% |",
            definition.id,
            escaped(&definition.description),
            definition.feature_category,
            urgency.as_str(),
            urgency.threshold_s(),
            definition.ttl_s,
            slo.apdex_pct,
            slo.error_pct
        );
    }
    let mut panel = panel("text", "", "", &[]);
    panel["options"] = json!({"mode": "markdown", "content": text});
    Sized { panel, width: 24, height: 12 }
}

/// Text that Markdown and HTML take for nothing else, on one line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' => out.extend(['\\', c]),
            // `$x` and `${x}` would be variables.
            '$' => out.push_str("&#36;"),
            c if c.is_whitespace() || c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

fn panel(kind: &str, title: &str, about: &str, queries: &[Query]) -> Value {
    let targets = queries.iter().enumerate().map(|(index, query)| query.to_json(&ref_id(index)));
    let targets: Vec<Value> = targets.collect();
    json!({
        "type": kind, "title": title, "description": about, "datasource": DATASOURCE.to_json(),
        "targets": targets
    })
}

/// `A`, `B`, ...: no panel has as many queries as there are letters.
fn ref_id(index: usize) -> String {
    char::from(b'A' + index as u8).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_text_whatever_is_in_it() {
        let nasty = "a | b\n<script>${x}</script> `*_[c](d)_*` & \\";
        let expected =
            "a \\| b &lt;script>&#36;{x}&lt;/script> \\`\\*\\_\\[c\\](d)\\_\\*\\` &amp; \\\\";
        assert_eq!(escaped(nasty), expected);
    }
}
