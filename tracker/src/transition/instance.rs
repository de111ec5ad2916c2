//! The life of an SDK instance, which is one process that sends: heard of,
//! silent, forgotten. It is kept as experiences are, for it is one more thing
//! that may end without saying so.

use std::sync::{Arc, LazyLock};

use labkit::DropReason;

use super::effects::{Cell, Effects, SdkCell};
use super::record::{Definition, Stored};
use crate::clock::Now;
use crate::limits::{INSTANCE_KEPT_MS, INSTANCE_OWING_MS};

/// What stands for a definition's id in an instance's identity and series. No
/// definition has a name like this.
pub const INSTANCES: &str = "(sdk)";

/// Reasons for which an instance drops checkpoints; the first place has those
/// that this version does not know, so that a new one goes to the end.
pub const DROP_REASONS: usize = DropReason::ALL.len() + 1;

/// What instances are counted under, in the place of a definition.
pub static OF_INSTANCES: LazyLock<Arc<Definition>> = LazyLock::new(|| {
    Arc::new(Definition {
        id: INSTANCES.into(),
        feature_category: "".into(),
        urgency: "".into(),
        threshold_us: 0,
        ttl_ms: 0,
    })
});

/// One process, as it last spoke of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its library's name; one of few.
    pub sdk: Arc<str>,
    /// Virtual time: when it counts as silent, and after that is forgotten.
    pub due: i64,
    /// It has not been heard of for too long.
    pub silent: bool,
    /// When it said what follows, by its own clock.
    pub sent_at: i64,
    /// Checkpoints that it recorded.
    pub recorded: u64,
    /// Checkpoints that it dropped: for other reasons, and then in the order of
    /// [`DropReason::ALL`].
    pub dropped: [u64; DROP_REASONS],
    /// Checkpoints that it still held and that have not arrived since.
    pub queued: u64,
}

impl Instance {
    /// Whether it is taken for gone at virtual time `v`.
    pub fn is_gone(&self, v: i64) -> bool {
        self.silent || self.due <= v
    }

    fn count(&self, effects: &mut Effects<'_>, cell: SdkCell, by: u64) {
        if by > 0 {
            effects.count(&OF_INSTANCES, &self.sdk, Cell::Sdk(cell), whole(by));
        }
    }
}

/// What an instance says of itself beside a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as in [`Instance`]
pub struct Report {
    pub sdk: Arc<str>,
    pub sent_at: i64,
    pub recorded: u64,
    pub dropped: [u64; DROP_REASONS],
    pub queued: u64,
    /// How long nothing has to be heard of it before it is taken for gone.
    pub patience: i64,
    /// It may have been known, and forgotten: what it says of its past is no news.
    pub old: bool,
}

/// What was heard of an instance since it was last written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What it said itself, last.
    pub report: Option<Report>,
    /// Checkpoints of its that others brought after its death.
    pub recovered: u64,
}

impl Heard {
    /// Takes in what was heard as well, before or after.
    pub fn merge(&mut self, other: Heard) {
        self.recovered = self.recovered.saturating_add(other.recovered);
        let order = |report: &Option<Report>| report.as_ref().map(|report| report.sent_at);
        if order(&self.report) <= order(&other.report) {
            self.report = other.report;
        }
    }
}

/// What `before` becomes through what was heard. Who speaks is not silent,
/// however late it is written down.
pub fn hear(
    before: Option<Stored>,
    heard: &Heard,
    now: Now,
    effects: &mut Effects<'_>,
) -> Option<Stored> {
    let mut instance = match (before, &heard.report) {
        (Some(Stored::Instance(instance)), _) => instance,
        (_, Some(report)) => meet(report, effects),
        // Whoever was forgotten owes nothing any more.
        (other, None) => return other,
    };
    let recovered = heard.recovered.min(instance.queued);
    instance.queued -= recovered;
    if instance.silent {
        instance.count(effects, SdkCell::Recovered, recovered);
    }
    if let Some(report) = &heard.report {
        instance.speak(report, now, effects);
    }
    Some(Stored::Instance(instance))
}

fn meet(report: &Report, effects: &mut Effects<'_>) -> Instance {
    let instance = Instance {
        sdk: report.sdk.clone(),
        due: 0,
        silent: false,
        sent_at: report.sent_at,
        recorded: if report.old { report.recorded } else { 0 },
        dropped: if report.old { report.dropped } else { [0; DROP_REASONS] },
        queued: 0,
    };
    instance.count(effects, SdkCell::Alive, 1);
    instance
}

impl Instance {
    fn speak(&mut self, report: &Report, now: Now, effects: &mut Effects<'_>) {
        if self.silent {
            self.silent = false;
            self.count(effects, SdkCell::Alive, 1);
            // It lives, so what it held is not lost.
            self.count(effects, SdkCell::Recovered, self.queued);
        }
        self.due = now.v + report.patience;
        self.count(effects, SdkCell::Recorded, report.recorded.saturating_sub(self.recorded));
        self.recorded = self.recorded.max(report.recorded);
        for (reason, (before, after)) in self.dropped.iter().zip(report.dropped).enumerate() {
            self.count(effects, SdkCell::Dropped(reason), after.saturating_sub(*before));
        }
        self.dropped.iter_mut().zip(report.dropped).for_each(|(old, new)| *old = new.max(*old));
        // Two trackers may have heard it, and write that down in any order.
        if report.sent_at >= self.sent_at {
            (self.sent_at, self.queued) = (report.sent_at, report.queued);
        }
    }

    /// Its deadline is reached: `None` once it is forgotten.
    pub(super) fn pass_time(mut self, now: Now, effects: &mut Effects<'_>) -> Option<Self> {
        if self.silent {
            return None;
        }
        self.silent = true;
        let owing = self.queued > 0;
        self.due = now.v + if owing { INSTANCE_OWING_MS } else { INSTANCE_KEPT_MS };
        effects.count(&OF_INSTANCES, &self.sdk, Cell::Sdk(SdkCell::Alive), -1);
        self.count(effects, SdkCell::Silent, u64::from(owing));
        self.count(effects, SdkCell::Unaccounted, self.queued);
        Some(self)
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Input, Owner, transition};
    use super::*;

    const SILENT_MS: i64 = 50_000;

    /// One instance, and what was counted of it.
    #[derive(Default)]
    struct Story {
        stored: Option<Stored>,
        v: i64,
        counts: BTreeMap<usize, i64>,
    }

    impl Story {
        fn count(&mut self, effects: Effects<'_>) {
            for (cell, by) in effects.counts.into_iter().flat_map(|counts| counts.moves) {
                *self.counts.entry(cell.index()).or_default() += by;
            }
        }

        fn now(&self) -> Now {
            Now { v: self.v, real: self.v, owner: Owner::Unknown }
        }

        fn hear(&mut self, heard: Heard) {
            let mut effects = Effects::default();
            self.stored = hear(self.stored.take(), &heard, self.now(), &mut effects);
            self.count(effects);
        }

        fn report(&mut self, sent_at: i64, recorded: u64, queued: u64) {
            let report = Report {
                sdk: "labkit-ruby".into(),
                sent_at,
                recorded,
                dropped: [0; DROP_REASONS],
                queued,
                patience: SILENT_MS,
                old: false,
            };
            self.hear(Heard { report: Some(report), recovered: 0 });
        }

        fn wait(&mut self, millis: i64) {
            self.v += millis;
            let mut effects = Effects::default();
            let (stored, input) = (self.stored.take(), Input::Deadline);
            (self.stored, _) = transition(stored, input, self.now(), &mut effects);
            self.count(effects);
        }

        fn get(&self, cell: SdkCell) -> i64 {
            self.counts.get(&Cell::Sdk(cell).index()).copied().unwrap_or(0)
        }

        /// Alive, silent, unaccounted for, recovered.
        fn sums(&self) -> (i64, i64, i64, i64) {
            use SdkCell::{Alive, Recovered, Silent, Unaccounted};
            let [alive, silent, unaccounted, recovered] =
                [Alive, Silent, Unaccounted, Recovered].map(|cell| self.get(cell));
            (alive, silent, unaccounted, recovered)
        }
    }

    #[test]
    fn an_instance_that_falls_silent_with_nothing_in_hand_is_just_gone() {
        let mut story = Story::default();
        story.report(0, 10, 3);
        story.wait(SILENT_MS - 1);
        story.report(1, 12, 0);
        assert_eq!((story.sums(), story.get(SdkCell::Recorded)), ((1, 0, 0, 0), 12));
        story.wait(SILENT_MS);
        assert_eq!(story.sums(), (0, 0, 0, 0));
        story.wait(INSTANCE_KEPT_MS);
        assert_eq!(story.stored, None);
    }

    #[test]
    fn what_a_silent_one_held_is_unaccounted_for_until_others_bring_it() {
        let mut story = Story::default();
        story.report(0, 10, 7);
        story.wait(SILENT_MS);
        assert_eq!(story.sums(), (0, 1, 7, 0));
        story.hear(Heard { report: None, recovered: 5 });
        story.hear(Heard { report: None, recovered: 5 });
        assert_eq!(story.sums(), (0, 1, 7, 7), "never more than it held");
        story.wait(INSTANCE_OWING_MS);
        assert_eq!(story.stored, None);
        story.hear(Heard { report: None, recovered: 5 });
        assert_eq!((story.stored.is_none(), story.sums()), (true, (0, 1, 7, 7)));
    }

    #[test]
    fn what_others_bring_before_it_counts_as_silent_was_never_missing() {
        let mut story = Story::default();
        story.report(0, 10, 7);
        story.hear(Heard { report: None, recovered: 7 });
        story.wait(SILENT_MS);
        assert_eq!(story.sums(), (0, 0, 0, 0));
    }

    #[test]
    fn one_that_was_only_cut_off_takes_back_what_it_was_charged_with() {
        let mut story = Story::default();
        story.report(0, 10, 7);
        story.wait(SILENT_MS + 5);
        story.report(9, 20, 17);
        assert_eq!((story.sums(), story.get(SdkCell::Recorded)), ((1, 1, 7, 7), 20));
        story.report(10, 20, 0);
        story.wait(SILENT_MS);
        assert_eq!(story.sums(), (0, 1, 7, 7));
    }

    #[test]
    fn who_speaks_is_not_silent_however_late_that_is_written_down() {
        let mut story = Story::default();
        story.report(0, 10, 7);
        story.v += 10 * SILENT_MS;
        story.report(1, 10, 6);
        assert_eq!(story.sums(), (1, 0, 0, 0));
    }

    #[test]
    fn what_one_that_may_have_been_forgotten_says_of_its_past_is_no_news() {
        let mut story = Story::default();
        let report = Report {
            sdk: "labkit".into(),
            sent_at: 0,
            recorded: 1_000,
            dropped: [5; DROP_REASONS],
            queued: 3,
            patience: SILENT_MS,
            old: true,
        };
        story.hear(Heard { report: Some(report.clone()), recovered: 0 });
        assert_eq!((story.sums(), story.get(SdkCell::Recorded)), ((1, 0, 0, 0), 0));
        let report = Report { sent_at: 1, recorded: 1_007, ..report };
        story.hear(Heard { report: Some(report), recovered: 0 });
        assert_eq!((story.get(SdkCell::Recorded), story.get(SdkCell::Dropped(0))), (7, 0));
    }

    #[test]
    fn reports_that_come_in_the_wrong_order_count_once_and_the_later_one_stands() {
        let report = |sent_at: i64, drops: u64| Report {
            sdk: "labkit".into(),
            sent_at,
            recorded: sent_at as u64,
            dropped: [drops; DROP_REASONS],
            queued: 100 - sent_at as u64,
            patience: SILENT_MS,
            old: false,
        };
        let mut story = Story::default();
        for (sent_at, drops) in [(30, 2), (10, 0), (30, 2), (20, 1)] {
            story.hear(Heard { report: Some(report(sent_at, drops)), recovered: 0 });
        }
        assert_eq!((story.get(SdkCell::Recorded), story.get(SdkCell::Dropped(9))), (30, 2));
        story.wait(SILENT_MS);
        assert_eq!(story.sums(), (0, 1, 70, 0));
        let mut heard = Heard { report: Some(report(5, 0)), recovered: 1 };
        heard.merge(Heard { report: None, recovered: 2 });
        heard.merge(Heard { report: Some(report(4, 0)), recovered: 0 });
        assert_eq!(heard, Heard { report: Some(report(5, 0)), recovered: 3 });
    }
}
