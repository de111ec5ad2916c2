//! From the outbox to the event log: at least once, in order per experience.

use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;

use crate::limits::{OUTBOX_RETRY, OUTBOX_STEP, SHUTDOWN_GRACE};
use crate::store::Pending;
use crate::tracker::Tracker;

/// Where the lines go; boxed, because a blocking thread takes it for each write.
pub(crate) type Sink = Box<dyn Write + Send>;

/// Delivers until `shutdown` resolves, and then what is left.
pub(crate) async fn run(tracker: Arc<Tracker>, sink: Sink, shutdown: impl Future<Output = ()>) {
    let mut delivery = Delivery { tracker: tracker.clone(), sink: Some(sink), failing: false };
    tokio::pin!(shutdown);
    loop {
        let told = tracker.told.notified();
        delivery.drain().await;
        tokio::select! {
            () = told => {}
            // After a failed write nobody may tell us anything new.
            () = tokio::time::sleep(OUTBOX_RETRY) => {}
            () = &mut shutdown => break,
        }
    }
    if tokio::time::timeout(SHUTDOWN_GRACE, delivery.drain()).await.is_err() {
        tracing::error!("the event log was not read in time; its last lines are lost");
    }
}

struct Delivery {
    tracker: Arc<Tracker>,
    /// Absent while a write is under way.
    sink: Option<Sink>,
    failing: bool,
}

impl Delivery {
    async fn drain(&mut self) {
        loop {
            let Ok(pending) = self.tracker.outbox(OUTBOX_STEP).await else { return };
            if pending.is_empty() {
                return;
            }
            let pending = Arc::new(pending);
            match self.write(pending.clone()).await {
                Ok(()) => self.failing = false,
                Err(error) => return self.failed(&error),
            }
            if self.tracker.settle(&pending).await.is_err() {
                return;
            }
        }
    }

    /// On a thread of its own: standard output is a pipe whose reader may be slow.
    async fn write(&mut self, pending: Arc<Vec<Pending>>) -> io::Result<()> {
        let Some(mut sink) = self.sink.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let write = move || {
            let bytes = pending.iter().map(|pending| pending.line.len() + 1).sum();
            let mut text = String::with_capacity(bytes);
            for pending in pending.iter() {
                text.push_str(&pending.line);
                text.push('\n');
            }
            let written = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
            (sink, written)
        };
        let (sink, written) = tokio::task::spawn_blocking(write).await?;
        self.sink = Some(sink);
        written
    }

    fn failed(&mut self, error: &io::Error) {
        self.tracker.stats.log_failed();
        // Said once per outage: the log of problems must not become one.
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the event log cannot be written; its lines are kept");
        }
    }
}
