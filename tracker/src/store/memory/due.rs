//! Which record is due when. Most deadlines are far away and never come, as the
//! experience ends before: those only lie in a heap with others of about the
//! same time. They are put in order when that time is near.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use super::names::{KEY, Key};

/// Milliseconds of a heap, as a power of two: four seconds. So heaps are few,
/// and each is put in order in no time.
const HEAP_BITS: u32 = 12;
/// A key behind the milliseconds since its heap begins.
type Entry = [u8; 2 + KEY];

/// Deadlines and keys. Hashes are the caller's, which has them already.
#[derive(Debug)]
pub(super) struct Due {
    /// In order; all before `opened`.
    near: BTreeSet<(i64, Key)>,
    /// By the time at which it begins, from `opened` on.
    heaps: BTreeMap<i64, HashTable<Entry>>,
    /// A multiple of a heap's length.
    opened: i64,
}

impl Due {
    /// Nothing is due; time begins at `now`.
    pub(super) fn new(now: i64) -> Self {
        Due { near: BTreeSet::new(), heaps: BTreeMap::new(), opened: begin(now) }
    }

    pub(super) fn insert(&mut self, at: i64, key: &Key, hash: u64, rehash: impl Fn(&Key) -> u64) {
        if at < self.opened {
            self.near.insert((at, *key));
            return;
        }
        let entry = entry(at, key);
        let heap = self.heaps.entry(begin(at)).or_default();
        heap.insert_unique(hash, entry, |entry| rehash(&parts(entry).1));
    }

    pub(super) fn remove(&mut self, at: i64, key: &Key, hash: u64) {
        if at < self.opened {
            self.near.remove(&(at, *key));
            return;
        }
        let Some(heap) = self.heaps.get_mut(&begin(at)) else { return };
        let entry = entry(at, key);
        if let Ok(found) = heap.find_entry(hash, |other| *other == entry) {
            found.remove();
        }
        if heap.is_empty() {
            self.heaps.remove(&begin(at));
        }
    }

    /// Those due at `v`, the earliest first.
    pub(super) fn until(&mut self, v: i64) -> impl Iterator<Item = &Key> {
        while let Some(heap) = self.heaps.first_entry().filter(|heap| *heap.key() <= v) {
            let (begin, heap) = heap.remove_entry();
            let heap = heap.into_iter().map(|entry| parts(&entry));
            let mut heap: BTreeSet<_> = heap.map(|(after, key)| (begin + after, key)).collect();
            self.near.append(&mut heap);
        }
        self.opened = self.opened.max(begin(v).saturating_add(1 << HEAP_BITS));
        self.near.iter().take_while(move |(at, _)| *at <= v).map(|(_, key)| key)
    }
}

fn begin(at: i64) -> i64 {
    at >> HEAP_BITS << HEAP_BITS
}

fn entry(at: i64, key: &Key) -> Entry {
    let mut entry = [0; 2 + KEY];
    entry[..2].copy_from_slice(&((at - begin(at)) as u16).to_le_bytes());
    entry[2..].copy_from_slice(key);
    entry
}

fn parts(entry: &Entry) -> (i64, Key) {
    let (after, key) = entry.split_first_chunk().unwrap_or((&[0; 2], &[]));
    (u16::from_le_bytes(*after).into(), *key.first_chunk().unwrap_or(&[0; KEY]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        [number; KEY]
    }

    proptest! {
        #[test]
        fn what_is_due_is_what_a_sorted_set_says(
            steps in prop::collection::vec((0u8..4, 0u8..20, -50i64..200), 1..200),
        ) {
            // A quarter of a heap's length: some fall into one, some into others.
            let at = |number: i64| number << (HEAP_BITS - 2) | (number & 3);
            let (mut due, mut sorted) = (Due::new(0), BTreeSet::new());
            let mut v = 0;
            for (what, number, time) in steps {
                let (key, hash) = (key(number), u64::from(number));
                match what {
                    0 => {
                        v = v.max(at(time / 2));
                        let found: Vec<Key> = due.until(v).copied().collect();
                        let expected = sorted.iter().take_while(|(at, _)| *at <= v);
                        let expected: Vec<Key> = expected.map(|(_, key)| *key).collect();
                        prop_assert_eq!(found, expected);
                    }
                    1 => {
                        if let Some((at, _)) = sorted.iter().find(|(_, of)| *of == key).copied() {
                            sorted.remove(&(at, key));
                            due.remove(at, &key, hash);
                        }
                    }
                    _ => {
                        if !sorted.iter().any(|(_, of)| *of == key) {
                            sorted.insert((at(time), key));
                            due.insert(at(time), &key, hash, |key| u64::from(key[0]));
                        }
                    }
                }
            }
        }
    }
}
