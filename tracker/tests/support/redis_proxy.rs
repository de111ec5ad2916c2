//! An address that leads to one server or another, or to none: a name that
//! follows the master, or a network that can be cut.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where it leads; `None` while it is cut.
    target: Mutex<Option<u16>>,
    /// Both ends of what goes through it.
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { target: Mutex::new(Some(target)), open: Mutex::default() });
        let accepting = shared.clone();
        // Ends with the test's process; it holds nothing but a port.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let _ = forward(client, &accepting);
            }
        });
        Proxy { port, shared }
    }

    /// Whatever goes through it breaks, and from now on goes to `target` or nowhere.
    pub fn lead(&self, target: Option<u16>) {
        *self.shared.target.lock().unwrap() = target;
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn forward(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let target = shared.target.lock().unwrap();
    let Some(port) = *target else { return Ok(()) };
    let server = TcpStream::connect(("127.0.0.1", port))?;
    shared.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
    drop(target);
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
