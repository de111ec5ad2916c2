//! A connection's socket in the HTTP client's terms. Each use asks first
//! whether it is still ours (see `guarded`).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, ShutdownHandle, Transport};
use ureq::{Error, Timeout};

use crate::guarded::Guarded;

#[derive(Debug)]
pub(super) struct Socket {
    stream: Arc<Guarded<TcpStream>>,
    buffers: Buffer,
}

/// The client's own buffers print themselves whole, tokens included.
struct Buffer(LazyBuffers);

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Buffer")
    }
}

impl Socket {
    pub(super) fn new(stream: Arc<Guarded<TcpStream>>, buffers: LazyBuffers) -> Self {
        Socket { stream, buffers: Buffer(buffers) }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers.0
    }

    /// The kernel's timeout is for one write; ours is for all of it.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let begun = Instant::now();
        let mut output = &self.buffers.0.output()[..amount];
        while !output.is_empty() {
            let mut stream = self.stream.get()?;
            stream.set_write_timeout(left(&timeout, begun)?)?;
            match stream.write(output) {
                Ok(written) => output = &output[written..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failure(e, timeout.reason)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let begun = Instant::now();
        let input = self.buffers.0.input_append_buf();
        let amount = loop {
            let mut stream = self.stream.get()?;
            stream.set_read_timeout(left(&timeout, begun)?)?;
            match stream.read(input) {
                Ok(amount) => break amount,
                // The worker blocks all signals; but a process that is stopped and
                // goes on interrupts, too.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failure(e, timeout.reason)),
            }
        };
        self.buffers.0.input_appended(amount);
        Ok(amount > 0)
    }

    /// Whether nothing has come over it since the last answer, not even its end.
    fn is_open(&mut self) -> bool {
        let quiet = |mut stream: &TcpStream| -> io::Result<bool> {
            stream.set_nonblocking(true)?;
            let read = stream.read(&mut [0]);
            stream.set_nonblocking(false)?;
            Ok(read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock))
        };
        self.stream.get().and_then(quiet).unwrap_or(false)
    }
}

/// What is left of a timeout; the kernel takes zero for none at all.
fn left(timeout: &NextTimeout, begun: Instant) -> Result<Option<Duration>, Error> {
    let left = timeout.after.saturating_sub(begun.elapsed());
    if left.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(timeout.not_zero().map(|_| left))
}

/// What the socket says in the HTTP client's terms; `reason`: of the timeout that
/// was set.
pub(super) fn failure(e: io::Error, reason: Timeout) -> Error {
    match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(reason),
        _ => Error::Io(e),
    }
}

impl ShutdownHandle for Guarded<TcpStream> {
    fn shutdown(&self) {
        // An error: it is closed already.
        let _ = self.get().and_then(|stream| stream.shutdown(Shutdown::Both));
    }
}
