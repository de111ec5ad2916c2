//! Five hundred clients and a tracker that was away, in virtual time: what
//! comes down on it when it returns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Backoff;
use crate::config::Config;

const CLIENTS: usize = 500;
/// A busy client fills one batch a second.
const STEADY_MS: u64 = 1_000;
/// One request after the other: each waits for the answer to the last.
const REQUEST_MS: u64 = 10;
const AWAY_FROM_MS: u64 = 10_000;
/// How long the return is watched: until well after the longest wait.
const WATCHED_MS: u64 = 150_000;

struct Client {
    backoff: Backoff,
    /// Everything before this time has been sent.
    sent_until_ms: u64,
    /// What its queue holds, in milliseconds of records; the rest was dropped
    /// and counted.
    queue_ms: u64,
}

/// Sebastiano Vigna's splitmix64: the same herd in every run.
pub(super) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The most requests in any second after the tracker was away for `away_ms`.
fn peak_after(away_ms: u64) -> usize {
    let back_ms = AWAY_FROM_MS + away_ms;
    let mut seed = away_ms;
    let config = Config::default();
    let queue_ms = config.queue_items.div_ceil(config.batch_items) as u64 * STEADY_MS;
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| Client { backoff: Backoff::of(&config), sent_until_ms: 0, queue_ms })
        .collect();
    let mut next: BinaryHeap<Reverse<(u64, usize)>> =
        (0..CLIENTS).map(|client| Reverse((random(&mut seed) % STEADY_MS, client))).collect();
    let mut seconds = vec![0; ((WATCHED_MS / 1_000) + 1) as usize];
    while let Some(Reverse((now, client))) = next.pop() {
        if now >= back_ms + WATCHED_MS {
            break;
        }
        if now >= back_ms {
            seconds[((now - back_ms) / 1_000) as usize] += 1;
        }
        let is_away = (AWAY_FROM_MS..back_ms).contains(&now);
        let wait = clients[client].attempt(now, is_away, &mut seed);
        next.push(Reverse((now + wait.max(1), client)));
    }
    seconds.into_iter().max().unwrap_or_default()
}

impl Client {
    /// Sends the oldest batch, and says after how many milliseconds the next is due.
    fn attempt(&mut self, now: u64, is_away: bool, seed: &mut u64) -> u64 {
        if is_away {
            return self.backoff.failed(random(seed), None).as_millis() as u64;
        }
        let oldest_kept = now.saturating_sub(self.queue_ms);
        self.sent_until_ms = (self.sent_until_ms + STEADY_MS).max(oldest_kept);
        let backlog = (now.saturating_sub(self.sent_until_ms) / STEADY_MS) as usize;
        let held = self.backoff.succeeded(random(seed), backlog).as_millis() as u64;
        let due = (self.sent_until_ms + STEADY_MS).saturating_sub(now);
        due.max(held).max(REQUEST_MS)
    }
}

#[test]
fn five_hundred_clients_return_with_at_most_twice_their_steady_rate() {
    let steady = CLIENTS * 1_000 / STEADY_MS as usize;
    for away in [1, 2, 5, 10, 30, 60, 300, 3_600].map(Duration::from_secs) {
        let peak = peak_after(away.as_millis() as u64);
        assert!(peak <= 2 * steady, "away for {away:?}: {peak} requests in a second");
    }
}
