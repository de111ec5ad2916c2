//! The whole server, from a bound listener to the last line of the log.

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use labkit::definition::{self, Registry};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::auth::Auth;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StoreChoice};
use crate::emit::delivery;
use crate::http::{self, Shared};
use crate::store::{Embedded, Memory, OpenError, Store, StoreError};
use crate::sweep;
use crate::tracker::{Settings, Tracker};

/// Why the server did not start; displays what to do about it.
#[derive(Debug)]
pub enum RunError {
    /// The definitions cannot be used.
    Definitions(String),
    /// The keys cannot be used.
    Keys(String),
    /// The store's file cannot be used.
    Open(OpenError),
    /// The store refused its first write.
    Store(StoreError),
    /// The listener, or the port file.
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Definitions(detail) | RunError::Keys(detail) => f.write_str(detail),
            RunError::Open(error) => error.fmt(f),
            RunError::Store(error) => write!(f, "the store: {error}"),
            RunError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        RunError::Io(error)
    }
}

/// Serves on `listener` until `shutdown` resolves and everything is written out.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let registry = load(&config.definitions)?;
    let auth = Arc::new(Auth::new(&config.keys).map_err(RunError::Keys)?);
    let clock = Arc::new(SystemClock);
    let limits = config.limits;
    let durable = config.store != StoreChoice::Memory;
    let store = open(config.store, clock.now_ms(), limits.outbox_lines).await?;
    let settings = Settings { types: config.types, limits };
    let tracker = Tracker::new(registry, settings, store, clock).await.map_err(RunError::Store)?;
    let tracker = Arc::new(tracker);

    let (stop_sweep, sweep_stopped) = watch::channel(());
    let (stop_log, log_stopped) = watch::channel(());
    let sweep = tokio::spawn(sweep::run(tracker.clone(), dropped(sweep_stopped)));
    let sink = Box::new(io::stdout());
    let log = tokio::spawn(delivery::run(tracker.clone(), sink, dropped(log_stopped)));

    let address = listener.local_addr()?;
    if let Some(path) = &config.port_file {
        write_address(path, address)?;
    }
    tracing::info!("listening on http://{address}");
    let shared = Shared { tracker: tracker.clone(), auth };
    http::serve(listener, http::router(shared.clone()), shared, shutdown).await;

    // Ingest is over; then time; then what both of them had to tell.
    drop(stop_sweep);
    let _ = sweep.await;
    drop(stop_log);
    let _ = tokio::time::timeout(limits.shutdown_grace(), log).await;
    if let Ok(lines @ 1..) = tracker.store.backlog().await {
        let fate = if durable { "wait for the next start" } else { "are lost" };
        tracing::error!("the event log could not be written: its last {lines} lines {fate}");
    }
    Ok(())
}

/// Opens the store, on a thread that may wait for the disk.
async fn open(
    choice: StoreChoice,
    now: i64,
    outbox_lines: usize,
) -> Result<Arc<dyn Store>, RunError> {
    let open = move || -> Result<Arc<dyn Store>, RunError> {
        match choice {
            StoreChoice::Memory => Ok(Arc::new(Memory::new(now).with_outbox_lines(outbox_lines))),
            StoreChoice::Embedded(path) => Embedded::open(&path, now, outbox_lines)
                .map(|store| Arc::new(store) as Arc<dyn Store>)
                .map_err(RunError::Open),
        }
    };
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened,
        Err(panic) => Err(RunError::Io(io::Error::other(panic))),
    }
}

/// Resolves when the sender is dropped, be it by a panic.
async fn dropped(mut receiver: watch::Receiver<()>) {
    while receiver.changed().await.is_ok() {}
}

fn load(dir: &Path) -> Result<Registry, RunError> {
    let place = dir.display();
    let (registry, findings) = definition::load(dir)
        .map_err(|e| RunError::Definitions(format!("--definitions {place}: {e}")))?;
    for finding in findings {
        tracing::warn!("{finding}");
    }
    match registry.iter().next() {
        Some(_) => Ok(registry),
        None => Err(RunError::Definitions(format!(
            "--definitions {place}: no usable <id>.yml in there, so every checkpoint would be \
             refused; `labkit-tracker check {place}` says why"
        ))),
    }
}

/// Written beside and renamed, so that a reader sees all of it or nothing.
fn write_address(path: &Path, address: SocketAddr) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = std::fs::File::create(&beside)?;
    writeln!(file, "{address}")?;
    drop(file);
    std::fs::rename(&beside, path)
}
