//! Panics on demand, to show that what ships survives one. Compiled in by
//! `LABKIT_PANIC_INJECTION=1` at build time (see build.rs) and in unit tests; in
//! any other build nothing of it is left, not even the words.
//!
//! A checkpoint whose category is one of the words below panics there.

/// In the entry, on the caller's thread.
pub(crate) const ENTRY: &str = "panic_in_entry";
/// On the worker's thread, with the checkpoint in its hands.
pub(crate) const WORKER: &str = "panic_in_worker";

#[inline(always)]
pub(crate) fn point(category: Option<&str>, word: &str) {
    if cfg!(any(test, panic_injection)) && category == Some(word) {
        panic!("asked for by {word}");
    }
}
