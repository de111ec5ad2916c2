//! One definition file: YAML text in, a definition and its findings out.

use std::path::Path;

use yaml_serde::{Mapping, Value};

use super::finding::{Finding, Severity};
use super::{Definition, Slo, Urgency, yaml};
use crate::wire::limits::{EXPERIENCE_ID_BYTES, NAME_BYTES};

/// Where GitLab's own schema stops; above it the linter asks whether a
/// threshold is meant.
const USUAL_THRESHOLD_S: f64 = 600.0;
const LONGEST_THRESHOLD_S: f64 = 86_400.0;
const KEYS: [&str; 6] =
    ["description", "feature_category", "urgency", "apdex_threshold_s", "slo", "ttl_s"];
const SLO_KEYS: [&str; 2] = ["apdex_pct", "error_pct"];

/// Reads the definition that `text` holds; its id is the basename of `path`.
/// A definition comes back unless one of the findings is an error; keys that
/// are not known are warnings here, and errors to the linter.
pub fn read(path: &Path, text: &str) -> (Option<Definition>, Vec<Finding>) {
    let mut reader = Reader { path, text, findings: Vec::new() };
    let definition = reader.definition();
    let failed = reader.findings.iter().any(|f| f.severity == Severity::Error);
    (definition.filter(|_| !failed), reader.findings)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn definition(&mut self) -> Option<Definition> {
        let id = self.id()?;
        let map = self.mapping()?;
        self.warn_of_unknown_keys(&map, &KEYS, "");
        let description = self.string(&map, "description", false);
        let feature_category = self.string(&map, "feature_category", true);
        let urgency = self.urgency(&map);
        let slo = self.slo(&map);
        let urgency = urgency?;
        let ttl_s = self.ttl(&map, urgency.threshold_s());
        let (description, feature_category) = (description?, feature_category?);
        Some(Definition { id, description, feature_category, urgency, slo, ttl_s })
    }

    fn id(&mut self) -> Option<String> {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if is_word(stem) && stem.len() <= EXPERIENCE_ID_BYTES {
            return Some(stem.to_owned());
        }
        self.error(0, "", "the file's name is the id: expected ^[a-z0-9_]{1,64}$");
        None
    }

    fn mapping(&mut self) -> Option<Mapping> {
        match yaml::parse(self.text) {
            Ok(Value::Mapping(map)) => Some(map),
            Ok(_) => {
                self.error(1, "", "expected a mapping of keys to values");
                None
            }
            Err(e) => {
                let line = e.location().map_or(0, |location| location.line());
                self.error(line, "", format!("expected YAML: {e}"));
                None
            }
        }
    }

    fn warn_of_unknown_keys(&mut self, map: &Mapping, known: &[&str], parent: &str) {
        for key in map.keys() {
            let name = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
            if !known.contains(&name.as_str()) {
                let expected = format!("unknown key; expected one of: {}", known.join(", "));
                let line = self.line_of(&name);
                self.report(line, &format!("{parent}{name}"), expected, Severity::UnknownKey);
            }
        }
    }

    fn string(&mut self, map: &Mapping, key: &str, word: bool) -> Option<String> {
        match map.get(key).and_then(Value::as_str) {
            Some(text) if !text.trim().is_empty() && (!word || is_name(text)) => {
                Some(text.to_owned())
            }
            _ => {
                let form = if word { " of the form ^[a-z0-9_]{1,64}$" } else { "" };
                self.expect(map, key, format!("expected a string{form}"));
                None
            }
        }
    }

    fn urgency(&mut self, map: &Mapping) -> Option<Urgency> {
        let urgency = match map.get("urgency").and_then(Value::as_str) {
            Some("sync_fast") => Urgency::SyncFast,
            Some("sync_slow") => Urgency::SyncSlow,
            Some("async_fast") => Urgency::AsyncFast,
            Some("async_slow") => Urgency::AsyncSlow,
            Some("custom") => return self.custom_threshold(map).map(Urgency::Custom),
            _ => {
                let words = "expected sync_fast, sync_slow, async_fast, async_slow or custom";
                self.expect(map, "urgency", words);
                return None;
            }
        };
        if map.contains_key("apdex_threshold_s") {
            let line = self.line_of("apdex_threshold_s");
            self.error(line, "apdex_threshold_s", "only allowed with `urgency: custom`");
        }
        Some(urgency)
    }

    fn custom_threshold(&mut self, map: &Mapping) -> Option<f64> {
        let key = "apdex_threshold_s";
        let seconds = map.get(key).and_then(Value::as_f64);
        let Some(seconds) = seconds.filter(|s| *s > 0.0 && *s <= LONGEST_THRESHOLD_S) else {
            let range = format!("expected a number > 0, at most {LONGEST_THRESHOLD_S}");
            self.expect(map, key, range);
            return None;
        };
        if seconds > USUAL_THRESHOLD_S {
            let line = self.line_of(key);
            let doubt = format!("{seconds} s is unusually long, above {USUAL_THRESHOLD_S}");
            self.report(line, key, doubt, Severity::Warning);
        }
        Some(seconds)
    }

    fn slo(&mut self, map: &Mapping) -> Slo {
        let mut slo = Slo::default();
        match map.get("slo") {
            None => {}
            Some(Value::Mapping(values)) => {
                self.warn_of_unknown_keys(values, &SLO_KEYS, "slo.");
                slo.apdex_pct = self.percent(values, "apdex_pct", slo.apdex_pct);
                slo.error_pct = self.percent(values, "error_pct", slo.error_pct);
            }
            Some(_) => self.expect(map, "slo", "expected a mapping of apdex_pct and error_pct"),
        }
        slo
    }

    fn percent(&mut self, values: &Mapping, key: &str, default: f64) -> f64 {
        let Some(value) = values.get(key) else { return default };
        match value.as_f64().filter(|pct| *pct > 0.0 && *pct < 100.0) {
            Some(pct) => pct,
            None => {
                let line = self.line_of(key);
                let range = "expected a number strictly between 0 and 100";
                self.error(line, &format!("slo.{key}"), range);
                default
            }
        }
    }

    fn ttl(&mut self, map: &Mapping, threshold_s: f64) -> f64 {
        let default = Definition::default_ttl_s(threshold_s);
        let Some(value) = map.get("ttl_s") else { return default };
        match value.as_f64().filter(|ttl| ttl.is_finite() && *ttl > threshold_s) {
            Some(ttl) => ttl,
            None => {
                let bound = format!("expected a number greater than the threshold, {threshold_s}");
                self.expect(map, "ttl_s", bound);
                default
            }
        }
    }

    fn expect(&mut self, map: &Mapping, key: &str, expected: impl Into<String>) {
        let expected = expected.into();
        match map.contains_key(key) {
            true => self.error(self.line_of(key), key, expected),
            false => self.error(0, key, format!("missing: {expected}")),
        }
    }

    fn error(&mut self, line: usize, key: &str, expected: impl Into<String>) {
        self.report(line, key, expected.into(), Severity::Error);
    }

    fn report(&mut self, line: usize, key: &str, expected: String, severity: Severity) {
        let (file, key) = (self.path.into(), key.to_owned());
        self.findings.push(Finding { file, line, key, expected, severity });
    }

    /// The line on which `key` stands. The parser keeps no places, but keys of
    /// these flat files stand at the beginning of theirs.
    fn line_of(&self, key: &str) -> usize {
        let names_key = |line: &str| {
            let line = line.trim_start_matches([' ', '\t', '{', '"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| {
                rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':')
            })
        };
        self.text.lines().position(names_key).map_or(0, |index| index + 1)
    }
}

/// A category longer than the wire's fields would make every checkpoint of
/// the definition one that the tracker rejects.
fn is_name(text: &str) -> bool {
    is_word(text) && text.len() <= NAME_BYTES
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "description: Creating a merge request\n\
                        feature_category: code_review_workflow\n";

    fn read_text(text: &str) -> (Option<Definition>, Vec<(usize, String, Severity)>) {
        let (definition, findings) = read(Path::new("dir/create_it.yml"), text);
        (definition, findings.into_iter().map(|f| (f.line, f.key, f.severity)).collect())
    }

    #[test]
    fn each_urgency_has_its_threshold_and_its_default_ttl() {
        for (urgency, threshold, ttl) in [
            ("sync_fast", 2.0, 60.0),
            ("sync_slow", 5.0, 60.0),
            ("async_fast", 15.0, 180.0),
            ("async_slow", 300.0, 3600.0),
            ("custom\napdex_threshold_s: 10", 10.0, 120.0),
            ("custom\napdex_threshold_s: 86400", 86_400.0, 172_800.0),
        ] {
            let (definition, _) = read_text(&format!("{GOOD}urgency: {urgency}\n"));
            let definition = definition.unwrap();
            assert_eq!((definition.threshold_s(), definition.ttl_s), (threshold, ttl), "{urgency}");
            assert_eq!(definition.id, "create_it");
        }
    }

    #[test]
    fn each_mistake_is_reported_with_its_line_and_key() {
        use Severity::{Error, UnknownKey, Warning};
        for (text, line, key, severity) in [
            ("urgency: slow\n", 3, "urgency", Error),
            ("", 0, "urgency", Error),
            ("urgency: custom\n", 0, "apdex_threshold_s", Error),
            ("urgency: custom\napdex_threshold_s: 0\n", 4, "apdex_threshold_s", Error),
            ("urgency: custom\napdex_threshold_s: 700\n", 4, "apdex_threshold_s", Warning),
            ("urgency: sync_fast\napdex_threshold_s: 1\n", 4, "apdex_threshold_s", Error),
            ("urgency: sync_fast\nslo:\n  apdex_pct: 100\n", 5, "slo.apdex_pct", Error),
            ("urgency: sync_fast\nslo: 3\n", 4, "slo", Error),
            ("urgency: sync_fast\nttl_s: 2\n", 4, "ttl_s", Error),
            ("urgency: sync_fast\nowner: me\n", 4, "owner", UnknownKey),
        ] {
            let (definition, findings) = read_text(&format!("{GOOD}{text}"));
            assert_eq!(findings, [(line, key.to_owned(), severity)], "{text}");
            assert_eq!(definition.is_some(), severity != Error, "{text}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_one_error() {
        for text in ["- a\n- b\n", "a: [\n", "", "description: &a [*a\n"] {
            let (definition, findings) = read_text(text);
            assert!(definition.is_none());
            assert_eq!(findings.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_file_name_that_is_no_id_is_refused() {
        let (definition, findings) = read(Path::new("Create-It.yml"), "urgency: sync_fast");
        assert!(definition.is_none());
        assert!(findings[0].to_string().contains("the file's name is the id"));
    }
}
