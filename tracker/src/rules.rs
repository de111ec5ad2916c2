//! `labkit-tracker rules DIR`: Prometheus recording rules, under the names and
//! with the labels that GitLab's dashboards and alerts read.

use std::fmt::Write as _;

use labkit::definition::Registry;

/// The windows that GitLab's burn rates are computed over.
const WINDOWS: [&str; 4] = ["5m", "30m", "1h", "6h"];
const LABELS: &str = "env, type, stage, user_experience_id, feature_category, urgency";
const PREFIX: &str = "gitlab:user_experience_sli";

/// The rules file, one group per window.
pub fn recording_rules(registry: &Registry) -> String {
    // Escaping is not needed: ids are ^[a-z0-9_]+$.
    let ids: Vec<&str> = registry.iter().map(|definition| definition.id.as_str()).collect();
    let ids = ids.join("|");
    let mut yaml = String::from(
        "# Written by `labkit-tracker rules`; write it again when definitions change.\n\
         # `env` and `stage` are labels of the scrape target.\ngroups:\n",
    );
    for window in WINDOWS {
        let _ = writeln!(yaml, "  - name: user_experience_sli_{window}\n    rules:");
        for (name, selector, metric) in [
            ("ops:rate", "", "gitlab_user_experience_total"),
            ("error:rate", ",error=\"true\"", "gitlab_user_experience_total"),
            ("apdex:success:rate", ",success=\"true\"", "gitlab_user_experience_apdex_total"),
            ("apdex:weight:score", "", "gitlab_user_experience_apdex_total"),
        ] {
            let matching = format!("{metric}{{user_experience_id=~\"{ids}\"{selector}}}");
            let expr = format!("sum by ({LABELS}) (rate({matching}[{window}]))");
            rule(&mut yaml, name, window, &expr);
        }
        for (name, good, all) in [
            ("error:ratio", "error:rate", "ops:rate"),
            ("apdex:ratio", "apdex:success:rate", "apdex:weight:score"),
        ] {
            let expr = format!("{PREFIX}:{good}_{window} / {PREFIX}:{all}_{window}");
            rule(&mut yaml, name, window, &expr);
        }
    }
    yaml
}

fn rule(yaml: &mut String, name: &str, window: &str, expr: &str) {
    // A single-quoted scalar: the expression holds double quotes and no single ones.
    let _ = writeln!(yaml, "      - record: {PREFIX}:{name}_{window}\n        expr: '{expr}'");
}
