//! Clients as numbers: an index and a generation, the same in a fork child. A
//! stale or invented number finds nothing. Finding takes no lock, so that a
//! fork cannot leave one held: each slot counts its users in the word that
//! holds its generation, and whoever leaves last frees what was closed.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::status::Status;
use crate::client::Client;

/// A process has one client, a test suite a few at a time.
const SLOTS: usize = 256;

const USERS: u64 = CLOSING - 1;
/// Nobody may enter; the last user frees.
const CLOSING: u64 = 1 << 30;
/// Being filled.
const RESERVED: u64 = 1 << 31;
/// Odd while the slot is occupied.
const GENERATION: u64 = 1 << 32;

struct Slot {
    /// Generation, two flags, number of users.
    state: AtomicU64,
    client: AtomicPtr<Client>,
}

static SLOTS_TABLE: [Slot; SLOTS] =
    [const { Slot { state: AtomicU64::new(0), client: AtomicPtr::new(ptr::null_mut()) } }; SLOTS];

/// Gives `client` a number.
pub(super) fn open(client: Client) -> Result<u64, Status> {
    for (index, slot) in SLOTS_TABLE.iter().enumerate() {
        let free = slot.state.load(Ordering::Acquire);
        let is_free = free & (GENERATION | RESERVED | CLOSING | USERS) == 0;
        let reserve = || {
            slot.state.compare_exchange(free, free | RESERVED, Ordering::AcqRel, Ordering::Relaxed)
        };
        if !is_free || reserve().is_err() {
            continue;
        }
        slot.client.store(Box::into_raw(Box::new(client)), Ordering::Release);
        // RESERVED carries over into the generation. An addition, as users
        // with stale handles come and go meanwhile.
        slot.state.fetch_add(GENERATION - RESERVED, Ordering::AcqRel);
        let generation = free / GENERATION + 1;
        return Ok(generation << 32 | index as u64);
    }
    Err(Status::TooManyClients)
}

/// Runs `body` with the client of `handle`, which lives at least until then.
#[inline]
pub(super) fn with<R>(
    handle: u64,
    body: impl FnOnce(&Client) -> Result<R, Status>,
) -> Result<R, Status> {
    let user = User::enter(handle)?;
    // SAFETY: the slot is occupied by this handle's client, and is not freed
    // while this user is counted.
    let client = unsafe { &*user.slot.client.load(Ordering::Acquire) };
    body(client)
}

/// Runs `body` with each client that is open.
pub(super) fn each(mut body: impl FnMut(&Client)) {
    for (index, slot) in SLOTS_TABLE.iter().enumerate() {
        let generation = slot.state.load(Ordering::Acquire) / GENERATION;
        // One that is closed, or closing meanwhile, finds nothing.
        let _ = with(generation << 32 | index as u64, |client| {
            body(client);
            Ok(())
        });
    }
}

/// Takes the number back; the client goes with its last user.
pub(super) fn close(handle: u64) -> Result<(), Status> {
    let user = User::enter(handle)?;
    let mut state = user.slot.state.load(Ordering::Acquire);
    loop {
        if state / GENERATION != handle >> 32 {
            return Err(Status::InvalidHandle); // somebody else was faster
        }
        let closing = (state + GENERATION) | CLOSING;
        match user.slot.state.compare_exchange_weak(
            state,
            closing,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => return Ok(()),
            Err(now) => state = now,
        }
    }
}

struct User {
    slot: &'static Slot,
}

impl User {
    #[inline]
    fn enter(handle: u64) -> Result<User, Status> {
        let generation = handle >> 32;
        let slot = SLOTS_TABLE.get((handle & 0xffff_ffff) as usize);
        let slot = slot.filter(|_| generation % 2 == 1).ok_or(Status::InvalidHandle)?;
        let user = User { slot };
        let state = slot.state.fetch_add(1, Ordering::Acquire);
        match state / GENERATION == generation {
            true => Ok(user),
            false => Err(Status::InvalidHandle), // leaves by drop
        }
    }
}

impl Drop for User {
    #[inline]
    fn drop(&mut self) {
        let before = self.slot.state.fetch_sub(1, Ordering::AcqRel);
        if before & CLOSING != 0 && before & USERS == 1 {
            self.free();
        }
    }
}

impl User {
    #[cold]
    fn free(&self) {
        let client = self.slot.client.swap(ptr::null_mut(), Ordering::AcqRel);
        if client.is_null() {
            return; // a passer-by with a stale handle came between and did it
        }
        // SAFETY: the pointer came from a Box in `open`; the slot is closing,
        // so nobody enters, and the last user has left; the swap made it ours.
        drop(unsafe { Box::from_raw(client) });
        self.slot.state.fetch_sub(CLOSING, Ordering::AcqRel);
    }
}
