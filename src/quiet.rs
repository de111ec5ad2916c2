//! A caught panic of the library's own says nothing on the host's stderr. A
//! hook, put once before whatever hook the host has, keeps the message of a
//! thread that is inside the library, and leaves all other panics to the host's.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

thread_local! {
    /// Set while this thread runs code whose panics are caught here. Constant
    /// and without a destructor, so that a call costs two plain stores.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Puts the hook in place, the first time. A thread that is panicking already
/// may not; then the next client's maker does.
pub(crate) fn install() {
    if thread::panicking() || INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    let hosts = panic::take_hook();
    panic::set_hook(Box::new(move |info| match INSIDE.get() {
        true => keep(info),
        false => hosts(info),
    }));
}

fn keep(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let text = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
    let message = format!("{text}{}", place.unwrap_or_default());
    // Gone only while the thread ends, and borrowed by nobody who can panic.
    let _ = MESSAGE.try_with(|kept| kept.replace(Some(message)));
}

/// Runs `body`; should it panic, the message comes back and nothing is printed.
#[inline]
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.map_err(message)
}

#[cold]
fn message(payload: Box<dyn Any + Send>) -> String {
    // A payload's destructor could panic in turn.
    std::mem::forget(payload);
    let kept = MESSAGE.try_with(RefCell::take).ok().flatten();
    kept.unwrap_or_else(|| "no message: the host replaced the panic hook".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_gives_its_message_and_leaves_later_ones_to_the_host() {
        install();
        let message = catch(|| panic!("inside {}", 1)).unwrap_err();
        assert!(message.starts_with("inside 1 at ") && message.contains("quiet.rs"), "{message}");
        assert_eq!(catch(|| 7), Ok(7));
        assert!(!INSIDE.get());
    }

    #[test]
    fn a_catch_within_a_catch_stays_quiet_to_the_end() {
        install();
        let outer = catch(|| {
            let inner = catch(|| panic!("inner")).unwrap_err();
            assert!(INSIDE.get());
            panic!("after {inner}");
        });
        assert!(outer.unwrap_err().starts_with("after inner at "));
    }
}
