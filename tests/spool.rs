//! The spool under real kills, a real disk that refuses, and forks.

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use labkit::wire::{Body, Checkpoint};
use labkit::{Client, DropReason};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::pipe;
use support::child::{Kind, in_child, start};
use support::scratch::Scratch;
use support::{Request, Response, Server, record};

const SOON: Duration = Duration::from_secs(10);
const UNAVAILABLE: u16 = 503;

fn spooling(server: &Server, dir: &Path) -> Client {
    server.client(&format!(r#","spool_dir":{:?},"request_timeout_ms":200"#, dir))
}

/// A ULID that says which round a record is of, and its number in it.
fn name(round: u64, number: u64) -> String {
    format!("0{round:010}{number:015}")
}

fn names(request: &Request) -> Vec<String> {
    let Ok(Body::Batch(batch)) = Body::parse(&request.body) else { panic!("{}", request.body) };
    let name = |text: &str| Checkpoint::parse(text).unwrap().correlation_id.to_string();
    batch.checkpoints.iter().map(|raw| name(raw.get())).collect()
}

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < SOON, "waited in vain: {what}");
        thread::yield_now();
    }
}

/// Whether no folder is left but the one of a living heir, without a segment.
fn is_empty(dir: &Path) -> bool {
    let folders: Vec<_> = std::fs::read_dir(dir).unwrap().flatten().collect();
    let files = |folder: &Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
    folders.len() <= 1 && folders.iter().all(|folder| files(&folder.path()) <= 1)
}

/// Whether everything recorded so far would survive a kill now.
fn is_safe(client: &Client) -> bool {
    let stats = client.stats();
    stats.acknowledged + stats.spooled == stats.recorded
}

/// Records for ever; tells each time that all so far is safe how much that is.
fn record_and_tell(client: &Client, round: u64, mut tell: File) -> ! {
    let definition = client.definition("create_order").unwrap();
    let (mut recorded, mut told) = (0, 0);
    loop {
        for _ in 0..1 + recorded % 40 {
            let _ = client.start(definition, Some(&name(round, recorded)), None);
            recorded += 1;
        }
        while recorded - told > 300 && !is_safe(client) {
            thread::yield_now();
        }
        if is_safe(client) {
            told = recorded;
            tell.write_all(&recorded.to_le_bytes()).unwrap();
        }
    }
}

fn last_told(told: OwnedFd) -> u64 {
    let mut bytes = Vec::new();
    File::from(told).read_to_end(&mut bytes).unwrap();
    bytes.chunks_exact(8).last().map_or(0, |last| u64::from_le_bytes(last.try_into().unwrap()))
}

/// What the tracker does in a round: takes all, refuses all, or now this and
/// now that, and sometimes nothing at all.
fn moody_server(mood: Arc<AtomicU8>) -> Server {
    let mut requests = 0_u32;
    Server::start(move |_| {
        requests += 1;
        match (mood.load(Ordering::Relaxed) % 4, requests % 7) {
            (0, _) | (2, 1..=3) | (3, 1..) => Response::Accept,
            (3, 0) => Response::BlackHole,
            _ => Response::Plain(UNAVAILABLE, "", String::new()),
        }
    })
}

#[test]
fn what_was_spooled_survives_kill_9_at_any_moment() {
    let rounds = std::env::var("LABKIT_ROUNDS").map_or(25, |text| text.parse().unwrap());
    let (dir, mood) = (Scratch::new(), Arc::new(AtomicU8::new(0)));
    let server = moody_server(Arc::clone(&mood));
    let mut missing = BTreeSet::new();
    for round in 0..rounds {
        mood.store(round as u8, Ordering::Relaxed);
        let (told, tell) = pipe().unwrap();
        let victim = start(Kind::Fork, || {
            let client = spooling(&server, dir.path());
            record_and_tell(&client, round, File::from(tell.try_clone().unwrap()))
        });
        drop(tell);
        // A different moment in each round, from the first milliseconds on.
        let fuse = Duration::from_micros(500 + 7_919 * round % 60_000);
        let begun = Instant::now();
        while begun.elapsed() < fuse {
            thread::yield_now();
        }
        kill(victim.pid(), Signal::SIGKILL).unwrap();
        victim.wait();
        missing.extend((0..last_told(told)).map(|number| name(round, number)));
    }
    let promised = missing.len();
    mood.store(0, Ordering::Relaxed);
    let heir = spooling(&server, dir.path());
    record(&heir, 1);
    while !missing.is_empty() {
        let Ok(request) = server.requests.recv_timeout(SOON) else { break };
        for name in names(&request).into_iter().filter(|_| request.is_accepted) {
            missing.remove(&name);
        }
    }
    let lost = missing.len();
    println!(r#"{{"name":"host kills","rounds":{rounds},"promised":{promised},"lost":{lost}}}"#);
    assert_eq!(lost, 0, "{:?}", missing.first());
    assert!(promised > 0, "nothing was ever safe");
    until("the spool is empty", || is_empty(dir.path()));
}

/// Refuses all until it is up.
fn server_that_is_down() -> (Server, Arc<AtomicBool>) {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let server = Server::start(move |_| match up.load(Ordering::Relaxed) {
        true => Response::Accept,
        false => Response::Plain(UNAVAILABLE, "", String::new()),
    });
    (server, is_up)
}

#[test]
fn on_a_disk_that_is_full_records_wait_in_memory_and_nothing_blocks() {
    let dir = Scratch::new();
    let (server, is_up) = server_that_is_down();
    in_child(Kind::Fork, || {
        // SAFETY: the default action of a signal is replaced by none.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, 1_000, 1_000).unwrap();
        let client = spooling(&server, dir.path());
        record(&client, 1);
        until("one fits", || client.stats().spooled == 1);
        let begun = Instant::now();
        record(&client, 10_000);
        let is_quick = begun.elapsed() < Duration::from_secs(1);
        let mut log = String::new();
        until("the disk refuses", || {
            log += &client.drain_log();
            log.contains("the spool cannot be used")
        });
        let stats = client.stats();
        is_quick && stats.balances() && stats.dropped[DropReason::QueueFull as usize] > 0
    });
    is_up.store(true, Ordering::Relaxed);
    let heir = spooling(&server, dir.path());
    record(&heir, 1);
    until("what did fit is adopted", || heir.stats().adopted > 0);
    until("the spool is empty", || is_empty(dir.path()));
    assert_eq!(heir.stats().adopted_lost, 0, "a torn tail is no damage");
}

#[test]
fn a_fork_child_that_lives_on_does_not_keep_what_its_dead_parent_left() {
    let dir = Scratch::new();
    let (server, is_up) = server_that_is_down();
    let (ready, tell) = pipe().unwrap();
    let (stay, let_go) = pipe().unwrap();
    in_child(Kind::Fork, || {
        let parent = spooling(&server, dir.path());
        record(&parent, 7);
        until("the parent's records are safe", || parent.stats().spooled == 7);
        let child = start(Kind::Fork, || {
            drop(let_go.try_clone());
            record(&parent, 1);
            until("the child's record is safe", || parent.stats().spooled == 1);
            File::from(tell.try_clone().unwrap()).write_all(b"!").unwrap();
            // Until the test ends, or the watchdog does it.
            let _ = File::from(stay.try_clone().unwrap()).read(&mut [0]);
            true
        });
        child.orphan();
        let told = File::from(ready.try_clone().unwrap()).read(&mut [0]);
        told.is_ok_and(|bytes| bytes == 1)
    });
    is_up.store(true, Ordering::Relaxed);
    let heir = spooling(&server, dir.path());
    record(&heir, 1);
    let mut arrived = BTreeSet::new();
    // The parent's, by whoever was the first to look; the child's; the heir's.
    while arrived.len() < 7 + 1 + 1 {
        let request = server.next();
        arrived.extend(request.ids().into_iter().filter(|_| request.is_accepted));
    }
    File::from(let_go).write_all(b"!").unwrap();
}

#[test]
fn clients_of_one_process_share_a_directory_and_leave_each_other_alone() {
    let dir = Scratch::new();
    let server = Server::start(|_| Response::Plain(UNAVAILABLE, "", String::new()));
    let clients = [spooling(&server, dir.path()), spooling(&server, dir.path())];
    for client in &clients {
        record(client, 10);
    }
    for client in &clients {
        until("it is safe", || client.stats().spooled == 10);
        assert_eq!(client.stats().adopted, 0);
    }
    for client in &clients {
        client.shutdown(Duration::from_millis(100)).unwrap();
        assert!(client.stats().balances());
    }
    let heir = Server::start(|_| Response::Accept);
    let heir = spooling(&heir, dir.path());
    record(&heir, 1);
    until("both are adopted", || heir.stats().adopted == 20);
}
