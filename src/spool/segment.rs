//! What a segment's frames say: first whose they are, then one checkpoint each.
//! Pure: bytes in, bytes out.

use super::frame::{self, Frames};
use crate::batch::Batch;
use crate::wire::Sdk;

/// The first byte of a payload.
const HEADER: u8 = b'h';
const CHECKPOINT: u8 = b'c';
const TIME_BYTES: usize = 8;

/// What could be read of a segment.
#[derive(Default)]
pub(super) struct Segment {
    pub(super) sdk: Sdk,
    pub(super) batch: Batch,
    /// Frames that were damaged and stepped over.
    pub(super) damaged: usize,
}

/// Appends the header.
pub(super) fn begin(out: &mut Vec<u8>, sdk: &Sdk) {
    // Writing to a Vec cannot fail, and no field's Serialize does.
    let json = serde_json::to_vec(sdk).unwrap_or_default();
    frame::write(out, &[&[HEADER], &json]);
}

/// Appends the checkpoints of `batch` from number `from` on.
pub(super) fn append(out: &mut Vec<u8>, batch: &Batch, from: usize) {
    for (wall_ms, json) in batch.timed().skip(from) {
        frame::write(out, &[&[CHECKPOINT], &wall_ms.to_le_bytes(), json]);
    }
}

pub(super) fn read(bytes: &[u8]) -> Segment {
    let mut segment = Segment::default();
    let mut frames = Frames::new(bytes);
    let mut strange = 0;
    for payload in frames.by_ref() {
        let is_ours = match payload.split_first() {
            Some((&HEADER, json)) => {
                serde_json::from_slice(json).map(|sdk| segment.sdk = sdk).is_ok()
            }
            Some((&CHECKPOINT, timed)) => add(&mut segment.batch, timed).is_some(),
            _ => false,
        };
        strange += usize::from(!is_ours);
    }
    segment.damaged = frames.damaged() + strange;
    segment
}

/// One checkpoint. What is no JSON would spoil the request it is sent in.
fn add(batch: &mut Batch, timed: &[u8]) -> Option<()> {
    let (time, json) = timed.split_first_chunk::<TIME_BYTES>()?;
    serde_json::from_slice::<&serde_json::value::RawValue>(json).ok()?;
    batch.add(i64::from_le_bytes(*time), |out| out.extend_from_slice(json));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_no_json_is_damage() {
        let sdk = Sdk { name: "labkit-ruby".into(), version: "1".into() };
        let mut batch = Batch::default();
        for json in ["{\"a\":1}", "{\"b\":2}", "}, {"] {
            batch.add(7, |out| out.extend_from_slice(json.as_bytes()));
        }
        let mut bytes = Vec::new();
        begin(&mut bytes, &sdk);
        append(&mut bytes, &batch, 1);
        let read = read(&bytes);
        assert_eq!((read.sdk, read.damaged), (sdk, 1));
        let timed: Vec<_> = read.batch.timed().collect();
        assert_eq!(timed, [(7, b"{\"b\":2}".as_slice())]);
    }
}
