//! The rules that hold in every cell of the table.

use labkit::wire::Outcome::{Error, Success};

use super::world::{Point, T0, TTL, World, end, start, step, timed_out};
use super::{Anomaly, Cell, Disposition};
use crate::limits::{IDS, IDS_RESERVE, IDS_WHOLE, REORDER_MS, TOMBSTONE_MS, WHOLE_MS};

#[test]
fn every_input_first_applies_a_deadline_that_is_reached() {
    let mut world = World::after(&[start(1)]);
    world.pass(TTL);
    world.send(&end(2, Success));
    assert_eq!(world.state(), "timeout");
    assert_eq!(world.told, ["start", "failure timeout no_end", "late_end timeout"]);

    let mut world = World::after(&[end(1, Success)]);
    world.pass(REORDER_MS);
    world.send(&start(2));
    assert_eq!((world.state(), world.verdict()), ("success", (None, None)));
    assert_eq!(world.told, ["success success", "start"]);
}

#[test]
fn an_id_already_seen_has_no_effect_in_any_state() {
    let stories: [&[Point]; 5] = [
        &[start(1)],
        &[step(1)],
        &[end(1, Success)],
        &[start(1), end(2, Success)],
        &[start(1), step(2), end(3, Error)],
    ];
    for story in stories {
        let mut world = World::after(story);
        let (before, counts, told) = (world.stored.clone(), world.counts.clone(), world.told.len());
        for point in story {
            assert_eq!(world.send(point), Disposition::Duplicate);
        }
        assert_eq!((world.stored, world.counts, world.told.len()), (before, counts, told));
    }
}

#[test]
fn every_accepted_checkpoint_counts_whatever_the_state() {
    let mut world = timed_out();
    for point in [start(2), step(3), end(4, Success), end(5, Error)] {
        world.send(&point);
    }
    use labkit::wire::Kind::{End, Intermediate, Start};
    let counted = [Start, Intermediate, End].map(|kind| world.count(Cell::Checkpoint(kind)));
    assert_eq!(counted, [2, 1, 2]);
}

#[test]
fn a_definition_mismatch_is_accepted_and_counted() {
    let mut world = World::after(&[Point { mismatch: true, ..start(1) }]);
    assert_eq!((world.state(), world.count(Cell::Mismatch)), ("open", 1));
    world.send(&Point { mismatch: true, ..start(1) });
    assert_eq!(world.count(Cell::Mismatch), 1, "a duplicate has no effect");
}

#[test]
fn apdex_is_good_up_to_and_with_the_threshold() {
    for (elapsed_us, good) in [(0, true), (5_000_000, true), (5_000_001, false)] {
        let world = World::after(&[
            start(1),
            Point { elapsed_us: Some(elapsed_us), at: Some(T0 + 1), ..end(2, Success) },
        ]);
        assert_eq!(
            world.verdict(),
            (Some(elapsed_us), Some(good)),
            "the monotonic time is trusted"
        );
    }
}

#[test]
fn an_end_before_its_start_took_no_time_and_is_flagged() {
    let world = World::after(&[start(1), Point { at: Some(T0 - 700), ..end(2, Success) }]);
    let super::State::Ended(ended) = &world.record().state else { panic!() };
    let span = ended.span.unwrap();
    assert_eq!((span.us, span.clamped, span.skewed), (0, true, false));
}

#[test]
fn ids_are_remembered_beyond_those_kept_whole() {
    let mut world = World::after(&[start(0)]);
    (1..200).for_each(|id| assert_eq!(world.send(&step(id << 80 | id)), Disposition::Accepted));
    assert!(world.record().seen.len() > IDS_WHOLE);
    (1..200).for_each(|id| assert_eq!(world.send(&step(id << 80 | id)), Disposition::Duplicate));
}

#[test]
fn intermediates_beyond_the_bound_are_refused_and_the_end_still_ends_it() {
    let mut world = World::after(&[start(0)]);
    (1..IDS as u128).for_each(|id| assert_eq!(world.send(&step(id)), Disposition::Accepted));
    let told = world.told.len();
    assert_eq!(world.send(&step(90_000)), Disposition::TooMany);
    assert_eq!((world.told.len(), world.record().seen.len()), (told, IDS));
    assert_eq!(world.send(&end(90_001, Success)), Disposition::Accepted);
    assert_eq!(world.state(), "success");
    for id in 0..IDS_RESERVE as u128 - 1 {
        assert_eq!(world.send(&end(91_000 + id, Success)), Disposition::Accepted);
    }
    assert_eq!(world.send(&end(99_000, Success)), Disposition::TooMany, "memory is bounded");
    assert_eq!(world.send(&end(90_001, Success)), Disposition::Duplicate);
}

#[test]
fn an_ended_experience_shrinks_after_an_hour_and_is_forgotten_after_37() {
    let mut world = World::after(&[start(1), end(2, Success)]);
    world.wait(WHOLE_MS - 1);
    assert_eq!(world.state(), "success");
    world.wait(1);
    assert_eq!(world.state(), "tombstone");
    let told = world.told.len();
    for point in [start(1), step(8), end(9, Error)] {
        assert_eq!(world.send(&point), Disposition::Duplicate);
    }
    assert_eq!((world.told.len(), world.state()), (told, "tombstone"));
    assert_eq!(world.count(Cell::Anomaly(Anomaly::AfterTombstone)), 3);
    world.wait(TOMBSTONE_MS - WHOLE_MS - 1);
    assert_eq!(world.state(), "tombstone");
    world.wait(1);
    assert_eq!(world.state(), "absent");
    assert_eq!(world.send(&start(1)), Disposition::Accepted);
}
