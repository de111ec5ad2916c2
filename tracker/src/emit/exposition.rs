//! The store's counters as Prometheus reads them, under GitLab's names. Every
//! tracker on one store says the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use labkit::wire::Kind;

use super::text::Exposition;
use crate::definitions::Definitions;
use crate::store::Row;
use crate::transition::{Anomaly, Cell, DURATION_BOUNDS, Definition, Final, TimeoutReason};

const CHECKPOINTS: &str = "gitlab_user_experience_checkpoint_total";
const TOTAL: &str = "gitlab_user_experience_total";
const APDEX: &str = "gitlab_user_experience_apdex_total";
const OUTCOME: &str = "labkit_user_experience_outcome_total";
const DURATION: &str = "labkit_user_experience_duration_seconds";
const OPENED: &str = "labkit_user_experience_opened_total";
const OPEN: &str = "labkit_user_experience_open";
const OLDEST: &str = "labkit_user_experience_oldest_age_seconds";
const RECANTED: &str = "labkit_user_experience_timeout_recanted_total";
const ANOMALY: &str = "labkit_user_experience_anomaly_total";
const TIMEOUT: &str = "labkit_user_experience_timeout_total";
const MISMATCH: &str = "labkit_user_experience_definition_mismatch_total";

/// The numbers of one label set.
#[derive(Clone, Copy, Debug)]
pub struct Cells([i64; Cell::COUNT]);

impl Cells {
    const ZERO: Cells = Cells([0; Cell::COUNT]);

    /// One of them.
    pub fn get(&self, cell: Cell) -> i64 {
        self.0[cell.index()]
    }

    fn add(&mut self, other: &[i64; Cell::COUNT]) {
        self.0.iter_mut().zip(other).for_each(|(sum, n)| *sum = sum.saturating_add(*n));
    }
}

/// Id, feature category and urgency: what nearly all series have in common.
type Base<'a> = (&'a str, &'a str, &'a str);

/// The counters, summed by the label sets in which they are shown. Every
/// definition is there from the first scrape on, at 0, or a rate over its
/// first error would see nothing.
#[derive(Debug, Default)]
pub struct Totals<'a> {
    by_type: BTreeMap<(Base<'a>, &'a str), Cells>,
    by_base: BTreeMap<Base<'a>, Cells>,
    by_id: BTreeMap<&'a str, Cells>,
}

impl<'a> Totals<'a> {
    /// Sums `rows`; `definitions` and `types` give the series that exist anyway.
    pub fn new(rows: &'a [Row], definitions: &'a Definitions, types: &'a [Arc<str>]) -> Self {
        let mut totals = Totals::default();
        let zero = [0; Cell::COUNT];
        for definition in definitions.iter() {
            totals.add_base(definition, &zero);
            types.iter().for_each(|service| totals.add(definition, service, &zero));
        }
        for (series, row) in rows.iter().filter(|(series, _)| !series.is_of_instances()) {
            totals.add_base(&series.definition, row);
            totals.add(&series.definition, &series.service, row);
        }
        totals
    }

    /// Per definition.
    pub fn by_id(&self) -> impl Iterator<Item = (&'a str, &Cells)> {
        self.by_id.iter().map(|(id, cells)| (*id, cells))
    }

    fn add(&mut self, definition: &'a Definition, service: &'a str, row: &[i64; Cell::COUNT]) {
        let key = (base(definition), service);
        self.by_type.entry(key).or_insert(Cells::ZERO).add(row);
    }

    fn add_base(&mut self, definition: &'a Definition, row: &[i64; Cell::COUNT]) {
        self.by_base.entry(base(definition)).or_insert(Cells::ZERO).add(row);
        self.by_id.entry(&definition.id).or_insert(Cells::ZERO).add(row);
    }
}

fn base(definition: &Definition) -> Base<'_> {
    (&definition.id, &definition.feature_category, &definition.urgency)
}

/// The page `/metrics/sli`. `oldest` holds the age of each definition's oldest
/// unfinished experience, in seconds.
pub fn render(totals: &Totals<'_>, oldest: &BTreeMap<Arc<str>, f64>) -> Exposition {
    let mut page = Exposition::default();
    by_type(totals, &mut page);
    by_base(totals, &mut page);
    by_id(totals, oldest, &mut page);
    page
}

fn by_type(totals: &Totals<'_>, page: &mut Exposition) {
    let mut family = |name: &str, help: &str, label: &str, cells: &[(&str, Cell)]| {
        page.family(name, "counter", help);
        for ((base, service), row) in &totals.by_type {
            for (value, cell) in cells {
                let [id, category, urgency] = labels(base);
                let labels = [id, category, urgency, ("type", *service), (label, *value)];
                page.sample(name, &labels, row.get(*cell));
            }
        }
    };
    let kinds = [Kind::Start, Kind::Intermediate, Kind::End];
    let checkpoints = kinds.map(|kind| (kind.as_str(), Cell::Checkpoint(kind)));
    family(CHECKPOINTS, "Accepted checkpoints.", "checkpoint", &checkpoints);
    let errors = [false, true].map(|error| (bool_label(error), Cell::Total { error }));
    family(TOTAL, "Ended user experiences; timeouts are errors.", "error", &errors);
    let successes = [false, true].map(|success| (bool_label(success), Cell::Apdex { success }));
    let help = "Experiences that ended well with a known start, by whether in time.";
    family(APDEX, help, "success", &successes);
}

fn by_base(totals: &Totals<'_>, page: &mut Exposition) {
    page.family(OUTCOME, "counter", "Ended user experiences, by outcome.");
    for (base, row) in &totals.by_base {
        for outcome in Final::ALL {
            let [id, category, urgency] = labels(base);
            let labels = [id, category, urgency, ("outcome", outcome.as_str())];
            page.sample(OUTCOME, &labels, row.get(Cell::Outcome(outcome)));
        }
    }
    let help = "How long experiences took that ended well with a known start.";
    page.family(DURATION, "histogram", help);
    for (base, row) in &totals.by_base {
        histogram(base, row, page);
    }
}

fn histogram(base: &Base<'_>, row: &Cells, page: &mut Exposition) {
    let bounds = DURATION_BOUNDS.map(|bound| bound.to_string());
    let (bucket, mut count) = (format!("{DURATION}_bucket"), 0);
    let [id, category, urgency] = labels(base);
    for (index, bound) in bounds.iter().map(String::as_str).chain(["+Inf"]).enumerate() {
        count += row.get(Cell::Bucket(index));
        page.sample(&bucket, &[id, category, urgency, ("le", bound)], count);
    }
    let seconds = row.get(Cell::DurationUs) as f64 / 1e6;
    page.sample(&format!("{DURATION}_sum"), &[id, category, urgency], seconds);
    page.sample(&format!("{DURATION}_count"), &[id, category, urgency], count);
}

fn by_id(totals: &Totals<'_>, oldest: &BTreeMap<Arc<str>, f64>, page: &mut Exposition) {
    single(totals, page, OPENED, "Experiences that the tracker came to know.", Cell::Opened);
    page.family(OPEN, "gauge", "Unfinished experiences, by state.");
    let states = [("open", Cell::InOpen), ("implicit", Cell::InImplicit), ("held", Cell::InHeld)];
    for (id, row) in totals.by_id() {
        for (state, cell) in states {
            page.sample(OPEN, &[("user_experience_id", id), ("state", state)], row.get(cell));
        }
    }
    page.family(OLDEST, "gauge", "Age of the oldest unfinished experience.");
    for (id, _) in totals.by_id() {
        let age = oldest.get(id).copied().unwrap_or(0.0);
        page.sample(OLDEST, &[("user_experience_id", id)], age);
    }
    page.family(TIMEOUT, "counter", "Timeouts, by what is known of who started them.");
    for (id, row) in totals.by_id() {
        for reason in TimeoutReason::ALL {
            let labels = [("user_experience_id", id), ("reason", reason.as_str())];
            page.sample(TIMEOUT, &labels, row.get(Cell::Timeout(reason)));
        }
    }
    let help = "Timeouts whose end arrived after all and had been in time.";
    single(totals, page, RECANTED, help, Cell::Recanted);
    page.family(ANOMALY, "counter", "Checkpoints out of order, by kind.");
    for (id, row) in totals.by_id() {
        for kind in Anomaly::ALL {
            let labels = [("user_experience_id", id), ("kind", kind.as_str())];
            page.sample(ANOMALY, &labels, row.get(Cell::Anomaly(kind)));
        }
    }
    let help = "Checkpoints whose feature category or urgency is not the definition's.";
    single(totals, page, MISMATCH, help, Cell::Mismatch);
}

fn single(totals: &Totals<'_>, page: &mut Exposition, name: &str, help: &str, cell: Cell) {
    page.family(name, "counter", help);
    for (id, row) in totals.by_id() {
        page.sample(name, &[("user_experience_id", id)], row.get(cell));
    }
}

fn labels<'a>((id, category, urgency): &Base<'a>) -> [(&'static str, &'a str); 3] {
    [("user_experience_id", id), ("feature_category", category), ("urgency", urgency)]
}

fn bool_label(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
