//! Thousands of connections that send a byte now and then, and one client that
//! means it. `LABKIT_LORIS=2000` for all of them.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use labkit::wire::Timestamp;
use serde_json::json;
use support::raw::{Raw, memory_kib};
use support::{Server, figure, until};

const JSON: &str = "Content-Type: application/json";
/// Requests of the client that means it, in each half of a round.
const REQUESTS: u32 = 500;
/// Rounds of calm and attack in turn, so that what else the machine does meets both.
const ROUNDS: u32 = 4;
/// Below this a difference is the scheduler's.
const FLOOR: Duration = Duration::from_millis(1);
/// The machine is shared: a whole run may be repeated this often, and says so.
const ATTEMPTS: u32 = 3;

fn connections() -> usize {
    std::env::var("LABKIT_LORIS").map_or(200, |number| number.parse().expect("a number"))
}

/// One that dribbles: a head that never ends, or a body.
struct Loris {
    stream: TcpStream,
}

impl Loris {
    fn open(address: &str, number: usize) -> Loris {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = match number % 2 {
            0 => "GET /v1/experiences HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned(),
            _ => Raw::head(&[JSON], 100_000) + "{\"sent_at\":\"",
        };
        let _ = stream.write_all(head.as_bytes());
        stream.set_nonblocking(true).unwrap();
        Loris { stream }
    }

    /// One byte more; false if it was cut off.
    fn dribble(&mut self) -> bool {
        let heard = self.stream.read(&mut [0; 512]);
        let silent = matches!(&heard, Err(e) if e.kind() == ErrorKind::WouldBlock);
        silent && self.stream.write_all(b"a").is_ok()
    }
}

/// Keeps up the attack while `on`; how many connections there are stands in `open`.
fn attack(address: &str, on: &AtomicBool, open: &AtomicUsize, over: &AtomicBool) {
    let mut herd: Vec<Loris> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if !on.load(Ordering::Relaxed) {
            herd.clear();
            open.store(0, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(10)); // between two looks
            continue;
        }
        while herd.len() < connections() {
            herd.push(Loris::open(address, herd.len()));
        }
        open.store(herd.len(), Ordering::Relaxed);
        herd.retain_mut(Loris::dribble);
        std::thread::sleep(Duration::from_millis(500)); // that is what slow means
    }
}

fn now() -> String {
    Timestamp::from_millis(UNIX_EPOCH.elapsed().unwrap().as_millis() as i64).to_string()
}

/// How long each request took, at a steady pace.
fn measure(client: &mut Raw, from: u32, into: &mut Vec<Duration>) {
    for number in from..from + REQUESTS {
        let start = json!({
            "correlation_id": format!("{number:032x}"), "checkpoint": "start", "type": "web",
            "user_experience_id": "create_merge_request", "urgency": "custom",
            "feature_category": "code_review_workflow", "client_timestamp": now()
        });
        let heard = client.post(&[JSON], start.to_string().as_bytes());
        assert_eq!(heard.status, 200, "{}", heard.body);
        into.push(heard.took);
        std::thread::sleep(Duration::from_millis(1)); // a client that has something else to do
    }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// The 99th percentiles of a calm and of an attacked client, in one run.
fn run(server: &Server, attempt: u32) -> (Duration, Duration) {
    let address = server.url.strip_prefix("http://").unwrap();
    let (on, over, open) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let (mut calm, mut attacked) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| attack(address, &on, &open, &over));
        let mut client = Raw::new(address);
        for round in 0..ROUNDS {
            let from = ((attempt * ROUNDS + round) * 2) * REQUESTS;
            measure(&mut client, from, &mut calm);
            on.store(true, Ordering::Relaxed);
            until("they are there", || open.load(Ordering::Relaxed) >= connections() * 9 / 10);
            measure(&mut client, from + REQUESTS, &mut attacked);
            on.store(false, Ordering::Relaxed);
            until("they are gone", || open.load(Ordering::Relaxed) == 0);
        }
        over.store(true, Ordering::Relaxed);
    });
    (p99(&mut calm), p99(&mut attacked))
}

#[test]
fn those_who_dribble_do_not_slow_down_those_who_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tracker.toml");
    std::fs::write(&file, "[limits]\nhead_timeout_ms = 1500\nbody_timeout_ms = 1500\n").unwrap();
    let flags = ["--config", file.to_str().unwrap()];
    let server = Server::start_logging("127.0.0.1:0", &flags, Stdio::null());
    let before = memory_kib(server.child.id(), "VmRSS");
    for attempt in 0..ATTEMPTS {
        let (calm, attacked) = run(&server, attempt);
        let grown = memory_kib(server.child.id(), "VmHWM").saturating_sub(before);
        println!(
            "{} connections that dribble, attempt {}: p99 {calm:?} without and {attacked:?} with \
             them; peak {grown} KiB above the start",
            connections(),
            attempt + 1
        );
        if attacked <= 2 * calm.max(FLOOR) {
            break;
        }
        assert!(attempt + 1 < ATTEMPTS, "p99 {attacked:?} with them, {calm:?} without");
    }
    let page = server.curl("/metrics", &[]).2;
    for limit in ["head_timeout_ms", "body_timeout_ms"] {
        let cut = figure(&page, "labkit_tracker_http_shed_total", &[&format!("\"{limit}\"")]);
        assert!(cut > 0, "{limit}: they are cut off: {page}");
    }
}
