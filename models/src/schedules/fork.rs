//! The first calls in a fork child, by several threads at once. The fork itself
//! is played: the page that tells is wiped, and what was there is the parent's.

use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::thread;

use super::*;
use crate::fork::{ForkLocal, fork_in_a_model, generation};

/// What each of three threads of a child gets.
fn in_three_threads<T: Send + 'static>(ask: impl Fn() -> T + Send + Sync + 'static) -> Vec<T> {
    let ask = Arc::new(ask);
    let start = |_| {
        let ask = Arc::clone(&ask);
        thread::spawn(move || ask())
    };
    let threads = [0, 1, 2].map(start);
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn threads_that_are_first_in_a_child_agree_on_its_generation() {
    explore(Time::Stands, Threads::Start, || {
        let mut last = 0;
        for _ in 0..2 {
            let asked = in_three_threads(generation);
            assert!(asked.iter().all(|&it| it == asked[0] && it == generation()), "{asked:?}");
            assert!(asked[0] > last, "a child's is above its parent's");
            last = asked[0];
            fork_in_a_model();
        }
    });
}

/// Counts how often it was dropped, per maker.
struct Value {
    maker: &'static str,
    drops: Arc<[AtomicUsize; 2]>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops[usize::from(self.maker == "child")].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn threads_that_touch_an_inherited_value_at_once_share_one_and_drop_no_parents() {
    explore(Time::Stands, Threads::Start, || {
        let drops = Arc::<[AtomicUsize; 2]>::default();
        let dropped = |which: usize| drops[which].load(Ordering::Relaxed);
        let made = Arc::new(AtomicUsize::new(0));
        let value = |maker| Value { maker, drops: Arc::clone(&drops) };
        let cell = Arc::new(ForkLocal::new(value("parent")));
        fork_in_a_model();
        let (theirs, count) = (Arc::clone(&cell), Arc::clone(&made));
        let addresses = in_three_threads(move || {
            let value = theirs.get(|inherited| {
                assert_eq!(inherited.maker, "parent");
                count.fetch_add(1, Ordering::Relaxed);
                Value { maker: "child", drops: Arc::clone(&inherited.drops) }
            });
            assert_eq!(value.maker, "child");
            std::ptr::from_ref(value).addr()
        });
        assert!(addresses.iter().all(|it| *it == addresses[0]), "two values in one process");
        let unused = made.load(Ordering::Relaxed) - 1;
        assert_eq!((dropped(0), dropped(1)), (0, unused), "who comes second drops his own");
        drop(cell);
        assert_eq!((dropped(0), dropped(1)), (0, unused + 1));
    });
}

#[test]
fn a_child_that_only_drops_an_inherited_value_leaves_it_to_the_parent() {
    explore(Time::Stands, Threads::Start, || {
        let drops = Arc::<[AtomicUsize; 2]>::default();
        let value = || Value { maker: "parent", drops: Arc::clone(&drops) };
        let cells = [ForkLocal::new(value()), ForkLocal::new(value())];
        fork_in_a_model();
        let dropping = cells.map(|cell| thread::spawn(move || drop(cell)));
        dropping.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(drops[0].load(Ordering::Relaxed), 0);
    });
}

#[test]
fn the_first_records_of_a_child_meet_in_one_queue_and_none_of_the_parents_is_sent_again() {
    explore(Time::Stands, Threads::Start, || {
        let client = client();
        world::begin(Time::Stands, Threads::Refused);
        record(&client, "parent");
        assert_eq!(client.stats().queued, 1);
        fork_in_a_model();
        world::begin(Time::Stands, Threads::Start);
        let callers = ["a", "b"].map(|name| {
            let client = client.clone();
            thread::spawn(move || assert_eq!(record(&client, name), Delivery::Queued))
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        client.shutdown(LONG).expect("the worker settles both");
        world::join_workers();
        let (stats, mut arrived) = (balanced(&client), arrived(&client));
        arrived.sort();
        assert_eq!((stats.recorded, stats.acknowledged), (2, 2));
        assert_eq!(arrived, ["a", "b"]);
    });
}
