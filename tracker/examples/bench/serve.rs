//! Servers side by side, each in a process of its own, by what the kernel says
//! of its CPU time. In turn and three times, so that a slow minute hits all.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::load;

const SIZES: [usize; 3] = [1, 100, 500];
const ROUNDS: usize = 3;
const CONNECTIONS: u128 = 2;
const TIME: Duration = Duration::from_secs(2);

/// A server under test; `{address}` in its command is where it has to listen.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(command: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let command = command
            .replace("{address}", &address.to_string())
            .replace("{port}", &address.port().to_string());
        let mut words = command.split_whitespace();
        let child = Command::new(words.next().unwrap())
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{command}: {e}"));
        let address = address.to_string();
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "{command}: does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Server { child, address }
    }

    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        ticks / 100.0 // USER_HZ, the same on every Linux
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checkpoints per CPU second.
fn measure(command: &str, size: usize) -> f64 {
    let server = Server::start(command);
    let before = server.cpu_s();
    let sent: u64 = std::thread::scope(|scope| {
        let address = server.address.as_str();
        let send = |lane| scope.spawn(move || load::send(address, lane, size, TIME));
        let senders: Vec<_> = (1..=CONNECTIONS).map(send).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    sent as f64 / (server.cpu_s() - before)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `servers` are `NAME=COMMAND`; the first is what the others are measured by.
pub(crate) fn compare(out: &str, servers: &[String]) {
    let servers: Vec<(&str, &str)> =
        servers.iter().map(|server| server.split_once('=').expect("NAME=COMMAND")).collect();
    let mut file = File::create(out).unwrap();
    for size in SIZES {
        let mut rounds = vec![Vec::new(); servers.len()];
        for _ in 0..ROUNDS {
            for (of, (_, command)) in rounds.iter_mut().zip(&servers) {
                of.push(measure(command, size));
            }
        }
        let rates: Vec<f64> = rounds.into_iter().map(median).collect();
        for ((name, _), rate) in servers.iter().zip(&rates) {
            let ratio = rates[0] / rate;
            println!("{name:28} batches of {size:3} {rate:10.0} checkpoints/CPU s {ratio:6.2}x");
            let line = format!(
                r#"{{"name":"ingest, {name}, batches of {size}","value":{rate:.0},"unit":"checkpoints per CPU second","ratio":{ratio:.2}}}"#
            );
            writeln!(file, "{line}").unwrap();
        }
    }
}
