//! Between the callers' threads and the worker: a lock-free ring of inline
//! records, bounded by items and by bytes. A push makes no system call; past
//! the high-water mark it tells its caller, once, to wake the worker.

mod record;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

pub(crate) use record::{Mark, Record, Texts};

use crate::stats::DropReason;

pub(crate) struct Queue {
    ring: ArrayQueue<Record>,
    /// Bytes of texts that did not fit inline.
    heap_bytes: AtomicUsize,
    heap_limit: usize,
    high_water: usize,
    /// Whether somebody has asked for the worker since it last drained.
    called: AtomicBool,
}

/// What the pusher has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Quietly,
    WakeWorker,
}

impl Queue {
    /// Wakes the worker when half full: time enough to drain before it is.
    pub(crate) fn new(items: usize, heap_limit: usize) -> Self {
        Queue {
            ring: ArrayQueue::new(items),
            heap_bytes: AtomicUsize::new(0),
            heap_limit,
            high_water: items.div_ceil(2),
            called: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn push(&self, record: Record) -> Result<Pushed, DropReason> {
        let bytes = record.heap_bytes();
        if bytes > 0 && !self.reserve(bytes) {
            return Err(DropReason::QueueBytes);
        }
        if self.ring.push(record).is_err() {
            self.heap_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(DropReason::QueueFull);
        }
        let crowded = self.ring.len() >= self.high_water;
        if crowded && !self.called.swap(true, Ordering::Relaxed) {
            return Ok(Pushed::WakeWorker);
        }
        Ok(Pushed::Quietly)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let before = self.heap_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.heap_limit {
            self.heap_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    pub(crate) fn pop(&self) -> Option<Record> {
        let record = self.ring.pop()?;
        self.heap_bytes.fetch_sub(record.heap_bytes(), Ordering::Relaxed);
        Some(record)
    }

    /// The worker is awake and looking: the next crowd may call again.
    pub(crate) fn heard(&self) {
        self.called.store(false, Ordering::Relaxed);
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: usize) -> Record {
        Record::Payload { json: "x".repeat(bytes).into(), wall_ms: 0 }
    }

    #[test]
    fn a_full_ring_refuses_and_keeps_what_it_has() {
        let queue = Queue::new(2, 100);
        assert_eq!(queue.push(payload(1)), Ok(Pushed::WakeWorker));
        assert_eq!(queue.push(payload(1)), Ok(Pushed::Quietly));
        assert_eq!(queue.push(payload(1)), Err(DropReason::QueueFull));
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn bytes_are_bounded_beside_items_and_given_back() {
        let queue = Queue::new(8, 100);
        queue.push(payload(60)).unwrap();
        assert_eq!(queue.push(payload(60)), Err(DropReason::QueueBytes));
        queue.pop().unwrap();
        assert!(queue.push(payload(60)).is_ok());
    }

    #[test]
    fn a_crowd_calls_the_worker_once_until_it_is_heard() {
        let queue = Queue::new(4, 0);
        let text = || Record::Payload { json: "".into(), wall_ms: 0 };
        assert_eq!(queue.push(text()), Ok(Pushed::Quietly));
        assert_eq!(queue.push(text()), Ok(Pushed::WakeWorker));
        assert_eq!(queue.push(text()), Ok(Pushed::Quietly));
        queue.heard();
        assert_eq!(queue.push(text()), Ok(Pushed::WakeWorker));
    }
}
