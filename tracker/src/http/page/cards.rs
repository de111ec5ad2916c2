//! One card for each experience: what is open, and how the last hour ended.

use std::fmt::Write as _;

use super::board::{Board, Card};
use super::text::{Number, Text, Words, age};
use super::{chart, objectives};

/// Where a card stands on the page: what needs somebody first. Within a group
/// cards keep their places, or nobody could find one again.
fn group(card: &Card) -> Group {
    if objectives::are_missed(card) {
        Group::Missed
    } else if card.is_active() {
        Group::Active
    } else {
        Group::Quiet
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Missed,
    Active,
    Quiet,
}

/// How many experiences are below an objective of theirs.
pub(super) fn missed(board: &Board) -> usize {
    of(board, Group::Missed).count()
}

/// What to know at a glance, and where to read on.
pub(super) fn summary(html: &mut String, board: &Board) {
    let missed = missed(board);
    let open: u64 = board.cards.iter().map(|card| card.open).sum();
    html.push_str("<p class=\"summary\">");
    let _ = match missed {
        0 => write!(html, "<span>none below its objective</span>"),
        _ => {
            write!(html, "<a id=\"to-missed\" href=\"#missed\">{missed} below their objective</a>")
        }
    };
    let _ = write!(html, "<span>{} open now</span>", Number(open));
    let _ = match (board.stale.len(), board.more_stale) {
        (0, _) => write!(html, "<span>none stale</span>"),
        (stale, more) => {
            let plus = if more { "+" } else { "" };
            write!(html, "<a id=\"to-stale\" href=\"#stale\">{stale}{plus} stale</a>")
        }
    };
    html.push_str("</p>");
}

/// The cards of all that is going on.
pub(super) fn active(html: &mut String, board: &Board) {
    for (wanted, id, heading) in [
        (Group::Missed, "missed", "Below their objective"),
        (Group::Active, "active", "On target, or not judged yet"),
    ] {
        let mut cards = of(board, wanted).peekable();
        if cards.peek().is_some() {
            section(html, id, heading);
            html.push_str("<div class=\"cards\">");
            cards.for_each(|card| one(html, card, board));
            html.push_str("</div></section>");
        }
    }
}

fn of(board: &Board, wanted: Group) -> impl Iterator<Item = &Card> {
    board.cards.iter().filter(move |card| group(card) == wanted)
}

/// The names of the others.
pub(super) fn quiet(html: &mut String, board: &Board) {
    let mut quiet = of(board, Group::Quiet).filter(|card| !card.retired).peekable();
    if quiet.peek().is_none() {
        return;
    }
    section(html, "quiet", "Quiet");
    html.push_str(
        "<p class=\"muted\">Nothing open, and no end within the last hour.</p><ul class=\"list\">",
    );
    for card in quiet {
        let (id, description) = (Words(&card.id), Text(&card.about.description));
        let _ = write!(html, "<li><b>{id}</b> <span class=\"muted\">{description}</span></li>");
    }
    html.push_str("</ul></section>");
}

/// Begins a section of the page, which whoever calls this ends.
pub(super) fn section(html: &mut String, id: &str, heading: &str) {
    let _ = write!(
        html,
        "<section id=\"{id}\" aria-labelledby=\"of-{id}\"><h2 id=\"of-{id}\">{heading}</h2>"
    );
}

fn one(html: &mut String, card: &Card, board: &Board) {
    let off = if group(card) == Group::Missed { " off" } else { "" };
    let id = Text(&card.id);
    let _ = write!(
        html,
        "<article class=\"card{off}\" id=\"card-{id}\" aria-labelledby=\"name-{id}\">\
         <header><h3 id=\"name-{id}\">{}</h3>",
        Words(&card.id)
    );
    badges(html, card);
    let _ = write!(html, "</header><p class=\"muted\">{}</p>", Text(&card.about.description));
    objectives::render(html, card);
    open(html, card);
    chart::hour(html, card, board);
    html.push_str("</article>");
}

fn badges(html: &mut String, card: &Card) {
    html.push_str("<p class=\"badges\">");
    if let Some(definition) = &card.definition {
        let threshold = age_or_part(definition.threshold_us as f64 / 1e6);
        let (urgency, category) = (Text(&definition.urgency), Text(&definition.feature_category));
        let _ = write!(
            html,
            "<span>{urgency} <b>\u{2264}\u{a0}{threshold}</b></span><span>{category}</span>"
        );
    }
    if card.retired {
        html.push_str("<span>retired</span>");
    }
    html.push_str("</p>");
}

/// A threshold: whole seconds, unless it is not.
pub(super) fn age_or_part(seconds: f64) -> String {
    match seconds.fract() == 0.0 {
        true => age(seconds),
        false => format!("{seconds} s"),
    }
}

fn open(html: &mut String, card: &Card) {
    let count = Number(card.open);
    let _ = write!(html, "<div class=\"open\"><p><b class=\"figure\">{count}</b> open now</p>");
    if let (Some(oldest), Some(definition)) = (card.oldest, &card.definition) {
        let (threshold, ttl) =
            (definition.threshold_us as f64 / 1e6, definition.ttl_ms as f64 / 1e3);
        let _ = write!(
            html,
            "<p class=\"muted\">oldest <b>{}</b>, TTL {}{}</p>",
            age(oldest),
            age_or_part(ttl),
            if oldest > threshold { ", over its threshold" } else { "" }
        );
        chart::age_bar(html, oldest, threshold, ttl);
    }
    html.push_str("</div>");
}
