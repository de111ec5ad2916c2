//! What is read, each in one view of the file. All of it may wait for the
//! disk, and so runs on threads that may.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::fault::Fault;
use super::rows::{self, Unreadable};
use super::tables::{self, COUNTERS, DEFINITIONS, DUE, META, OUTBOX, RECORDS, TIME, UNFINISHED};
use crate::clock::VirtualTime;
use crate::store::{Filter, Loaded, Pending, Position, Row};
use crate::transition::{Definition, Identity, Series, Stored};

/// Definitions that were read, so that records share them. A number never
/// gets another meaning once it is committed, and only then can it be read.
#[derive(Debug, Default)]
pub(super) struct Definitions(RwLock<HashMap<u32, Arc<Definition>>>);

impl Definitions {
    fn get(
        &self,
        table: &ReadOnlyTable<u32, &'static [u8]>,
        number: u32,
    ) -> Result<Arc<Definition>, Fault> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(known.clone());
        }
        let row = table.get(number)?.ok_or(Unreadable::Damaged("definition"))?;
        let definition = Arc::new(rows::unpack_definition(row.value())?);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(number).or_insert(definition).clone())
    }
}

/// A view of the file.
pub(super) struct View<'a> {
    pub(super) transaction: &'a ReadTransaction,
    pub(super) definitions: &'a Definitions,
}

impl View<'_> {
    pub(super) fn load(&self, keys: &[Vec<u8>]) -> Result<Vec<Loaded>, Fault> {
        let v = self.time()?.v;
        let records = self.transaction.open_table(RECORDS)?;
        let definitions = self.transaction.open_table(DEFINITIONS)?;
        let load = |key: &Vec<u8>| match records.get(key.as_slice())? {
            None => Ok(Loaded { version: 0, v, stored: None }),
            Some(row) => {
                let (version, due, _, row) = row.value();
                let stored = self.stored(&definitions, row, due)?;
                Ok(Loaded { version, v, stored: Some(stored) })
            }
        };
        keys.iter().map(load).collect()
    }

    fn stored(
        &self,
        definitions: &ReadOnlyTable<u32, &'static [u8]>,
        row: &[u8],
        due: i64,
    ) -> Result<Stored, Fault> {
        rows::unpack_stored(row, due, |number| self.definitions.get(definitions, number))
    }

    fn time(&self) -> Result<VirtualTime, Fault> {
        let meta = self.transaction.open_table(META)?;
        let row = meta.get(TIME)?.ok_or(Unreadable::Damaged("virtual time"))?;
        Ok(rows::unpack_time(row.value())?)
    }

    pub(super) fn due(&self, limit: usize) -> Result<Vec<Identity>, Fault> {
        let after = (self.time()?.v.saturating_add(1), &[][..]);
        let due = self.transaction.open_table(DUE)?;
        due.range(..after)?.take(limit).map(|entry| tables::identity(entry?.0.value().1)).collect()
    }

    pub(super) fn counters(&self) -> Result<Vec<Row>, Fault> {
        let definitions = self.transaction.open_table(DEFINITIONS)?;
        let mut rows = Vec::new();
        for entry in self.transaction.open_table(COUNTERS)?.range::<(u32, &str)>(..)? {
            let (key, row) = entry?;
            let (number, service) = key.value();
            let definition = self.definitions.get(&definitions, number)?;
            let series = Series { definition, service: service.into() };
            rows.push((series, rows::unpack_counters(row.value())?));
        }
        Ok(rows)
    }

    /// One look a definition, however many of its experiences are unfinished.
    pub(super) fn oldest(&self) -> Result<Vec<(Arc<str>, i64)>, Fault> {
        let unfinished = self.transaction.open_table(UNFINISHED)?;
        let (mut oldest, mut from) = (Vec::new(), String::new());
        while let Some(entry) = unfinished.range((from.as_str(), i64::MIN, &[][..])..)?.next() {
            let (key, _) = entry?;
            let (id, began, _) = key.value();
            oldest.push((id.into(), began));
            from = format!("{id}\0"); // the next text there can be
        }
        Ok(oldest)
    }

    pub(super) fn list(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<(Identity, Stored)>, Fault> {
        let unfinished = self.transaction.open_table(UNFINISHED)?;
        let records = self.transaction.open_table(RECORDS)?;
        let definitions = self.transaction.open_table(DEFINITIONS)?;
        let mut found: Vec<(i64, Identity, Stored)> = Vec::new();
        for (id, _) in self.oldest()? {
            let first = (&*id, i64::MIN, &[][..]);
            let (mut of_this, after) = (0, format!("{id}\0"));
            for entry in unfinished.range(first..(after.as_str(), i64::MIN, &[][..]))? {
                let (key, _) = entry?;
                let (_, began, key) = key.value();
                let row = records.get(key)?.ok_or(Unreadable::Damaged("index"))?;
                let (_, due, _, row) = row.value();
                let (identity, stored) =
                    (tables::identity(key)?, self.stored(&definitions, row, due)?);
                if filter(&identity, &stored) {
                    found.push((began, identity, stored));
                    of_this += 1;
                }
                if of_this == limit {
                    break;
                }
            }
            // Cut after each definition, so that a long list never lies in memory whole.
            found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            found.truncate(limit);
        }
        Ok(found.into_iter().map(|(_, identity, stored)| (identity, stored)).collect())
    }

    pub(super) fn outbox(&self, limit: usize) -> Result<Vec<Pending>, Fault> {
        let outbox = self.transaction.open_table(OUTBOX)?;
        let lines = outbox.range::<u64>(..)?.take(limit).map(|entry| {
            let (number, line) = entry?;
            let position = Position { shard: 0, number: number.value() };
            Ok(Pending { position, line: line.value().into() })
        });
        lines.collect()
    }

    pub(super) fn backlog(&self) -> Result<usize, Fault> {
        Ok(self.transaction.open_table(OUTBOX)?.len()? as usize)
    }
}
