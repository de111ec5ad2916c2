//! What is written in one transaction, from as many callers as came together.

mod tick;

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::fault::Fault;
use super::file::Depth;
use super::rows::{self, Last, Unreadable};
use super::tables::{
    self, COUNTERS, DEFINITIONS, DUE, Head, LAST, META, OUTBOX, RECORDS, UNFINISHED,
};
use crate::store::{Change, Commit, StoreError, Version};
use crate::transition::{Cell, Counts, Definition, Series, Stored};

/// What the writer knows from one transaction to the next. Forgotten after a
/// fault, as it may hold what was never committed.
#[derive(Default)]
pub(super) struct Known {
    /// Definitions and their numbers.
    numbers: HashMap<Arc<Definition>, u32>,
    /// The last tick that went to the disk by itself.
    synced: Option<i64>,
    /// The last transaction failed.
    failed: bool,
    /// There is no probe in the file.
    clean: bool,
}

impl Known {
    /// After a fault.
    pub(super) fn nothing() -> Self {
        Known { failed: true, ..Known::default() }
    }
}

/// An open write transaction.
pub(super) struct Write<'t> {
    records: Table<'t, &'static [u8], Head>,
    due: Table<'t, (i64, &'static [u8]), ()>,
    unfinished: Table<'t, (&'static str, i64, &'static [u8]), ()>,
    outbox: Table<'t, u64, &'static str>,
    counters: Table<'t, (u32, &'static str), &'static [u8]>,
    definitions: Table<'t, u32, &'static [u8]>,
    meta: Table<'t, &'static str, &'static [u8]>,
    last: Last,
    known: &'t mut Known,
    /// Summed up here, so that a series is written once a transaction.
    moves: HashMap<Series, Box<[i64; Cell::COUNT]>>,
    /// Lines that may wait.
    outbox_lines: usize,
    depth: Depth,
}

impl<'t> Write<'t> {
    pub(super) fn begin(
        transaction: &'t WriteTransaction,
        known: &'t mut Known,
        outbox_lines: usize,
    ) -> Result<Self, Fault> {
        let meta = transaction.open_table(META)?;
        let last = match meta.get(LAST)? {
            Some(row) => rows::unpack(row.value(), "row of last numbers")?,
            None => return Err(Unreadable::Damaged("row of last numbers").into()),
        };
        let definitions = transaction.open_table(DEFINITIONS)?;
        if known.numbers.is_empty() {
            for entry in definitions.iter()? {
                let (number, row) = entry?;
                let definition = Arc::new(rows::unpack_definition(row.value())?);
                known.numbers.insert(definition, number.value());
            }
        }
        Ok(Write {
            records: transaction.open_table(RECORDS)?,
            due: transaction.open_table(DUE)?,
            unfinished: transaction.open_table(UNFINISHED)?,
            outbox: transaction.open_table(OUTBOX)?,
            counters: transaction.open_table(COUNTERS)?,
            definitions,
            meta,
            last,
            known,
            moves: HashMap::new(),
            outbox_lines,
            depth: Depth::None,
        })
    }

    /// Whether the event log keeps up.
    fn accepts(&self) -> Result<Result<(), StoreError>, Fault> {
        Ok(match self.outbox.len()? < self.outbox_lines as u64 {
            true => Ok(()),
            false => Err(StoreError::OutboxFull),
        })
    }

    pub(super) fn commit(
        &mut self,
        changes: Vec<Change>,
    ) -> Result<Result<Vec<Commit>, StoreError>, Fault> {
        if let Err(refused) = self.accepts()? {
            return Ok(Err(refused));
        }
        changes.into_iter().map(|change| self.apply(change)).collect::<Result<_, _>>().map(Ok)
    }

    fn apply(&mut self, change: Change) -> Result<Commit, Fault> {
        let key = tables::key(&change.identity);
        // One that is new, as half of all are, is only looked for by inserting it.
        let new = change.expected == 0 && change.next.is_some();
        let current = if new { None } else { self.head(&key)? };
        let (version, due, began) =
            current.map_or((0, None, None), |(version, due, began)| (version, Some(due), began));
        if version != change.expected {
            return Ok(Commit::Conflict);
        }
        // Also for what turns out to be a conflict: by then a definition may have
        // been given a number.
        self.depth = Depth::Disk;
        self.last.version += 1;
        match &change.next {
            Some(stored) => {
                if !self.insert(&key, stored, new)? {
                    return Ok(Commit::Conflict);
                }
            }
            None => {
                self.records.remove(key.as_slice())?;
            }
        }
        self.move_due(&key, due, change.next.as_ref().map(Stored::due))?;
        let id = &change.identity.user_experience_id;
        let next_began = change.next.as_ref().and_then(Stored::unfinished_since);
        self.move_unfinished(id, &key, began, next_began)?;
        change.counts.into_iter().for_each(|counts| self.count(counts));
        for line in change.lines {
            self.last.line += 1;
            self.outbox.insert(self.last.line, &*line)?;
        }
        Ok(Commit::Done)
    }

    fn head(&self, key: &[u8]) -> Result<Option<(Version, i64, Option<i64>)>, Fault> {
        Ok(self.records.get(key)?.map(|row| {
            let (version, due, began, _) = row.value();
            (version, due, began)
        }))
    }

    /// Whether it was inserted: not in the place of another, if it is `new`.
    fn insert(&mut self, key: &[u8], stored: &Stored, new: bool) -> Result<bool, Fault> {
        let definition = match stored.definition() {
            Some(definition) => self.number(definition)?,
            None => 0,
        };
        let row = rows::pack_stored(stored, definition);
        let head = (self.last.version, stored.due(), stored.unfinished_since(), &*row);
        let before = self.records.insert(key, head)?.filter(|_| new).map(|row| {
            let (version, due, began, row) = row.value();
            (version, due, began, row.to_vec())
        });
        let Some((version, due, began, row)) = before else { return Ok(true) };
        self.records.insert(key, (version, due, began, &*row))?;
        Ok(false)
    }

    fn move_due(&mut self, key: &[u8], old: Option<i64>, new: Option<i64>) -> Result<(), Fault> {
        if old != new {
            if let Some(old) = old {
                self.due.remove((old, key))?;
            }
            if let Some(new) = new {
                self.due.insert((new, key), ())?;
            }
        }
        Ok(())
    }

    fn move_unfinished(
        &mut self,
        id: &str,
        key: &[u8],
        old: Option<i64>,
        new: Option<i64>,
    ) -> Result<(), Fault> {
        if old != new {
            if let Some(old) = old {
                self.unfinished.remove((id, old, key))?;
            }
            if let Some(new) = new {
                self.unfinished.insert((id, new, key), ())?;
            }
        }
        Ok(())
    }

    fn number(&mut self, definition: &Arc<Definition>) -> Result<u32, Fault> {
        if let Some(number) = self.known.numbers.get(definition) {
            return Ok(*number);
        }
        self.last.definition += 1;
        let number = self.last.definition;
        self.definitions.insert(number, &*rows::pack_definition(definition))?;
        self.known.numbers.insert(definition.clone(), number);
        Ok(number)
    }

    fn count(&mut self, counts: Counts) {
        let row = self.moves.entry(counts.series).or_insert_with(|| Box::new([0; Cell::COUNT]));
        for (cell, by) in counts.moves {
            let number = &mut row[cell.index()];
            *number = number.saturating_add(by);
        }
    }

    /// Delivery is in order, so what is delivered stands in front. Should this
    /// not get to the disk, it is delivered again, which is allowed.
    pub(super) fn settle(&mut self, through: u64) -> Result<(), Fault> {
        self.outbox.retain_in(..=through, |_, _| false)?;
        self.depth = self.depth.max(Depth::Memory);
        Ok(())
    }

    /// Writes what was summed up; how far all of it has to get.
    pub(super) fn finish(mut self) -> Result<Depth, Fault> {
        for (series, moves) in std::mem::take(&mut self.moves) {
            let key = (self.number(&series.definition)?, &*series.service);
            let mut row = match self.counters.get(key)? {
                Some(row) => rows::unpack_counters(row.value())?,
                None => [0; Cell::COUNT],
            };
            for (number, by) in row.iter_mut().zip(moves.iter()) {
                *number = number.saturating_add(*by);
            }
            self.counters.insert(key, &*rows::pack_counters(&row))?;
        }
        self.forget_probe()?;
        if self.depth == Depth::Disk {
            self.meta.insert(LAST, &*rows::pack(&self.last))?;
        }
        Ok(self.depth)
    }
}
