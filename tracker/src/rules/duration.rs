//! Spans of time as Prometheus writes them.

use std::fmt;

/// A span of time, in seconds; displays as `5m`, `6h`, `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u32);

impl Span {
    pub(super) const fn minutes(count: u32) -> Self {
        Span(count * 60)
    }

    pub(super) const fn hours(count: u32) -> Self {
        Span(count * 3_600)
    }

    pub(super) const fn days(count: u32) -> Self {
        Span(count * 86_400)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        let unit = units
            .into_iter()
            .find(|(seconds, _)| self.0 >= *seconds && self.0.is_multiple_of(*seconds));
        let (seconds, unit) = unit.unwrap_or((1, "s"));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_that_divides_a_span_names_it() {
        let spans = [Span(30), Span(90), Span::minutes(90), Span::hours(1), Span::days(3)];
        assert_eq!(spans.map(|span| span.to_string()), ["30s", "90s", "90m", "1h", "3d"]);
    }
}
