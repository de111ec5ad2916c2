//! Points in time as they travel: ISO-8601 with an offset, milliseconds.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;

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

    /// Bytes of the text.
    pub const TEXT: usize = 24;

    /// The text, for whoever writes many of them and has the room at hand.
    pub fn encode(self, room: &mut [u8; Self::TEXT]) -> &str {
        // Cannot fail: every constructor keeps the value inside RANGE.
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let time = Offset::UTC.to_datetime(time);
        *room = *b"0000-00-00T00:00:00.000Z";
        digits(&mut room[0..4], time.year());
        digits(&mut room[5..7], time.month().into());
        digits(&mut room[8..10], time.day().into());
        digits(&mut room[11..13], time.hour().into());
        digits(&mut room[14..16], time.minute().into());
        digits(&mut room[17..19], time.second().into());
        digits(&mut room[20..23], time.millisecond());
        std::str::from_utf8(room).unwrap_or_default()
    }

    /// The spelling that [`Timestamp::encode`] writes, and with it nearly all
    /// that is ever read. What it does not take may still be a time.
    fn decode(text: &[u8; Self::TEXT]) -> Option<Self> {
        const MARKS: [(usize, u8); 7] =
            [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
        if MARKS.iter().any(|&(at, mark)| text[at] != mark) {
            return None;
        }
        let two =
            |at: usize| number(&text[at..at + 2]).and_then(|number| i8::try_from(number).ok());
        let nanoseconds = i32::from(number(&text[20..23])?) * 1_000_000;
        let (year, month, day) = (number(&text[0..4])?, two(5)?, two(8)?);
        let time = DateTime::new(year, month, day, two(11)?, two(14)?, two(17)?, nanoseconds);
        let time = Offset::UTC.to_timestamp(time.ok()?).ok()?;
        Some(Timestamp::from_millis(time.as_millisecond()))
    }
}

/// Fills `room` with the last digits of `number`.
fn digits(room: &mut [u8], mut number: i16) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn number(digits: &[u8]) -> Option<i16> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
    digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
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
        if let Some(time) = text.as_bytes().try_into().ok().and_then(Timestamp::decode) {
            return Ok(time);
        }
        let parsed: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Timestamp::from_millis(parsed.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; Self::TEXT]))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::TEXT]))
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
    fn what_is_written_and_read_in_short_is_what_the_calendar_says() {
        arbtest::arbtest(|data| {
            let time = Timestamp::from_millis(data.arbitrary()?);
            let text = jiff::fmt::temporal::DateTimePrinter::new()
                .precision(Some(3))
                .timestamp_to_string(&jiff::Timestamp::from_millisecond(time.0).unwrap());
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
            // One character wrong: no time, or the same one that jiff reads.
            let mut wrong = text.into_bytes();
            wrong[data.int_in_range(0..=23)?] = data.int_in_range(b' '..=b'~')?;
            let wrong = String::from_utf8(wrong).unwrap();
            let expected = wrong.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond());
            let expected = expected.map(Timestamp::from_millis);
            assert_eq!(wrong.parse::<Timestamp>().ok(), expected, "{wrong}");
            Ok(())
        });
    }

    #[test]
    fn the_ends_of_the_range_can_be_written() {
        for millis in [i64::MIN, i64::MAX] {
            assert!(Timestamp::from_millis(millis).to_string().ends_with('Z'));
        }
    }
}
