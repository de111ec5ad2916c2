//! Alerts on how fast the error budget of an objective burns: over a long
//! window, so that a blip wakes nobody, and over a short one as well, so that
//! an alert ends soon after what it was about (Google's SRE workbook, "Alerting
//! on SLOs").

use labkit::definition::{Definition, Registry};

use super::recording::recorded;
use super::{Alert, Group, Record, Rule, Severity, Span};

/// Bad ends within the long window below which nobody is told. At night a
/// single failure is a large share of what there is; five users who could not
/// do what they wanted are no accident. Half an end less, as a rate
/// extrapolates to the edges of its window.
const BAD_ENDS: f64 = 4.5;

/// At this many times the sustainable rate, a budget for thirty days burns for
/// `long` and still does in `short`.
struct Burn {
    factor: f64,
    long: Span,
    short: Span,
    held: Span,
    severity: Severity,
}

/// 2% of the budget in an hour, 5% in six; 10% in a day or in three.
const BURNS: [Burn; 4] = [
    Burn {
        factor: 14.4,
        long: Span::hours(1),
        short: Span::minutes(5),
        held: Span::minutes(2),
        severity: Severity::Page,
    },
    Burn {
        factor: 6.0,
        long: Span::hours(6),
        short: Span::minutes(30),
        held: Span::minutes(5),
        severity: Severity::Page,
    },
    Burn {
        factor: 3.0,
        long: Span::days(1),
        short: Span::hours(2),
        held: Span::minutes(15),
        severity: Severity::Ticket,
    },
    Burn {
        factor: 1.0,
        long: Span::days(3),
        short: Span::hours(6),
        held: Span::minutes(30),
        severity: Severity::Ticket,
    },
];

/// An objective, and how its series are called.
struct Objective {
    alert: &'static str,
    sli: &'static str,
    /// What share of the ends may be bad.
    budget: fn(&Definition) -> f64,
    /// What share is bad, and how many are in a second.
    bad_share: fn(Span) -> String,
    bad_rate: fn(Span) -> String,
    what: &'static str,
    first: &'static str,
}

const OBJECTIVES: [Objective; 2] = [
    Objective {
        alert: "UserExperienceErrorBudgetBurn",
        sli: "error",
        budget: |definition| definition.slo.error_pct / 100.0,
        bad_share: |window| recorded("error:ratio", window),
        bad_rate: |window| recorded("error:rate", window),
        what: "ends badly too often",
        first: "Look whether they are errors or timeouts (row \"Outcomes\" of the dashboard), \
                then for the most frequent `reason` of event \"failure\" in the event log",
    },
    Objective {
        alert: "UserExperienceApdexBudgetBurn",
        sli: "apdex",
        budget: |definition| 1.0 - definition.slo.apdex_pct / 100.0,
        bad_share: |window| format!("(1 - {})", recorded("apdex:ratio", window)),
        bad_rate: |window| {
            let (all, good) = ("apdex:weight:score", "apdex:success:rate");
            format!("({} - {})", recorded(all, window), recorded(good, window))
        },
        what: "takes too long too often",
        first: "Look when durations rose (row \"Durations\" of the dashboard) and what was \
                deployed then; the checkpoints of a slow run in the event log say which step it \
                spends its time in",
    },
];

/// The objectives as series, and from which share of bad ends on they alert.
pub(super) fn budgets(registry: &Registry) -> Group {
    let mut rules = Vec::new();
    for objective in &OBJECTIVES {
        for definition in registry {
            rules.push(Rule::Record(Record {
                name: budget(objective),
                expr: format!("vector({})", decimal((objective.budget)(definition))),
                labels: vec![("user_experience_id", definition.id.clone())],
            }));
        }
        for burn in &BURNS {
            let (budget, factor) = (budget(objective), burn.factor);
            // Where the budget is large, its multiple is more than all there is.
            // Half of what the objective asks for is lost then.
            let half = format!("(0.5 + {budget} / 2)");
            let expr = format!("({factor} * {budget} < {half}) or {half}");
            rules.push(Rule::record(limit(objective, burn), expr));
        }
    }
    Group { name: "user_experience_sli_budgets".to_owned(), interval: None, rules }
}

pub(super) fn alerts() -> Group {
    let all = OBJECTIVES.iter().flat_map(|o| BURNS.iter().map(|burn| Rule::Alert(alert(o, burn))));
    Group { name: "user_experience_sli_alerts".to_owned(), interval: None, rules: all.collect() }
}

fn alert(objective: &Objective, burn: &Burn) -> Alert {
    let (long, short, factor) = (burn.long, burn.short, burn.factor);
    let above = |window: Span| {
        let share = (objective.bad_share)(window);
        format!("{share} > on (user_experience_id) group_left () {}", limit(objective, burn))
    };
    let bad = format!("{} * {} > {BAD_ENDS}", (objective.bad_rate)(long), long.0);
    Alert {
        name: objective.alert,
        expr: format!("({}) and ({}) and ({bad})", above(long), above(short)),
        held: burn.held,
        severity: burn.severity,
        window: Some(long.to_string()),
        summary: format!("{{{{ $labels.user_experience_id }}}} {}", objective.what),
        description: format!(
            "{{{{ $value | humanizePercentage }}}} of the ends of the last {long} in \
             {{{{ $labels.type }}}} were bad, which uses the budget up at least {factor} times as fast as \
             it may, and it goes on. {}.",
            objective.first
        ),
    }
}

fn budget(objective: &Objective) -> String {
    format!("labkit:user_experience_sli:{}:budget", objective.sli)
}

fn limit(objective: &Objective, burn: &Burn) -> String {
    format!("labkit:user_experience_sli:{}:limit_{}", objective.sli, burn.long)
}

/// Without the last digits, in which 1 - 0.9995 is not 0.0005.
fn decimal(share: f64) -> f64 {
    (share * 1e12).round() / 1e12
}

#[cfg(test)]
mod tests {
    use super::super::recording::WINDOWS;
    use super::*;

    #[test]
    fn each_window_that_an_alert_looks_at_is_recorded() {
        for burn in &BURNS {
            assert!(WINDOWS.contains(&burn.long) && WINDOWS.contains(&burn.short));
        }
    }

    #[test]
    fn the_share_of_the_budget_that_is_gone_is_what_the_workbook_says() {
        let month_s = f64::from(Span::days(30).0);
        let gone = BURNS.map(|b| (b.factor * f64::from(b.long.0) / month_s * 100.0).round());
        assert_eq!(gone, [2.0, 5.0, 10.0, 10.0]);
    }

    #[test]
    fn a_budget_is_written_without_the_noise_of_binary_fractions() {
        assert_eq!(decimal(1.0 - 99.95 / 100.0).to_string(), "0.0005");
        assert_eq!(decimal(0.05 / 100.0).to_string(), "0.0005");
    }
}
