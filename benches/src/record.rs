//! Our own record: a checkpoint on an open experience, into a queue that is
//! drained between the rounds, not during them.

use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use labkit::Client;
use labkit::ffi;

/// Checkpoints of a round, all threads together: below the mark at which the
/// worker is called, so that the round measures the callers alone.
const RECORDS: usize = 4_000;
/// A hundred bytes, as three fields make them.
pub(crate) const META: &str = r#"{"project_id":278964,"namespace":"gitlab-org/security","source":"web_ide_commit","retries":0,"a":true}"#;

const CONFIG: &str = r#"{"transport":"memory","definitions":"tests/scenarios/definitions","type":"web","queue_items":16384,"batch_age_ms":3600000}"#;

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| Client::from_json(CONFIG).expect("run from the project's root"))
}

fn drain(client: &Client) {
    client.testing().and_then(|testing| testing.take()).expect("the memory transport drains");
}

/// Nanoseconds of one checkpoint when `threads` make them at once.
pub(crate) fn rust(threads: usize, meta: Option<&str>) -> f64 {
    let client = client();
    let definition = client.definition("create_order").expect("defined");
    let barrier = Barrier::new(threads);
    let each = RECORDS / threads;
    let took: Vec<Duration> = thread::scope(|scope| {
        let work = || {
            let experience = client.start(definition, None, None).expect("starts");
            barrier.wait();
            let begun = Instant::now();
            for _ in 0..each {
                let _ = std::hint::black_box(client.checkpoint(&experience, None, meta));
            }
            begun.elapsed()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });
    drain(client);
    let total: f64 = took.iter().map(Duration::as_secs_f64).sum();
    total * 1e9 / RECORDS as f64
}

/// The same through the C interface, in one thread.
pub(crate) fn c_abi(meta: Option<&str>) -> f64 {
    static HANDLE: OnceLock<u64> = OnceLock::new();
    let handle = *HANDLE.get_or_init(|| {
        let mut handle = 0;
        // SAFETY: the pointers are those of live Rust values.
        unsafe {
            ffi::labkit_client_new(
                CONFIG.as_ptr().cast(),
                CONFIG.len(),
                std::ptr::null_mut(),
                0,
                &mut handle,
            );
        }
        handle
    });
    let (data, len) = meta.map_or((std::ptr::null(), 0), |meta| (meta.as_ptr().cast(), meta.len()));
    let mut experience = ffi::LabkitExperience { opaque: [0; 64] };
    let mut taken = vec![0u8; 4 << 20];
    // SAFETY: as above; definition 0 exists, and the buffer is as long as said.
    unsafe {
        ffi::labkit_experience_start(
            handle,
            0,
            std::ptr::null(),
            0,
            std::ptr::null(),
            0,
            &mut experience,
        );
        let begun = Instant::now();
        for _ in 0..RECORDS {
            std::hint::black_box(ffi::labkit_experience_checkpoint(
                &mut experience,
                std::ptr::null(),
                0,
                data,
                len,
            ));
        }
        let took = begun.elapsed();
        ffi::labkit_test_take(handle, taken.as_mut_ptr().cast(), taken.len(), std::ptr::null_mut());
        took.as_secs_f64() * 1e9 / RECORDS as f64
    }
}
