//! The handle that a process holds: definitions, settings, and the calls that
//! record. It adds ids and time to what `experience` decides, and queues it.

mod calls;
mod testing;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub use calls::{Delivery, Observed};
pub use testing::Testing;

use crate::config::{Config, TransportKind, is_header_text};
use crate::definition::{self, Definition};
use crate::error::Error;
use crate::process::{Command, Process, Shared};
use crate::quiet;
use crate::stats::{DropReason, Stats};
use crate::sync::channel::bounded;
use crate::worker;

/// What remains of a shutdown's deadline goes to the worker's last words.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// No wait is longer than an hour: a caller that passes the largest number
/// means "long", and times must not overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Records user experiences. Cheap to clone; every method may be called from
/// every thread at once.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// The last one to go tells the worker.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A fork child that never recorded has nobody to tell.
        if let Some(process) = self.shared.process_if_made() {
            process.command(Command::Stop);
        }
    }
}

impl Client {
    /// Reads the definitions and prepares a client. No thread is started and
    /// no connection made before the first record.
    ///
    /// # Errors
    /// A setting that is wrong, a directory that cannot be read and, with
    /// `strict`, a definition that is wrong; without, the good definitions
    /// are used and the bad ones reported by [`Client::drain_log`].
    pub fn new(mut config: Config) -> Result<Client, Error> {
        config.validate()?;
        // A host that makes itself a daemon changes its directory, too.
        for path in [&mut config.spool_dir, &mut config.token_file].into_iter().flatten() {
            *path = std::path::absolute(&*path).map_err(|e| Error::Io(e.to_string()))?;
        }
        let (registry, findings) = definition::load(&config.definitions).map_err(|e| {
            Error::Io(format!("`definitions`: {}: {e}", config.definitions.display()))
        })?;
        if let Some(finding) = findings.iter().find(|f| config.strict && f.fails_lint()) {
            return Err(Error::InvalidDefinition(finding.to_string()));
        }
        let shared = Shared::new(config, registry)?;
        quiet::install();
        for finding in findings {
            shared.process().log(finding.to_string());
        }
        Ok(Client { handle: Arc::new(Handle { shared: Arc::new(shared) }) })
    }

    /// As [`Client::new`], from the JSON form of the settings.
    pub fn from_json(config: &str) -> Result<Client, Error> {
        Client::new(Config::from_json(config)?)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Resolves a definition once; its index is what the other calls take.
    pub fn definition(&self, id: &str) -> Result<u32, Error> {
        self.shared().registry.index(id).ok_or_else(|| Error::UnknownExperience(id.to_owned()))
    }

    /// The definition behind an index.
    pub fn definition_info(&self, index: u32) -> Result<&Definition, Error> {
        let found = self.shared().registry.get(index);
        found.ok_or_else(|| Error::UnknownExperience(format!("#{index}")))
    }

    /// The settings this client was made with.
    pub fn config(&self) -> &Config {
        &self.shared().config
    }

    /// From now on requests carry this token; `None` sends none.
    ///
    /// # Errors
    /// What no HTTP header can hold: only visible ASCII characters may be in it.
    pub fn set_token(&self, token: Option<&str>) -> Result<(), Error> {
        if token.is_some_and(|token| !is_header_text(token)) {
            return Err(Error::InvalidArgument(
                "token: expected visible ASCII characters, 8192 at most".into(),
            ));
        }
        self.shared().process().set_token(token.map(Arc::from));
        Ok(())
    }

    /// Waits until all that was recorded before is settled: acknowledged,
    /// rejected or dropped. Blocks for `timeout` at most, and never longer
    /// than an hour.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`]: some of it still waits.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        let process = self.running_process();
        let is_alone = || !process.expects_worker() || self.shared().is_closed();
        if is_alone() {
            return settled_or_late(process, 0); // nobody is there to wait for
        }
        let timeout = timeout.min(LONGEST_WAIT);
        let until = Instant::now() + timeout;
        let (done, wait) = bounded(1);
        process.command(Command::Flush { until, done });
        process.flight.clear_the_way();
        if is_alone() {
            return settled_or_late(process, 0); // it left without having heard
        }
        match wait.recv_timeout(timeout) {
            Ok(()) => Ok(()),
            Err(_) => settled_or_late(process, 0), // late, or the worker has left
        }
    }

    /// Stops recording, sends what is there, and stops the worker. Blocks for
    /// `timeout` at most, also against a server that never answers. A second
    /// call does nothing.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`]: something had to be dropped; the
    /// statistics tell how much.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        let process = self.running_process();
        if !self.shared().close() {
            return Ok(());
        }
        process.queue.call_always();
        if !process.stop_without_worker() {
            let timeout = timeout.min(LONGEST_WAIT);
            let until = Instant::now() + timeout;
            let (done, wait) = bounded(1);
            process.command(Command::ShutDown { until, done });
            process.flight.clear_the_way();
            // Once more: it was being started, could not be, and has not heard.
            if !process.stop_without_worker() && wait.recv_timeout(timeout).is_err() {
                process.flight.break_off();
                let _ = wait.recv_timeout(LAST_WORDS);
            }
        }
        match process.counters.dropped(DropReason::ShutDown) {
            0 => settled_or_late(process, process.counters.spooled.load(Ordering::Relaxed)),
            _ => Err(Error::DeadlineExceeded),
        }
    }

    /// The process's part, with a worker if there is anything to work on.
    fn running_process(&self) -> &Process {
        let process = self.shared().process();
        if process.stats().queued > 0 && !self.shared().is_closed() {
            worker::ensure(self.shared(), process, self.shared().clock.now());
        }
        process
    }

    /// What became of everything that was recorded in this process.
    pub fn stats(&self) -> Stats {
        self.shared().process().stats()
    }

    /// The library's own messages since the last call, one per line. It never
    /// prints by itself.
    pub fn drain_log(&self) -> String {
        self.shared().process().drain_log(|_| true).unwrap_or_default()
    }

    #[cfg(all(test, model))]
    #[allow(dead_code)] // some models have no client
    pub(crate) fn shared_in_a_model(&self) -> &Shared {
        self.shared()
    }

    pub(crate) fn log(&self, line: &str) {
        self.shared().process().log(line);
    }

    /// As [`Client::drain_log`], unless they are more than `max` bytes: then
    /// nothing is taken, and the error says how many they are.
    pub(crate) fn drain_log_within(&self, max: usize) -> Result<String, usize> {
        let mut size = 0;
        let lines = self.shared().process().drain_log(|bytes| {
            size = bytes;
            bytes <= max
        });
        lines.ok_or(size)
    }

    /// Clock, ids and output of a client with the memory transport.
    ///
    /// # Errors
    /// [`Error::TestOnly`] with any other transport.
    pub fn testing(&self) -> Result<Testing<'_>, Error> {
        match self.shared().config.transport {
            TransportKind::Memory => Ok(Testing { client: self }),
            TransportKind::Http => Err(Error::TestOnly),
        }
    }
}

/// `left`: how many may still be queued, as the next process has them.
fn settled_or_late(process: &Process, left: u64) -> Result<(), Error> {
    let stats = process.stats();
    // A record between the queue and the worker's hands is in neither count, but
    // then the sum is wrong.
    match stats.queued == left && stats.balances() {
        true => Ok(()),
        false => Err(Error::DeadlineExceeded),
    }
}
