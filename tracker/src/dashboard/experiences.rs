//! The upper part: how the experiences fare.

use super::layout::{Layout, Sized};
use super::panel::{Column, graph, graph_of_good, heatmap, table};
use super::query::{BY_ID, CHOSEN, Query};

const ID: &str = "user_experience_id";

pub(super) fn rows(layout: &mut Layout) {
    layout.row("Overview", [overview()]);
    objectives(layout);
    outcomes(layout);
    durations(layout);
    unfinished(layout);
}

/// The last hour, as the rules have recorded it.
fn overview() -> Sized {
    let sum = |metric: &str| format!("sum by ({ID}) ({metric}{{{CHOSEN}}})");
    let share = |part: &str, all: &str| {
        let recorded = |name: &str| sum(&format!("gitlab:user_experience_sli:{name}_1h"));
        format!("{} / {}", recorded(part), recorded(all))
    };
    let burn = |bad: &str, sli: &str| format!("({bad}) / on ({ID}) {}", budget(sli));
    let (apdex, errors) =
        (share("apdex:success:rate", "apdex:weight:score"), share("error:rate", "ops:rate"));
    let ends = format!("3600 * {}", sum("gitlab:user_experience_sli:ops:rate_1h"));
    let timeouts = format!(
        "sum by ({ID}) (increase(labkit_user_experience_outcome_total\
         {{outcome=\"timeout\",{BY_ID}}}[1h]))"
    );
    let open = format!("sum by ({ID}) (labkit_user_experience_open{{{BY_ID}}})");
    let oldest = format!("max by ({ID}) (labkit_user_experience_oldest_age_seconds{{{BY_ID}}})");
    let apdex_burn = burn(&format!("1 - {apdex}"), "apdex");
    let error_burn = burn(&errors, "error");
    let column = |title, unit, expr: String, red_from| Column {
        query: Query::column(expr),
        title,
        unit,
        red_from,
    };
    table(
        "All experiences, over the last hour",
        "A budget that burns at 1 is just used up in thirty days.",
        ID,
        &[
            column("ends", "short", ends, None),
            column("Apdex", "percentunit", apdex, None),
            column("Apdex objective", "percentunit", format!("1 - {}", budget("apdex")), None),
            column("Apdex budget burns", "short", apdex_burn, Some(1.0)),
            column("errors", "percentunit", errors, None),
            column("error objective", "percentunit", budget("error"), None),
            column("error budget burns", "short", error_burn, Some(1.0)),
            column("timeouts", "short", timeouts, None),
            column("unfinished", "short", open, None),
            column("the oldest", "s", oldest, None),
        ],
    )
}

/// What share of the ends may be bad, by experience.
fn budget(sli: &str) -> String {
    format!("labkit:user_experience_sli:{sli}:budget{{{ID}=~\"${ID}\"}}")
}

fn objectives(layout: &mut Layout) {
    let ratio = |sli: &str, window: &str| {
        format!("gitlab:user_experience_sli:{sli}:ratio_{window}{{{CHOSEN}}}")
    };
    let burn = |sli: &str, bad: String| {
        let matched = format!("on ({ID}) group_left () {}", budget(sli));
        Query::new(format!("{bad} / {matched}"), "{{user_experience_id}} {{type}}")
    };
    let service = "{{user_experience_id}} {{type}}";
    layout.row(
        "Objectives",
        [
            graph_of_good(
                "Apdex against its objective",
                "Share of the good ends within the urgency's threshold.",
                &[
                    Query::new(ratio("apdex", "1h"), service),
                    Query::new(
                        format!("1 - {}", budget("apdex")),
                        "{{user_experience_id}} objective",
                    ),
                ],
            ),
            graph(
                "Errors against their objective",
                "Share of the ends that are errors; timeouts are.",
                "percentunit",
                &[
                    Query::new(ratio("error", "1h"), service),
                    Query::new(budget("error"), "{{user_experience_id}} objective"),
                ],
            ),
            graph(
                "How fast the budgets burn, over six hours",
                "At 1 a budget is just used up in thirty days; alerts begin at 14.4 over an hour, \
                 6 over six hours, 3 over a day and 1 over three.",
                "short",
                &[
                    burn("apdex", format!("(1 - {})", ratio("apdex", "6h"))),
                    burn("error", ratio("error", "6h")),
                ],
            ),
        ],
    );
}

fn outcomes(layout: &mut Layout) {
    let rate = |metric: &str, selector: &str, by: &str| {
        format!("sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))")
    };
    let outcome = rate("labkit_user_experience_outcome_total", BY_ID, "outcome");
    let checkpoint = rate("gitlab_user_experience_checkpoint_total", CHOSEN, "checkpoint");
    let opened = rate("labkit_user_experience_opened_total", BY_ID, ID);
    let timeouts = rate("labkit_user_experience_timeout_total", BY_ID, "reason");
    let recanted = rate("labkit_user_experience_timeout_recanted_total", BY_ID, "");
    let anomaly = rate("labkit_user_experience_anomaly_total", BY_ID, "kind");
    let mismatch = rate("labkit_user_experience_definition_mismatch_total", BY_ID, "");
    layout.row(
        "Outcomes",
        [
            graph("Ends by outcome", "", "ops", &[Query::new(outcome, "{{outcome}}")]),
            graph(
                "Timeouts by reason",
                "Recanted: the end arrived after all and had been in time.",
                "ops",
                &[Query::new(timeouts, "{{reason}}"), Query::new(recanted, "recanted")],
            ),
            graph(
                "Anomalies",
                "Checkpoints out of order, and such whose definition is another one.",
                "ops",
                &[Query::new(anomaly, "{{kind}}"), Query::new(mismatch, "definition_mismatch")],
            ),
            graph("Checkpoints", "", "ops", &[Query::new(checkpoint, "{{checkpoint}}")]),
            graph("Begun", "", "ops", &[Query::new(opened, "{{user_experience_id}}")]),
        ],
    );
}

fn durations(layout: &mut Layout) {
    let metric = "labkit_user_experience_duration_seconds";
    let buckets =
        |by: &str| format!("sum by ({by}) (rate({metric}_bucket{{{BY_ID}}}[$__rate_interval]))");
    let quantile = |q: &str| {
        let expr = format!("histogram_quantile({q}, {})", buckets("le, user_experience_id"));
        Query::new(expr, "{{user_experience_id}}")
    };
    let increase = format!("sum by (le) (increase({metric}_bucket{{{BY_ID}}}[$__interval]))");
    let (bounds, well) = (
        "Between the histogram's bounds it is an estimate.",
        "How long experiences took that ended well.",
    );
    layout.row(
        "Durations",
        [
            heatmap("Durations", well, Query::heatmap(increase)),
            graph("Half took no longer than", bounds, "s", &[quantile("0.5")]),
            graph("95 in 100 took no longer than", bounds, "s", &[quantile("0.95")]),
        ],
    );
}

fn unfinished(layout: &mut Layout) {
    let open = |by: &str| format!("sum by ({by}) (labkit_user_experience_open{{{BY_ID}}})");
    let oldest = format!("max by ({ID}) (labkit_user_experience_oldest_age_seconds{{{BY_ID}}})");
    layout.row(
        "Unfinished",
        [
            graph("Unfinished", "", "short", &[Query::new(open(ID), "{{user_experience_id}}")]),
            graph(
                "Unfinished, by state",
                "implicit: an intermediate came and no start; held: an end came and no start.",
                "short",
                &[Query::new(open("state"), "{{state}}")],
            ),
            graph("Age of the oldest", "", "s", &[Query::new(oldest, "{{user_experience_id}}")]),
        ],
    );
}
