//! The timeline as a drawing. Places are percentages and letters keep their
//! size, so that a phone shows it as it is.

use std::fmt::Write as _;

use super::text::{place, span};
use super::timeline::Moments;

/// Rows from the top: marks' labels, the line itself, what is below it.
const HEIGHT: u32 = 132;
const LINE: u32 = 66;

/// The axis: what lies between its ends is drawn, what is beyond is said.
struct Axis {
    from: i64,
    length: f64,
}

impl Axis {
    /// From the beginning to the last thing that happened or will; a deadline
    /// far beyond an end would squeeze all the rest into a corner.
    fn new(moments: &Moments) -> Self {
        let seen = moments.marks.iter().filter_map(|mark| mark.at);
        let seen = seen.filter(|at| moments.can_be_right(*at));
        let from = seen.clone().min().unwrap_or(moments.began).min(moments.began);
        let last = seen.max().unwrap_or(from).max(moments.threshold);
        let to = match moments.end {
            Some(end) => last.max(end),
            None => last.max(moments.now).max(moments.deadline),
        };
        Axis { from, length: ((to - from).max(1) as f64) * 1.06 }
    }

    fn x(&self, at: i64) -> f64 {
        // A little from the left edge, where the first mark would be cut in half.
        let within = place((at - self.from) as f64, self.length) * 0.97;
        (within * 100.0).round() / 100.0 + 1.5
    }

    fn holds(&self, at: i64) -> bool {
        at >= self.from && (at - self.from) as f64 <= self.length
    }
}

pub(super) fn render(html: &mut String, moments: &Moments, class: &str) {
    let axis = Axis::new(moments);
    let _ = write!(
        html,
        "<figure><svg class=\"timeline {class}\" width=\"100%\" height=\"{HEIGHT}\" role=\"img\" \
         aria-label=\"Timeline; the figures stand below\">"
    );
    let (began, reached) = (axis.x(moments.began), axis.x(moments.end.unwrap_or(moments.now)));
    let _ = write!(
        html,
        "<line class=\"axis\" x1=\"0\" x2=\"100%\" y1=\"{LINE}\" y2=\"{LINE}\"/>\
         <line class=\"run\" x1=\"{began}%\" x2=\"{reached}%\" y1=\"{LINE}\" y2=\"{LINE}\"/>"
    );
    let told = |at: i64| span((at - moments.began).max(0) as f64 / 1e3);
    let threshold = format!("threshold {}", told(moments.threshold));
    upright(html, &axis, moments.threshold, 32, "threshold", &threshold);
    if axis.holds(moments.deadline) {
        let label = format!("deadline {}", told(moments.deadline));
        upright(html, &axis, moments.deadline, 14, "deadline", &label);
    } else {
        let _ = write!(
            html,
            "<text class=\"deadline\" x=\"99%\" y=\"14\" text-anchor=\"end\">deadline {} \u{2192}</text>",
            told(moments.deadline)
        );
    }
    let (seen, off): (Vec<i64>, Vec<i64>) =
        (moments.marks.iter()).filter_map(|mark| mark.at).partition(|at| moments.can_be_right(*at));
    for at in seen {
        let x = axis.x(at);
        let _ = write!(html, "<circle class=\"seen\" cx=\"{x}%\" cy=\"{LINE}\" r=\"5\"/>");
    }
    below(html, began, 98, if moments.started { "start" } else { "first heard of" });
    match moments.end {
        Some(end) => {
            let x = axis.x(end);
            let (top, height) = (LINE - 9, 18);
            let _ = write!(
                html,
                "<svg x=\"{x}%\" y=\"{top}\" width=\"1\" height=\"{height}\" overflow=\"visible\">\
                 <path class=\"end\" d=\"M0 0L9 9L0 18L-9 9Z\"/></svg>"
            );
            below(html, x, 118, &format!("end {}", told(end)));
        }
        None => below(html, reached, 118, &format!("now {}", told(moments.now))),
    }
    html.push_str(
        "</svg><figcaption class=\"muted\">\u{25cb} checkpoint, by its sender&#39;s clock",
    );
    if !off.is_empty() {
        let off = off.len();
        let _ = write!(html, "; {off} not drawn: the clock was off");
    }
    html.push_str("</figcaption></figure>");
}

/// A line across, with its name above.
fn upright(html: &mut String, axis: &Axis, at: i64, y: u32, class: &str, label: &str) {
    let (x, to) = (axis.x(at), LINE + 14);
    let (anchor, shift) = if x > 50.0 { ("end", -5) } else { ("start", 5) };
    let from = y - 10;
    let _ = write!(
        html,
        "<line class=\"{class}\" x1=\"{x}%\" x2=\"{x}%\" y1=\"{from}\" y2=\"{to}\"/>\
         <text class=\"{class}\" x=\"{x}%\" dx=\"{shift}\" y=\"{y}\" text-anchor=\"{anchor}\">{label}</text>"
    );
}

fn below(html: &mut String, x: f64, y: u32, label: &str) {
    let (anchor, shift) = match x {
        ..20.0 => ("start", -6),
        80.0.. => ("end", 6),
        _ => ("middle", 0),
    };
    let _ = write!(
        html,
        "<text x=\"{x}%\" dx=\"{shift}\" y=\"{y}\" text-anchor=\"{anchor}\">{label}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Mark;
    use super::*;

    fn drawn(end: Option<i64>, now: i64) -> String {
        let (began, threshold, deadline) = (0, 2_000, 60_000);
        let marks = vec![Mark::at(1_000), Mark::at(-3_600_000)];
        let moments = Moments { began, started: true, threshold, deadline, end, now, marks };
        let mut html = String::new();
        render(&mut html, &moments, "running");
        html
    }

    #[test]
    fn a_clock_that_is_off_by_an_hour_does_not_squeeze_the_rest() {
        let html = drawn(None, 30_000);
        assert_eq!(html.matches("class=\"seen\"").count(), 1);
        assert!(html.contains("1 not drawn: the clock was off"));
    }

    #[test]
    fn threshold_and_deadline_lie_where_they_are_on_the_way_there() {
        let html = drawn(None, 30_000);
        assert!(html.contains("<line class=\"deadline\"") && html.contains("deadline 1 min<"));
        // The whole is 6 % longer than the minute, and begins 1.5 % from the edge.
        assert!(html.contains("x2=\"47.25"), "half of it is over: {html}");
        assert!(html.contains("<line class=\"threshold\"") && html.contains("now 30 s"));
    }

    #[test]
    fn a_deadline_far_beyond_the_end_is_said_and_takes_no_room() {
        let html = drawn(Some(1_000), 90_000);
        assert!(!html.contains("<line class=\"deadline\""));
        assert!(html.contains("deadline 1 min \u{2192}") && html.contains("end 1 s"));
    }

    #[test]
    fn clocks_that_disagree_break_no_drawing() {
        for (end, now) in [(Some(-5_000), -4_000), (None, -1), (Some(i64::MAX / 2), 0)] {
            let html = drawn(end, now);
            assert!(
                !html.contains("NaN") && !html.contains("inf") && !html.contains("-0"),
                "{html}"
            );
        }
    }
}
