//! Small drawings. Lengths are percentages and attributes, never styles: the
//! page's policy allows none but its own sheet.

use std::fmt::Write as _;

use super::board::{Board, Card};
use super::text::{Number, place};
use crate::history::{Count, MINUTES, Tally, beginnings};

/// Units of the chart: each minute has four, one of them the gap.
const STEP: usize = 4;
const WIDTH: usize = MINUTES * STEP;
const HEIGHT: f64 = 48.0;
/// What is left above the highest column for those that had to be raised.
const ROOM: f64 = 4.5;
/// One failure among thousands must still be seen.
const LEAST: f64 = 1.5;

/// The outcomes from the bottom up: failures stand on the ground line, where
/// they are seen however high the rest is.
const STACK: [(Count, &str); 4] = [
    (Count::Error, "error"),
    (Count::Timeout, "timeout"),
    (Count::Handled, "handled"),
    (Count::Success, "success"),
];

/// The hatching that tells timeouts, and minutes unknown, without colour. Once
/// in a page.
pub(super) const PATTERNS: &str = "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
<pattern id=\"hatch\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect class=\"timeout\" width=\"4\" height=\"4\"/><rect class=\"stripe\" width=\"1.5\" height=\"4\"/></pattern>\
<pattern id=\"unseen\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect class=\"unseen\" width=\"1\" height=\"6\"/></pattern></defs></svg>";

/// The last hour of one card, and what it adds up to.
pub(super) fn hour(html: &mut String, card: &Card, board: &Board) {
    let peak = card.minutes.iter().map(Tally::ended).max().unwrap_or(0);
    let _ = write!(
        html,
        "<figure><svg class=\"hour\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"Ends in the last hour by minute, {} at most in one\">",
        Number(peak)
    );
    let began = beginnings(board.now);
    unseen(html, board);
    columns(html, card, peak);
    failures(html, card, &began, board.now);
    let base = HEIGHT - 0.5;
    let _ = write!(html, "<path class=\"ground\" d=\"M0 {base}H{WIDTH}\"/></svg>");
    let _ = write!(
        html,
        "<figcaption><span class=\"muted\">60 min ago</span><span class=\"muted\">{}</span>\
         <span class=\"muted\">now</span></figcaption>",
        if peak > 0 { format!("peak {} a minute", Number(peak)) } else { "no ends yet".to_owned() }
    );
    html.push_str("<ul class=\"legend\">");
    for (count, name) in STACK.iter().rev() {
        let _ = write!(
            html,
            "<li><svg width=\"10\" height=\"10\" aria-hidden=\"true\"><rect class=\"{name}\" \
             width=\"10\" height=\"10\" rx=\"2\"/></svg>{name} <b>{}</b></li>",
            Number(card.hour.get(*count))
        );
    }
    html.push_str("</ul></figure>");
}

/// One path for each outcome: a rectangle for each of their pieces would make
/// the page four times as long.
fn columns(html: &mut String, card: &Card, peak: u64) {
    let mut paths = STACK.map(|_| String::new());
    for (index, minute) in card.minutes.iter().enumerate() {
        let (x, width, mut top) = (index * STEP, STEP - 1, HEIGHT);
        for ((count, _), path) in STACK.iter().zip(&mut paths) {
            let number = minute.get(*count);
            if number > 0 {
                let height = (number as f64 / peak as f64 * (HEIGHT - ROOM)).max(LEAST);
                let _ = write!(path, "M{x} {top:.1}h{width}v-{height:.1}h-{width}z");
                top -= height;
            }
        }
    }
    for ((_, name), path) in STACK.iter().zip(paths).filter(|(_, path)| !path.is_empty()) {
        let _ = write!(html, "<path class=\"{name}\" d=\"{path}\"/>");
    }
}

/// What there is to read at a minute with failures.
fn failures(html: &mut String, card: &Card, began: &[i64; MINUTES], now: i64) {
    for (index, minute) in card.minutes.iter().enumerate().filter(|(_, m)| m.failed() > 0) {
        let (x, ago) = (index * STEP, (now - began[index]) / 60_000);
        let (errors, timeouts) = (minute.get(Count::Error), minute.get(Count::Timeout));
        let _ = write!(
            html,
            "<rect class=\"hit\" x=\"{x}\" width=\"{STEP}\" height=\"{HEIGHT}\"><title>{ago} min \
             ago: {} error, {} timeout, of {}</title></rect>",
            Number(errors),
            Number(timeouts),
            Number(minute.ended())
        );
    }
}

/// The stretches of the hour of which nothing is known.
fn unseen(html: &mut String, board: &Board) {
    let mut index = 0;
    while index < MINUTES {
        let length = board.looked[index..].iter().take_while(|looked| !**looked).count();
        if length > 0 {
            let (x, width) = (index * STEP, length * STEP);
            let _ = write!(
                html,
                "<rect x=\"{x}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"url(#unseen)\">\
                 <title>not known: this tracker was not running</title></rect>"
            );
        }
        index += length.max(1);
    }
}

/// An age on its way to the TTL, with a mark at the threshold.
pub(super) fn age_bar(html: &mut String, age: f64, threshold: f64, ttl: f64) {
    let class = match age {
        age if age <= threshold => "young",
        age if age < 0.8 * ttl => "late",
        _ => "doomed",
    };
    let (width, mark) = (place(age, ttl), place(threshold, ttl));
    let _ = write!(
        html,
        "<svg class=\"bar\" width=\"100%\" height=\"8\" aria-hidden=\"true\">\
         <rect class=\"track\" width=\"100%\" height=\"8\" rx=\"4\"/>\
         <rect class=\"{class}\" width=\"{width}%\" height=\"8\" rx=\"4\"/>\
         <rect class=\"mark\" x=\"{mark}%\" width=\"2\" height=\"8\"/></svg>"
    );
}
