//! What src/sync.rs hands out in the models: a checker's primitives, and on top
//! of them a ring and channels that behave as crossbeam's do. The checker is
//! shuttle, or loom with the feature `weak`.

pub(crate) mod channel;
mod ring;
pub(crate) mod thread;
#[cfg(feature = "weak")]
pub(crate) mod weak;
#[cfg_attr(feature = "weak", allow(dead_code))] // loom neither draws nor waits
pub(crate) mod world;

#[cfg(feature = "weak")]
mod checker {
    pub(crate) use super::weak as atomic;
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use loom::{lazy_static, thread};
}

#[cfg(not(feature = "weak"))]
mod checker {
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use shuttle::{lazy_static, thread};
}

/// Statics that are made anew for each schedule.
macro_rules! global {
    ($($(#[$doc:meta])* static $name:ident: $type:ty = $value:expr;)+) => {
        $crate::sync::lazy_static! { $($(#[$doc])* static ref $name: $type = $value;)+ }
    };
}

pub(crate) use checker::{atomic, lazy_static};
pub(crate) use global;
pub(crate) use ring::ArrayQueue;
