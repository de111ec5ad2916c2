//! Real Redis servers on free ports, each with a directory of its own, gone
//! with the value that stands for it.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that comes about by itself: above the two minutes
/// that time may stand still after an outage.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(5);

/// Flags of one that has after kill -9 whatever it answered: with `everysec` it
/// holds writes back while a sync is under way.
pub const LASTING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// Waits until `condition` holds; says what did not come about otherwise.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(LOOK);
    }
}

/// A port that is free just now, and whose cluster port is, too.
pub fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

pub struct RedisServer {
    pub port: u16,
    child: Child,
    dir: tempfile::TempDir,
    flags: Vec<String>,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Persists nothing, unless `flags` say otherwise.
    pub fn start_with(flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
        loop {
            let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
            let child = spawn(port, dir.path(), &flags);
            let mut server = RedisServer { port, child, dir, flags: flags.clone() };
            if server.comes_up() {
                return server;
            }
        }
    }

    /// False if the port was taken meanwhile.
    fn comes_up(&mut self) -> bool {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.ping().is_some_and(|answer| answer.starts_with("+PONG")) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        panic!("redis-server does not answer");
    }

    /// What it answers to PING, if anything.
    pub fn ping(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"PING\r\n").ok()?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Whether a replica has a write within a second; one that is new takes longer.
    pub fn is_confirmed(&self) -> bool {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"SET probe 1\r\nWAIT 1 1000\r\nQUIT\r\n").unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers.contains(":1")
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What redis-cli prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments)
    }

    /// One field of INFO.
    pub fn info(&self, field: &str) -> String {
        let info = self.cli(&["INFO"]);
        let of = |line: &str| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned());
        info.lines().find_map(of).unwrap_or_else(|| panic!("INFO has no {field}"))
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// More flags, from its next start on.
    pub fn flags(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(|flag| flag.to_string()));
    }

    /// With -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// After a kill, on what it left.
    pub fn start_again(&mut self) {
        self.spawn_again();
        assert!(self.comes_up(), "redis-server does not start on what it left");
    }

    /// The same, without waiting until it answers.
    pub fn spawn_again(&mut self) {
        self.child = spawn(self.port, self.dir.path(), &self.flags);
    }

    pub fn await_up(&mut self) {
        assert!(self.comes_up(), "redis-server does not start on what it left");
    }

    /// Stops its process, or lets it go on: a machine that hangs.
    pub fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// A replica of it, in step with it.
    pub fn replica(&self) -> RedisServer {
        RedisServer::following(self.port)
    }

    /// A replica of whoever answers on that port.
    pub fn following(port: u16) -> RedisServer {
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port.to_string()]);
        until("the replica follows", || replica.info("master_link_status") == "up");
        replica
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, dir: &Path, flags: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(dir)
        .args(["--save", "", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"])
        .args(flags)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server has to be installed")
}

fn cli(port: u16, arguments: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-p", &port.to_string()]).args(arguments).output();
    String::from_utf8(output.expect("redis-cli has to be installed").stdout).unwrap()
}

/// Three masters, each with a replica.
pub struct Cluster {
    pub nodes: Vec<RedisServer>,
}

impl Cluster {
    pub fn start() -> Self {
        let flags = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes: Vec<_> = (0..6).map(|_| RedisServer::start_with(&flags)).collect();
        let mut create = vec!["--cluster".to_owned(), "create".to_owned()];
        create.extend(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
        let output = Command::new("redis-cli").args(create).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Cluster { nodes };
        for node in &cluster.nodes {
            until("the cluster is up", || {
                node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                    && node
                        .cli(&["CLUSTER", "NODES"])
                        .lines()
                        .filter(|l| l.contains("master"))
                        .count()
                        == 3
            });
        }
        cluster
    }

    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// The node that replicates that master.
    pub fn replica_of(&self, master: usize) -> usize {
        let id = self.nodes[master].cli(&["CLUSTER", "MYID"]);
        let nodes = self.nodes[master].cli(&["CLUSTER", "NODES"]);
        let line = nodes.lines().find(|line| line.contains("slave") && line.contains(id.trim()));
        let port = line.and_then(|line| line.split([':', '@']).nth(1)).unwrap();
        self.nodes.iter().position(|node| node.port.to_string() == port).unwrap()
    }

    /// Empties all of it.
    pub fn flush(&self) {
        for node in &self.nodes {
            node.cli(&["FLUSHALL"]);
        }
    }
}
