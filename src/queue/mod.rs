//! Between the callers' threads and the worker: a lock-free ring of inline
//! records, bounded by items and by bytes. A push makes no system call; past
//! the high-water mark it tells its caller, once, to wake the worker.

mod record;

pub(crate) use record::{Mark, Record, Texts};

use crate::stats::DropReason;
use crate::sync::ArrayQueue;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) struct Queue {
    ring: ArrayQueue<Record>,
    /// Bytes of texts that did not fit inline.
    heap_bytes: AtomicUsize,
    heap_limit: usize,
    /// How many are a crowd.
    high_water: AtomicUsize,
    /// Whether somebody has asked for the worker since it last found nothing.
    called: AtomicBool,
}

/// A record and the ring's own number beside it, which is eight bytes.
const SLOT_BYTES: usize = size_of::<Record>() + 16;

/// What the pusher has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Quietly,
    WakeWorker,
}

impl Queue {
    /// Whether there is memory for so many records. To allocate and fail would
    /// end the host.
    pub(crate) fn fits(items: usize) -> bool {
        Vec::<[u8; SLOT_BYTES]>::new().try_reserve_exact(items).is_ok()
    }

    /// Wakes the worker when half full: time enough to drain before it is. A
    /// fork child that has less memory than its parent gets a smaller one.
    pub(crate) fn new(items: usize, heap_limit: usize) -> Self {
        let halves = std::iter::successors(Some(items), |items| (*items > 1).then_some(items / 2));
        let items = halves.into_iter().find(|items| Self::fits(*items)).unwrap_or(1);
        Queue {
            ring: ArrayQueue::new(items),
            heap_bytes: AtomicUsize::new(0),
            heap_limit,
            high_water: AtomicUsize::new(items.div_ceil(2)),
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
        let crowded = self.ring.len() >= self.high_water.load(Ordering::SeqCst);
        if crowded && !self.called.swap(true, Ordering::AcqRel) {
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

    /// After `None` the next crowd calls again. Not before: while the tracker is
    /// away and nobody drains, one call is enough.
    pub(crate) fn pop(&self) -> Option<Record> {
        let record = self.ring.pop().or_else(|| self.pop_again())?;
        self.heap_bytes.fetch_sub(record.heap_bytes(), Ordering::Relaxed);
        Some(record)
    }

    /// A crowd that came before the last call was forgotten did not call: it has
    /// to be looked for. Of the two swaps one is second, and sees what was done
    /// before the first: here the crowd's records, there that nobody has called.
    fn pop_again(&self) -> Option<Record> {
        let was_called = self.called.swap(false, Ordering::AcqRel);
        if was_called { self.ring.pop() } else { None }
    }

    /// From now on each record is a crowd: the worker is to leave as soon as it
    /// has seen the last one. Who pushes without knowing has pushed before the
    /// worker looks: hence sequentially consistent, as the ring's ends are.
    pub(crate) fn call_always(&self) {
        self.high_water.store(1, Ordering::SeqCst);
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
    fn a_crowd_calls_the_worker_once_until_it_has_drained() {
        let queue = Queue::new(4, 0);
        let text = || Record::Payload { json: "".into(), wall_ms: 0 };
        assert_eq!(queue.push(text()), Ok(Pushed::Quietly));
        assert_eq!(queue.push(text()), Ok(Pushed::WakeWorker));
        assert!(queue.pop().is_some());
        assert_eq!(queue.push(text()), Ok(Pushed::Quietly));
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 2);
        assert_eq!(queue.push(text()), Ok(Pushed::Quietly));
        assert_eq!(queue.push(text()), Ok(Pushed::WakeWorker));
    }

    #[test]
    fn before_the_end_a_single_record_calls() {
        let queue = Queue::new(4, 0);
        queue.call_always();
        assert_eq!(queue.push(payload(0)), Ok(Pushed::WakeWorker));
    }
}
