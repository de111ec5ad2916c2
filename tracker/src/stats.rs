//! What this process did: the counters of `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use labkit::definition::{Finding, Severity};
use labkit::wire::Code;

use crate::clock::VirtualTime;
use crate::emit::Exposition;
use crate::limits::LATENESS_BOUNDS_MS;

/// Counters of this process. They begin at 0 with it.
#[derive(Debug, Default)]
pub struct Stats {
    /// Behind a mutex, as a request takes a hundred times as long as this lock.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    accepted: AtomicU64,
    duplicate: AtomicU64,
    rejected: [AtomicU64; Code::ALL.len()],
    unknown_fields: AtomicU64,
    conflicts: AtomicU64,
    swept: AtomicU64,
    lateness_ms: AtomicI64,
    lateness: Lateness,
    tick_failures: AtomicU64,
    log_lines: AtomicU64,
    log_failures: AtomicU64,
    connections: AtomicI64,
    in_flight: AtomicI64,
    definitions: Definitions,
}

/// How late experiences were that time ended.
#[derive(Debug, Default)]
struct Lateness {
    /// By the first bound that is not exceeded; not cumulative.
    buckets: [AtomicU64; LATENESS_BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

/// What the last looks at the definitions found.
#[derive(Debug, Default)]
struct Definitions {
    in_force: AtomicU64,
    errors: AtomicU64,
    warnings: AtomicU64,
    /// The last look found no error.
    successful: AtomicBool,
    /// The last one that did not, on the wall clock.
    success_ms: AtomicI64,
}

/// One more of something, for as long as this lives: whatever ends it, be it a
/// panic, takes it back.
pub(crate) struct Present<'a>(&'a AtomicI64);

impl<'a> Present<'a> {
    fn new(gauge: &'a AtomicI64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Present(gauge)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stats {
    /// A request was answered; `route` is one of ours, never the client's text.
    pub fn request(&self, route: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
    }

    /// A request begins, and lasts as long as what is returned.
    pub(crate) fn begin(&self) -> Present<'_> {
        Present::new(&self.in_flight)
    }

    /// Requests that have not been answered yet.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Checkpoints had their final disposition.
    pub fn ingested(&self, accepted: u64, duplicate: u64) {
        self.accepted.fetch_add(accepted, Ordering::Relaxed);
        self.duplicate.fetch_add(duplicate, Ordering::Relaxed);
    }

    /// A checkpoint was refused.
    pub fn rejected(&self, code: Code) {
        self.rejected[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Fields were ignored because this version does not know them.
    pub fn ignored(&self, fields: usize) {
        if fields > 0 {
            self.unknown_fields.fetch_add(fields as u64, Ordering::Relaxed);
        }
    }

    /// A change has to be computed again.
    pub fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    /// The sweep moved records on.
    pub fn swept(&self, records: u64) {
        self.swept.fetch_add(records, Ordering::Relaxed);
    }

    /// A sweep is through, and this is how late its latest record was.
    pub fn late(&self, lateness_ms: i64) {
        self.lateness_ms.store(lateness_ms, Ordering::Relaxed);
    }

    /// Time ended an experience, so long after its deadline.
    pub fn ended_late(&self, lateness_ms: i64) {
        let within = LATENESS_BOUNDS_MS.iter().position(|bound| lateness_ms <= *bound);
        let bucket = within.unwrap_or(LATENESS_BOUNDS_MS.len());
        self.lateness.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let lateness_ms = u64::try_from(lateness_ms).unwrap_or(0);
        self.lateness.sum_ms.fetch_add(lateness_ms, Ordering::Relaxed);
    }

    /// The store refused the clock's write: virtual time stands still.
    pub fn tick_failed(&self) {
        self.tick_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines were written to the event log.
    pub fn logged(&self, lines: u64) {
        self.log_lines.fetch_add(lines, Ordering::Relaxed);
    }

    /// The event log could not be written.
    pub fn log_failed(&self) {
        self.log_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection came, and is open as long as what is returned.
    pub(crate) fn connected(&self) -> Present<'_> {
        Present::new(&self.connections)
    }

    /// The definitions were read: so many are in force.
    pub fn definitions_read(&self, in_force: usize, findings: &[Finding], now_ms: i64) {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let set = |to: &AtomicU64, number: usize| to.store(number as u64, Ordering::Relaxed);
        set(&self.definitions.in_force, in_force);
        set(&self.definitions.errors, errors);
        set(&self.definitions.warnings, findings.len() - errors);
        self.definitions.successful.store(errors == 0, Ordering::Relaxed);
        if errors == 0 {
            self.definitions.success_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// The definitions could not be read; those read before are in force.
    pub fn definitions_unread(&self) {
        self.definitions.successful.store(false, Ordering::Relaxed);
    }

    /// The page `/metrics`.
    pub fn render(&self, time: VirtualTime, backlog: Option<usize>) -> String {
        let mut page = Exposition::default();
        self.render_requests(&mut page);
        self.render_ingest(&mut page);
        self.render_time(&mut page, time);
        self.definitions.render(&mut page);
        let help = "Lines written to the event log.";
        page.single("labkit_tracker_log_lines_total", "counter", help, get(&self.log_lines));
        let help = "Failed writes to the event log; the lines are written again.";
        page.single("labkit_tracker_log_failures_total", "counter", help, get(&self.log_failures));
        if let Some(backlog) = backlog {
            let help = "Events that wait to be written to the log.";
            page.single("labkit_tracker_outbox_lines", "gauge", help, backlog);
        }
        page.finish()
    }

    fn render_requests(&self, page: &mut Exposition) {
        let name = "labkit_tracker_http_requests_total";
        page.family(name, "counter", "Answered requests, by route and status.");
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, status), count) in requests.iter() {
            page.sample(name, &[("route", *route), ("status", &status.to_string())], count);
        }
        let open = self.connections.load(Ordering::Relaxed);
        page.single("labkit_tracker_http_connections", "gauge", "Open connections.", open);
        let (name, help) = ("labkit_tracker_http_requests_in_flight", "Requests not yet answered.");
        page.single(name, "gauge", help, self.in_flight());
    }

    fn render_ingest(&self, page: &mut Exposition) {
        let name = "labkit_tracker_checkpoints_total";
        page.family(name, "counter", "Checkpoints that were answered, by disposition.");
        page.sample(name, &[("disposition", "accepted")], get(&self.accepted));
        page.sample(name, &[("disposition", "duplicate")], get(&self.duplicate));
        let name = "labkit_tracker_checkpoints_rejected_total";
        page.family(name, "counter", "Checkpoints that were refused, by code.");
        for code in Code::ALL {
            page.sample(name, &[("code", code.as_str())], get(&self.rejected[code as usize]));
        }
        let name = "labkit_tracker_unknown_fields_total";
        let help = "Fields of requests that were ignored as unknown: newer, or misspelt.";
        page.single(name, "counter", help, get(&self.unknown_fields));
        let help = "Changes computed again because another writer was first.";
        page.single("labkit_tracker_conflicts_total", "counter", help, get(&self.conflicts));
    }

    fn render_time(&self, page: &mut Exposition, time: VirtualTime) {
        let help = "Records that the sweep moved on.";
        page.single("labkit_tracker_swept_total", "counter", help, get(&self.swept));
        let lateness = self.lateness_ms.load(Ordering::Relaxed) as f64 / 1e3;
        let help = "How far past its deadline the latest record of the last sweep was.";
        page.single("labkit_tracker_sweep_lateness_seconds", "gauge", help, lateness);
        self.lateness.render(page);
        let help = "Ticks that the store refused; deadlines stand still meanwhile.";
        page.single(
            "labkit_tracker_tick_failures_total",
            "counter",
            help,
            get(&self.tick_failures),
        );
        let help = "Time during which deadlines stood still: pauses of this tracker and settling.";
        page.single("labkit_tracker_blind_seconds_total", "counter", help, time.blind as f64 / 1e3);
        let help = "Settling that remains before deadlines run again.";
        page.single("labkit_tracker_settling_seconds", "gauge", help, time.settling as f64 / 1e3);
    }
}

impl Lateness {
    fn render(&self, page: &mut Exposition) {
        let name = "labkit_tracker_deadline_lateness_seconds";
        let help = "How long after its deadline time ended an experience.";
        page.family(name, "histogram", help);
        let bounds = LATENESS_BOUNDS_MS.map(|bound| (bound as f64 / 1e3).to_string());
        let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
        let (bucket, mut count) = (format!("{name}_bucket"), 0);
        for (bound, number) in bounds.zip(&self.buckets) {
            count += get(number);
            page.sample(&bucket, &[("le", bound)], count);
        }
        page.sample(&format!("{name}_sum"), &[], get(&self.sum_ms) as f64 / 1e3);
        page.sample(&format!("{name}_count"), &[], count);
    }
}

impl Definitions {
    fn render(&self, page: &mut Exposition) {
        let help = "Definitions in force.";
        page.single("labkit_tracker_definitions", "gauge", help, get(&self.in_force));
        let name = "labkit_tracker_definitions_findings";
        page.family(name, "gauge", "What is wrong with the definitions, by severity.");
        page.sample(name, &[("severity", "error")], get(&self.errors));
        page.sample(name, &[("severity", "warning")], get(&self.warnings));
        let successful = u8::from(self.successful.load(Ordering::Relaxed));
        let name = "labkit_tracker_definitions_last_reload_successful";
        page.single(name, "gauge", "Whether the last look at them found no error.", successful);
        let at = self.success_ms.load(Ordering::Relaxed) as f64 / 1e3;
        let name = "labkit_tracker_definitions_last_reload_success_timestamp_seconds";
        page.single(name, "gauge", "When a look at them last found no error.", at);
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
