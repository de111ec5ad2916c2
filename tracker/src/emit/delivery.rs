//! From the outbox to the event log: at least once, in order per experience.

use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;

use crate::limits::{OUTBOX_GATHER, OUTBOX_RETRY, OUTBOX_STEP};
use crate::store::Pending;
use crate::tracker::Tracker;

/// Where the lines go; boxed, because a blocking thread takes it for each write.
pub(crate) type Sink = Box<dyn Write + Send>;

/// Delivers until `shutdown` resolves, and then what is left. A reader who
/// stops reading holds this up for ever: how long to wait is the caller's choice.
pub(crate) async fn run(tracker: Arc<Tracker>, sink: Sink, shutdown: impl Future<Output = ()>) {
    let mut delivery =
        Delivery { tracker: tracker.clone(), sink: Some(sink), written: None, failing: false };
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
        tokio::select! {
            () = tokio::time::sleep(OUTBOX_GATHER) => {}
            () = &mut shutdown => break,
        }
    }
    delivery.drain().await;
}

struct Delivery {
    tracker: Arc<Tracker>,
    /// Absent while a write is under way.
    sink: Option<Sink>,
    /// Lines that are in the log, and of which the store still has to hear.
    written: Option<Arc<Vec<Pending>>>,
    failing: bool,
}

impl Delivery {
    async fn drain(&mut self) {
        loop {
            // First: a store that answers, and takes nothing, gives the same ones again.
            if let Some(written) = &self.written
                && self.tracker.settle(written).await.is_err()
            {
                return;
            }
            self.written = None;
            let Ok(pending) = self.tracker.outbox(OUTBOX_STEP).await else { return };
            if pending.is_empty() {
                return;
            }
            let pending = Arc::new(pending);
            match self.write(pending.clone()).await {
                Ok(()) => self.failing = false,
                Err(error) => return self.failed(&error),
            }
            self.written = Some(pending);
        }
    }

    /// On a thread of its own: standard output is a pipe whose reader may be slow.
    async fn write(&mut self, pending: Arc<Vec<Pending>>) -> io::Result<()> {
        let Some(mut sink) = self.sink.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let torn = self.failing;
        let write = move || {
            let bytes: usize = pending.iter().map(|pending| pending.line.len() + 1).sum();
            let mut text = String::with_capacity(bytes + 1);
            if torn {
                // The failed write may have left half a line, which would spoil the next one.
                text.push('\n');
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use labkit::definition::{Registry, read};

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::Memory;
    use crate::tracker::Settings;

    /// Takes a few bytes, fails once, and then takes everything.
    struct Hiccup {
        taken: Arc<Mutex<Vec<u8>>>,
        failed: bool,
    }

    impl Write for Hiccup {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock().unwrap();
            if !self.failed && !taken.is_empty() {
                self.failed = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let length = if self.failed { bytes.len() } else { 20 };
            taken.extend(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_is_written_again_on_a_line_of_its_own() {
        let yaml = "description: x\nfeature_category: making\nurgency: sync_slow\n";
        let (definition, _) = read("create_it.yml".as_ref(), yaml);
        let registry = Registry::new(definition.into_iter().collect());
        let (store, clock) = (Arc::new(Memory::new(0)), Arc::new(ManualClock::new(0)));
        let tracker = Tracker::new(registry, Settings::default(), store, clock).await.unwrap();
        let start = r#"{"correlation_id":"01HZZZZZZZZZZZZZZZZZZZZZZZ","user_experience_id":"create_it",
            "checkpoint":"start","type":"web","feature_category":"making","urgency":"sync_slow",
            "client_timestamp":"1970-01-01T00:00:00Z"}"#;
        tracker.ingest(&"default".into(), start, 0).await.unwrap();

        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Box::new(Hiccup { taken: taken.clone(), failed: false });
        run(Arc::new(tracker), sink, std::future::ready(())).await;
        let taken = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(taken.lines().filter(whole).count(), 1, "{taken}");
    }
}
