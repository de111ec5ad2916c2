//! Every entry point of the C interface that takes text, with any bytes at any
//! length, on experiences in any state: a status, no panic on either side of
//! the queue, and a ledger that balances.
#![no_main]

use std::ffi::c_char;
use std::ptr;
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use labkit::ffi::*;
use labkit::wire::Checkpoint;
use libfuzzer_sys::fuzz_target;

/// As a binding hands text over: NULL with length 0, or bytes in a block of
/// their own, so that a read past the end is seen.
#[derive(Arbitrary, Debug)]
struct Text(Option<Box<[u8]>>);

impl Text {
    fn data(&self) -> *const c_char {
        self.0.as_ref().map_or(ptr::null(), |bytes| bytes.as_ptr().cast())
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.len())
    }
}

#[derive(Arbitrary, Debug)]
enum Call {
    New(Text),
    SetToken(Text),
    Lookup(Text),
    Record(Text),
    Start {
        definition: u8,
        correlation: Text,
        meta: Text,
    },
    Resume {
        definition: u8,
        carrier: Text,
        job: Text,
        category: Text,
        meta: Text,
    },
    Observed {
        correlation: Text,
        start_ms: i64,
        outcome: u32,
        reason: Text,
        meta: Text,
    },
    Checkpoint {
        category: Text,
        meta: Text,
    },
    Error(Text),
    Handled(Text),
    Complete(Text),
    Discard {
        reason: Text,
        meta: Text,
    },
    Leave {
        exit: u32,
        reason: Text,
    },
    LeaveWith {
        exit: u32,
        reason: Text,
        meta: Text,
    },
    Describe {
        room: u8,
    },
    /// Whatever a wild pointer may have done to it.
    Overwrite {
        at: u16,
        with: u64,
    },
}

#[derive(Arbitrary, Debug)]
struct Story {
    strict: bool,
    calls: Vec<Call>,
}

fn open(strict: bool) -> LabkitClient {
    let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios/definitions");
    let config = format!(
        r#"{{"transport":"memory","type":"web","strict":{strict},"definitions":{definitions:?}}}"#
    );
    let mut client = 0;
    // SAFETY: the text is alive, and the result has a place.
    let status = unsafe {
        labkit_client_new(config.as_ptr().cast(), config.len(), ptr::null_mut(), 0, &mut client)
    };
    assert_eq!(status, Status::Ok);
    client
}

fn client(strict: bool) -> LabkitClient {
    static CLIENTS: [OnceLock<LabkitClient>; 2] = [OnceLock::new(), OnceLock::new()];
    *CLIENTS[usize::from(strict)].get_or_init(|| open(strict))
}

fn perform(client: LabkitClient, xp: &mut LabkitExperience, call: &Call) -> Status {
    let mut index = 0;
    // SAFETY: each text is its own block of as many bytes as its length says;
    // results have places; the experience is aligned and of this thread.
    unsafe {
        match call {
            // Only what cannot be a client: this one would read what it names.
            Call::New(config) if config.0.as_ref().is_some_and(|text| text.contains(&b'd')) => {
                Status::Ok
            }
            Call::New(config) => {
                let mut made = 0;
                labkit_client_new(config.data(), config.len(), ptr::null_mut(), 0, &mut made)
            }
            Call::SetToken(token) => labkit_client_set_token(client, token.data(), token.len()),
            Call::Lookup(id) => labkit_definition_lookup(client, id.data(), id.len(), &mut index),
            Call::Record(payload) => {
                labkit_checkpoint_record(client, payload.data(), payload.len())
            }
            Call::Start { definition, correlation: id, meta } => {
                let definition = u32::from(*definition);
                let (meta, len) = (meta.data(), meta.len());
                labkit_experience_start(client, definition, id.data(), id.len(), meta, len, xp)
            }
            Call::Resume { definition, carrier, job, category, meta } => labkit_experience_resume(
                client,
                u32::from(*definition),
                carrier.data(),
                carrier.len(),
                job.data(),
                job.len(),
                category.data(),
                category.len(),
                meta.data(),
                meta.len(),
                xp,
            ),
            Call::Observed { correlation, start_ms, outcome, reason, meta } => labkit_observed(
                client,
                0,
                correlation.data(),
                correlation.len(),
                *start_ms,
                *outcome,
                reason.data(),
                reason.len(),
                meta.data(),
                meta.len(),
            ),
            Call::Checkpoint { category: name, meta } => {
                labkit_experience_checkpoint(xp, name.data(), name.len(), meta.data(), meta.len())
            }
            Call::Error(reason) => labkit_experience_error(xp, reason.data(), reason.len()),
            Call::Handled(reason) => labkit_experience_handled(xp, reason.data(), reason.len()),
            Call::Complete(meta) => labkit_experience_complete(xp, meta.data(), meta.len()),
            Call::Discard { reason: why, meta } => {
                labkit_experience_discard(xp, why.data(), why.len(), meta.data(), meta.len())
            }
            Call::Leave { exit, reason } => {
                labkit_experience_leave(xp, *exit, reason.data(), reason.len())
            }
            Call::LeaveWith { exit, reason, meta } => {
                let (why, size) = (reason.data(), reason.len());
                labkit_experience_leave_with(xp, *exit, why, size, meta.data(), meta.len())
            }
            Call::Describe { room } => describe(xp, usize::from(*room)),
            Call::Overwrite { at, with } => {
                // The first two words say whose it is: without them nothing happens.
                xp.opaque[2 + usize::from(*at) % 62] = *with;
                Status::Ok
            }
        }
    }
}

fn describe(xp: &LabkitExperience, room: usize) -> Status {
    let mut buffer: Box<[c_char]> = vec![0; room].into();
    let mut len = 0;
    // SAFETY: the buffer has the room that is told.
    unsafe {
        labkit_experience_is_active(xp);
        let status = labkit_experience_carrier(xp, buffer.as_mut_ptr(), room, &mut len);
        assert_ne!(status, Status::Panic);
        labkit_experience_info(xp, buffer.as_mut_ptr(), room, &mut len)
    }
}

/// All that was sent is taken, or the memory would fill.
fn settle(client: LabkitClient) {
    let mut len = 0;
    // SAFETY: NULL asks for the length; then the buffer has the room that is
    // told, and statistics are numbers, for which zeroes are good.
    let (text, stats) = unsafe {
        labkit_test_take(client, ptr::null_mut(), 0, &mut len);
        let mut text: Box<[u8]> = vec![0; len].into();
        let buffer = text.as_mut_ptr().cast();
        assert_eq!(labkit_test_take(client, buffer, len, &mut len), Status::Ok);
        let mut stats: LabkitStats = std::mem::zeroed();
        stats.size = size_of::<LabkitStats>();
        assert_eq!(labkit_client_stats(client, &mut stats), Status::Ok);
        (text, stats)
    };
    let sent = std::str::from_utf8(&text).expect("what is sent is UTF-8");
    for line in sent.lines() {
        Checkpoint::parse(line).unwrap_or_else(|rejection| panic!("{line}: {rejection}"));
    }
    assert_eq!((stats.worker_restarts, stats.dropped_refused), (0, 0), "{stats:?}");
    let accounted = stats.acknowledged + stats.rejected + stats.queued + stats.dropped;
    assert_eq!((stats.recorded, stats.queued), (accounted, 0), "{stats:?}");
}

fuzz_target!(|story: Story| {
    let client = client(story.strict);
    let mut xp = LabkitExperience { opaque: [0; 64] };
    for call in &story.calls {
        assert_ne!(perform(client, &mut xp, call), Status::Panic, "{call:?}");
    }
    settle(client);
});
