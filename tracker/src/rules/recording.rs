//! Rates and ratios over each window, under GitLab's names.

use labkit::definition::Registry;

use super::{Group, LABELS, PREFIX, Rule, Span};

/// What burn rates are computed over: each long window and its short one.
pub(super) const WINDOWS: [Span; 7] = [
    Span::minutes(5),
    Span::minutes(30),
    Span::hours(1),
    Span::hours(2),
    Span::hours(6),
    Span::days(1),
    Span::days(3),
];
/// From this window on, an evaluation reads so many samples,
const LONG: Span = Span::hours(6);
/// that it takes place this often. Twice in the five minutes for which
/// Prometheus remembers a value.
const LONG_INTERVAL: Span = Span::minutes(2);

pub(super) fn groups(registry: &Registry) -> Vec<Group> {
    // Escaping is not needed: ids are ^[a-z0-9_]+$.
    let ids: Vec<&str> = registry.iter().map(|definition| definition.id.as_str()).collect();
    let ids = ids.join("|");
    WINDOWS.into_iter().map(|window| group(&ids, window)).collect()
}

fn group(ids: &str, window: Span) -> Group {
    let rate = |name: &str, metric: &str, selector: &str| {
        let matching = format!("{metric}{{user_experience_id=~\"{ids}\"{selector}}}");
        let expr = format!("sum by ({LABELS}) (rate({matching}[{window}]))");
        Rule::record(recorded(name, window), expr)
    };
    let ratio = |name: &str, part: &str, all: &str| {
        let expr = format!("{} / {}", recorded(part, window), recorded(all, window));
        Rule::record(recorded(name, window), expr)
    };
    let (total, apdex) = ("gitlab_user_experience_total", "gitlab_user_experience_apdex_total");
    let rules = vec![
        rate("ops:rate", total, ""),
        rate("error:rate", total, ",error=\"true\""),
        rate("apdex:success:rate", apdex, ",success=\"true\""),
        rate("apdex:weight:score", apdex, ""),
        ratio("error:ratio", "error:rate", "ops:rate"),
        ratio("apdex:ratio", "apdex:success:rate", "apdex:weight:score"),
    ];
    let interval = (window >= LONG).then_some(LONG_INTERVAL);
    Group { name: format!("user_experience_sli_{window}"), interval, rules }
}

/// The name of a series over `window`.
pub(super) fn recorded(name: &str, window: Span) -> String {
    format!("{PREFIX}:{name}_{window}")
}
