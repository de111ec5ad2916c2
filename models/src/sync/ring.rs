//! The bounded ring of Dmitry Vyukov that crossbeam's `ArrayQueue` is, on the
//! checker's atomics: a slot is claimed by moving `tail` or `head`, and handed
//! over by its stamp. So what the library may rely on is what the ring gives,
//! and no more: `len` counts a push that is not done yet, and `pop` waits for it.

use super::atomic::{AtomicUsize, Ordering::*, fence};
use super::checker::Mutex;
use super::checker::thread::yield_now;

pub(crate) struct ArrayQueue<T> {
    slots: Box<[Slot<T>]>,
    head: AtomicUsize,
    tail: AtomicUsize,
}

struct Slot<T> {
    /// Twice the position that may be pushed here next; odd when it was.
    stamp: AtomicUsize,
    value: Mutex<Option<T>>,
}

impl<T> ArrayQueue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let slot = |at| Slot { stamp: AtomicUsize::new(2 * at), value: Mutex::new(None) };
        let (head, tail) = (AtomicUsize::new(0), AtomicUsize::new(0));
        ArrayQueue { slots: (0..capacity).map(slot).collect(), head, tail }
    }

    fn slot(&self, at: usize) -> &Slot<T> {
        &self.slots[at % self.slots.len()]
    }

    pub(crate) fn push(&self, value: T) -> Result<(), T> {
        loop {
            let at = self.tail.load(Relaxed);
            let slot = self.slot(at);
            if slot.stamp.load(Acquire) == 2 * at {
                if self.tail.compare_exchange(at, at + 1, SeqCst, Relaxed).is_ok() {
                    *slot.value.lock().expect("nobody panics with it") = Some(value);
                    slot.stamp.store(2 * at + 1, Release);
                    return Ok(());
                }
            } else {
                fence(SeqCst);
                if self.head.load(Relaxed) + self.slots.len() == at {
                    return Err(value);
                }
                yield_now();
            }
        }
    }

    pub(crate) fn pop(&self) -> Option<T> {
        loop {
            let at = self.head.load(Relaxed);
            let slot = self.slot(at);
            if slot.stamp.load(Acquire) == 2 * at + 1 {
                if self.head.compare_exchange(at, at + 1, SeqCst, Relaxed).is_ok() {
                    let value = slot.value.lock().expect("as in `push`").take();
                    slot.stamp.store(2 * (at + self.slots.len()), Release);
                    return value;
                }
            } else {
                fence(SeqCst);
                if self.tail.load(Relaxed) == at {
                    return None;
                }
                yield_now();
            }
        }
    }

    /// Weaker than crossbeam's: nothing is to lean on the order of its loads.
    pub(crate) fn len(&self) -> usize {
        loop {
            let tail = self.tail.load(Acquire);
            let head = self.head.load(Acquire);
            if self.tail.load(Acquire) == tail {
                return tail - head;
            }
        }
    }
}
