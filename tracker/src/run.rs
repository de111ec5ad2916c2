//! The whole server, from a bound listener to the last line of the log.

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use labkit::definition::{Finding, Registry};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::auth::Auth;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StoreChoice};
use crate::emit::delivery;
use crate::http::page::{self, Pages};
use crate::http::{self, Gate, Shared};
use crate::limits::make_room;
use crate::store::{Embedded, Memory, OpenError, Redis, RedisOpenError, Store, StoreError};
use crate::tracker::{Settings, Tracker};
use crate::{reload, sweep};

/// Why the server did not start; displays what to do about it.
#[derive(Debug)]
pub enum RunError {
    /// The definitions cannot be used.
    Definitions(String),
    /// The keys, or what is said of the issuers, cannot be used.
    Keys(String),
    /// The store's file cannot be used.
    Open(OpenError),
    /// The store's Redis cannot be used.
    Redis(RedisOpenError),
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
            RunError::Redis(error) => error.fmt(f),
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
/// Whenever `reload` is notified, the definitions are read again.
pub async fn run(
    listener: TcpListener,
    config: Config,
    reload: Arc<Notify>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    make_room(config.limits.connections);
    let (registry, findings) = load(&config.definitions).await?;
    let clock = Arc::new(SystemClock);
    let limits = config.limits;
    let auth = Auth::new(&config.keys, &config.issuers, &limits, clock.clone());
    let auth = Arc::new(auth.map_err(RunError::Keys)?);
    let durable = config.store != StoreChoice::Memory;
    let store = open(config.store, clock.now_ms(), limits.outbox_lines).await?;
    let settings = Settings { types: config.types, limits };
    let tracker =
        Tracker::new(registry.clone(), settings, store, clock).await.map_err(RunError::Store)?;
    let tracker = Arc::new(tracker);
    tracker.redefine(&registry, &findings).map_err(RunError::Definitions)?;

    let pages = Arc::new(Pages::default());
    let (stop_reload, reload_stopped) = watch::channel(());
    let stopped = dropped(reload_stopped.clone());
    tokio::spawn(page::keep(pages.clone(), tracker.clone(), stopped));
    let reload = reload::run(
        tracker.clone(),
        config.definitions,
        findings,
        config.reload,
        reload,
        dropped(reload_stopped),
    );
    tokio::spawn(reload);
    let keys = auth.clone();
    let keys = tokio::spawn(async move { keys.keep_fresh().await });
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
    let shared = Shared {
        tracker: tracker.clone(),
        auth,
        gate: Arc::new(Gate::new(&limits)),
        redact: Arc::new(config.redact),
        open_metrics: config.metrics_without_credential,
        pages,
    };
    http::serve(listener, http::router(shared.clone()), shared, shutdown).await;

    drop(stop_reload);
    keys.abort();
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

async fn open(
    choice: StoreChoice,
    now: i64,
    outbox_lines: usize,
) -> Result<Arc<dyn Store>, RunError> {
    match choice {
        StoreChoice::Memory => Ok(Arc::new(Memory::new(now).with_outbox_lines(outbox_lines))),
        StoreChoice::Embedded(path) => {
            // On a thread that may wait for the disk.
            let open = move || Embedded::open(&path, now, outbox_lines);
            match tokio::task::spawn_blocking(open).await {
                Ok(opened) => Ok(Arc::new(opened.map_err(RunError::Open)?)),
                Err(panic) => Err(RunError::Io(io::Error::other(panic))),
            }
        }
        StoreChoice::Redis(settings) => {
            let opened = Redis::open(*settings, now, outbox_lines).await;
            Ok(Arc::new(opened.map_err(RunError::Redis)?))
        }
    }
}

/// Resolves when the sender is dropped, be it by a panic.
async fn dropped(mut receiver: watch::Receiver<()>) {
    while receiver.changed().await.is_ok() {}
}

async fn load(dir: &Path) -> Result<(Registry, Vec<Finding>), RunError> {
    let (registry, findings) = reload::read(dir).await.map_err(RunError::Definitions)?;
    reload::report(&findings);
    if registry.iter().next().is_some() {
        return Ok((registry, findings));
    }
    let place = dir.display();
    Err(RunError::Definitions(format!(
        "--definitions {place}: no usable <id>.yml in there, so every checkpoint would be \
         refused; `labkit-tracker check {place}` says why"
    )))
}

/// Written beside and renamed, so that a reader sees all of it or nothing.
fn write_address(path: &Path, address: SocketAddr) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = std::fs::File::create(&beside)?;
    writeln!(file, "{address}")?;
    drop(file);
    std::fs::rename(&beside, path)
}
