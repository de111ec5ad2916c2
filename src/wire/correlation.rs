//! The identifier of one experience: a ULID, or the 32 hex digits that some
//! of GitLab's services write.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Ulid,
    Hex,
}

/// A correlation id. The two spellings name different experiences: they come
/// from different generators, and only the letters' case is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId {
    bits: u128,
    form: Form,
}

impl CorrelationId {
    /// The ULID with these bits.
    pub fn from_ulid(bits: u128) -> Self {
        CorrelationId { bits, form: Form::Ulid }
    }

    /// The 128 bits and whether they are spelled as hex digits.
    pub fn to_parts(self) -> (u128, bool) {
        (self.bits, self.form == Form::Hex)
    }

    /// The inverse of [`CorrelationId::to_parts`].
    pub fn from_parts(bits: u128, hex: bool) -> Self {
        CorrelationId { bits, form: if hex { Form::Hex } else { Form::Ulid } }
    }

    /// Bytes of the longer spelling.
    pub const TEXT: usize = 32;

    /// The text, for whoever writes many of them and has the room at hand.
    pub fn encode(self, room: &mut [u8; Self::TEXT]) -> &str {
        match self.form {
            Form::Ulid => {
                let text = room.first_chunk_mut().map(|room| Ulid(self.bits).array_to_str(room));
                text.map_or("", |text| text)
            }
            Form::Hex => {
                for (place, digit) in room.iter_mut().rev().enumerate() {
                    *digit = b"0123456789abcdef"[(self.bits >> (4 * place)) as usize & 15];
                }
                std::str::from_utf8(room).unwrap_or_default()
            }
        }
    }
}

/// The text is neither a ULID nor 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCorrelationId;

impl fmt::Display for InvalidCorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a ULID (26 characters, Crockford's base32) or 32 hex digits")
    }
}

impl std::error::Error for InvalidCorrelationId {}

impl FromStr for CorrelationId {
    type Err = InvalidCorrelationId;

    fn from_str(text: &str) -> Result<Self, InvalidCorrelationId> {
        match text.len() {
            26 => parse_ulid(text).map(CorrelationId::from_ulid).ok_or(InvalidCorrelationId),
            32 if text.bytes().all(|b| b.is_ascii_hexdigit()) => u128::from_str_radix(text, 16)
                .map(|bits| CorrelationId { bits, form: Form::Hex })
                .map_err(|_| InvalidCorrelationId),
            _ => Err(InvalidCorrelationId),
        }
    }
}

/// The bits of a ULID's text; a first character above 7 would overflow them.
pub(crate) fn parse_ulid(text: &str) -> Option<u128> {
    let in_range = text.len() == 26 && matches!(text.as_bytes()[0], b'0'..=b'7');
    let bits = Ulid::from_string(text).ok()?.0;
    in_range.then_some(bits)
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; Self::TEXT]))
    }
}

impl serde::Serialize for CorrelationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::TEXT]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_in_any_case_and_written_in_their_own() {
        for (text, written) in [
            ("01hzzzzzzzzzzzzzzzzzzzzzzz", "01HZZZZZZZZZZZZZZZZZZZZZZZ"),
            ("0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ] {
            assert_eq!(text.parse::<CorrelationId>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",  // one bit too many
            "01HZZZZZZZZZZZZZZZZZZZZZZU",  // U is not in Crockford's alphabet
            "01HZZZZZZZZZZZZZZZZZZZZZZZZ", // 27 characters
            "+123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdeg",
            "éééééééééééééé",
        ] {
            assert_eq!(text.parse::<CorrelationId>(), Err(InvalidCorrelationId), "{text}");
        }
    }
}
