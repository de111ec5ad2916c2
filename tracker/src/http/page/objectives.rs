//! Whether what ended within the hour was as good as it should be: Apdex and
//! errors, each against its objective.

use std::fmt::Write as _;

use super::board::Card;
use super::text::{Number, percent_down, percent_up, place};
use crate::history::{Count, Tally};

/// Whether a share is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// Nothing to judge by.
    Unknown,
}

/// Of what should be good, so many of so many were bad, and at most
/// `allowed_pct` may be.
struct Budget {
    bad: u64,
    all: u64,
    allowed_pct: f64,
}

impl Budget {
    /// Ends that were slow, of those that count for Apdex.
    fn apdex(tally: &Tally, apdex_pct: f64) -> Self {
        let slow = tally.get(Count::Slow);
        let all = slow + tally.get(Count::Good);
        Budget { bad: slow, all, allowed_pct: 100.0 - apdex_pct }
    }

    /// Ends that failed, of all that count.
    fn errors(tally: &Tally, error_pct: f64) -> Self {
        Budget { bad: tally.failed(), all: tally.ended(), allowed_pct: error_pct }
    }

    fn verdict(&self) -> Verdict {
        match self.used() {
            None => Verdict::Unknown,
            // Floating point must not miss an objective that is met exactly.
            Some(used) if used <= 1.0 + 1e-9 => Verdict::Met,
            Some(_) => Verdict::Missed,
        }
    }

    /// How much of what may be bad was: 1 is all of it.
    fn used(&self) -> Option<f64> {
        (self.all > 0).then(|| self.bad as f64 / self.all as f64 * 100.0 / self.allowed_pct)
    }
}

/// Whether one of a card's objectives is.
pub(super) fn are_missed(card: &Card) -> bool {
    budgets(card).iter().any(|budget| budget.verdict() == Verdict::Missed)
}

/// Of Apdex and of errors.
fn budgets(card: &Card) -> [Budget; 2] {
    let slo = card.about.slo;
    [Budget::apdex(&card.hour, slo.apdex_pct), Budget::errors(&card.hour, slo.error_pct)]
}

/// Both figures of a card.
pub(super) fn render(html: &mut String, card: &Card) {
    let (slo, [apdex, errors]) = (card.about.slo, budgets(card));
    html.push_str("<dl class=\"figures\">");
    let figure = |budget: &Budget, text: String| match budget.all {
        0 => "\u{2013}".to_owned(),
        _ => text,
    };
    let good = apdex.all - apdex.bad;
    let text = figure(&apdex, percent_down(good, apdex.all));
    objective(html, "Apdex", &text, &apdex, &format!("at least {} %", slo.apdex_pct));
    let text = figure(&errors, percent_up(errors.bad, errors.all));
    objective(html, "Errors", &text, &errors, &format!("at most {} %", slo.error_pct));
    html.push_str("</dl>");
    if let Some(share) = card.apdex_ever().filter(|_| card.hour.ended() == 0) {
        let _ = write!(html, "<p class=\"muted\">Apdex since the store began: {share}</p>");
    }
}

fn objective(html: &mut String, name: &str, figure: &str, budget: &Budget, slo: &str) {
    let (class, sign) = match budget.verdict() {
        Verdict::Met => ("met", "\u{2713}"),
        Verdict::Missed => ("missed", "\u{25b2}"),
        Verdict::Unknown => ("unknown", "\u{2013}"),
    };
    let _ = write!(
        html,
        "<div class=\"{class}\"><dt>{name}</dt><dd><b class=\"figure\">{figure}</b>\
         <span class=\"slo\">{slo}</span>"
    );
    if let Some(used) = budget.used() {
        // Half of the bar is all that may be used, so that twice as much shows.
        let width = place(used, 2.0);
        let _ = write!(
            html,
            "<svg class=\"bar\" width=\"100%\" height=\"6\" aria-hidden=\"true\">\
             <rect class=\"track\" width=\"100%\" height=\"6\" rx=\"3\"/>\
             <rect class=\"used\" width=\"{width}%\" height=\"6\" rx=\"3\"/>\
             <rect class=\"mark\" x=\"50%\" width=\"2\" height=\"6\"/></svg>"
        );
    }
    let used = budget.used().map_or_else(|| "not judged yet".to_owned(), told);
    let _ = write!(html, "<span class=\"verdict\">{sign} {used}</span></dd></div>");
}

/// How much of its budget is used, for people.
fn told(used: f64) -> String {
    match used {
        0.0 => "on target".to_owned(),
        ..2.0 => format!("{} % of the budget", (used * 100.0).ceil()),
        ..10_000.0 => format!("{}\u{d7} the budget", Number(used as u64)),
        _ => "far beyond the budget".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bad: u64, all: u64, allowed_pct: f64) -> Verdict {
        Budget { bad, all, allowed_pct }.verdict()
    }

    #[test]
    fn an_objective_is_met_up_to_exactly_its_share() {
        assert_eq!(verdict(0, 0, 0.05), Verdict::Unknown);
        assert_eq!(verdict(5, 10_000, 100.0 - 99.95), Verdict::Met);
        assert_eq!(verdict(6, 10_000, 100.0 - 99.95), Verdict::Missed);
        assert_eq!(verdict(1, 10, 0.05), Verdict::Missed);
    }

    #[test]
    fn what_is_used_of_a_budget_is_told_in_percent_and_then_in_times() {
        for (used, expected) in [
            (0.0, "on target"),
            (0.031, "4 % of the budget"),
            (1.0, "100 % of the budget"),
            (16.2, "16\u{d7} the budget"),
            (1e6, "far beyond the budget"),
        ] {
            assert_eq!(told(used), expected);
        }
    }
}
