//! What should have ended by now, and has not.

use std::fmt::Write as _;

use super::board::Board;
use super::cards::{age_or_part, section};
use super::chart;
use super::text::{Text, Words, age};
use crate::view::View;

pub(super) fn render(html: &mut String, board: &Board) {
    section(html, "stale", "Stale");
    if board.stale.is_empty() {
        html.push_str(
            "<p class=\"muted\">Nothing: all that is open is still within its threshold.</p>",
        );
    } else {
        html.push_str(match board.more_stale {
            true => "<p class=\"muted\">The oldest of those that are open",
            false => "<p class=\"muted\">Open",
        });
        html.push_str(
            " for longer than their threshold. At its deadline each counts as a timeout.</p>\
             <ol class=\"stale\">",
        );
        board.stale.iter().for_each(|view| one(html, view, board.now));
        html.push_str("</ol>");
    }
    html.push_str("</section>");
}

fn one(html: &mut String, view: &View, now: i64) {
    let (id, correlation_id) = (&view.user_experience_id, &view.correlation_id);
    let began = view.start_time.or(view.opened_at).map_or(now, |time| time.as_millis());
    let aged = (now - began).max(0) as f64 / 1e3;
    let threshold = view.urgency_threshold_s.unwrap_or_default();
    let left = view.deadline_in_s.unwrap_or_default();
    let (name, link) = (Words(id), Text(id));
    let _ = write!(
        html,
        "<li id=\"stale-{link}-{correlation_id}\"><p><b>{name}</b> \
         <a id=\"link-{link}-{correlation_id}\" href=\"/experiences/{link}/{correlation_id}\">\
         {correlation_id}</a></p><p><b>{}</b> old, deadline {} <span class=\"muted\">\u{b7} threshold {} \
         \u{b7} {} \u{b7} {}</span></p>",
        age(aged),
        deadline(left),
        age_or_part(threshold),
        Text(view.state),
        Text(view.service.as_deref().unwrap_or("?")),
    );
    chart::age_bar(html, aged, threshold, aged + left.max(0.0));
    html.push_str("</li>");
}

/// When time runs out, as far as can be said.
pub(super) fn deadline(left: f64) -> String {
    match left > 0.0 {
        true => format!("in {}", age(left)),
        false => "now".to_owned(),
    }
}
