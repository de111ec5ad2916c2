//! The accept loop. Our own, because `axum::serve` waits forever for the rest
//! of a request's head, and takes as many connections as anybody opens.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use crate::limits::{ACCEPT_RETRY, QUIET_LOOK, QUIET_LOOKS};
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
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout());
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    tokio::pin!(shutdown);
    loop {
        let (stream, permit) = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = &mut shutdown => break,
        };
        // Answers are one write each; waiting to fill a segment only delays them.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        let tracker = shared.tracker.clone();
        tokio::spawn(async move {
            let _room = permit;
            let _open = tracker.stats.connected();
            // A connection's own end, be it a timeout or a reset, is the client's affair.
            let _ = connection.await;
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
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            // Nobody closes the semaphore.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
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
