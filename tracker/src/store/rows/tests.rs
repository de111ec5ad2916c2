//! Rows come back as they were, and what format 1 wrote is readable for ever.

use std::sync::Arc;

use labkit::wire::{CheckpointId, Kind, Outcome};

use super::*;
use crate::limits::IDS_WHOLE;
use crate::transition::{
    Anomaly, End, Ended, Final, Instance, Record, SdkCell, Seen, Span, State, Stored,
    TimeoutReason, Tombstone,
};

fn definition() -> Arc<Definition> {
    Arc::new(Definition {
        id: "make_it".into(),
        feature_category: "making".into(),
        urgency: "custom".into(),
        threshold_us: 1_500_000,
        ttl_ms: 60_000,
    })
}

fn record(state: State, ids: usize) -> Stored {
    let mut seen = Seen::default();
    (0..ids).for_each(|id| seen.insert(CheckpointId(u128::MAX / 3 + id as u128)));
    Stored::Whole(Record {
        definition: definition(),
        state,
        due: 77,
        opened_at: 1_790_000_000_000,
        started: Some(-5),
        service: "web".into(),
        owner_instance: Some(CheckpointId(7)),
        seen,
        events: 3,
    })
}

fn ended(outcome: Final) -> State {
    State::Ended(Box::new(Ended {
        outcome,
        reason: Some("ü".into()),
        at: 9,
        span: Some(Span { us: i64::MAX, clamped: true, skewed: false }),
        apdex: Some(false),
        recanted: true,
    }))
}

fn held(outcome: Outcome) -> State {
    State::Held(Box::new(End {
        outcome,
        reason: None,
        category: Some("c".into()),
        meta: Some("{}".into()),
        service: "sidekiq".into(),
        derived: i64::MIN,
        started_at: None,
    }))
}

fn back(row: &[u8]) -> Result<Stored, Unreadable> {
    unpack_stored(row, 77, |number| {
        assert_eq!(number, 300);
        Ok(definition())
    })
}

#[test]
fn every_kind_of_record_comes_back_as_it_was() {
    let mut all = vec![record(State::Open, 0), record(State::Implicit, 2 * IDS_WHOLE)];
    for outcome in Final::ALL {
        all.push(record(ended(outcome), 1));
        all.push(Stored::Tombstone(Tombstone { outcome, due: 77 }));
    }
    for outcome in [Outcome::Success, Outcome::Error, Outcome::Handled, Outcome::Discarded] {
        all.push(record(held(outcome), 2));
    }
    all.push(Stored::Instance(Instance {
        sdk: "labkit-go".into(),
        due: 77,
        silent: false,
        sent_at: 1_790_000_000_000,
        recorded: 9,
        dropped: std::array::from_fn(|reason| reason as u64),
        queued: 4,
    }));
    for stored in all {
        assert_eq!(back(&pack_stored(&stored, 300)), Ok(stored));
    }
    assert_eq!(unpack_definition(&pack_definition(&definition())), Ok((*definition()).clone()));
    let time = VirtualTime { v: 1, last_tick: -2, settling: 3, granted: 4, blind: i64::MAX };
    assert_eq!(unpack_time(&pack_time(time)), Ok(time));
    let cells = std::array::from_fn(|index| -(index as i64));
    assert_eq!(unpack_counters(&pack_counters(&cells)), Ok(cells));
}

/// If this fails, files on disks have become unreadable: make it format 2.
#[test]
fn format_1_is_written_as_it_always_was() {
    let hex = |row: &[u8]| row.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let tombstone = Stored::Tombstone(Tombstone { outcome: Final::Timeout, due: 0 });
    assert_eq!(hex(&pack_stored(&tombstone, 0)), "010104");
    assert_eq!(hex(&pack_stored(&record(ended(Final::Error), 1), 300)), RECORD);
    assert_eq!(hex(&pack(&Last { version: 1, line: 300, definition: 2 })), "0101ac0202");
    assert_eq!(hex(&pack_definition(&definition())), DEFINITION);
}

const RECORD: &str = "0100ac0203020102c3bc1201feffffffffffffffff01010001000180b083c598680109037765620\
    10000000000000000000000000000000701555555555555555555555555555555550003";
const DEFINITION: &str = "01076d616b655f6974066d616b696e6706637573746f6dc08db701c0a907";

#[test]
fn a_cell_stands_where_format_1_has_it() {
    let places = [
        (Cell::Checkpoint(Kind::End), 2),
        (Cell::Total { error: true }, 4),
        (Cell::Apdex { success: true }, 6),
        (Cell::Outcome(Final::Timeout), 11),
        (Cell::Bucket(15), 27),
        (Cell::DurationUs, 28),
        (Cell::Opened, 29),
        (Cell::InHeld, 32),
        (Cell::Mismatch, 34),
        (Cell::Anomaly(Anomaly::AfterTombstone), 39),
        (Cell::Timeout(TimeoutReason::StartMissing), 42),
        (Cell::Sdk(SdkCell::Recovered), 47),
        (Cell::Sdk(SdkCell::Dropped(9)), 57),
    ];
    for (cell, place) in places {
        assert_eq!(cell.index(), place, "{cell:?}");
    }
    assert_eq!(Cell::COUNT, 58);
}

#[test]
fn what_was_not_counted_yet_when_a_row_was_written_stands_at_zero() {
    let row = unpack_counters(&pack(&vec![3_i64; 40])).unwrap();
    assert_eq!((row[39], row[40], row[57]), (3, 0, 0));
    assert!(unpack_counters(&pack(&vec![3_i64; Cell::COUNT + 1])).is_err());
}

#[test]
fn an_unknown_format_and_a_damaged_row_are_told_apart() {
    let mut row = pack_stored(&record(State::Open, 1), 300);
    for length in 1..row.len() {
        assert_eq!(back(&row[..length]), Err(Unreadable::Damaged("record")), "{length} bytes");
    }
    assert_eq!(back(&[FORMAT, 1, 5]), Err(Unreadable::Damaged("record")), "no such outcome");
    row[0] = 3;
    assert_eq!(back(&row), Err(Unreadable::Format(3)));
    assert!(Unreadable::Format(3).to_string().contains("the version of labkit-tracker"));
    assert_eq!(back(&[]), Err(Unreadable::Damaged("record")));
}
