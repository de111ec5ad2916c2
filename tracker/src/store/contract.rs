//! What every store has to do. One macro runs all of it on a store; a new
//! store adds a line at the end and is done.

use std::sync::Arc;

use labkit::wire::{CorrelationId, Kind};

use super::redis_server::RedisServer;
use super::{
    Change, Commit, Embedded, Memory, Redis, RedisOptions, RedisSettings, Store, StoreError,
};
use crate::limits::{OUTBOX_LINES, TICK_GAP_MS};
use crate::transition::{
    Cell, Counts, DROP_REASONS, Definition, Ended, Final, INSTANCES, Identity, Instance,
    OF_INSTANCES, Record, SdkCell, Seen, Series, State, Stored, Tombstone,
};

const T0: i64 = 1_000_000;

fn identity(tenant: &str, number: u128) -> Identity {
    Identity {
        tenant: tenant.into(),
        user_experience_id: "create_it".into(),
        correlation_id: CorrelationId::from_ulid(number),
    }
}

fn definition() -> Arc<Definition> {
    Arc::new(Definition {
        id: "create_it".into(),
        feature_category: "making".into(),
        urgency: "sync_slow".into(),
        threshold_us: 5_000_000,
        ttl_ms: 60_000,
    })
}

fn open(due: i64, began: i64) -> Record {
    Record {
        definition: definition(),
        state: State::Open,
        due,
        opened_at: began,
        started: Some(began),
        service: "web".into(),
        owner_instance: None,
        seen: Seen::default(),
        events: 0,
    }
}

fn count(cell: Cell, by: i64) -> Counts {
    let series = Series { definition: definition(), service: "web".into() };
    Counts { series, moves: vec![(cell, by)] }
}

fn change(number: u128, expected: u64, next: Option<Stored>) -> Change {
    Change { identity: identity("t", number), expected, next, counts: vec![], lines: vec![] }
}

async fn put(store: &dyn Store, number: u128, expected: u64, due: i64) -> Commit {
    let next = Some(Stored::Whole(open(due, T0)));
    store.commit(vec![change(number, expected, next)]).await.unwrap()[0]
}

async fn version(store: &dyn Store, number: u128) -> u64 {
    store.load(&[identity("t", number)]).await.unwrap()[0].version
}

async fn total(store: &dyn Store, cell: Cell) -> i64 {
    store.counters().await.unwrap().iter().map(|(_, row)| row[cell.index()]).sum()
}

async fn due(store: &dyn Store, limit: usize) -> Vec<u128> {
    let due = store.due(limit).await.unwrap();
    due.into_iter().map(|identity| identity.correlation_id.to_parts().0).collect()
}

async fn lines(store: &dyn Store) -> Vec<String> {
    let pending = store.outbox(usize::MAX).await.unwrap();
    pending.iter().map(|pending| pending.line.to_string()).collect()
}

async fn what_is_not_there_loads_as_absent(store: &dyn Store) {
    let loaded = store.load(&[identity("t", 1)]).await.unwrap();
    assert_eq!((loaded[0].version, &loaded[0].stored, loaded[0].v), (0, &None, T0));
}

async fn what_was_committed_is_loaded_in_the_order_asked_for(store: &dyn Store) {
    put(store, 1, 0, T0 + 1).await;
    put(store, 2, 0, T0 + 2).await;
    let asked = [identity("t", 2), identity("u", 1), identity("t", 1)];
    let loaded = store.load(&asked).await.unwrap();
    let dues: Vec<_> = loaded.iter().map(|l| l.stored.as_ref().map(Stored::due)).collect();
    assert_eq!(dues, [Some(T0 + 2), None, Some(T0 + 1)], "tenants do not mix");
}

async fn a_change_from_an_old_version_is_refused_whole(store: &dyn Store) {
    put(store, 1, 0, T0 + 10).await;
    let mut stale = change(1, 0, None);
    stale.counts = vec![count(Cell::Opened, 1)];
    stale.lines = vec!["line".into()];
    let fresh = change(2, 0, Some(Stored::Whole(open(T0 + 20, T0))));
    let commits = store.commit(vec![stale, fresh]).await.unwrap();
    assert_eq!(commits, [Commit::Conflict, Commit::Done], "each change stands alone");
    assert_eq!(total(store, Cell::Opened).await, 0);
    assert!(lines(store).await.is_empty());
    assert_eq!(store.backlog().await.unwrap(), 0);
    assert_ne!(version(store, 1).await, 0);
}

async fn two_changes_from_one_version_cannot_both_win(store: &dyn Store) {
    let next = || Some(Stored::Whole(open(T0 + 10, T0)));
    let commits = store.commit(vec![change(1, 0, next()), change(1, 0, next())]).await.unwrap();
    assert_eq!(commits, [Commit::Done, Commit::Conflict]);
}

async fn a_version_is_never_used_twice_even_after_forgetting(store: &dyn Store) {
    put(store, 1, 0, T0 + 10).await;
    let first = version(store, 1).await;
    assert_eq!(store.commit(vec![change(1, first, None)]).await.unwrap(), [Commit::Done]);
    assert_eq!(version(store, 1).await, 0);
    put(store, 1, 0, T0 + 10).await;
    assert_ne!(version(store, 1).await, first);
}

async fn counters_and_lines_move_with_their_record(store: &dyn Store) {
    let mut change = change(1, 0, Some(Stored::Whole(open(T0 + 10, T0))));
    change.counts = vec![count(Cell::Opened, 1), count(Cell::InOpen, 1), count(Cell::InOpen, -1)];
    change.counts.push(count(Cell::Checkpoint(Kind::Start), 2));
    change.lines = vec!["one".into(), "two".into()];
    store.commit(vec![change]).await.unwrap();
    assert_eq!(total(store, Cell::Opened).await, 1);
    assert_eq!(total(store, Cell::InOpen).await, 0);
    assert_eq!(total(store, Cell::Checkpoint(Kind::Start)).await, 2);
    assert_eq!(store.counters().await.unwrap().len(), 1, "one row a series");
    assert_eq!(lines(store).await, ["one", "two"]);
}

/// A double knows each whole number up to 2^53, and a Redis' scripts have no other numbers.
async fn sums_are_exact_however_long_they_are(store: &dyn Store) {
    let big = (1 << 53) - 2;
    for by in [big, 1, 1, 1, 1, big, 7, -8, -big, -big, -2, big + 3, -1] {
        // Always the same one, as each shard of a store may have its own sum.
        let next = Some(Stored::Whole(open(T0 + 10, T0)));
        let mut change = change(1, version(store, 1).await, next);
        change.counts = vec![count(Cell::DurationUs, by)];
        let before = total(store, Cell::DurationUs).await;
        assert_eq!(store.commit(vec![change]).await.unwrap(), [Commit::Done]);
        assert_eq!(total(store, Cell::DurationUs).await, before + by);
    }
}

async fn lines_come_again_until_they_are_settled(store: &dyn Store) {
    for number in 1..=5 {
        let mut change = change(number, 0, Some(Stored::Whole(open(T0 + 10, T0))));
        change.lines = vec![format!("{number}a").into(), format!("{number}b").into()];
        store.commit(vec![change]).await.unwrap();
    }
    assert_eq!(lines(store).await, lines(store).await);
    assert_eq!(store.backlog().await.unwrap(), 10);
    let mut seen = Vec::new();
    loop {
        let pending = store.outbox(3).await.unwrap();
        if pending.is_empty() {
            break;
        }
        assert!(pending.len() <= 3);
        seen.extend(pending.iter().map(|pending| pending.line.to_string()));
        store.settle(&pending).await.unwrap();
    }
    let written: Vec<_> = (1..=5).flat_map(|n| [format!("{n}a"), format!("{n}b")]).collect();
    assert_eq!(seen, written, "the oldest first, whichever experience it is of");
    assert_eq!(store.backlog().await.unwrap(), 0);
}

async fn what_is_due_comes_earliest_first_and_not_before_its_time(store: &dyn Store) {
    for (number, at) in [(1, 300), (2, 100), (3, 200), (4, 5_000)] {
        put(store, number, 0, T0 + at).await;
    }
    assert!(due(store, 10).await.is_empty());
    store.tick(T0 + 200, 0).await.unwrap();
    assert_eq!(due(store, 10).await, [2, 3], "a deadline is reached at its very moment");
    store.tick(T0 + 300, 0).await.unwrap();
    assert_eq!(due(store, 2).await, [2, 3]);
    assert_eq!(due(store, 10).await, [2, 3, 1]);
}

async fn a_new_deadline_replaces_the_old_one(store: &dyn Store) {
    put(store, 1, 0, T0 + 100).await;
    put(store, 1, version(store, 1).await, T0 + 400).await;
    put(store, 2, 0, T0 + 100).await;
    store.commit(vec![change(2, version(store, 2).await, None)]).await.unwrap();
    store.tick(T0 + 399, 0).await.unwrap();
    assert!(due(store, 10).await.is_empty());
    store.tick(T0 + 400, 0).await.unwrap();
    assert_eq!(due(store, 10).await, [1]);
}

async fn ticks_advance_virtual_time_for_every_load(store: &dyn Store) {
    let time = store.tick(T0 + 1_500, 0).await.unwrap();
    assert_eq!(time.v, T0 + 1_500);
    assert_eq!(store.load(&[identity("t", 1)]).await.unwrap()[0].v, T0 + 1_500);
    let time = store.tick(T0 + 1_500 + TICK_GAP_MS + 1, 0).await.unwrap();
    assert_eq!((time.v, time.blind), (T0 + 1_500, TICK_GAP_MS + 1), "a pause stands still");
}

async fn the_oldest_is_known_per_definition_and_only_of_unfinished_ones(store: &dyn Store) {
    assert!(store.oldest().await.unwrap().is_empty());
    let ended = Ended {
        outcome: Final::Success,
        reason: None,
        at: T0,
        span: None,
        apdex: None,
        recanted: false,
    };
    let ended = Record { state: State::Ended(Box::new(ended)), ..open(T0 + 10, T0 - 900) };
    let tombstone = Tombstone { outcome: Final::Success, due: T0 + 10 };
    let records = [
        Stored::Whole(ended),
        Stored::Tombstone(tombstone),
        Stored::Whole(open(T0 + 10, T0 - 50)),
        Stored::Whole(open(T0 + 10, T0 - 70)),
    ];
    for (number, stored) in (1..).zip(records) {
        store.commit(vec![change(number, 0, Some(stored))]).await.unwrap();
    }
    assert_eq!(store.oldest().await.unwrap(), [("create_it".into(), T0 - 70)]);
    let all = store.list(Box::new(|_, _| true), 10).await.unwrap();
    let began: Vec<_> = all.iter().filter_map(|(_, stored)| stored.unfinished_since()).collect();
    assert_eq!(began, [T0 - 70, T0 - 50], "the oldest first");
    assert_eq!(store.list(Box::new(|_, _| true), 1).await.unwrap().len(), 1);
    let of_another = Box::new(|identity: &Identity, _: &Stored| &*identity.tenant == "u");
    assert!(store.list(of_another, 9).await.unwrap().is_empty());
}

async fn an_instance_comes_due_like_an_experience_and_is_none(store: &dyn Store) {
    let mut dropped = [0; DROP_REASONS];
    dropped[DROP_REASONS - 1] = u64::MAX;
    let instance = Stored::Instance(Instance {
        sdk: "labkit-ruby".into(),
        due: T0 + 10,
        silent: true,
        sent_at: -5,
        recorded: u64::MAX,
        dropped,
        queued: 7,
    });
    let identity = Identity { user_experience_id: INSTANCES.into(), ..identity("t", 1) };
    let series = Series { definition: OF_INSTANCES.clone(), service: "labkit-ruby".into() };
    let counts = Counts { series, moves: vec![(Cell::Sdk(SdkCell::Alive), 3)] };
    let change = Change {
        identity: identity.clone(),
        expected: 0,
        next: Some(instance.clone()),
        counts: vec![counts.clone()],
        lines: vec![],
    };
    assert_eq!(store.commit(vec![change]).await.unwrap(), [Commit::Done]);
    let found = store.load(std::slice::from_ref(&identity)).await.unwrap();
    assert_eq!(found[0].stored, Some(instance));
    assert!(store.oldest().await.unwrap().is_empty());
    assert!(store.list(Box::new(|_, _| true), 9).await.unwrap().is_empty());
    let rows = store.counters().await.unwrap();
    let of_it = rows.iter().find(|(series, _)| *series == counts.series).unwrap();
    assert_eq!(of_it.1[Cell::Sdk(SdkCell::Alive).index()], 3);
    store.tick(T0 + 10, 0).await.unwrap();
    assert_eq!(store.due(9).await.unwrap(), [identity]);
}

async fn a_log_that_nobody_reads_refuses_ingest_and_stops_time(store: &dyn Store) {
    let mut flood = change(1, 0, Some(Stored::Whole(open(T0 + 10, T0))));
    flood.lines = vec!["".into(); OUTBOX_LINES];
    store.commit(vec![flood]).await.unwrap();
    let refused = store.commit(vec![change(2, 0, None)]).await;
    assert_eq!(refused, Err(StoreError::OutboxFull));
    assert_eq!(store.tick(T0 + 100, 0).await, Err(StoreError::OutboxFull));
    let pending = store.outbox(OUTBOX_LINES).await.unwrap();
    store.settle(&pending).await.unwrap();
    assert_eq!(store.tick(T0 + 100, 0).await.map(|time| time.v), Ok(T0 + 100));
}

async fn racing_writers_lose_nothing(store: Arc<dyn Store>) {
    let writer = |store: Arc<dyn Store>| async move {
        for _ in 0..200 {
            loop {
                let expected = version(&*store, 1).await;
                let mut change = change(1, expected, Some(Stored::Whole(open(T0 + 10, T0))));
                change.counts = vec![count(Cell::Opened, 1)];
                if store.commit(vec![change]).await.unwrap() == [Commit::Done] {
                    break;
                }
            }
        }
    };
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(writer(store.clone()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(total(&*store, Cell::Opened).await, 800);
}

/// On a file whose name is gone at once, and itself with the store.
fn embedded() -> Embedded {
    let dir = tempfile::tempdir().unwrap();
    Embedded::open(&dir.path().join("store"), T0, OUTBOX_LINES).unwrap()
}

async fn redis(server: &RedisServer) -> Redis {
    // A hundred thousand lines at once are more than any tracker asks for.
    let options = RedisOptions { response_timeout_ms: Some(30_000), ..RedisOptions::default() };
    let settings = RedisSettings::new(&server.url(), &options).unwrap();
    Redis::open(settings, T0, OUTBOX_LINES).await.unwrap()
}

macro_rules! contract {
    ($name:ident, $store:expr) => {
        contract!($name, _nothing = (), $store);
    };
    // With what the store needs as long as it lives.
    ($name:ident, $server:ident = $start:expr, $store:expr) => {
        mod $name {
            use super::*;

            contract!(@each $server = $start, $store;
                what_is_not_there_loads_as_absent,
                what_was_committed_is_loaded_in_the_order_asked_for,
                a_change_from_an_old_version_is_refused_whole,
                two_changes_from_one_version_cannot_both_win,
                a_version_is_never_used_twice_even_after_forgetting,
                counters_and_lines_move_with_their_record,
                sums_are_exact_however_long_they_are,
                lines_come_again_until_they_are_settled,
                what_is_due_comes_earliest_first_and_not_before_its_time,
                a_new_deadline_replaces_the_old_one,
                ticks_advance_virtual_time_for_every_load,
                the_oldest_is_known_per_definition_and_only_of_unfinished_ones,
                an_instance_comes_due_like_an_experience_and_is_none,
                a_log_that_nobody_reads_refuses_ingest_and_stops_time,
            );

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn racing_writers_lose_nothing() {
                let $server = &$start;
                super::racing_writers_lose_nothing(Arc::new($store)).await;
            }
        }
    };
    (@each $server:ident = $start:expr, $store:expr; $($test:ident),+ $(,)?) => {
        $(contract!(@one $test, $server = $start, $store);)+
    };
    (@one $test:ident, $server:ident = $start:expr, $store:expr) => {
        #[tokio::test]
        async fn $test() {
            let $server = &$start;
            super::$test(&$store).await;
        }
    };
}

contract!(memory, Memory::new(T0));
contract!(embedded, embedded());
contract!(redis, server = RedisServer::start(), redis(server).await);
