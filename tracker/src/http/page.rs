//! `GET /`: the state of things for a person with a browser and no dashboard.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Shared;
use super::problem::Problem;
use crate::emit::exposition::{Cells, Totals};
use crate::transition::{Cell, Final};

/// No scripts, no styles from elsewhere: nothing to load, nothing to inject.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// On a phone the table scrolls sideways under its first column, which stays.
const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta http-equiv=\"refresh\" content=\"10\"><title>User experiences</title><style>\
:root{color-scheme:light dark}body{font:15px system-ui,sans-serif;margin:1em}\
div{overflow-x:auto}table{border-collapse:collapse}\
th,td{padding:.3em .6em;text-align:right;white-space:nowrap;border-bottom:1px solid #8886}\
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:Canvas;\
white-space:normal}\
.bad{color:light-dark(#b00020,#ff8a80);font-weight:bold}</style>\
<h1>User experiences</h1><div><table><thead><tr><th>experience<th>open<th>oldest<th>Apdex\
<th>error<th>timeout<th>success<th>handled<th>discarded<tbody>";
/// The outcomes as they stand in the head: on a phone what is bad is in sight.
const COLUMNS: [Final; 5] =
    [Final::Error, Final::Timeout, Final::Success, Final::Handled, Final::Discarded];

pub(super) async fn show(State(shared): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let tracker = &shared.tracker;
    let (rows, oldest) = tracker.totals().await?;
    let definitions = tracker.definitions();
    let totals = Totals::new(&rows, &definitions, &[]);
    let mut html = HEAD.to_owned();
    for (id, cells) in totals.by_id() {
        row(&mut html, id, cells, oldest.get(id).copied());
    }
    let time = tracker.time();
    let (settling, blind) = (time.settling / 1_000, time.blind / 1_000);
    let _ = write!(html, "</table></div><p>Deadlines stood still for {blind} s");
    if settling > 0 {
        let _ = write!(html, ", and do so for {settling} s more: clients catch up after a pause");
    }
    html.push_str(". Counted since the store began; rates belong to Prometheus.</p></html>");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, html))
}

fn row(html: &mut String, id: &str, cells: &Cells, oldest: Option<f64>) {
    let open: i64 =
        [Cell::InOpen, Cell::InImplicit, Cell::InHeld].into_iter().map(|c| cells.get(c)).sum();
    let oldest = oldest.map(age).unwrap_or_default();
    let apdex = apdex(cells).unwrap_or_else(|| "–".to_owned());
    // Ids are ^[a-z0-9_]+$, so nothing needs escaping; they may break at their words.
    let id = id.replace('_', "_<wbr>");
    let _ = write!(html, "<tr><td>{id}<td>{open}<td>{oldest}<td>{apdex}");
    for outcome in COLUMNS {
        let count = cells.get(Cell::Outcome(outcome));
        let bad = count > 0 && matches!(outcome, Final::Error | Final::Timeout);
        let _ = write!(html, "<td{}>{count}", if bad { " class=bad" } else { "" });
    }
}

/// The share of good ends, cut and not rounded: one bad end among many must
/// not read as none.
fn apdex(cells: &Cells) -> Option<String> {
    let good = cells.get(Cell::Apdex { success: true });
    let all = good + cells.get(Cell::Apdex { success: false });
    (all > 0).then(|| format!("{:.4}", (good as f64 / all as f64 * 1e4).floor() / 1e4))
}

/// The two largest units are all that a person wants to know.
fn age(seconds: f64) -> String {
    match seconds as u64 {
        s @ ..60 => format!("{s} s"),
        s @ ..3_600 => format!("{} min {} s", s / 60, s % 60),
        s @ ..86_400 => format!("{} h {} min", s / 3_600, s / 60 % 60),
        s => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_two_largest_units() {
        for (seconds, told) in [
            (0.0, "0 s"),
            (59.9, "59 s"),
            (60.0, "1 min 0 s"),
            (7_260.0, "2 h 1 min"),
            (90_000.0, "1 d 1 h"),
        ] {
            assert_eq!(age(seconds), told);
        }
    }
}
