//! A batch under any sequence of what the worker does to it, beside a plain
//! list of what should be in it.

use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;

use super::{Batch, Limits};
use crate::quiet;

type Items = Vec<(i64, Vec<u8>)>;

#[derive(Debug)]
enum Op {
    Add(i64, Vec<u8>),
    /// The record's encoding fails half way.
    AddInVain(Vec<u8>),
    Expire(i64),
    KeepFirstHalf,
    KeepRest,
    Truncate(usize),
}

/// Near each other, or anywhere.
fn time(u: &mut Unstructured<'_>) -> Result<i64> {
    Ok(match u.int_in_range(0..=5)? {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => u.arbitrary()?,
        _ => u.int_in_range(0..=20)?,
    })
}

fn op(u: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match u.int_in_range(0..=9)? {
        0..=4 => Op::Add(time(u)?, u.arbitrary()?),
        5 => Op::AddInVain(u.arbitrary()?),
        6 => Op::Expire(time(u)?),
        7 => Op::KeepFirstHalf,
        8 => Op::KeepRest,
        _ => Op::Truncate(u.int_in_range(0..=9)?),
    })
}

fn apply(op: Op, batch: &mut Batch, items: &mut Items) {
    match op {
        Op::Add(wall_ms, json) => {
            batch.add(wall_ms, |out| out.extend_from_slice(&json));
            items.push((wall_ms, json));
        }
        Op::AddInVain(json) => {
            let add = || {
                batch.add(0, |out| {
                    out.extend_from_slice(&json);
                    panic!("half way");
                })
            };
            assert!(quiet::catch(add).is_err());
        }
        Op::Expire(earliest_ms) => {
            let before = items.len();
            items.retain(|(wall_ms, _)| *wall_ms >= earliest_ms);
            assert_eq!(batch.expire(earliest_ms), before - items.len());
        }
        Op::KeepFirstHalf => {
            *batch = std::mem::take(batch).halve().0;
            items.truncate(items.len() / 2);
        }
        Op::KeepRest => {
            *batch = std::mem::take(batch).halve().1;
            items.drain(..items.len() / 2);
        }
        Op::Truncate(len) => {
            batch.truncate(len);
            items.truncate(len);
        }
    }
}

#[test]
fn whatever_is_done_to_a_batch_it_holds_what_it_should_in_order() {
    quiet::install();
    arbtest(|u| {
        let (mut batch, mut items) = (Batch::default(), Items::new());
        for _ in 0..u.int_in_range(0..=40)? {
            apply(op(u)?, &mut batch, &mut items);
            let held: Items = batch.timed().map(|(at, json)| (at, json.to_vec())).collect();
            assert_eq!(held, items);
            assert_eq!(batch.len(), items.len());
            assert!(batch.iter().eq(items.iter().map(|(_, json)| json.as_slice())));
        }
        Ok(())
    });
}

#[test]
fn both_halves_together_are_the_whole() {
    arbtest(|u| {
        let (mut batch, mut items) = (Batch::default(), Items::new());
        for _ in 0..u.int_in_range(0..=20)? {
            apply(Op::Add(time(u)?, u.arbitrary()?), &mut batch, &mut items);
        }
        let (first, rest) = batch.halve();
        assert!(rest.len() - first.len() <= 1);
        let joined: Items =
            first.timed().chain(rest.timed()).map(|(at, json)| (at, json.to_vec())).collect();
        assert_eq!(joined, items);
        Ok(())
    });
}

#[test]
fn a_batch_only_gets_fuller_by_adding_and_is_full_at_its_limits() {
    arbtest(|u| {
        let limits = Limits {
            items: u.int_in_range(1..=8)?,
            bytes: u.int_in_range(1..=64)?,
            age: Duration::ZERO,
        };
        let (mut batch, mut items) = (Batch::default(), Items::new());
        for _ in 0..u.int_in_range(0..=12)? {
            let was_full = batch.is_full(&limits);
            apply(Op::Add(0, u.arbitrary()?), &mut batch, &mut items);
            assert!(batch.is_full(&limits) || !was_full);
            let bytes: usize = items.iter().map(|(_, json)| json.len()).sum();
            assert_eq!(
                batch.is_full(&limits),
                items.len() >= limits.items || bytes >= limits.bytes
            );
        }
        Ok(())
    });
}

#[test]
fn patience_only_shrinks_with_time_and_company() {
    arbtest(|u| {
        let age = Duration::from_millis(u.int_in_range(0..=50)?);
        let limits = Limits { items: 1, bytes: 1, age };
        let (mut batch, mut items) = (Batch::default(), Items::new());
        assert_eq!(batch.patience(time(u)?, &limits), None);
        let mut now = time(u)?;
        let mut last = age;
        for _ in 0..u.int_in_range(1..=20)? {
            if u.arbitrary()? {
                now = now.saturating_add(u.int_in_range(0..=10)?);
            }
            apply(Op::Add(time(u)?, Vec::new()), &mut batch, &mut items);
            let patience = batch.patience(now, &limits).expect("it is not empty");
            assert!(patience <= last, "{patience:?} after {last:?}");
            last = patience;
        }
        let oldest = items.iter().map(|(wall_ms, _)| *wall_ms).min().unwrap_or_default();
        let due = i128::from(now) - i128::from(oldest) >= age.as_millis() as i128;
        assert_eq!(last == Duration::ZERO, due || age.is_zero());
        Ok(())
    });
}
