//! A host leaves in time, whatever stands between it and its tracker, and
//! without loss while the tracker is there. The same in C, and more ways to end
//! a process: tests/c/leaving.c, tests/c/exits.c.
#![allow(unsafe_code)] // a resolver that hangs, and a backlog that is full

mod support;

use std::ffi::{c_char, c_int, c_void};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio, exit};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use labkit::{Client, Error};
use support::{Response, Server, client_at, record};

const SOON: Duration = Duration::from_secs(10);
/// What the host granted, and what it may have cost.
const GRANTED: Duration = Duration::from_millis(500);
const COST: Duration = Duration::from_millis(600);
const RECORDS: usize = 300;
/// How long a process takes that does not wait for its tracker.
const PROMPT: Duration = Duration::from_secs(2);

/// This program's own in place of the C library's: each look-up hangs for ever.
/// Addresses in digits are not looked up.
#[unsafe(no_mangle)]
extern "C" fn getaddrinfo(
    _: *const c_char,
    _: *const c_char,
    _: *const c_void,
    _: *mut *mut c_void,
) -> c_int {
    loop {
        thread::park();
    }
}

/// A port whose backlog is full: the kernel drops whoever calls.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _callers: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // SAFETY: a socket that listens already; only its backlog changes.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let call = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let callers = std::iter::from_fn(call).take(16).collect();
        assert!(call().is_none(), "somebody answers");
        BlackHole { address, _listener: listener, _callers: callers }
    }
}

/// A client in the middle of an attempt, and records behind it.
fn busy_client(endpoint: &str) -> Client {
    let client = client_at(endpoint, "");
    record(&client, 5);
    let until = Instant::now() + SOON;
    while client.stats().requests == 0 {
        assert!(Instant::now() < until, "no attempt is made");
        thread::yield_now();
    }
    record(&client, 5);
    client
}

fn keeps_deadlines(endpoint: &str) {
    let client = busy_client(endpoint);
    let in_time = |call: fn(&Client, Duration) -> Result<(), Error>| {
        let begun = Instant::now();
        assert_eq!(call(&client, GRANTED), Err(Error::DeadlineExceeded), "{endpoint}");
        let took = begun.elapsed();
        assert!(took < COST, "{endpoint}: {took:?}");
        let stats = client.stats();
        assert!(stats.balances() && (stats.recorded, stats.acknowledged) == (10, 0), "{stats:?}");
    };
    in_time(Client::flush);
    assert_eq!(client.stats().retries, 0, "the attempt failed, and did not hang");
    in_time(Client::shutdown);
    let begun = Instant::now();
    drop(client);
    assert!(begun.elapsed() < COST - GRANTED, "the last handle waits");
}

#[test]
fn deadlines_are_kept_while_nobody_takes_the_connection() {
    let hole = BlackHole::new();
    keeps_deadlines(&format!("http://{}", hole.address));
}

#[test]
fn deadlines_are_kept_while_nobody_answers() {
    let server = Server::start(|_| Response::BlackHole);
    keeps_deadlines(&format!("http://{}", server.address));
}

#[test]
fn deadlines_are_kept_while_the_answer_drips() {
    let server = Server::start(|_| Response::Drip);
    keeps_deadlines(&format!("http://{}", server.address));
}

#[test]
fn deadlines_are_kept_while_the_resolver_hangs() {
    keeps_deadlines("http://tracker.example");
}

/// What a process does that ends: how it leaves, and where its tracker is.
const WAY: &str = "LABKIT_TEST_WAY";
const ENDPOINT: &str = "LABKIT_TEST_ENDPOINT";
const PATIENT: &str = "LABKIT_TEST_PATIENT";

static CLIENT: OnceLock<Client> = OnceLock::new();

#[test]
#[ignore = "the process that the tests below run and watch"]
fn leave() {
    let endpoint = std::env::var(ENDPOINT).expect("run by the tests below");
    let client = client_at(&endpoint, r#","batch_age_ms":60000"#);
    record(&client, RECORDS);
    let patience = std::env::var_os(PATIENT).map_or(GRANTED, |_| SOON);
    match std::env::var(WAY).unwrap().as_str() {
        "drops it" => drop(client),
        "keeps it in a static, without shutdown" => assert!(CLIENT.set(client).is_ok()),
        "shuts down, returns from main" => drop(client.shutdown(patience)),
        "shuts down, never drops it" => {
            let _ = client.shutdown(patience);
            assert!(CLIENT.set(client).is_ok());
        }
        "shuts down, exits" => {
            let _ = client.shutdown(patience);
            exit(0);
        }
        "shuts down, exits in a thread amid records" => {
            let (other, (tell, is_shut_down)) = (client.clone(), channel());
            thread::spawn(move || {
                let _ = client.shutdown(patience);
                tell.send(()).unwrap();
                exit(0);
            });
            is_shut_down.recv().unwrap();
            loop {
                record(&other, 1); // too late: dropped and counted
            }
        }
        way => panic!("no such way: {way}"),
    }
}

fn process(way: &str, endpoint: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["leave", "--exact", "--ignored"]);
    command.envs([(WAY, way), (ENDPOINT, endpoint)]).stdout(Stdio::null());
    command
}

fn run(way: &str, endpoint: &str, mut command: Command) -> Duration {
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    loop {
        match child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success(), "{way}: {status}");
                return begun.elapsed();
            }
            None if begun.elapsed() > SOON * 2 => {
                child.kill().unwrap();
                panic!("a process that {way} hangs at {endpoint}");
            }
            None => thread::park_timeout(Duration::from_millis(2)),
        }
    }
}

const WITH_SHUTDOWN: [&str; 4] = [
    "shuts down, returns from main",
    "shuts down, never drops it",
    "shuts down, exits",
    "shuts down, exits in a thread amid records",
];
const WITHOUT: [&str; 2] = ["drops it", "keeps it in a static, without shutdown"];

#[test]
fn a_process_loses_nothing_that_it_shut_down_with() {
    let server = Server::start(|_| Response::Accept);
    for way in WITH_SHUTDOWN {
        let endpoint = format!("http://{}", server.address);
        let mut command = process(way, &endpoint);
        command.env(PATIENT, "1");
        run(way, &endpoint, command);
        let mut arrived = 0;
        while let Ok(request) = server.requests.try_recv() {
            arrived += request.ids().len();
        }
        assert_eq!(arrived, RECORDS, "a process that {way}");
    }
}

#[test]
fn a_process_ends_in_time_with_nobody_there() {
    let hole = BlackHole::new();
    let silent = Server::start(|_| Response::BlackHole);
    let endpoints = [
        format!("http://{}", hole.address),
        format!("http://{}", silent.address),
        "http://tracker.example".to_owned(),
    ];
    for endpoint in &endpoints {
        for way in WITH_SHUTDOWN.into_iter().chain(WITHOUT) {
            let took = run(way, endpoint, process(way, endpoint));
            assert!(took < PROMPT, "a process that {way} took {took:?} at {endpoint}");
        }
    }
}
