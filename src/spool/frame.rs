//! How a segment is cut into frames: a mark, the payload's length, a CRC32C
//! over length and payload, the payload. What is damaged is stepped over to
//! the next mark, so that it costs only itself; what a kill or a power cut left
//! unfinished at the end is cut off.

use crate::wire::limits::CHECKPOINT_BYTES;

const MARK: &[u8] = b"lkf1";
/// Mark, length, checksum.
const HEAD: usize = 12;
/// A checkpoint, its kind and its time; a header is shorter.
const LONGEST: usize = CHECKPOINT_BYTES + 64;
/// Marks tried in one segment: a hostile file must not cost its reader seconds.
const TRIES: usize = 4_096;

/// Appends one frame.
pub(super) fn write(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = (length as u32).to_le_bytes();
    let checksum =
        parts.iter().fold(crc32c::crc32c(&length), |sum, part| crc32c::crc32c_append(sum, part));
    out.extend_from_slice(MARK);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum.to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The payloads of the frames that are whole, in order.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    damaged: usize,
    tries: usize,
}

enum Frame<'a> {
    Whole {
        payload: &'a [u8],
        rest: &'a [u8],
    },
    /// It begins as a frame does, and the bytes end before it does.
    Unfinished,
    Broken,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Frames { rest: bytes, damaged: 0, tries: TRIES }
    }

    /// Frames that were stepped over so far.
    pub(super) fn damaged(&self) -> usize {
        self.damaged
    }

    /// Steps over what is no frame, to the next one that is whole.
    fn resume(&mut self) -> Option<&'a [u8]> {
        let (mut skipped, mut is_unfinished) = (0, matches!(look(self.rest), Frame::Unfinished));
        let mut rest = self.rest;
        while let Some(at) = next_mark(rest).filter(|_| self.tries > 0) {
            self.tries -= 1;
            skipped += 1;
            rest = &rest[at..];
            match look(rest) {
                Frame::Whole { payload, rest } => {
                    self.damaged += skipped;
                    self.rest = rest;
                    return Some(payload);
                }
                Frame::Unfinished => is_unfinished = true,
                Frame::Broken => is_unfinished = false,
            }
        }
        // The last thing that looked like a frame is a torn tail, no damage.
        let broken = skipped + usize::from(!self.rest.is_empty());
        self.damaged += broken.saturating_sub(usize::from(is_unfinished));
        self.rest = &[];
        None
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match look(self.rest) {
            Frame::Whole { payload, rest } => {
                self.rest = rest;
                Some(payload)
            }
            _ => self.resume(),
        }
    }
}

fn look(bytes: &[u8]) -> Frame<'_> {
    let begun = &bytes[..bytes.len().min(MARK.len())];
    if !MARK.starts_with(begun) {
        return Frame::Broken;
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Frame::Unfinished };
    let (length, checksum) = head[MARK.len()..].split_at(4);
    let as_number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, b| sum << 8 | u32::from(*b));
    if as_number(length) as usize > LONGEST {
        return Frame::Broken;
    }
    let Some((payload, rest)) = rest.split_at_checked(as_number(length) as usize) else {
        return Frame::Unfinished;
    };
    match crc32c::crc32c_append(crc32c::crc32c(length), payload) == as_number(checksum) {
        true => Frame::Whole { payload, rest },
        false => Frame::Broken,
    }
}

/// Where the next mark begins, beyond the first byte.
fn next_mark(bytes: &[u8]) -> Option<usize> {
    let beyond = bytes.get(1..)?;
    beyond.windows(MARK.len()).position(|window| window == MARK).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbtest::arbtest;

    const TEXTS: [&str; 4] = ["header", "one", "a second, longer one", "three"];

    fn whole() -> Vec<u8> {
        let mut out = Vec::new();
        TEXTS
            .iter()
            .for_each(|text| write(&mut out, &[&text.as_bytes()[..2], &text.as_bytes()[2..]]));
        out
    }

    fn read(bytes: &[u8]) -> (Vec<&str>, usize) {
        let mut frames = Frames::new(bytes);
        let texts = frames.by_ref().map(|text| std::str::from_utf8(text).unwrap()).collect();
        (texts, frames.damaged())
    }

    #[test]
    fn a_segment_cut_off_at_any_byte_keeps_every_frame_before_the_cut() {
        let whole = whole();
        let mut ends: Vec<usize> = Vec::new();
        for text in TEXTS {
            ends.push(ends.last().unwrap_or(&0) + HEAD + text.len());
        }
        for cut in 0..=whole.len() {
            let complete = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(read(&whole[..cut]), (TEXTS[..complete].to_vec(), 0), "cut at {cut}");
        }
    }

    #[test]
    fn a_wrong_byte_anywhere_costs_one_frame_and_is_counted() {
        for at in 0..whole().len() {
            for bit in [0x01, 0x80] {
                let mut bytes = whole();
                bytes[at] ^= bit;
                let (texts, damaged) = read(&bytes);
                assert_eq!(texts.len(), 3, "byte {at}");
                assert!(texts.iter().all(|text| TEXTS.contains(text)));
                // A wrong length in the last frame may look like a torn tail.
                let is_last = at >= bytes.len() - TEXTS[3].len() - HEAD;
                assert!(damaged == 1 || (is_last && damaged == 0), "byte {at}: {damaged}");
            }
        }
    }

    #[test]
    fn whatever_the_bytes_are_reading_ends_and_yields_only_what_has_its_checksum() {
        arbtest(|u| {
            let mut bytes = whole();
            for _ in 0..u.int_in_range(0..=40)? {
                let at = u.choose_index(bytes.len())?;
                match u.int_in_range(0..=2)? {
                    0 => bytes[at] = u.arbitrary()?,
                    1 => bytes.splice(at..at, MARK.iter().copied()).for_each(drop),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let mut frames = Frames::new(&bytes);
            for payload in frames.by_ref() {
                assert!(TEXTS.iter().any(|text| text.as_bytes() == payload));
            }
            Ok(())
        });
    }

    #[test]
    fn a_file_of_nothing_but_marks_is_given_up_in_time() {
        let mut bytes = MARK.repeat(1 << 20);
        write(&mut bytes, &[b"unreachable"]);
        let mut frames = Frames::new(&bytes);
        assert_eq!(frames.next(), None);
        assert!(frames.damaged() >= TRIES);
    }
}
