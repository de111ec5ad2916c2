//! What the page tells, gathered: the store's counters, the last hour, and what
//! of the reader's own is overdue.

use std::sync::Arc;

use super::text::percent_down;
use crate::clock::VirtualTime;
use crate::definitions::About;
use crate::emit::exposition::{Cells, Totals};
use crate::history::{History, MINUTES, Minutes, Tally, sum};
use crate::store::StoreError;
use crate::tracker::Tracker;
use crate::transition::{Cell, Definition, Identity, Stored};
use crate::view::{View, is_stale};

/// Stale ones on the page: enough to see what they have in common. The query
/// path lists them all.
const STALE: usize = 25;

/// Everything on the page.
pub(super) struct Board {
    pub(super) now: i64,
    pub(super) vitals: Vitals,
    /// When the counters were looked at first.
    pub(super) since: i64,
    /// In which minutes of the hour somebody looked.
    pub(super) looked: [bool; MINUTES],
    pub(super) cards: Vec<Card>,
    /// Of the reader's own, the oldest first.
    pub(super) stale: Vec<View>,
    /// There are more.
    pub(super) more_stale: bool,
}

/// How the tracker itself is.
#[derive(Clone, Copy)]
pub(super) struct Vitals {
    pub(super) time: VirtualTime,
    /// How long ago the last tick was, in ms.
    pub(super) tick_age: i64,
    /// Lines of the event log that wait, if the store could tell.
    pub(super) backlog: Option<usize>,
    /// How many may.
    pub(super) backlog_most: usize,
}

/// One experience's definition, and how its runs fare.
pub(super) struct Card {
    pub(super) id: String,
    pub(super) about: About,
    /// As it is in force, or was last.
    pub(super) definition: Option<Arc<Definition>>,
    pub(super) retired: bool,
    pub(super) open: u64,
    /// Age of the oldest unfinished one, in s.
    pub(super) oldest: Option<f64>,
    pub(super) minutes: Minutes,
    /// The sum of the minutes.
    pub(super) hour: Tally,
    /// Since the store began.
    pub(super) ever: Cells,
}

impl Card {
    /// Since the store began, the share of those that count for Apdex which were in time.
    pub(super) fn apdex_ever(&self) -> Option<String> {
        let number = |cell| u64::try_from(self.ever.get(cell)).unwrap_or(0);
        let good = number(Cell::Apdex { success: true });
        let judged = good + number(Cell::Apdex { success: false });
        (judged > 0).then(|| percent_down(good, judged))
    }

    /// Something is open, or ended within the hour.
    pub(super) fn is_active(&self) -> bool {
        self.open > 0 || self.hour.ended() > 0
    }
}

/// Looks at the counters alone, which costs a store less than the page does.
pub(super) async fn sample(tracker: &Tracker, history: &mut History) -> Result<(), StoreError> {
    let now = tracker.clock.now_ms();
    let rows = tracker.store.counters().await?;
    record(history, now, &Totals::new(&rows, &tracker.definitions(), &[]));
    Ok(())
}

fn record(history: &mut History, now: i64, totals: &Totals<'_>) {
    history.record(now, totals.by_id().map(|(id, cells)| (id, Tally::from(cells))));
}

/// Gathers the page for `tenant`.
pub(super) async fn gather(
    tracker: &Tracker,
    tenant: Arc<str>,
    history: &mut History,
) -> Result<Board, StoreError> {
    // One moment for all: a minute that begins meanwhile is not looked at yet.
    let now = tracker.clock.now_ms();
    let (rows, oldest) = tracker.totals().await?;
    let vitals = vitals(tracker).await;
    let (stale, more_stale) = stale(tracker, tenant, now).await?;
    let definitions = tracker.definitions();
    let totals = Totals::new(&rows, &definitions, &[]);
    record(history, now, &totals);
    let card = |(id, cells): (&str, &Cells)| {
        let minutes = history.minutes(id, now);
        let open = [Cell::InOpen, Cell::InImplicit, Cell::InHeld].map(|cell| cells.get(cell));
        Card {
            id: id.to_owned(),
            about: definitions.about(id),
            definition: definitions.known(id).cloned(),
            retired: definitions.is_retired(id),
            open: u64::try_from(open.iter().sum::<i64>()).unwrap_or(0),
            oldest: oldest.get(id).copied(),
            hour: sum(&minutes),
            minutes,
            ever: *cells,
        }
    };
    Ok(Board {
        now,
        vitals,
        since: history.since().unwrap_or(now),
        looked: history.looked(now),
        cards: totals.by_id().map(card).collect(),
        stale,
        more_stale,
    })
}

/// How the tracker is now.
pub(super) async fn vitals(tracker: &Tracker) -> Vitals {
    Vitals {
        time: tracker.time(),
        tick_age: tracker.tick_age(),
        backlog: tracker.store.backlog().await.ok(),
        backlog_most: tracker.limits.outbox_lines,
    }
}

async fn stale(
    tracker: &Tracker,
    tenant: Arc<str>,
    now: i64,
) -> Result<(Vec<View>, bool), StoreError> {
    let filter = move |identity: &Identity, stored: &Stored| {
        identity.tenant == tenant && is_stale(stored, now)
    };
    let mut found = tracker.store.list(Box::new(filter), STALE + 1).await?;
    let more = found.len() > STALE;
    found.truncate(STALE);
    let v = tracker.time().v;
    Ok((found.iter().map(|(identity, stored)| View::new(identity, stored, v)).collect(), more))
}
