//! Encoded checkpoints that travel together. Pure: time is an argument.

mod encode;
mod envelope;
#[cfg(test)]
mod properties;

use std::time::Duration;

pub(crate) use encode::Encoder;
pub(crate) use envelope::Envelope;

use crate::config::Config;

/// When a batch is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Limits { items: config.batch_items, bytes: config.batch_bytes, age: config.batch_age() }
    }
}

#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Copy)]
struct Item {
    /// Where its JSON ends in `bytes`.
    end: usize,
    wall_ms: i64,
}

impl Batch {
    /// With room for one like `before`: bytes that double as they grow leave
    /// their halves behind in the host's heap.
    pub(crate) fn like(before: &Batch) -> Self {
        Batch {
            bytes: Vec::with_capacity(before.bytes.len()),
            items: Vec::with_capacity(before.items.len()),
        }
    }

    /// Bytes of its JSON.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds what `write` appends. Should that panic, nothing was added.
    pub(crate) fn add(&mut self, wall_ms: i64, write: impl FnOnce(&mut Vec<u8>)) {
        self.truncate(self.len());
        write(&mut self.bytes);
        self.items.push(Item { end: self.bytes.len(), wall_ms });
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.items.len() >= limits.items || self.bytes.len() >= limits.bytes
    }

    /// How long it may still wait for company; `None` if it is empty.
    pub(crate) fn patience(&self, now_ms: i64, limits: &Limits) -> Option<Duration> {
        let oldest = self.items.iter().map(|item| item.wall_ms).min()?;
        let age = Duration::from_millis(now_ms.saturating_sub(oldest).max(0) as u64);
        Some(limits.age.saturating_sub(age))
    }

    /// The first half and the rest.
    pub(crate) fn halve(mut self) -> (Batch, Batch) {
        let middle = self.items.len() / 2;
        let cut = if middle == 0 { 0 } else { self.items[middle - 1].end };
        let mut rest =
            Batch { bytes: self.bytes.split_off(cut), items: self.items.split_off(middle) };
        rest.items.iter_mut().for_each(|item| item.end -= cut);
        (self, rest)
    }

    /// Keeps the first `len` only.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.items.truncate(len);
        self.bytes.truncate(self.items.last().map_or(0, |item| item.end));
    }

    /// Removes what is from before `earliest_ms`; returns how many those were.
    pub(crate) fn expire(&mut self, earliest_ms: i64) -> usize {
        if self.items.iter().all(|item| item.wall_ms >= earliest_ms) {
            return 0;
        }
        let before = self.len();
        let mut kept = Batch::default();
        for (item, json) in self.items.iter().zip(self.iter()) {
            if item.wall_ms >= earliest_ms {
                kept.add(item.wall_ms, |bytes| bytes.extend_from_slice(json));
            }
        }
        *self = kept;
        before - self.len()
    }

    /// Each checkpoint's JSON.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let json = &self.bytes[start..item.end];
            start = item.end;
            json
        })
    }

    /// Each checkpoint's time and JSON.
    pub(crate) fn timed(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.items.iter().map(|item| item.wall_ms).zip(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbtest::arbtest;

    const LIMITS: Limits = Limits { items: 3, bytes: 10, age: Duration::from_secs(1) };

    fn batch(texts: &[(i64, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (wall_ms, text) in texts {
            batch.add(*wall_ms, |bytes| bytes.extend_from_slice(text.as_bytes()));
        }
        batch
    }

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.iter().map(|json| std::str::from_utf8(json).unwrap()).collect()
    }

    #[test]
    fn a_batch_is_full_by_count_or_by_bytes_and_due_by_age() {
        assert!(!batch(&[(0, "a"), (0, "b")]).is_full(&LIMITS));
        assert!(batch(&[(0, "a"), (0, "b"), (0, "c")]).is_full(&LIMITS));
        assert!(batch(&[(0, "0123456789")]).is_full(&LIMITS));
        assert_eq!(batch(&[]).patience(5_000, &LIMITS), None);
        assert_eq!(batch(&[(400, "a")]).patience(1_000, &LIMITS), Some(Duration::from_millis(400)));
        assert_eq!(batch(&[(0, "a"), (900, "b")]).patience(1_000, &LIMITS), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_too_old_goes_and_the_rest_stays_in_order() {
        let mut batch = batch(&[(1, "a"), (5, "bb"), (2, "c"), (6, "d")]);
        assert_eq!(batch.expire(5), 2);
        assert_eq!(texts(&batch), ["bb", "d"]);
        assert_eq!(batch.expire(5), 0);
    }

    #[test]
    fn halving_loses_nothing_and_keeps_the_order() {
        arbtest(|u| {
            let all: Vec<String> = u.arbitrary()?;
            let whole: Vec<(i64, &str)> = all.iter().map(|text| (0, text.as_str())).collect();
            let (first, rest) = batch(&whole).halve();
            assert!(first.len() <= rest.len());
            let mut joined = texts(&first);
            joined.extend(texts(&rest));
            assert_eq!(joined, all);
            Ok(())
        });
    }
}
