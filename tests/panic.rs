//! The host's own panics are the host's, with a client or without. How the
//! library's are kept from its stderr is shown in tests/c/panic.c. One test, as
//! the hook is the whole process's.

mod support;

use std::panic;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use support::{Response, Server, record};

#[test]
fn a_panic_of_the_hosts_own_goes_to_the_hosts_hook() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    panic::set_hook(Box::new(|_| {
        SEEN.fetch_add(1, Relaxed);
    }));
    let server = Server::start(|_| Response::Accept);
    let clients = [server.client(""), server.client("")];
    clients.iter().for_each(|client| record(client, 1));
    assert!(thread::spawn(|| panic!("the host's")).join().is_err());
    assert_eq!(SEEN.load(Relaxed), 1);
}
