//! The counters of all series.

use std::collections::HashMap;
use std::sync::Arc;

use crate::store::Row;
use crate::transition::{Cell, Counts, Series};

/// Rows by series.
#[derive(Debug, Default)]
pub(super) struct Counters {
    rows: Vec<Row>,
    places: HashMap<Series, usize>,
    /// The row that moved last, and most probably moves next.
    last: usize,
}

impl Counters {
    pub(super) fn count(&mut self, counts: Counts) {
        let place = self.place(counts.series);
        let Some((_, row)) = self.rows.get_mut(place) else { return };
        self.last = place;
        for (cell, by) in counts.moves {
            let number = &mut row[cell.index()];
            *number = number.saturating_add(by);
        }
    }

    fn place(&mut self, series: Series) -> usize {
        let same = |last: &Series| {
            Arc::ptr_eq(&last.definition, &series.definition)
                && Arc::ptr_eq(&last.service, &series.service)
        };
        if self.rows.get(self.last).is_some_and(|(last, _)| same(last)) {
            return self.last;
        }
        *self.places.entry(series).or_insert_with_key(|series| {
            self.rows.push((series.clone(), [0; Cell::COUNT]));
            self.rows.len() - 1
        })
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.rows.clone()
    }
}
