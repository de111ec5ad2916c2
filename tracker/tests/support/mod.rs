//! The real tracker as a process, and the real curl to speak to it.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

pub mod prometheus;
pub mod raw;
pub mod refusing;
pub mod stage;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that comes about by itself.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const BINARY: &str = env!("CARGO_BIN_EXE_labkit-tracker");

pub fn definitions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/gitlab/config/user_experience_slis")
}

fn own_definitions() -> Vec<OsString> {
    vec!["--definitions".into(), definitions().into()]
}

/// Whether the file of these flags has keys or issuers, beside which
/// `--insecure-no-auth` is refused.
fn asks_for_keys(flags: &[&str]) -> bool {
    let file = flags.iter().position(|flag| *flag == "--config").map(|at| flags[at + 1]);
    let text = file.map(|file| std::fs::read_to_string(file).unwrap()).unwrap_or_default();
    ["keys", "issuers"].iter().any(|name| {
        text.lines().any(|line| {
            line.starts_with(&format!("[[{name}]]")) || line.starts_with(&format!("{name} ="))
        })
    })
}

/// An address that nobody listens on just now, for a tracker that comes and goes.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Sends `body` to a tracker that may go away meanwhile: status and answer, or
/// `None` where no whole answer came.
pub fn try_post(address: &str, body: &str) -> Option<(u16, String)> {
    let mut curl = Command::new("curl")
        .args(["-s", "--max-time", "20", "-w", "\n%{http_code}", "--data-binary", "@-"])
        .args(["-H", "Content-Type: application/json"])
        .arg(format!("http://{address}/v1/checkpoints"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Curl reads all of it before it connects.
    curl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = curl.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (answer, status) = text.rsplit_once('\n')?;
    output.status.success().then(|| (status.parse().unwrap(), answer.to_owned()))
}

/// The sum of the figures of `metric` on a page, over all series that have
/// each of these labels.
pub fn figure(page: &str, metric: &str, labels: &[&str]) -> u64 {
    let of = |line: &&str| {
        line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|label| line.contains(label))
    };
    let lines: Vec<&str> = page.lines().filter(of).collect();
    assert!(!lines.is_empty(), "{metric} {labels:?}: the series stand there from the start");
    let value = |line: &&str| {
        let value = line.rsplit(' ').next().unwrap();
        value.parse::<u64>().unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    lines.iter().map(value).sum()
}

/// Waits until `it` is so; `what` it is that did not come about is for people.
pub fn until(what: &str, mut it: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !it() {
        assert!(Instant::now() < deadline, "{what}: not so after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20)); // between two looks
    }
}

/// A tracker on a free port; killed if a test fails before it stops it.
pub struct Server {
    pub child: Child,
    pub url: String,
    /// Kept open, or the tracker's later lines would have no reader.
    stderr: BufReader<std::process::ChildStderr>,
}

impl Server {
    /// On a free port.
    pub fn start(flags: &[&str]) -> Server {
        Server::start_on("127.0.0.1:0", flags)
    }

    pub fn start_on(listen: &str, flags: &[&str]) -> Server {
        Server::start_logging(listen, flags, Stdio::piped())
    }

    /// With its event log where the caller wants it, and its state in memory
    /// unless `flags` say otherwise.
    pub fn start_logging(listen: &str, flags: &[&str], log: Stdio) -> Server {
        Server::start_under(&[], listen, flags, log)
    }

    /// The same, started by a command that becomes the tracker.
    pub fn start_under(command: &[&str], listen: &str, flags: &[&str], log: Stdio) -> Server {
        let unnamed = !flags.contains(&"--store");
        let open = if asks_for_keys(flags) { &[][..] } else { &["--insecure-no-auth"] };
        let line = [command, &[BINARY, "serve", "--listen", listen], open].concat();
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .args(if unnamed { &["--store", "memory"][..] } else { &[] })
            .args(if flags.contains(&"--definitions") { vec![] } else { own_definitions() })
            .args(flags)
            .stdout(log)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let at = said.len();
            let read = stderr.read_line(&mut said).unwrap();
            assert_ne!(read, 0, "it exited before it listened: {said}");
            if let Some((_, rest)) = said[at..].split_once("listening on http://") {
                break rest.split('"').next().unwrap().to_owned();
            }
        };
        Server { child, url: format!("http://{address}"), stderr }
    }

    /// Status, head and body of what curl gets.
    pub fn curl(&self, path: &str, args: &[&str]) -> (u16, String, String) {
        let output = Command::new("curl")
            .args(["-sS", "-i", "--max-time", "20"])
            .args(args)
            .arg(format!("{}{path}", self.url))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        // Curl shows `100 Continue` as an answer of its own.
        let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    pub fn post(&self, body: &[u8], args: &[&str]) -> (u16, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("body");
        std::fs::write(&file, body).unwrap();
        let data = format!("@{}", file.display());
        let mut all = vec!["--data-binary", &data, "-H", "Content-Type: application/json"];
        all.extend(args);
        self.curl("/v1/checkpoints", &all)
    }

    pub fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Asks it to stop, and returns its exit code and its event log.
    pub fn stop(self, signal: &str) -> (Option<i32>, String) {
        let (code, log, _) = self.stop_and_hear(signal);
        (code, log)
    }

    /// The same, and what it said of itself since it listens.
    pub fn stop_and_hear(mut self, signal: &str) -> (Option<i32>, String, String) {
        self.signal(signal);
        let (mut log, mut said) = (String::new(), String::new());
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut log).unwrap();
        }
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), log, said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
