//! The tracker's own state, in the head of each page.

use std::fmt::Write as _;

use super::board::Vitals;
use super::text::{Number, Time, age};
use crate::limits::READY_TICK_AGE_MS;

/// Whether somebody should look after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Mind,
    Ill,
}

/// The strip. `read` is whether the store could be read for this page.
pub(super) fn render(html: &mut String, vitals: &Vitals, read: bool) {
    html.push_str("<ul class=\"vitals\" aria-label=\"The tracker itself\">");
    let stands = vitals.tick_age.abs() > READY_TICK_AGE_MS;
    match (read, stands) {
        (false, _) => item(html, Mood::Ill, "store", "cannot be read"),
        (true, true) => item(html, Mood::Ill, "store", "refuses writes"),
        (true, false) => item(html, Mood::Well, "store", "ok"),
    }
    deadlines(html, vitals, stands);
    let behind = vitals.time.last_tick.saturating_sub(vitals.time.v).max(0) as f64 / 1e3;
    if behind >= 1.0 {
        let text = format!("{} behind the wall clock, by pauses so far", age(behind));
        item(html, Mood::Well, "virtual time", &text);
    }
    match vitals.backlog {
        Some(lines) => {
            // Above a tenth of what may wait, the log's reader does not keep up.
            let mood = if lines > vitals.backlog_most / 10 { Mood::Mind } else { Mood::Well };
            let text = format!("{} waiting", Number(lines as u64));
            item(html, mood, "event log", &text);
        }
        None => item(html, Mood::Mind, "event log", "unknown"),
    }
    html.push_str("</ul>");
}

fn deadlines(html: &mut String, vitals: &Vitals, stands: bool) {
    let settling = vitals.time.settling as f64 / 1e3;
    if stands {
        let text = format!("stand still since {}", Time(vitals.time.last_tick));
        item(html, Mood::Ill, "deadlines", &text);
    } else if settling > 0.0 {
        let text = format!("stand still for {} more, while clients catch up", age(settling));
        item(html, Mood::Mind, "deadlines", &text);
    } else {
        item(html, Mood::Well, "deadlines", "running");
    }
}

/// `text` is markup of ours.
fn item(html: &mut String, mood: Mood, name: &str, text: &str) {
    let (class, sign) = match mood {
        Mood::Well => ("well", "\u{2713}"),
        Mood::Mind => ("mind", "\u{25cf}"),
        Mood::Ill => ("ill", "\u{25b2}"),
    };
    let _ = write!(
        html,
        "<li class=\"{class}\"><span aria-hidden=\"true\">{sign}</span> {name} <b>{text}</b></li>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualTime;

    fn strip(vitals: Vitals, read: bool) -> String {
        let mut html = String::new();
        render(&mut html, &vitals, read);
        html
    }

    fn well() -> Vitals {
        Vitals { time: VirtualTime::new(0), tick_age: 100, backlog: Some(3), backlog_most: 1_000 }
    }

    #[test]
    fn a_tracker_that_is_well_has_nothing_to_mind() {
        let html = strip(well(), true);
        assert_eq!(html.matches("class=\"well\"").count(), 3);
        assert!(html.contains("store <b>ok</b>") && html.contains("deadlines <b>running</b>"));
        assert!(!html.contains("virtual time"));
    }

    #[test]
    fn each_thing_that_is_amiss_is_said_in_words() {
        let paused = VirtualTime::new(0).tick(60_000, 0);
        for (vitals, read, class, told) in [
            (well(), false, "ill", "store <b>cannot be read"),
            (Vitals { tick_age: 6_000, ..well() }, true, "ill", "store <b>refuses writes"),
            (Vitals { tick_age: 6_000, ..well() }, true, "ill", "deadlines <b>stand still since"),
            (Vitals { time: paused, ..well() }, true, "mind", "stand still for 2 min more"),
            (Vitals { time: paused, ..well() }, true, "well", "1 min behind the wall clock"),
            (Vitals { backlog: Some(101), ..well() }, true, "mind", "event log <b>101 waiting"),
            (Vitals { backlog: None, ..well() }, true, "mind", "event log <b>unknown"),
        ] {
            let html = strip(vitals, read);
            let item = html.split("<li").find(|item| item.contains(told));
            assert!(item.is_some_and(|item| item.contains(class)), "{told}: {html}");
        }
    }
}
