//! Reads the definitions again: at SIGHUP, and once in a while, as those who
//! write them cannot signal the tracker everywhere.

use std::future::{Future, pending};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use labkit::definition::{self, Finding, Registry, Severity};
use tokio::sync::Notify;

use crate::tracker::Tracker;

/// What a look at the directory gave.
pub(crate) type Read = Result<(Registry, Vec<Finding>), String>;

/// Reads `dir` on a thread that may wait for the disk.
pub(crate) async fn read(dir: &Path) -> Read {
    let (path, place) = (dir.to_owned(), dir.display());
    let read = tokio::task::spawn_blocking(move || definition::load(&path)).await;
    let read = read.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    read.map_err(|error| format!("--definitions {place}: {error}"))
}

/// Says what is wrong with which file, where.
pub(crate) fn report(findings: &[Finding]) {
    for Finding { file, line, key, expected, severity } in findings {
        let file = file.display();
        match severity {
            Severity::Error => tracing::error!(%file, line, key, "definition unusable: {expected}"),
            _ => tracing::warn!(%file, line, key, "definition: {expected}"),
        }
    }
}

/// Reads `dir` again each `interval` (zero: never) and whenever `told`, until
/// `shutdown` resolves.
pub(crate) async fn run(
    tracker: Arc<Tracker>,
    dir: PathBuf,
    first: Vec<Finding>,
    interval: Duration,
    told: Arc<Notify>,
    shutdown: impl Future<Output = ()>,
) {
    let mut reload = Reload { tracker, dir, said: Ok(first) };
    let pause = async || match interval.is_zero() {
        true => pending().await,
        false => tokio::time::sleep(interval).await,
    };
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = told.notified() => {
                tracing::info!("SIGHUP: reading the definitions again");
                reload.said = Ok(Vec::new());
            }
            () = pause() => {}
            () = &mut shutdown => return,
        }
        reload.once().await;
    }
}

struct Reload {
    tracker: Arc<Tracker>,
    dir: PathBuf,
    /// What the last look found, so that a mistake is said once and not with
    /// each look, unless somebody asked.
    said: Result<Vec<Finding>, String>,
}

impl Reload {
    async fn once(&mut self) {
        let read = read(&self.dir).await;
        let now = match read.and_then(|(registry, findings)| {
            self.tracker.redefine(&registry, &findings).map(|()| findings)
        }) {
            Ok(findings) => Ok(findings),
            Err(error) => {
                self.tracker.stats.definitions_unread();
                Err(error)
            }
        };
        if now != self.said {
            match &now {
                Ok(findings) => report(findings),
                Err(error) => tracing::error!("{error}; the definitions read before stay in force"),
            }
            self.said = now;
        }
    }
}
