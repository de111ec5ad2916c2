//! The accept loop. Our own, because `axum::serve` waits forever for the rest
//! of a request's head, and takes as many connections as anybody opens.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::gate::Shed;
use super::pace::{Pace, Paced, Turn, poll_overdue};
use super::{Problem, Shared};
use crate::limits::{ACCEPT_RETRY, QUIET_LOOK, QUIET_LOOKS, RETRY_AFTER_S};
use crate::stats::Stats;

/// Serves until `shutdown` resolves, then lets requests in flight finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shared: Shared,
    shutdown: impl Future<Output = ()>,
) {
    let limits = shared.tracker.limits;
    let mut http = http1::Builder::new();
    // Its own timeout counts from the end of the request before: see `pace`.
    http.header_read_timeout(None).max_buf_size(limits.head_bytes);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    tokio::pin!(shutdown);
    loop {
        let (stream, peer, permit) = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = &mut shutdown => break,
        };
        let place = match shared.gate.peers.enter(peer.ip()) {
            Ok(place) => place,
            Err(_) => {
                turn_away(&stream, shared.gate.turn_away(Shed::Peer));
                continue;
            }
        };
        // Answers are one write each; waiting to fill a segment only delays them.
        let _ = stream.set_nodelay(true);
        let pace = Pace::new(limits);
        let stream = Paced::new(stream, pace.clone());
        let service = Turns { pace: pace.clone(), inner: TowerToHyperService::new(router.clone()) };
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        let (tracker, gate) = (shared.tracker.clone(), shared.gate.clone());
        tokio::spawn(async move {
            let _room = (permit, place);
            let _open = tracker.stats.connected();
            let mut connection = pin!(connection);
            let mut alarm = pin!(tokio::time::sleep(limits.head_timeout()));
            // A connection's own end, be it a timeout or a reset, is the client's affair.
            let owed = poll_fn(|cx| match connection.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => poll_overdue(&pace, alarm.as_mut(), cx).map(Some),
            });
            if let Some(Turn::Head(_)) = owed.await {
                gate.shed(Shed::HeadTimeout);
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = quiet(&shared.tracker.stats) => {}
        () = tokio::time::sleep(limits.shutdown_grace()) => {
            tracing::warn!("some requests did not finish within {} ms", limits.shutdown_grace_ms);
        }
    }
}

/// Tells the connection's pace whose turn it is.
#[derive(Clone)]
struct Turns<S> {
    pace: Arc<Pace>,
    inner: S,
}

impl<R, S: Service<R>> Service<R> for Turns<S>
where
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn call(&self, request: R) -> Self::Future {
        self.pace.asked();
        let (pace, answer) = (self.pace.clone(), self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            pace.answered();
            answer
        })
    }
}

/// Answers whatever this connection asks, and closes it. It costs no task and
/// no wait, so that whoever opens too many gains nothing; what was already sent is
/// taken off the socket, or closing it would take the answer away as well.
fn turn_away(stream: &TcpStream, problem: Problem) {
    let (json, status, wait) = (problem.to_json(), problem.status, RETRY_AFTER_S);
    let answer = format!(
        "HTTP/1.1 {status} Too Many Requests\r\nContent-Type: application/problem+json\r\n\
         Retry-After: {wait}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    );
    let _ = stream.try_read(&mut [0; 4_096]);
    // It fits into the empty buffer of a new socket.
    let _ = stream.try_write(answer.as_bytes());
}

/// No request under way, long enough for the last answers to leave. Whoever
/// has sent half a head by now is not waited for.
async fn quiet(stats: &Stats) {
    let mut looks = 0;
    while looks < QUIET_LOOKS {
        tokio::time::sleep(QUIET_LOOK).await;
        looks = if stats.in_flight() == 0 { looks + 1 } else { 0 };
    }
}

/// The next connection for which there is room.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            // Nobody closes the semaphore.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => back_off(&error).await,
        }
    }
}

/// A connection that died in the queue is no reason to wait; running out of
/// descriptors is, or the loop would spin.
async fn back_off(error: &io::Error) {
    let passing = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    if !passing.contains(&error.kind()) {
        tracing::error!(%error, "cannot accept connections; trying again in a while");
        tokio::time::sleep(ACCEPT_RETRY).await;
    }
}
