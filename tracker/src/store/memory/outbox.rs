//! Lines that wait to be delivered, in the order in which they came about.

use std::collections::VecDeque;

use crate::store::{Line, Pending, Position};

/// Lines, numbered from 1 without a gap.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: VecDeque<Line>,
    /// The number of the last one that was settled.
    settled: u64,
}

impl Outbox {
    pub(super) fn extend(&mut self, lines: Vec<Line>) {
        self.lines.extend(lines);
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn first(&self, limit: usize) -> Vec<Pending> {
        let lines = (self.settled + 1..).zip(&self.lines).take(limit);
        lines
            .map(|(number, line)| Pending {
                position: Position { shard: 0, number },
                line: line.clone(),
            })
            .collect()
    }

    /// Forgets the lines up to this number.
    pub(super) fn settle(&mut self, through: u64) {
        let delivered = through.saturating_sub(self.settled).min(self.lines.len() as u64);
        // Whoever delivers has these lines still, so that nothing is freed here.
        self.lines.drain(..delivered as usize);
        self.settled += delivered;
    }
}
