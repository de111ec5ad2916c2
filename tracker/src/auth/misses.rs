//! Names of keys that an issuer does not have. Whoever keeps sending one must
//! not use up the fetches that a real new key needs.

use std::collections::HashMap;

use crate::limits::{KEYSET_GUARD_MS, MISS_MOST_MS, MISSES};

#[derive(Debug, Default)]
pub(super) struct Misses(HashMap<String, Miss>);

#[derive(Debug)]
struct Miss {
    since_ms: i64,
    wait_ms: i64,
}

impl Misses {
    /// Whether it is too soon to look for this name again.
    pub(super) fn is_known(&self, kid: &str, now_ms: i64) -> bool {
        self.0.get(kid).is_some_and(|miss| (0..miss.wait_ms).contains(&(now_ms - miss.since_ms)))
    }

    /// It was looked for, and is not there: the next time after twice the wait.
    /// An issuer that signs with a key before it publishes it, or publishes
    /// through a cache, is found out soon; a client with an old key is not
    /// listened to for long.
    pub(super) fn add(&mut self, kid: &str, now_ms: i64) {
        if !self.0.contains_key(kid) && self.0.len() >= MISSES {
            let oldest = self.0.iter().min_by_key(|(_, miss)| miss.since_ms);
            if let Some(oldest) = oldest.map(|(kid, _)| kid.clone()) {
                self.0.remove(&oldest);
            }
        }
        let miss = self.0.entry(kid.to_owned()).or_insert(Miss { since_ms: 0, wait_ms: 0 });
        miss.since_ms = now_ms;
        miss.wait_ms = (miss.wait_ms * 2).clamp(KEYSET_GUARD_MS, MISS_MOST_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stays_unknown_is_looked_for_less_and_less_often() {
        let (mut misses, mut now, mut waits) = (Misses::default(), 0, Vec::new());
        for _ in 0..7 {
            misses.add("old", now);
            let began = now;
            while misses.is_known("old", now) {
                now += 1_000;
            }
            waits.push((now - began) / 1_000);
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert!(!misses.is_known("new", now));
    }

    #[test]
    fn however_many_names_are_invented_few_are_kept() {
        let mut misses = Misses::default();
        for kid in 0..10 * MISSES {
            misses.add(&kid.to_string(), kid as i64);
        }
        assert_eq!(misses.0.len(), MISSES);
        let last = (10 * MISSES - 1) as i64;
        assert!(misses.is_known(&last.to_string(), last) && !misses.is_known("0", last));
    }
}
