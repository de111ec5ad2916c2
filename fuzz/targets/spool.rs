//! A segment comes from a disk, which may have damaged it, or from whoever can
//! write there: any bytes cost themselves only. Inputs in which the checksums
//! are put right get further than those in which they are not.
#![no_main]

mod directory;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use labkit::{Client, DropReason};
use libfuzzer_sys::fuzz_target;

const DEAD: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const MARK: &[u8] = b"lkf1";
const SOON: Duration = Duration::from_secs(10);

/// Frames as the library writes them: mark, length, CRC32C of both, payload. An
/// input's lines are the payloads.
fn framed(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for payload in input.split(|byte| *byte == b'\n') {
        let length = (payload.len() as u32).to_le_bytes();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), payload);
        out.extend_from_slice(MARK);
        out.extend_from_slice(&length);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(payload);
    }
    out
}

fn client(spool: &Path) -> Client {
    let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios/definitions");
    let config = format!(
        r#"{{"transport":"memory","type":"web","batch_age_ms":1,"definitions":{definitions:?},"spool_dir":{spool:?}}}"#
    );
    Client::from_json(&config).expect("the configuration is right")
}

fn dropped(client: &Client, reason: DropReason) -> u64 {
    client.stats().dropped[reason as usize]
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let bytes = if kind % 2 == 0 { framed(bytes) } else { bytes.to_vec() };
    let spool = directory::own().join("spool");
    let folder = spool.join(DEAD);
    let segment = folder.join("0.seg");
    fs::create_dir_all(&folder).expect("the directory is writable");
    fs::write(&segment, bytes).expect("the directory is writable");

    let client = client(&spool);
    let definition = client.definition("sign_in").expect("it is defined");
    client.start(definition, None, None).expect("it starts");
    let until = Instant::now() + SOON;
    while segment.exists() {
        assert!(Instant::now() < until, "nobody took the segment: {}", client.drain_log());
        thread::yield_now();
    }
    client.shutdown(SOON).expect("memory takes all");
    let stats = client.stats();
    assert!(stats.balances(), "{stats:?}");
    // What is damaged spoils neither what is sent with it nor the worker.
    assert_eq!((stats.acknowledged, stats.worker_restarts), (1, 0), "{stats:?}");
    assert_eq!(dropped(&client, DropReason::Refused), 0, "{stats:?}");
    let _ = fs::remove_dir_all(&folder);
});
