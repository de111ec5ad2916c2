//! Random histories against the invariants of the specification.

use labkit::wire::{Kind, Outcome};
use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Point, T0, World, end, point, start, step};
use super::{Cell, Final, State, Stored};
use crate::limits::REORDER_MS;

/// One thing that happens: time passes, and then, perhaps, a checkpoint arrives.
#[derive(Clone, Debug)]
struct Happening {
    pass: i64,
    sweep: bool,
    point: Option<Point>,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Error),
        Just(Outcome::Handled),
        Just(Outcome::Discarded)
    ]
}

fn any_point() -> impl Strategy<Value = Point> {
    let kind = prop_oneof![Just(Kind::Start), Just(Kind::Intermediate), Just(Kind::End)];
    // Few ids, so that duplicates are common.
    let clocks = (
        prop::option::of(-120_000i64..120_000),
        prop::option::of(0i64..200_000_000),
        prop::option::of(-90_000i64..0),
    );
    (0u128..12, kind, outcome(), clocks).prop_map(|(id, kind, outcome, (at, elapsed, started))| {
        Point {
            outcome,
            at: at.map(|offset| T0 + offset),
            elapsed_us: elapsed.filter(|_| kind == Kind::End),
            started_at: started.map(|offset| T0 + offset),
            ..point(id, kind)
        }
    })
}

fn history() -> impl Strategy<Value = Vec<Happening>> {
    let pass = prop_oneof![
        8 => 0i64..2_000,
        2 => 20_000i64..70_000,
        1 => Just(3_600_000i64),
        1 => Just(36 * 3_600_000i64)
    ];
    let happening = (pass, any::<bool>(), prop::option::weighted(0.9, any_point()));
    vec(happening.prop_map(|(pass, sweep, point)| Happening { pass, sweep, point }), 0..40)
}

fn terminal(world: &World) -> Option<Final> {
    match world.stored.as_ref()? {
        Stored::Whole(record) => record.outcome(),
        Stored::Tombstone(tombstone) => Some(tombstone.outcome),
        Stored::Instance(_) => None,
    }
}

fn ends(world: &World) -> i64 {
    Final::ALL.iter().map(|outcome| world.count(Cell::Outcome(*outcome))).sum()
}

fn unfinished(world: &World) -> i64 {
    [Cell::InOpen, Cell::InImplicit, Cell::InHeld].iter().map(|cell| world.count(*cell)).sum()
}

fn live_due(world: &World) -> Option<i64> {
    match world.stored.as_ref()? {
        Stored::Whole(record) if record.outcome().is_none() => Some(record.due),
        _ => None,
    }
}

/// What must hold at every moment (invariants 2 and 3, and the gauges).
fn check_balance(world: &World) {
    assert_eq!(world.count(Cell::Opened), unfinished(world) + ends(world));
    for cell in [Cell::InOpen, Cell::InImplicit, Cell::InHeld] {
        assert!((0..=1).contains(&world.count(cell)));
    }
    assert_eq!(unfinished(world), i64::from(live_due(world).is_some()));
    let apdex =
        world.count(Cell::Apdex { success: true }) + world.count(Cell::Apdex { success: false });
    let good =
        world.count(Cell::Outcome(Final::Success)) + world.count(Cell::Outcome(Final::Handled));
    assert!(apdex <= good);
    let buckets: i64 = (0..=15).map(|bucket| world.count(Cell::Bucket(bucket))).sum();
    assert_eq!(buckets, apdex, "the histogram and Apdex count the same ends");
    assert_eq!(world.count(Cell::Total { error: false }), good);
    let bad = world.count(Cell::Outcome(Final::Error)) + world.count(Cell::Outcome(Final::Timeout));
    assert_eq!(world.count(Cell::Total { error: true }), bad);
    assert!(world.count(Cell::Recanted) <= world.count(Cell::Outcome(Final::Timeout)));
}

fn live(history: &[Happening], mut each: impl FnMut(&World, &World)) -> World {
    let mut world = World::new();
    for happening in history {
        world.pass(happening.pass);
        let before = snapshot(&world);
        if happening.sweep {
            world.wait(0);
        }
        if let Some(point) = &happening.point {
            world.send(point);
        }
        each(&before, &world);
    }
    world
}

fn snapshot(world: &World) -> World {
    World { stored: world.stored.clone(), counts: world.counts.clone(), ..World::new() }
}

const CASES: u32 = 2_000;

/// How many histories each property is tried on: `LABKIT_HISTORIES`.
fn cases() -> u32 {
    std::env::var("LABKIT_HISTORIES").map_or(CASES, |cases| cases.parse().unwrap())
}

/// One line for those who keep figures, once a property held for all of them.
fn tell(property: &str) {
    println!(r#"{{"name":"transition: {property}","rounds":{}}}"#, cases());
}

#[test]
fn counters_balance_after_every_input() {
    proptest!(ProptestConfig::with_cases(cases()), |(history in history())| {
        live(&history, |_, after| check_balance(after));
    });
    tell("counters balance after every input");
}

#[test]
fn no_edge_leaves_a_terminal_state_and_no_deadline_moves_later() {
    proptest!(ProptestConfig::with_cases(cases()), |(history in history())| {
        live(&history, |before, after| {
            // A forgotten experience may begin anew; that is another one.
            let reborn = after.count(Cell::Opened) > before.count(Cell::Opened);
            if let (Some(outcome), false) = (terminal(before), reborn) {
                assert!(after.stored.is_none() || terminal(after) == Some(outcome));
                assert_eq!(ends(after), ends(before), "one terminal event at most");
            }
            if let (Some(was), Some(is), false) = (live_due(before), live_due(after), reborn) {
                assert!(is <= was);
            }
            if let (Some(was), Some(Final::Timeout), false) =
                (live_due(before), terminal(after), reborn)
            {
                assert!(after.v >= was);
            }
        });
    });
    tell("no edge leaves a terminal state and no deadline moves later");
}

#[test]
fn past_its_deadline_every_experience_has_ended_exactly_once() {
    proptest!(ProptestConfig::with_cases(cases()), |(history in history())| {
        let mut world = live(&history, |_, _| {});
        if live_due(&world).is_some() {
            world.wait(10 * 3_600_000);
        }
        assert_eq!(unfinished(&world), 0);
        assert_eq!(ends(&world), world.count(Cell::Opened));
        let told = world.told.iter().filter(|told| {
            ["success", "failure", "discarded"].iter().any(|word| told.starts_with(word))
        });
        assert_eq!(told.count() as i64, ends(&world));
    });
    tell("past its deadline every experience has ended exactly once");
}

#[test]
fn replaying_any_part_of_the_input_changes_nothing() {
    proptest!(ProptestConfig::with_cases(cases()), |(history in history(), replayed in vec(any::<prop::sample::Index>(), 0..20))| {
        let mut world = live(&history, |_, _| {});
        world.wait(0);
        let (stored, counts, told) = (world.stored.clone(), world.counts.clone(), world.told.len());
        // What an earlier life of the same identity saw is forgotten with it.
        if matches!(&stored, Some(Stored::Whole(_))) && world.count(Cell::Opened) == 1 {
            let sent: Vec<_> = history.iter().filter_map(|h| h.point.clone()).collect();
            for index in replayed {
                if !sent.is_empty() {
                    world.send(index.get(&sent));
                }
            }
            assert_eq!(world.stored, stored);
            assert_eq!(world.counts, counts);
            assert_eq!(world.told.len(), told);
        }
    });
    tell("replaying any part of the input changes nothing");
}

#[test]
fn any_order_within_the_reorder_window_has_the_same_result() {
    proptest!(ProptestConfig::with_cases(cases()), |(outcome in outcome(), steps in 0u128..5, took in 0i64..20_000, elapsed in prop::option::of(0i64..20_000_000), order in any::<u64>())| {
        let mut points = vec![
            Point { at: Some(T0), ..start(1) },
            Point { at: Some(T0 + took), elapsed_us: elapsed, ..end(2, outcome) },
        ];
        points.extend((0..steps).map(|i| Point { at: Some(T0), ..step(10 + i) }));
        let result = |points: &[Point]| {
            let mut world = World::new();
            world.pass(took);
            for point in points {
                world.pass((REORDER_MS - 10_000) / points.len() as i64);
                world.send(point);
            }
            let State::Ended(ended) = world.record().state.clone() else {
                panic!("not ended: {:?}", world.record())
            };
            let mut told = world.told.clone();
            told.sort();
            (ended.outcome, ended.apdex, ended.span.map(|span| span.us), nonzero(&world), told)
        };
        let in_order = {
            let mut sorted = points.clone();
            sorted.sort_by_key(|point| (point.kind as u8, point.id));
            result(&sorted)
        };
        shuffle(&mut points, order);
        assert_eq!(result(&points), in_order);
    });
    tell("any order within the reorder window has the same result");
}

/// Counters; a gauge that went up and down again is the same as one that never moved.
fn nonzero(world: &World) -> Vec<(usize, i64)> {
    world.counts.iter().filter(|(_, n)| **n != 0).map(|(cell, n)| (*cell, *n)).collect()
}

fn shuffle(points: &mut [Point], mut seed: u64) {
    for i in (1..points.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        points.swap(i, (seed >> 33) as usize % (i + 1));
    }
}
