//! Virtual time in a transaction, and how a tick finds out that the disk takes
//! nothing: time must stand still while ingest is refused.

use redb::ReadableTable;

use super::super::fault::Fault;
use super::super::file::Depth;
use super::super::rows::{self, Unreadable};
use super::super::tables::{PROBE, TIME};
use super::Write;
use crate::clock::VirtualTime;
use crate::limits::{STORE_PROBE_BYTES, STORE_SYNC_MS};
use crate::store::StoreError;

impl Write<'_> {
    /// A tick acknowledges nothing, and whatever is decided by it takes it along
    /// to the disk. By itself it goes there once in a while, so that a disk that
    /// takes nothing stops time, too. A nearly full one still takes a tick when
    /// it refuses a batch: after a fault a tick has to get through with as much.
    pub(in super::super) fn tick(
        &mut self,
        now: i64,
        late_arrivals: u64,
    ) -> Result<Result<VirtualTime, StoreError>, Fault> {
        if let Err(refused) = self.accepts()? {
            return Ok(Err(refused));
        }
        let time = match self.meta.get(TIME)? {
            Some(row) => rows::unpack_time(row.value())?.tick(now, late_arrivals),
            None => return Err(Unreadable::Damaged("virtual time").into()),
        };
        self.meta.insert(TIME, &*rows::pack_time(time))?;
        self.depth = self.depth.max(Depth::Memory);
        let fresh = |synced: i64| (0..STORE_SYNC_MS).contains(&(now - synced));
        if !self.known.synced.is_some_and(fresh) {
            self.known.synced = Some(now);
            self.depth = Depth::Disk;
        }
        if self.known.failed {
            self.meta.insert(PROBE, &*vec![0; STORE_PROBE_BYTES])?;
            self.depth = Depth::Disk;
            self.known.clean = false;
        }
        Ok(Ok(time))
    }

    /// A write after the one that carried the probe takes it away.
    pub(super) fn forget_probe(&mut self) -> Result<(), Fault> {
        match self.depth {
            Depth::Disk if self.known.failed => self.known.failed = false,
            Depth::Memory | Depth::Disk if !self.known.clean => {
                self.meta.remove(PROBE)?;
                self.known.clean = true;
            }
            _ => {}
        }
        Ok(())
    }
}
