//! What a record allocates on the caller's thread.
#![allow(unsafe_code)] // an allocator that counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use labkit::Client;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator does the work; counting touches a
// thread-local integer that needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread by a thousand calls.
fn allocations(mut call: impl FnMut()) -> usize {
    const CALLS: usize = 1_000;
    let before = COUNT.with(Cell::get);
    for _ in 0..CALLS {
        call();
    }
    COUNT.with(Cell::get) - before
}

#[test]
fn a_record_allocates_nothing_and_a_long_meta_once() {
    let config = r#"{"transport":"memory","definitions":"tests/scenarios/definitions","type":"web","queue_items":16384}"#;
    let client = Client::from_json(config).unwrap();
    let definition = client.definition("create_order").unwrap();
    // The first record starts the worker.
    let mut experience = client.start(definition, None, None).unwrap();
    let short = format!(r#"{{"text":"{}"}}"#, "x".repeat(89));
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(400));
    assert_eq!(short.len(), 100);

    let checkpoint = |meta: Option<&str>| {
        allocations(|| drop(client.checkpoint(&experience, Some("form_posted"), meta)))
    };
    assert_eq!(checkpoint(None), 0);
    assert_eq!(checkpoint(Some(&short)), 0);
    // One copy, bounded by the 4 KiB that meta may have.
    assert_eq!(checkpoint(Some(&long)), 1_000);
    assert_eq!(allocations(|| drop(client.start(definition, None, None))), 0);
    assert_eq!(allocations(|| drop(client.complete(&mut experience, None))), 0);
}
