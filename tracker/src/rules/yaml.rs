//! Rules as YAML. Single-quoted scalars throughout: nothing in them is then
//! special but the quote itself.

use std::fmt::{Formatter, Result};

use super::{Group, Rule, Rules};

const HEAD: &str = "\
# Written by `labkit-tracker rules`; write it again when definitions change.
# `env` and `stage` are labels of the scrape target.
groups:
";

pub(super) fn write(rules: &Rules, f: &mut Formatter<'_>) -> Result {
    f.write_str(HEAD)?;
    rules.groups.iter().try_for_each(|group| write_group(group, f))
}

fn write_group(group: &Group, f: &mut Formatter<'_>) -> Result {
    writeln!(f, "  - name: {}", group.name)?;
    if let Some(interval) = group.interval {
        writeln!(f, "    interval: {interval}")?;
    }
    writeln!(f, "    rules:")?;
    group.rules.iter().try_for_each(|rule| write_rule(rule, f))
}

fn write_rule(rule: &Rule, f: &mut Formatter<'_>) -> Result {
    match rule {
        Rule::Record(record) => {
            writeln!(f, "      - record: {}", record.name)?;
            writeln!(f, "        expr: {}", quoted(&record.expr))?;
            let labels = record.labels.iter().map(|(label, value)| (*label, value.as_str()));
            write_map("labels", labels, f)
        }
        Rule::Alert(alert) => {
            writeln!(f, "      - alert: {}", alert.name)?;
            writeln!(f, "        expr: {}", quoted(&alert.expr))?;
            writeln!(f, "        for: {}", alert.held)?;
            let window = alert.window.as_deref().map(|window| ("window", window));
            let labels = [("severity", alert.severity.as_str())].into_iter().chain(window);
            write_map("labels", labels, f)?;
            let runbook = alert.runbook();
            let annotations = [
                ("summary", alert.summary.as_str()),
                ("description", alert.description.as_str()),
                ("runbook", runbook.as_str()),
            ];
            write_map("annotations", annotations.into_iter(), f)
        }
    }
}

fn write_map<'a>(
    name: &str,
    entries: impl Iterator<Item = (&'a str, &'a str)>,
    f: &mut Formatter<'_>,
) -> Result {
    let mut entries = entries.peekable();
    if entries.peek().is_some() {
        writeln!(f, "        {name}:")?;
    }
    entries.try_for_each(|(key, value)| writeln!(f, "          {key}: {}", quoted(value)))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
