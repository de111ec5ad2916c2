//! From values to text: everything that is not ours is escaped here.

use std::fmt;

use labkit::wire::Timestamp;

/// A text of somebody else's, safe in an element and in a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// An id of words, which may break between them where a line is short.
pub(super) struct Words<'a>(pub(super) &'a str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.split('_').enumerate() {
            let joint = if index == 0 { "" } else { "_<wbr>" };
            write!(f, "{joint}{}", Text(word))?;
        }
        Ok(())
    }
}

/// A number with its thousands apart, by a space at which no line breaks.
pub(super) struct Number(pub(super) u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str("\u{202f}")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A point in time, by the wall clock in ms. The page's script shows it in the
/// reader's own zone.
pub(super) struct Time(pub(super) i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millis(self.0).to_string();
        // `2026-01-05T10:00:00.000Z`: the day and the second are enough to read.
        let told = time.get(..19).unwrap_or(&time).replace('T', " ");
        write!(f, "<time datetime=\"{time}\">{told} UTC</time>")
    }
}

/// A length of time in s: its two largest units, and of a short one the
/// milliseconds.
pub(super) fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        let seconds = (seconds.max(0.0) * 1e3).round() / 1e3;
        return format!("{seconds} s");
    }
    age(seconds)
}

/// The two largest units are all that a person wants to know.
pub(super) fn age(seconds: f64) -> String {
    let apart = |large: u64, unit: &str, small: u64, other: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {other}"),
    };
    match seconds.max(0.0) as u64 {
        s @ ..60 => format!("{s} s"),
        s @ ..3_600 => apart(s / 60, "min", s % 60, "s"),
        s @ ..86_400 => apart(s / 3_600, "h", s / 60 % 60, "min"),
        s => apart(s / 86_400, "d", s / 3_600 % 24, "h"),
    }
}

/// `part` of `whole` in percent, cut and not rounded: one bad end among many
/// must not read as none.
pub(super) fn percent_down(part: u64, whole: u64) -> String {
    percent((part as f64 / whole as f64 * 1e4).floor())
}

/// The same, rounded up, for shares that should be small.
pub(super) fn percent_up(part: u64, whole: u64) -> String {
    percent((part as f64 / whole as f64 * 1e4).ceil())
}

fn percent(hundredths: f64) -> String {
    format!("{} %", hundredths / 100.0)
}

/// Of a drawing's width: where `part` of `whole` lies, within it.
pub(super) fn place(part: f64, whole: f64) -> f64 {
    let share = if whole > 0.0 { part / whole } else { 0.0 };
    (share.clamp(0.0, 1.0) * 1e4).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let hostile = r#"<script>alert('1')</script>" onload=x & co"#;
        let safe = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=x &amp; co";
        assert_eq!(Text(hostile).to_string(), safe);
        assert_eq!(Words("a_<b>").to_string(), "a_<wbr>&lt;b&gt;");
    }

    #[test]
    fn ages_are_told_in_their_two_largest_units() {
        for (seconds, told) in [
            (-1.0, "0 s"),
            (59.9, "59 s"),
            (60.0, "1 min"),
            (61.0, "1 min 1 s"),
            (7_260.0, "2 h 1 min"),
            (90_000.0, "1 d 1 h"),
        ] {
            assert_eq!(age(seconds), told);
        }
        assert_eq!((span(0.25), span(12.3)), ("0.25 s".to_owned(), "12 s".to_owned()));
    }

    #[test]
    fn a_share_never_reads_better_than_it_is() {
        assert_eq!(
            (percent_down(99_999, 100_000), percent_down(1, 1)),
            ("99.99 %".into(), "100 %".into())
        );
        assert_eq!((percent_up(1, 100_000), percent_up(0, 9)), ("0.01 %".into(), "0 %".into()));
    }

    #[test]
    fn large_numbers_stand_in_groups_of_three() {
        for (number, told) in [
            (7, "7"),
            (123, "123"),
            (1_234, "1\u{202f}234"),
            (1_234_567, "1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(Number(number).to_string(), told);
        }
    }

    #[test]
    fn a_place_is_always_within_its_drawing() {
        for (part, whole, place_of) in
            [(1.0, 4.0, 25.0), (9.0, 4.0, 100.0), (-1.0, 4.0, 0.0), (1.0, 0.0, 0.0)]
        {
            assert_eq!(place(part, whole), place_of);
        }
    }
}
