//! What holds for every wait, whatever the settings, the answers and the draws.

use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;

use super::*;

/// Anything, with the ends and the usual more often than chance would have it.
fn duration(u: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(match u.int_in_range(0..=4)? {
        0 => Duration::ZERO,
        1 => Duration::MAX,
        2 => Duration::new(u.arbitrary()?, u.int_in_range(0..=999_999_999)?),
        _ => Duration::from_millis(u.int_in_range(0..=3_600_000)?),
    })
}

fn random(u: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match u.int_in_range(0..=3)? {
        0 => 0,
        1 => u64::MAX,
        _ => u.arbitrary()?,
    })
}

#[derive(Debug)]
enum Event {
    Failed(Option<Duration>),
    Succeeded(usize),
}

fn event(u: &mut Unstructured<'_>) -> Result<Event> {
    Ok(match u.int_in_range(0..=2)? {
        0 => Event::Failed(None),
        1 => Event::Failed(Some(duration(u)?)),
        _ if u.ratio(1, 8)? => Event::Succeeded(usize::MAX),
        _ => Event::Succeeded(u.int_in_range(0..=9)?),
    })
}

#[test]
fn every_wait_lies_between_the_trackers_wish_and_the_cap_on_top_of_it() {
    arbtest(|u| {
        let (base, cap) = (duration(u)?, duration(u)?);
        let mut backoff = Backoff::new(base, cap);
        for _ in 0..u.int_in_range(1..=80)? {
            let (event, random) = (event(u)?, random(u)?);
            let (wait, wish) = match event {
                Event::Failed(wish) => (backoff.failed(random, wish), wish.unwrap_or_default()),
                Event::Succeeded(backlog) => (backoff.succeeded(random, backlog), Duration::ZERO),
            };
            assert!(wait >= wish, "{event:?}: {wait:?}");
            assert!(wait <= cap.max(2 * PACE).saturating_add(wish), "{event:?}: {wait:?}");
        }
        Ok(())
    });
}

#[test]
fn a_wait_doubles_with_each_failure_in_a_row_up_to_the_cap() {
    arbtest(|u| {
        let base = Duration::from_millis(u.int_in_range(1..=3_600_000)?);
        let cap = Duration::from_millis(u.int_in_range(1..=3_600_000)?);
        let mut backoff = Backoff::new(base, cap);
        let mut bound = base.min(cap);
        for failures in 0..u.int_in_range(1..=70)? {
            assert_eq!(backoff.failures(), failures);
            assert_eq!(backoff.failed(u64::MAX, None), bound, "after {failures} failures");
            bound = (bound * 2).min(cap);
        }
        Ok(())
    });
}

/// Draws are independent of each other: how long the last wait was drawn, and
/// whether somebody cut it short, is nothing to the next.
#[test]
fn a_wait_depends_on_what_was_answered_and_not_on_the_waits_before() {
    arbtest(|u| {
        let mut one = Backoff::new(duration(u)?, duration(u)?);
        let mut other = one;
        for _ in 0..u.int_in_range(0..=20)? {
            match event(u)? {
                Event::Failed(wish) => {
                    one.failed(random(u)?, wish);
                    other.failed(random(u)?, None);
                }
                Event::Succeeded(backlog) => {
                    one.succeeded(random(u)?, backlog);
                    other.succeeded(random(u)?, backlog);
                }
            }
            assert_eq!(one.is_recovering(), other.is_recovering());
            let random = random(u)?;
            let (mut next, mut others_next) = (one, other);
            assert_eq!(next.failed(random, None), others_next.failed(random, None));
            let (mut next, mut others_next) = (one, other);
            assert_eq!(next.succeeded(random, 3), others_next.succeeded(random, 3));
        }
        Ok(())
    });
}

#[test]
fn a_recovery_ends_when_what_piled_up_has_been_sent() {
    arbtest(|u| {
        let mut backoff = Backoff::new(duration(u)?, duration(u)?);
        for _ in 0..u.int_in_range(1..=40)? {
            backoff.failed(random(u)?, None);
        }
        let backlog = u.int_in_range(0..=60)?;
        backoff.succeeded(random(u)?, backlog);
        for left in (1..=backlog).rev() {
            assert!(backoff.is_recovering(), "{left} batches are left");
            // However much has come in since.
            assert!(backoff.succeeded(random(u)?, u.arbitrary()?) <= 2 * PACE);
        }
        assert!(!backoff.is_recovering());
        assert_eq!(backoff.succeeded(random(u)?, 7), Duration::ZERO);
        Ok(())
    });
}

/// The tenths of the bound that `draws` waits fall into.
fn tenths(draws: u64, bound: Duration, wait: impl Fn(u64) -> Duration) -> [u64; 10] {
    let mut tenths = [0; 10];
    let mut state = 1;
    for _ in 0..draws {
        let share = wait(herd::random(&mut state)).as_secs_f64() / bound.as_secs_f64();
        tenths[((share * 10.0) as usize).min(9)] += 1;
    }
    tenths
}

#[test]
fn waits_are_spread_evenly_from_nothing_to_the_bound() {
    const DRAWS: u64 = 100_000;
    let (base, cap) = (Duration::from_millis(500), Duration::from_secs(60));
    let failing = |failures| Backoff { failures, ..Backoff::new(base, cap) };
    let paced = Backoff { backlog: 1, ..Backoff::new(base, cap) };
    let spreads = [
        tenths(DRAWS, base, |random| failing(0).failed(random, None)),
        tenths(DRAWS, 8 * base, |random| failing(3).failed(random, None)),
        tenths(DRAWS, cap, |random| failing(50).failed(random, None)),
        tenths(DRAWS, 2 * base, |random| failing(1).succeeded(random, 5)),
        tenths(DRAWS, 2 * PACE, |random| { paced }.succeeded(random, 5)),
    ];
    for spread in spreads {
        // A tenth holds 10,000 of them, give or take 100: 5 of those are never seen.
        assert!(spread.iter().all(|count| count.abs_diff(DRAWS / 10) < 500), "{spread:?}");
    }
}

#[test]
fn no_status_but_200_settles_and_no_unknown_one_is_final() {
    for status in 0..=u16::MAX {
        let fate = fate(&Reply::Answer { status, retry_after: None, body: Vec::new() });
        let expected = match status {
            200 => Fate::Settled,
            413 => Fate::Halve,
            400 | 415 | 422 => Fate::Refused,
            _ => Fate::Hold,
        };
        assert_eq!(fate, expected, "{status}");
    }
}
