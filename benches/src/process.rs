//! Figures of a whole process: each is measured in a child of this program, so
//! that nothing else it did is counted.

use std::ffi::CString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use labkit::Client;

use crate::peer::Spans;
use crate::record::META;
use crate::worst;

/// Events against a tracker that is not there.
const DEAD_EVENTS: usize = 50_000;
/// Events that are exported, and how many between two flushes.
const EXPORTED: usize = 200_000;
const CHUNK: usize = 4_000;

/// Runs one of the measurements below in a child; it prints one number.
pub(crate) fn measure(what: &str, argument: &str) -> f64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args([what, argument]).output().expect("it starts again");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("one number")
}

/// The child's side; true if `arguments` name a measurement.
pub(crate) fn is_child(arguments: &[String]) -> bool {
    let figure = match arguments {
        [_, what, _] if what == "dead" => dead_tracker_kib(0, DEAD_EVENTS),
        [_, what, _] if what == "dead later" => dead_tracker_kib(DEAD_EVENTS, 4 * DEAD_EVENTS),
        [_, what, address] if what == "export" => cpu_ns_per_event(address, ""),
        [_, what, address] if what == "spooled export" => {
            let dir = worst::Scratch::new();
            cpu_ns_per_event(address, &dir.as_setting())
        }
        [_, what, _] if what == "spans" => cpu_ns_per_span(),
        [_, what, address] if what == "worst healthy" => worst::call_ns(address, ""),
        [_, what, address] if what == "worst held" => {
            worst::call_ns(address, r#","queue_items":256"#)
        }
        [_, what, address] if what == "worst full disk" => worst::call_on_full_disk_ns(address),
        [_, what, library] if what == "load" => load_us(library),
        _ => return false,
    };
    println!("{figure}");
    true
}

/// `more`: further settings, each after a comma.
pub(crate) fn client(endpoint: &str, more: &str) -> Client {
    let config = format!(
        r#"{{"endpoint":"{endpoint}","definitions":"tests/scenarios/definitions","type":"web"{more}}}"#
    );
    Client::from_json(&config).expect("run from the project's root")
}

/// Growth of this process's memory, in KiB, between so many events and so many
/// more; with none before, from before the client.
fn dead_tracker_kib(already: usize, more: usize) -> f64 {
    let mut before = resident_kib();
    let client = client("http://127.0.0.1:1", "");
    let definition = client.definition("create_order").expect("defined");
    for count in [already, more] {
        for _ in 0..count {
            client.start(definition, None, Some(META)).expect("starts");
        }
        let _ = client.flush(Duration::from_millis(500));
        if count == already && already > 0 {
            before = resident_kib();
        }
    }
    assert!(client.stats().balances());
    resident_kib() - before
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("and this line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("in KiB")
}

/// CPU time of this process per event, both threads, from call to answer.
fn cpu_ns_per_event(address: &str, more: &str) -> f64 {
    let client = client(&format!("http://{address}"), more);
    let definition = client.definition("create_order").expect("defined");
    let begun = cpu_ns();
    for _ in 0..EXPORTED / CHUNK {
        for _ in 0..CHUNK {
            client.start(definition, None, Some(META)).expect("starts");
        }
        client.flush(Duration::from_secs(60)).expect("the sink answers");
    }
    assert_eq!(client.stats().acknowledged as usize, EXPORTED);
    (cpu_ns() - begun) / EXPORTED as f64
}

/// The same of a span, which is exported to nowhere.
fn cpu_ns_per_span() -> f64 {
    let spans = Spans::new();
    let begun = cpu_ns();
    (0..EXPORTED / 1_000).for_each(|_| _ = spans.run(1, true));
    (cpu_ns() - begun) / EXPORTED as f64
}

fn cpu_ns() -> f64 {
    // SAFETY: getrusage fills the struct it is given.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let nanos = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    nanos(usage.ru_utime) + nanos(usage.ru_stime)
}

/// Microseconds to load the shared library.
fn load_us(library: &str) -> f64 {
    let path = CString::new(library).expect("a path");
    let begun = Instant::now();
    // SAFETY: loads our own library, which has no constructors of note.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "{library} cannot be loaded; make lib builds it");
    begun.elapsed().as_secs_f64() * 1e6
}

/// A tracker that takes connections and never answers.
pub(crate) fn black_hole() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    address
}

/// A tracker that accepts everything; it lives as long as this program.
pub(crate) fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || accept_all(stream));
        }
    });
    address
}

fn accept_all(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (reader.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length:")?.1.lines().next()?.trim().parse().ok()?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut text = String::new();
        match head.contains("content-encoding: gzip") {
            true => GzDecoder::new(body.as_slice()).read_to_string(&mut text).ok()?,
            false => body.as_slice().read_to_string(&mut text).ok()?,
        };
        let accepted = text.matches(r#""correlation_id":"#).count();
        let answer = format!(
            r#"{{"server_timestamp":"","accepted":{accepted},"duplicate":0,"rejected":[]}}"#
        );
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())
            .ok()?;
    }
}
