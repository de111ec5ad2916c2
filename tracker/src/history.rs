//! The last hour, minute by minute. The store's counters only ever add up; what
//! they did when is remembered here, by this process, in bounded memory. After
//! a restart the hour fills again, and `since` says from when on.

use std::collections::HashMap;
use std::time::Duration;

use crate::emit::exposition::Cells;
use crate::transition::{Cell, Final};

/// Minutes that are remembered, the current one included.
pub const MINUTES: usize = 60;
/// How often the counters are looked at: a minute's figures are off by what
/// ends in so much of the next one, and a store answers more scrapes than that.
pub const SAMPLE: Duration = Duration::from_secs(10);
const MINUTE_MS: i64 = 60_000;

/// What is counted of each minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Ended well.
    Success,
    /// Ended as expected, though not as hoped.
    Handled,
    /// Failed.
    Error,
    /// Never ended.
    Timeout,
    /// Within the threshold, where that counts for Apdex.
    Good,
    /// Not within it.
    Slow,
}

impl Count {
    const ALL: [Count; 6] =
        [Count::Success, Count::Handled, Count::Error, Count::Timeout, Count::Good, Count::Slow];

    fn cell(self) -> Cell {
        match self {
            Count::Success => Cell::Outcome(Final::Success),
            Count::Handled => Cell::Outcome(Final::Handled),
            Count::Error => Cell::Outcome(Final::Error),
            Count::Timeout => Cell::Outcome(Final::Timeout),
            Count::Good => Cell::Apdex { success: true },
            Count::Slow => Cell::Apdex { success: false },
        }
    }
}

/// One number for each [`Count`]: of a minute, an hour, or since the store began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Count::ALL.len()]);

impl From<&Cells> for Tally {
    fn from(cells: &Cells) -> Self {
        Tally(Count::ALL.map(|count| u64::try_from(cells.get(count.cell())).unwrap_or(0)))
    }
}

impl Tally {
    /// One of them.
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// What ended, and counts as an end: all four outcomes.
    pub fn ended(&self) -> u64 {
        use Count::{Error, Handled, Success, Timeout};
        [Success, Handled, Error, Timeout].into_iter().map(|count| self.get(count)).sum()
    }

    /// What ended badly.
    pub fn failed(&self) -> u64 {
        self.get(Count::Error) + self.get(Count::Timeout)
    }

    fn add(&mut self, other: &Tally) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, n)| *sum = sum.saturating_add(n));
    }

    /// What came since `earlier`; nothing where a counter fell, as the store
    /// was begun anew then.
    fn since(&self, earlier: &Tally) -> Tally {
        let mut grown = *self;
        grown.0.iter_mut().zip(earlier.0).for_each(|(n, before)| *n = n.saturating_sub(before));
        grown
    }
}

/// The minutes of one definition, the current one last.
pub type Minutes = [Tally; MINUTES];

/// Their sum.
pub fn sum(minutes: &Minutes) -> Tally {
    let mut sum = Tally::default();
    minutes.iter().for_each(|minute| sum.add(minute));
    sum
}

/// What the counters did, as far as it was seen.
#[derive(Debug, Default)]
pub struct History {
    /// When they were looked at first, by the wall clock.
    since: Option<i64>,
    /// The latest minute that was looked at.
    newest: i64,
    /// Minutes in which nobody looked are unknown, and not quiet.
    looked: Ring<()>,
    series: HashMap<Box<str>, Series>,
}

#[derive(Debug, Default)]
struct Series {
    /// The counters when they were last looked at.
    last: Tally,
    minutes: Ring<Tally>,
}

/// The last values by minute. Each stands beside its minute, so that what has
/// passed out of the hour needs no sweeping.
#[derive(Debug, Default)]
struct Ring<T>(Vec<(i64, T)>);

impl<T: Copy + Default> Ring<T> {
    /// The value of `minute`, which is none of the past.
    fn at(&mut self, minute: i64) -> &mut T {
        // Room for the hour is made when something happens: most never need it.
        self.0.resize(MINUTES, (i64::MIN, T::default()));
        let slot = &mut self.0[minute.rem_euclid(MINUTES as i64) as usize];
        if slot.0 != minute {
            *slot = (minute, T::default());
        }
        &mut slot.1
    }

    fn get(&self, minute: i64) -> Option<T> {
        let (of, value) = self.0.get(minute.rem_euclid(MINUTES as i64) as usize)?;
        (*of == minute).then_some(*value)
    }
}

impl History {
    /// Takes in what the counters say at `now` (wall clock, ms). The first look
    /// is what all later ones are compared with; what is new in a later one
    /// began at 0.
    pub fn record<'a>(&mut self, now: i64, counters: impl Iterator<Item = (&'a str, Tally)>) {
        let minute = now.div_euclid(MINUTE_MS);
        if minute < self.newest {
            // The minutes of a clock that was wrong say nothing.
            self.since = None;
            self.series.values_mut().for_each(|series| series.minutes = Ring::default());
            self.looked = Ring::default();
        }
        let first = self.series.is_empty() && self.since.is_none();
        self.since.get_or_insert(now);
        self.newest = minute;
        self.looked.at(minute);
        for (id, counted) in counters {
            let Some(series) = self.series.get_mut(id) else {
                let mut series = Series { last: counted, minutes: Ring::default() };
                if !first && counted != Tally::default() {
                    series.minutes.at(minute).add(&counted);
                }
                self.series.insert(id.into(), series);
                continue;
            };
            let grown = counted.since(&series.last);
            series.last = counted;
            if grown != Tally::default() {
                series.minutes.at(minute).add(&grown);
            }
        }
    }

    /// When the counters were looked at first.
    pub fn since(&self) -> Option<i64> {
        self.since
    }

    /// In which minutes of the hour until `now` somebody looked, the current
    /// one last.
    pub fn looked(&self, now: i64) -> [bool; MINUTES] {
        minutes_until(now).map(|minute| self.looked.get(minute).is_some())
    }

    /// What `id` did in each minute of the hour until `now`.
    pub fn minutes(&self, id: &str, now: i64) -> Minutes {
        let Some(series) = self.series.get(id) else { return [Tally::default(); MINUTES] };
        minutes_until(now).map(|minute| series.minutes.get(minute).unwrap_or_default())
    }
}

/// When each minute of the hour until `now` began, by the wall clock, in ms.
pub fn beginnings(now: i64) -> [i64; MINUTES] {
    minutes_until(now).map(|minute| minute * MINUTE_MS)
}

fn minutes_until(now: i64) -> [i64; MINUTES] {
    let last = now.div_euclid(MINUTE_MS);
    std::array::from_fn(|index| last - (MINUTES - 1 - index) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_790_000_040_000; // the beginning of a minute

    fn tally(success: u64, error: u64) -> Tally {
        Tally([success, 0, error, 0, success, 0])
    }

    fn look(history: &mut History, now: i64, success: u64, error: u64) {
        history.record(now, [("a", tally(success, error))].into_iter());
    }

    #[test]
    fn what_a_counter_gained_stands_in_the_minute_in_which_it_was_seen() {
        let mut history = History::default();
        look(&mut history, NOON, 100, 7);
        look(&mut history, NOON + 10_000, 103, 7);
        look(&mut history, NOON + 50_000, 104, 8);
        look(&mut history, NOON + 60_000, 110, 8);
        let minutes = history.minutes("a", NOON + 60_000);
        assert_eq!((minutes[58], minutes[59]), (tally(4, 1), tally(6, 0)));
        assert_eq!(sum(&minutes), tally(10, 1), "and what was there before, nowhere");
        assert_eq!(history.since(), Some(NOON));
    }

    #[test]
    fn an_hour_later_it_is_forgotten() {
        let mut history = History::default();
        look(&mut history, NOON, 0, 0);
        look(&mut history, NOON + 1, 5, 0);
        let last = NOON + 59 * MINUTE_MS;
        assert_eq!(history.minutes("a", last)[0], tally(5, 0));
        assert_eq!(sum(&history.minutes("a", last + MINUTE_MS)), Tally::default());
        look(&mut history, last + MINUTE_MS, 6, 0);
        assert_eq!(sum(&history.minutes("a", last + MINUTE_MS)), tally(1, 0));
    }

    #[test]
    fn minutes_in_which_nobody_looked_are_told_from_quiet_ones() {
        let mut history = History::default();
        look(&mut history, NOON, 0, 0);
        look(&mut history, NOON + 3 * MINUTE_MS, 9, 0);
        let now = NOON + 3 * MINUTE_MS;
        assert_eq!(history.looked(now)[55..], [false, true, false, false, true]);
        assert_eq!(history.minutes("a", now)[59], tally(9, 0), "what was missed is not lost");
    }

    #[test]
    fn a_definition_that_comes_later_began_at_nothing() {
        let mut history = History::default();
        history.record(NOON, std::iter::empty());
        look(&mut history, NOON + 1, 2, 0);
        assert_eq!(sum(&history.minutes("a", NOON + 1)), tally(2, 0));
    }

    #[test]
    fn counters_that_fall_are_a_new_store_and_no_outcome() {
        let mut history = History::default();
        look(&mut history, NOON, 50, 50);
        look(&mut history, NOON + 1, 3, 0);
        look(&mut history, NOON + 2, 4, 0);
        assert_eq!(sum(&history.minutes("a", NOON + 2)), tally(1, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_the_hour_again() {
        let mut history = History::default();
        look(&mut history, NOON, 0, 0);
        look(&mut history, NOON + 1, 5, 0);
        let back = NOON - 30 * MINUTE_MS;
        look(&mut history, back, 6, 0);
        assert_eq!(history.since(), Some(back));
        assert_eq!(sum(&history.minutes("a", back)), tally(1, 0));
        assert_eq!(sum(&history.minutes("a", NOON)), tally(1, 0), "not what it said before");
    }

    #[test]
    fn a_hundred_days_of_samples_take_no_more_room_than_an_hour() {
        let mut history = History::default();
        for day in 0..100 {
            look(&mut history, NOON + day * 24 * 60 * MINUTE_MS, day as u64, 0);
        }
        let series = &history.series["a"];
        assert_eq!((history.series.len(), series.minutes.0.len()), (1, MINUTES));
    }
}
