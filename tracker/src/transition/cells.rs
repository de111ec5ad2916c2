//! Every cell of the specification's table.

use labkit::wire::Outcome::{Discarded, Error, Handled, Success};

use super::world::{Point, T0, TTL, World, end, start, step, timed_out};
use super::{Anomaly, Cell, Definition, Disposition, Final, Owner, TimeoutReason};
use crate::limits::REORDER_MS as R;

const OUTCOMES: [(labkit::wire::Outcome, &str); 4] =
    [(Success, "success"), (Handled, "handled"), (Error, "error"), (Discarded, "discarded")];

// ABSENT

#[test]
fn absent_start_opens_and_arms_the_deadline() {
    let world = World::after(&[Point { instance: Some(77), ..start(1) }]);
    assert_eq!((world.state(), world.due()), ("open", TTL));
    assert_eq!(world.told, ["start"]);
    assert_eq!((world.count(Cell::Opened), world.count(Cell::InOpen)), (1, 1));
    assert_eq!(world.record().owner_instance.map(|id| id.0), Some(77));
}

#[test]
fn absent_start_that_is_old_has_a_shorter_deadline_but_never_below_the_reorder_window() {
    for (age, due) in [(0, TTL), (10_000, TTL - 10_000), (40_000, R), (10_000_000, R), (-500, TTL)]
    {
        let world = World::after(&[Point { at: Some(T0 - age), ..start(1) }]);
        assert_eq!(world.due(), due, "age {age}");
    }
}

#[test]
fn absent_intermediate_is_implicit_with_the_whole_ttl_whatever_its_age() {
    let world = World::after(&[Point { at: Some(T0 - 50_000), started_at: Some(0), ..step(1) }]);
    assert_eq!((world.state(), world.due()), ("implicit", TTL));
    assert_eq!(world.told, ["intermediate"]);
    assert_eq!((world.count(Cell::Opened), world.count(Cell::InImplicit)), (1, 1));
}

#[test]
fn absent_end_is_held_for_the_reorder_window() {
    for (outcome, _) in OUTCOMES {
        let world = World::after(&[end(1, outcome)]);
        assert_eq!((world.state(), world.due()), ("held", R));
        assert!(world.told.is_empty());
        assert_eq!((world.count(Cell::Opened), world.count(Cell::InHeld)), (1, 1));
    }
}

#[test]
fn absent_end_with_elapsed_time_is_terminal_with_apdex() {
    for (outcome, word) in OUTCOMES {
        let world = World::after(&[Point { elapsed_us: Some(5_000_000), ..end(1, outcome) }]);
        let counts = matches!(outcome, Success | Handled);
        assert_eq!(world.state(), word);
        assert_eq!(world.verdict(), (Some(5_000_000), counts.then_some(true)));
        assert_eq!(world.count(Cell::Apdex { success: true }), i64::from(counts));
        assert_eq!(world.count(Cell::InOpen), 0);
    }
}

#[test]
fn a_ttl_beyond_the_end_of_time_never_runs_out() {
    let mut world = World::new();
    let endless = Definition { ttl_ms: i64::MAX, ..(*world.definition).clone() };
    world.definition = endless.into();
    world.send(&start(1));
    world.wait(1_000);
    assert_eq!(world.state(), "open");
}

#[test]
fn absent_and_time_is_nothing() {
    let mut world = World::new();
    world.wait(TTL);
    assert_eq!((world.state(), world.told.len(), world.counts.len()), ("absent", 0, 0));
}

// OPEN

#[test]
fn open_start_is_an_anomaly_and_does_not_reset_the_clock() {
    let mut world = World::after(&[start(1)]);
    world.pass(1_000);
    assert_eq!(world.send(&start(2)), Disposition::Accepted);
    assert_eq!((world.state(), world.due()), ("open", TTL));
    assert_eq!(world.record().started, Some(T0));
    assert_eq!(world.told, ["start", "anomaly duplicate_start"]);
    assert_eq!(world.count(Cell::Anomaly(Anomaly::DuplicateStart)), 1);
}

#[test]
fn open_intermediate_is_told_and_never_extends_the_deadline() {
    let mut world = World::after(&[start(1)]);
    world.pass(TTL - 1);
    world.send(&step(2));
    assert_eq!((world.state(), world.due()), ("open", TTL));
    assert_eq!(world.told, ["start", "intermediate"]);
}

#[test]
fn open_end_is_terminal_with_its_outcome() {
    for (outcome, word) in OUTCOMES {
        let mut world = World::after(&[start(1)]);
        world.pass(5_000);
        world.send(&Point { reason: Some("why"), ..end(2, outcome) });
        assert_eq!(world.state(), word);
        let (event, apdex, error) = match outcome {
            Success | Handled => ("success", Some(true), Some(false)),
            Error => ("failure", None, Some(true)),
            Discarded => ("discarded", None, None),
        };
        assert_eq!(world.told[1], format!("{event} {word} why"));
        assert_eq!(world.verdict(), (Some(5_000_000), apdex));
        assert_eq!(world.count(Cell::Outcome(outcome.into())), 1);
        for value in [false, true] {
            let counted = i64::from(error == Some(value));
            assert_eq!(world.count(Cell::Total { error: value }), counted, "{word}");
        }
        assert_eq!(world.count(Cell::InOpen), 0);
        assert_eq!(world.count(Cell::DurationUs), if apdex.is_some() { 5_000_000 } else { 0 });
    }
}

#[test]
fn at_its_deadline_an_open_one_says_whether_its_owner_is_gone() {
    for (owner, reason) in [
        (Owner::Unknown, TimeoutReason::NoEnd),
        (Owner::Alive, TimeoutReason::NoEnd),
        (Owner::Gone, TimeoutReason::OwnerLost),
    ] {
        let mut world = World::after(&[start(1)]);
        world.owner = owner;
        world.wait(TTL);
        assert_eq!(world.told[1], format!("failure timeout {}", reason.as_str()));
        assert_eq!(world.count(Cell::Timeout(reason)), 1);
    }
    let mut world = World::after(&[step(1)]);
    world.owner = Owner::Gone;
    world.wait(TTL);
    assert_eq!(world.count(Cell::Timeout(TimeoutReason::StartMissing)), 1, "it has no owner");
}

#[test]
fn open_deadline_is_a_timeout_for_want_of_an_end() {
    let mut world = World::after(&[start(1), Point { service: "sidekiq", ..step(2) }]);
    world.wait(TTL - 1);
    assert_eq!(world.state(), "open");
    world.wait(1);
    assert_eq!(world.state(), "timeout");
    assert_eq!(world.told[2], "failure timeout no_end");
    assert_eq!(world.count(Cell::Total { error: true }), 1);
    assert_eq!(world.count(Cell::Outcome(Final::Timeout)), 1);
    assert_eq!(world.count(Cell::Timeout(TimeoutReason::NoEnd)), 1);
    assert_eq!(world.verdict(), (None, None));
    let (_, service) =
        world.services.iter().find(|(c, _)| *c == Cell::Total { error: true }).unwrap();
    assert_eq!(&**service, "sidekiq", "the type of the last checkpoint seen");
}

// IMPLICIT

#[test]
fn implicit_start_opens_and_keeps_the_earlier_deadline() {
    for (wait, age, due) in [(10_000, 0, TTL), (0, 20_000, TTL - 20_000), (0, 55_000, R)] {
        let mut world = World::after(&[step(1)]);
        world.pass(wait);
        let at = Some(world.real - age);
        world.send(&Point { at, instance: Some(5), ..start(2) });
        assert_eq!((world.state(), world.due()), ("open", due), "wait {wait} age {age}");
        assert_eq!(world.told, ["intermediate", "start"]);
        assert_eq!((world.count(Cell::Opened), world.count(Cell::InImplicit)), (1, 0));
        assert_eq!(world.record().owner_instance.map(|id| id.0), Some(5));
    }
}

#[test]
fn implicit_intermediate_is_told() {
    let mut world = World::after(&[step(1)]);
    world.pass(1_000);
    world.send(&step(2));
    assert_eq!((world.state(), world.due()), ("implicit", TTL));
    assert_eq!(world.told, ["intermediate", "intermediate"]);
}

#[test]
fn implicit_end_is_held_and_keeps_the_earlier_deadline() {
    for (wait, due) in [(0, R), (TTL - 1_000, TTL)] {
        let mut world = World::after(&[step(1)]);
        world.pass(wait);
        world.send(&end(2, Success));
        assert_eq!((world.state(), world.due()), ("held", due));
        assert_eq!(world.told, ["intermediate"]);
        assert_eq!((world.count(Cell::InHeld), world.count(Cell::InImplicit)), (1, 0));
    }
}

#[test]
fn implicit_end_with_elapsed_time_is_terminal_with_apdex() {
    let world = World::after(&[step(1), Point { elapsed_us: Some(5_000_001), ..end(2, Handled) }]);
    assert_eq!((world.state(), world.verdict()), ("handled", (Some(5_000_001), Some(false))));
    assert_eq!(world.count(Cell::Apdex { success: false }), 1);
}

#[test]
fn implicit_deadline_is_a_timeout_for_want_of_a_start() {
    let mut world = World::after(&[step(1)]);
    world.wait(TTL);
    assert_eq!((world.state(), &*world.told[1]), ("timeout", "failure timeout start_missing"));
}

// HELD

#[test]
fn held_start_ends_it_as_held_with_apdex() {
    for (outcome, word) in OUTCOMES {
        let mut world = World::after(&[Point { at: Some(T0 - 1_000), ..end(1, outcome) }]);
        world.pass(2_000);
        world.send(&Point { at: Some(T0 - 6_000), instance: Some(5), ..start(2) });
        let apdex = matches!(outcome, Success | Handled).then_some(true);
        assert_eq!((world.state(), world.verdict()), (word, (Some(5_000_000), apdex)));
        assert_eq!(world.told[0], "start");
        assert_eq!(world.told.len(), 2);
        assert_eq!(world.count(Cell::Anomaly(Anomaly::MissingStart)), 0);
        assert_eq!(world.record().owner_instance.map(|id| id.0), Some(5));
    }
}

#[test]
fn held_intermediate_is_told_and_extends_nothing() {
    let mut world = World::after(&[end(1, Success)]);
    world.pass(1_000);
    world.send(&step(2));
    assert_eq!((world.state(), world.due()), ("held", R));
    assert_eq!(world.told, ["intermediate"]);
}

#[test]
fn held_end_is_an_anomaly_and_the_first_end_wins() {
    let mut world = World::after(&[end(1, Success), end(2, Error)]);
    assert_eq!((world.state(), world.due()), ("held", R));
    assert_eq!(world.told, ["anomaly error second_end"]);
    world.wait(R);
    assert_eq!(world.state(), "success");
}

#[test]
fn held_deadline_ends_it_as_held_without_apdex() {
    for (outcome, word) in OUTCOMES {
        let mut world = World::after(&[end(1, outcome)]);
        world.wait(R);
        assert_eq!((world.state(), world.verdict()), (word, (None, None)));
        assert_eq!(world.count(Cell::Anomaly(Anomaly::MissingStart)), 1);
        assert_eq!(world.count(Cell::Outcome(outcome.into())), 1);
        assert_eq!(world.count(Cell::Apdex { success: true }), 0);
    }
}

#[test]
fn held_deadline_uses_a_start_time_that_was_carried_along_and_flags_it() {
    let mut world = World::after(&[Point { started_at: Some(T0 - 4_000), ..end(1, Success) }]);
    world.wait(R);
    assert_eq!(world.verdict(), (Some(4_000_000), Some(true)));
    let super::State::Ended(ended) = &world.record().state else { panic!() };
    assert!(ended.span.unwrap().skewed);
    assert_eq!(world.record().started, None, "it is no counted start");
}

#[test]
fn held_experiences_count_under_the_type_that_ended_them() {
    let held = Point { service: "sidekiq", ..end(1, Success) };
    let world = World::after(&[held, Point { service: "web", ..start(2) }]);
    let terminal = |(cell, _): &&(Cell, _)| matches!(cell, Cell::Total { .. } | Cell::Apdex { .. });
    let found: Vec<_> = world.services.iter().filter(terminal).collect();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(_, service)| &**service == "sidekiq"));
}

// Terminal

#[test]
fn terminal_states_tell_the_first_late_start_and_call_any_other_an_anomaly() {
    for (outcome, word) in OUTCOMES {
        let early_end = Point { elapsed_us: Some(1), ..end(1, outcome) };
        let mut world = World::after(&[early_end]);
        world.send(&start(2));
        assert_eq!((world.state(), &*world.told[1]), (word, "start"));
        assert_eq!(world.count(Cell::Anomaly(Anomaly::StartAfterEnd)), 0);
        world.send(&start(3));
        assert_eq!((world.state(), &*world.told[2]), (word, "anomaly start_after_end"));
        let mut world = World::after(&[start(1), end(2, outcome)]);
        world.send(&start(3));
        assert_eq!((world.state(), &*world.told[2]), (word, "anomaly start_after_end"));
    }
}

#[test]
fn terminal_states_tell_late_intermediates_and_call_a_second_end_an_anomaly() {
    for (outcome, word) in OUTCOMES {
        for (second, second_word) in OUTCOMES {
            let mut world = World::after(&[start(1), end(2, outcome)]);
            let total = world.count(Cell::Outcome(outcome.into()));
            world.send(&step(3));
            world.send(&end(4, second));
            assert_eq!(world.state(), word);
            assert_eq!(world.told[2], "intermediate");
            assert_eq!(world.told[3], format!("anomaly {second_word} second_end"));
            assert_eq!(world.count(Cell::Anomaly(Anomaly::SecondEnd)), 1);
            assert_eq!(world.count(Cell::Outcome(outcome.into())), total);
        }
    }
}

// TIMEOUT

#[test]
fn timeout_start_and_intermediate_are_as_in_any_terminal_state() {
    let mut world = World::after(&[step(1)]);
    world.wait(TTL);
    for (point, told) in
        [(start(2), "start"), (start(3), "anomaly start_after_end"), (step(4), "intermediate")]
    {
        world.send(&point);
        assert_eq!((world.state(), &**world.told.last().unwrap()), ("timeout", told));
    }
    let mut world = timed_out();
    world.send(&start(2));
    assert_eq!(world.told[2], "anomaly start_after_end");
}

#[test]
fn timeout_end_that_was_in_time_is_told_and_recants_once() {
    for (outcome, _) in OUTCOMES {
        let mut world = timed_out();
        world.send(&Point { at: Some(T0 + TTL), ..end(2, outcome) });
        assert_eq!((world.state(), &*world.told[2]), ("timeout", "late_end timeout"));
        assert_eq!(world.count(Cell::Recanted), 1);
        world.send(&Point { at: Some(T0 + 1), ..end(3, outcome) });
        assert_eq!((world.told.len(), world.count(Cell::Recanted)), (4, 1));
        assert_eq!(world.count(Cell::Total { error: true }), 1);
    }
}

#[test]
fn timeout_end_that_was_late_is_told_and_recants_nothing() {
    let mut world = timed_out();
    world.send(&Point { at: Some(T0 + TTL + 1), ..end(2, Success) });
    assert_eq!((&*world.told[2], world.count(Cell::Recanted)), ("late_end timeout", 0));
    assert_eq!(world.count(Cell::Anomaly(Anomaly::SecondEnd)), 0);
}
