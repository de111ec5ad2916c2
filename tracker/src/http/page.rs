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
const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta http-equiv=\"refresh\" content=\"10\"><title>User experiences</title><style>\
body{font:15px system-ui,sans-serif;margin:2em}table{border-collapse:collapse}\
th,td{padding:.3em .8em;text-align:right;border-bottom:1px solid #ccc}\
th:first-child,td:first-child{text-align:left}.bad{color:#b00020;font-weight:bold}</style>\
<h1>User experiences</h1><table><tr><th>experience<th>open<th>oldest<th>success<th>handled\
<th>error<th>discarded<th>timeout<th>Apdex</tr>";

pub(super) async fn show(State(shared): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let tracker = &shared.tracker;
    let (rows, oldest) = tracker.totals().await?;
    let totals = Totals::new(&rows, &tracker.definitions, &[]);
    let mut html = HEAD.to_owned();
    for (id, cells) in totals.by_id() {
        row(&mut html, id, cells, oldest.get(id).copied());
    }
    let time = tracker.time();
    let (settling, blind) = (time.settling / 1_000, time.blind / 1_000);
    let _ = write!(html, "</table><p>Deadlines stood still for {blind} s");
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
    // Ids are ^[a-z0-9_]+$, so nothing here needs escaping.
    let _ = write!(html, "<tr><td>{id}<td>{open}<td>");
    if let Some(seconds) = oldest {
        let _ = write!(html, "{seconds:.0} s");
    }
    for outcome in [Final::Success, Final::Handled, Final::Error, Final::Discarded, Final::Timeout]
    {
        let count = cells.get(Cell::Outcome(outcome));
        let bad = count > 0 && matches!(outcome, Final::Error | Final::Timeout);
        let _ = write!(html, "<td{}>{count}", if bad { " class=bad" } else { "" });
    }
    let good = cells.get(Cell::Apdex { success: true });
    match good + cells.get(Cell::Apdex { success: false }) {
        0 => html.push_str("<td>–</tr>"),
        all => {
            let _ = write!(html, "<td>{:.4}</tr>", good as f64 / all as f64);
        }
    }
}
