//! Noticing that this process is a fork child, without hooks in the host.
//!
//! One page is marked to read as zeroes in a child; a load from it says
//! whether the process is still the one that wrote it. That sees plain fork,
//! raw clone and whatever a host's runtime does, costs about a nanosecond, and
//! runs nothing in the parent. Where the kernel has no such pages, a child-side
//! `pthread_atfork` handler clears the same word.
//!
//! The child leaks what it inherited: a lock in it may be held by a thread
//! that was not copied, so nothing of it is ever dropped, joined or locked.
#![allow(unsafe_code)] // one mapping, and one cell that is swapped in a child

use std::ptr;

use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::sync::global;

global! {
    /// The generation of the process: 1 for the first, one more in each child.
    /// Copied by fork, so a child's number is above all its ancestors'.
    static LAST_GENERATION: AtomicU64 = AtomicU64::new(0);
    /// The word that a fork clears where it cannot lie on a wiped page.
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    /// Where the word lies, once somebody has asked. No `OnceLock`: a thread that
    /// is just initialising one would leave it locked in a fork child for good.
    static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
}

/// The generation of this process.
#[inline]
pub(crate) fn generation() -> u64 {
    let word = word();
    match word.load(Ordering::Relaxed) {
        0 => renew(word),
        generation => generation,
    }
}

#[cold]
fn renew(word: &AtomicU64) -> u64 {
    let next = LAST_GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    match word.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => next,
        Err(already) => already,
    }
}

#[inline]
fn word() -> &'static AtomicU64 {
    let word = WORD.load(Ordering::Acquire);
    if word.is_null() {
        return make_word();
    }
    // SAFETY: only `make_word` stores here, and only words that live for ever.
    unsafe { &*word }
}

/// Of two threads that come here at once both make a page, and one is leaked.
#[cold]
fn make_word() -> &'static AtomicU64 {
    let word = wiped_page().unwrap_or_else(hooked_word);
    let (nobodys, ours) = (ptr::null_mut(), ptr::from_ref(word).cast_mut());
    match WORD.compare_exchange(nobodys, ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => word,
        // SAFETY: as in `word`.
        Err(theirs) => unsafe { &*theirs },
    }
}

#[cfg(all(target_os = "linux", not(model)))]
fn wiped_page() -> Option<&'static AtomicU64> {
    const BYTES: usize = 4096;
    // SAFETY: a fresh anonymous mapping that nobody else knows of. It is
    // page-aligned, zeroed, never unmapped, and holds one atomic word; madvise
    // gets exactly its bounds.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::mmap(ptr::null_mut(), BYTES, access, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, BYTES, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, BYTES);
            return None;
        }
        Some(&*page.cast::<AtomicU64>())
    }
}

#[cfg(not(any(target_os = "linux", model)))]
fn wiped_page() -> Option<&'static AtomicU64> {
    None
}

/// In a model a fork is only played: see `fork_in_a_model`.
#[cfg(model)]
fn wiped_page() -> Option<&'static AtomicU64> {
    Some(Box::leak(Box::new(AtomicU64::new(0))))
}

/// From here on the calling thread, and those it starts, are a fork child.
#[cfg(all(test, model))]
pub(crate) fn fork_in_a_model() {
    word().store(0, Ordering::Relaxed);
}

fn hooked_word() -> &'static AtomicU64 {
    extern "C" fn clear() {
        FALLBACK.store(0, Ordering::Relaxed);
    }
    // SAFETY: the handler only stores to an atomic, which is allowed in a fork
    // child, and the library is never unloaded (-z nodelete). Should the call
    // fail, forks go unnoticed; there is nothing better to fall back to.
    unsafe { libc::pthread_atfork(None, None, Some(clear)) };
    &FALLBACK
}

struct Entry<T> {
    generation: u64,
    value: T,
}

/// A value that each process makes for itself, on first use.
pub(crate) struct ForkLocal<T> {
    entry: AtomicPtr<Entry<T>>,
}

impl<T> ForkLocal<T> {
    /// With this process's value.
    pub(crate) fn new(value: T) -> Self {
        let entry = Box::new(Entry { generation: generation(), value });
        ForkLocal { entry: AtomicPtr::new(Box::into_raw(entry)) }
    }

    /// This process's value. In a child `remake` builds it once from the
    /// inherited one, of which it may touch only what takes no lock.
    #[inline]
    pub(crate) fn get(&self, remake: impl FnOnce(&T) -> T) -> &T {
        let entry = self.entry.load(Ordering::Acquire);
        // SAFETY: the pointer came from a Box in `new` or `replace`. An entry
        // is freed only by `drop`, which has exclusive access: replaced ones
        // are leaked. So it lives as long as `self` is borrowed.
        let current = unsafe { &*entry };
        if current.generation == generation() {
            return &current.value;
        }
        self.replace(current, remake)
    }

    /// This process's value, unless it would have to be made first.
    pub(crate) fn peek(&self) -> Option<&T> {
        // SAFETY: as in `get`.
        let current = unsafe { &*self.entry.load(Ordering::Acquire) };
        (current.generation == generation()).then_some(&current.value)
    }

    #[cold]
    fn replace<'a>(&'a self, inherited: &'a Entry<T>, remake: impl FnOnce(&T) -> T) -> &'a T {
        let value = remake(&inherited.value);
        let ours = Box::into_raw(Box::new(Entry { generation: generation(), value }));
        let old = ptr::from_ref(inherited).cast_mut();
        match self.entry.compare_exchange(old, ours, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: `ours` is now owned by the cell, see `get`.
            Ok(_) => unsafe { &(*ours).value },
            Err(theirs) => {
                // SAFETY: another thread of this process was first. `ours` was
                // never shared and is freed; `theirs` is the cell's, see `get`.
                unsafe {
                    drop(Box::from_raw(ours));
                    &(*theirs).value
                }
            }
        }
    }
}

impl<T> Drop for ForkLocal<T> {
    fn drop(&mut self) {
        let entry = self.entry.load(Ordering::Relaxed);
        // SAFETY: exclusive access to the cell, and the entry is its own. An
        // inherited one is leaked: this process must not run its destructors.
        unsafe {
            if (*entry).generation == generation() {
                drop(Box::from_raw(entry));
            }
        }
    }
}

// SAFETY: the cell hands out shared references and moves values between
// threads on creation and drop, like a Box would.
unsafe impl<T: Send + Sync> Sync for ForkLocal<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for ForkLocal<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_stands_still_without_a_fork() {
        assert_eq!(generation(), generation());
        let cell = ForkLocal::new(7);
        assert_eq!(*cell.get(|_| unreachable!("no fork happened")), 7);
    }

    #[test]
    fn a_forked_child_remakes_its_value_and_the_parent_keeps_its_own() {
        let cell = ForkLocal::new(1);
        let before = generation();
        // SAFETY: the child only reads memory and leaves by _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let unmade = cell.peek().is_none();
            let remade = *cell.get(|inherited| inherited + 1) == 2;
            let once = unmade && *cell.get(|_| 99) == 2;
            let fresh = generation() == before + 1;
            // SAFETY: leaves at once, without running the parent's handlers.
            unsafe { libc::_exit(if remade && once && fresh { 0 } else { 1 }) };
        }
        let mut status = -1;
        // SAFETY: waits for the child made above.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
        assert_eq!(*cell.get(|_| unreachable!("the parent did not change")), 1);
        assert_eq!(generation(), before);
    }
}
