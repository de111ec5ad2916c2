//! Where the room between callers and worker gets its atomics, locks, threads,
//! channels and ring from. Ordinarily these are the real ones, re-exported and
//! nothing more. In models/, which compiles the same sources under `cfg(model)`,
//! they are a model checker's, and it decides who runs next.

#[cfg(not(model))]
pub(crate) use real::*;

#[cfg(not(model))]
mod real {
    /// Statics; the checker makes them anew for each schedule.
    macro_rules! global {
        ($($item:item)+) => { $($item)+ };
    }

    pub(crate) use global;
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread;

    pub(crate) use crossbeam_channel as channel;
    pub(crate) use crossbeam_queue::ArrayQueue;
}

#[cfg(model)]
#[path = "../models/src/sync/mod.rs"]
mod checked;
#[cfg(model)]
pub(crate) use checked::*;
