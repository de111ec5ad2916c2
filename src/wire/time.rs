//! Points in time as they travel: ISO-8601 with an offset, milliseconds.

use std::fmt;
use std::str::FromStr;

use jiff::fmt::temporal::DateTimePrinter;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Milliseconds since the Unix epoch; written as `2026-01-05T10:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest and latest points that ISO-8601 can write with four digits of year.
    const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_200_000;

    /// From milliseconds since the epoch; what no four-digit year can write is clamped.
    pub fn from_millis(millis: i64) -> Self {
        Timestamp(millis.clamp(*Self::RANGE.start(), *Self::RANGE.end()))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

/// The text is no ISO-8601 time with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an ISO-8601 time with an offset, such as 2026-01-05T10:00:00.000Z")
    }
}

impl std::error::Error for InvalidTimestamp {}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Timestamp::from_millis(parsed.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cannot fail: every constructor keeps the value inside RANGE.
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        let mut text = String::with_capacity(24);
        PRINTER.print_timestamp(&time, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_any_offset_and_written_in_utc_with_milliseconds() {
        let time: Timestamp = "2026-01-05T12:00:00.25+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-05T10:00:00.250Z");
    }

    #[test]
    fn a_time_without_an_offset_is_refused() {
        for text in ["2026-01-05T10:00:00", "yesterday", "", "1767607200", "2026-13-05T10:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn the_ends_of_the_range_can_be_written() {
        for millis in [i64::MIN, i64::MAX] {
            assert!(Timestamp::from_millis(millis).to_string().ends_with('Z'));
        }
    }
}
