//! Everything since the store began, in figures: what the drawings leave out,
//! and what a person sees first where nothing has happened yet.

use std::fmt::Write as _;

use super::board::{Board, Card};
use super::text::{Text, Words, age};
use crate::transition::{Cell, Final};

/// The outcomes as they stand in the head: on a phone what is bad is in sight.
const COLUMNS: [Final; 5] =
    [Final::Error, Final::Timeout, Final::Success, Final::Handled, Final::Discarded];

/// The table, folded.
pub(super) fn render(html: &mut String, board: &Board) {
    html.push_str(
        "<details id=\"totals\"><summary>Figures since the store began</summary>\
         <div class=\"scroll\" role=\"region\" aria-label=\"Figures since the store began\" \
         tabindex=\"0\"><table><thead><tr><th>experience<th>open<th>oldest<th>Apdex<th>error\
         <th>timeout<th>success<th>handled<th>discarded<tbody>",
    );
    for card in &board.cards {
        row(html, card);
    }
    html.push_str("</table></div></details>");
}

fn row(html: &mut String, card: &Card) {
    let oldest = card.oldest.map(age).unwrap_or_default();
    let apdex = card.apdex_ever().unwrap_or_else(|| "\u{2013}".to_owned());
    let (id, open) = (Words(&card.id), card.open);
    let _ = write!(html, "<tr><td>{id}<td>{open}<td>{oldest}<td>{apdex}");
    for outcome in COLUMNS {
        let count = card.ever.get(Cell::Outcome(outcome));
        let bad = count > 0 && matches!(outcome, Final::Error | Final::Timeout);
        let _ = write!(html, "<td{}>{count}", if bad { " class=\"bad\"" } else { "" });
    }
}

/// What to do where there is nothing to show, and whether that is so.
pub(super) fn hints(html: &mut String, board: &Board, asks: bool) -> bool {
    let Some(card) = board.cards.iter().find(|card| !card.retired) else {
        html.push_str(
            "<section class=\"hint\"><h2>No definitions yet</h2><p>Write one file for each user \
             experience, <code>ID.yml</code> with <code>description</code>, \
             <code>feature_category</code> and <code>urgency</code>, into the directory that the \
             tracker was given as <code>--definitions</code>. It is read again by itself.</p>\
             </section>",
        );
        return true;
    };
    if board.cards.iter().any(|card| card.ever.get(Cell::Opened) > 0) {
        return false;
    }
    let id = Text(&card.id);
    let (category, urgency) =
        card.definition.as_ref().map_or(("", ""), |d| (&*d.feature_category, &*d.urgency));
    let (category, urgency) = (Text(category), Text(urgency));
    let key = if asks { " \\\n  -H \"Authorization: Bearer $KEY\"" } else { "" };
    let _ = write!(
        html,
        "<section class=\"hint\"><h2>Nothing was started yet</h2><p>Send the first checkpoint, \
         where <code>$TRACKER</code> is this page&#39;s address:</p><pre tabindex=\"0\"><code>\
         curl \"$TRACKER/v1/checkpoints\"{key} \\\n  -H \"Content-Type: application/json\" -d '{{\n  \
         \"correlation_id\": \"'$(openssl rand -hex 16)'\",\n  \
         \"user_experience_id\": \"{id}\", \"checkpoint\": \"start\", \"type\": \"web\",\n  \
         \"feature_category\": \"{category}\", \"urgency\": \"{urgency}\",\n  \
         \"client_timestamp\": \"'$(date -u +%FT%TZ)'\"\n}}'</code></pre><p>It shows here within \
         seconds. One with <code>\"checkpoint\": \"end\"</code> and the same \
         <code>correlation_id</code> ends it.</p></section>"
    );
    true
}
