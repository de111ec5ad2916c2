//! What a real tracker shows on its pages, and what PromQL asks of it.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::collections::{BTreeMap, BTreeSet};

use labkit_tracker::auth::{generate, sha256_hex};

use crate::support::Server;

/// What scraping adds to every series.
const TARGET: [&str; 4] = ["env", "stage", "instance", "job"];

/// A family of metrics: its type, and the values of each label.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// Families by name.
pub type Families = BTreeMap<String, Family>;

/// A tracker that asks for a key and knows an issuer, so that it has
/// everything to show that there is.
pub struct Shown {
    pub server: Server,
    pub key: String,
    _dir: tempfile::TempDir,
}

impl Shown {
    pub fn start() -> Self {
        let (dir, key) = (tempfile::tempdir().unwrap(), generate().unwrap());
        let keys = dir.path().join("jwks.json");
        std::fs::write(&keys, "{\"keys\":[]}").unwrap();
        let config = dir.path().join("tracker.toml");
        let toml = format!(
            "keys = [{{name = 'k', tenant = 't', sha256 = '{}'}}]\n\
             issuers = [{{iss = 'https://id.example', file = '{}', audiences = ['labkit']}}]\n",
            sha256_hex(&key),
            keys.display()
        );
        std::fs::write(&config, toml).unwrap();
        let server = Server::start(&["--types", "web", "--config", config.to_str().unwrap()]);
        Shown { server, key, _dir: dir }
    }

    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.key)
    }

    pub fn page(&self, path: &str) -> String {
        let (status, _, page) = self.server.curl(path, &["-H", &self.bearer()]);
        assert_eq!(status, 200, "{path}: {page}");
        page
    }

    /// What both pages show.
    pub fn families(&self) -> Families {
        // Routes show once somebody has asked for them.
        self.server.post(b"{}", &["-H", &self.bearer()]);
        read(&(self.page("/metrics") + &self.page("/metrics/sli")))
    }
}

/// The families of `page`, and those that are still to come.
pub fn read(page: &str) -> Families {
    let mut families = Families::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let (sample, _) = line.rsplit_once(' ').unwrap();
            let selector = Selector::read(sample).1;
            let family = families.get_mut(family_of(&selector.metric)).expect(line);
            for (label, _, value) in selector.matchers {
                family.labels.entry(label).or_default().insert(value);
            }
        }
    }
    families
}

/// Samples of a histogram have the family's name and an ending.
fn family_of(metric: &str) -> &str {
    let histogram = "_seconds";
    let of = |ending: &str| metric.strip_suffix(ending).filter(|m| m.ends_with(histogram));
    ["_bucket", "_sum", "_count"].into_iter().find_map(of).unwrap_or(metric)
}

/// A metric with its matchers, in PromQL or on a page.
#[derive(Debug)]
pub struct Selector {
    pub metric: String,
    /// Label, operator and value.
    pub matchers: Vec<(String, String, String)>,
}

impl Selector {
    /// Where the selector at the beginning of `text` ends, and what it says.
    fn read(text: &str) -> (usize, Selector) {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = text.find(|c| !word(c)).unwrap_or(text.len());
        let mut selector = Selector { metric: text[..end].to_owned(), matchers: Vec::new() };
        if !text[end..].starts_with('{') {
            return (end, selector);
        }
        let mut at = end + 1;
        while !text[at..].starts_with('}') {
            let quote = at + text[at..].find('"').unwrap();
            let close = quote + 1 + text[quote + 1..].find('"').unwrap();
            let left = text[at..quote].trim_start_matches([',', ' ']);
            let (label, operator) = left.split_at(left.find(['=', '!']).unwrap());
            let value = text[quote + 1..close].to_owned();
            selector.matchers.push((label.to_owned(), operator.to_owned(), value));
            at = close + 1;
        }
        (at + 1, selector)
    }

    /// Every selector of an expression on metrics of ours.
    pub fn all(expr: &str) -> Vec<Selector> {
        let mut found = Vec::new();
        let mut rest = expr;
        let starts = ["gitlab_", "labkit_", "gitlab:", "labkit:"];
        while let Some(at) = starts.iter().filter_map(|start| rest.find(start)).min() {
            let (end, selector) = Selector::read(&rest[at..]);
            found.push(selector);
            rest = &rest[at + end..];
        }
        found
    }

    /// What is not there of all that it names.
    pub fn missing(&self, families: &Families, recorded: &BTreeSet<String>) -> Option<String> {
        if recorded.contains(&self.metric) {
            return None;
        }
        let Some(family) = families.get(family_of(&self.metric)) else {
            return Some(self.metric.clone());
        };
        let unknown = |(label, operator, value): &&(String, String, String)| {
            let Some(values) = family.labels.get(label) else {
                return !TARGET.contains(&label.as_str());
            };
            // What comes and goes with what is served cannot be looked for.
            let closed = !["status", "type", "user_experience_id"].contains(&label.as_str());
            closed && !values.is_empty() && !operator.contains('~') && !values.contains(value)
        };
        let (label, _, value) = self.matchers.iter().find(unknown)?;
        Some(format!("{}{{{label}=\"{value}\"}}", self.metric))
    }
}
