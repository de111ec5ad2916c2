//! From an address to a connection. Looking a name up and connecting cannot be
//! broken off, so a thread of its own does both, and the worker waits for it
//! only as long as it likes.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};

use super::socket::{Socket, failure};
use crate::guarded::Guarded;

/// Ends every wait for a dialler, now and from now on.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<Mutex<Option<Sender<()>>>>);

impl Stop {
    pub(super) fn stop(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

type Dialled = io::Result<Guarded<TcpStream>>;

#[derive(Debug)]
pub(super) struct Dialler {
    /// Says something when the other end is gone.
    stopped: Receiver<()>,
    /// A thread that was not waited for to its end. While a resolver hangs there
    /// is one, and not one more for each attempt.
    unfinished: Mutex<Option<Receiver<Dialled>>>,
}

impl Dialler {
    pub(super) fn new() -> (Self, Stop) {
        let (sender, stopped) = bounded(0);
        (
            Dialler { stopped, unfinished: Mutex::default() },
            Stop(Arc::new(Mutex::new(Some(sender)))),
        )
    }
}

impl<In: Transport> Connector<In> for Dialler {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<Socket>, Error> {
        let NextTimeout { after, reason, .. } = details.timeout;
        let answer = match self.unfinished().take() {
            Some(answer) => answer,
            None => start(details.uri, *after)?,
        };
        let stream = select! {
            recv(answer) -> stream => {
                stream.unwrap_or_else(|_| Err(io::Error::other("the dialling thread panicked")))
            }
            recv(self.stopped) -> _ => Err(io::Error::other("broken off")),
            default(*after) => {
                *self.unfinished() = Some(answer);
                return Err(Error::Timeout(reason));
            }
        };
        let stream = Arc::new(stream.map_err(|e| failure(e, reason))?);
        let handle: Arc<dyn ShutdownHandle> = stream.clone();
        (details.register_shutdown)(Arc::downgrade(&handle))?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Socket::new(stream, buffers)))
    }
}

impl Dialler {
    fn unfinished(&self) -> MutexGuard<'_, Option<Receiver<Dialled>>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody may listen any more when it is done: then it closes what it made.
fn start(uri: &Uri, within: Duration) -> Result<Receiver<Dialled>, Error> {
    let (host, port) = host_and_port(uri).ok_or(Error::HostNotFound)?;
    let (dialled, answer) = bounded(1);
    let work = move || drop(dialled.send(dial(&host, port, within)));
    thread::Builder::new().name("labkit-dial".into()).spawn(work)?;
    Ok(answer)
}

fn host_and_port(uri: &Uri) -> Option<(String, u16)> {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    // Of an address such as [::1] the brackets are the URI's.
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), uri.port_u16().unwrap_or(default)))
}

/// The first address of a host that takes the connection; each gets an equal
/// share of what time is left.
fn dial(host: &str, port: u16, within: Duration) -> Dialled {
    let until = Instant::now() + within;
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - index) as u32;
        if share.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Guarded::new(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// The dialler looks names up by itself; the client insists on an answer.
#[derive(Debug)]
pub(super) struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_host_and_port_or_the_schemes_own() {
        for (uri, host, port) in [
            ("http://tracker.internal:8480/v1", "tracker.internal", 8480),
            ("https://tracker.internal", "tracker.internal", 443),
            ("http://[::1]", "::1", 80),
        ] {
            assert_eq!(host_and_port(&uri.parse().unwrap()), Some((host.to_owned(), port)));
        }
    }
}
