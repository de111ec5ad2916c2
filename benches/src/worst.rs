//! The slowest calls. What may go wrong behind the queue, a server that never
//! answers, a full queue, a full disk, must not show in them.

use std::path::PathBuf;
use std::time::Instant;

use crate::process::client;
use crate::record::META;

const CALLS: usize = 200_000;
/// One in a thousand is slower than what is told: a worst call alone would tell
/// of the machine's scheduler, and not of us.
const SLOWER: usize = CALLS / 1_000;

/// Nanoseconds of the slowest calls of a client of `address`.
pub(crate) fn call_ns(address: &str, more: &str) -> f64 {
    let client = client(&format!("http://{address}"), more);
    let definition = client.definition("create_order").expect("defined");
    let mut took: Vec<u128> = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        let _ = std::hint::black_box(client.start(definition, None, Some(META)));
        took.push(begun.elapsed().as_nanos());
    }
    assert!(client.stats().balances());
    took.sort_unstable();
    took[CALLS - SLOWER] as f64
}

/// The same, with a spool that cannot be written.
pub(crate) fn call_on_full_disk_ns(address: &str) -> f64 {
    // SAFETY: this process writes no files but the spool's, and its own output
    // goes to a pipe, which has no size.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
    }
    let dir = Scratch::new();
    call_ns(address, &dir.as_setting())
}

/// A spool directory of its own, removed at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch(std::env::temp_dir().join(format!("labkit-bench-{}", std::process::id())))
    }

    pub(crate) fn as_setting(&self) -> String {
        format!(r#","spool_dir":{:?}"#, self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
