//! A real Prometheus that scrapes trackers behind one address.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{free_address, until};

const PROMETHEUS: &str = "/usr/bin/prometheus";

/// One address before any number of trackers, as a load balancer is: each
/// scrape goes to the next one.
pub struct OneAddress {
    pub address: String,
    backends: Arc<Mutex<Vec<String>>>,
}

impl OneAddress {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let backends: Arc<Mutex<Vec<String>>> = Arc::default();
        let behind = backends.clone();
        std::thread::spawn(move || {
            for (turn, client) in listener.incoming().flatten().enumerate() {
                let backend = {
                    let behind = behind.lock().unwrap();
                    behind.get(turn % behind.len().max(1)).cloned()
                };
                // Whoever finds nobody behind it is cut off, as by a load balancer.
                let _ = backend.map(|backend| pass_on(client, &backend));
            }
        });
        OneAddress { address, backends }
    }

    /// Who stands behind it from now on: addresses, `host:port`.
    pub fn lead_to(&self, backends: &[&str]) {
        *self.backends.lock().unwrap() = backends.iter().map(|b| (*b).to_owned()).collect();
    }
}

/// One request and its answer.
fn pass_on(mut client: TcpStream, backend: &str) -> std::io::Result<u64> {
    let mut path = String::new();
    let mut head = BufReader::new(client.try_clone()?);
    head.read_line(&mut path)?;
    let mut line = String::from("-");
    while !line.trim().is_empty() {
        line.clear();
        head.read_line(&mut line)?;
    }
    let mut backend = TcpStream::connect(backend)?;
    write!(backend, "{path}Host: tracker\r\nConnection: close\r\n\r\n")?;
    std::io::copy(&mut backend, &mut client)
}

/// Ended with this value.
pub struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    /// Scrapes `/metrics/sli` of `target` five times a second, into `dir`.
    pub fn start(dir: &Path, target: &str) -> Self {
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  \
             - job_name: sli\n    honor_labels: true\n    metrics_path: /metrics/sli\n    \
             static_configs:\n      - targets: ['{target}']\n        \
             labels: {{env: gprd, stage: main}}\n"
        );
        let (file, data) = (dir.join("prometheus.yml"), dir.join("data"));
        std::fs::write(&file, config).unwrap();
        let address = free_address();
        let child = Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{PROMETHEUS} is needed (Debian: prometheus): {e}"));
        let prometheus = Prometheus { child, address };
        until("Prometheus is ready", || prometheus.get("/-/ready", &[]).is_some());
        prometheus
    }

    fn get(&self, path: &str, args: &[&str]) -> Option<String> {
        let url = format!("http://{}{path}", self.address);
        let curl = Command::new("curl").args(["-sSfG", &url]).args(args).output().unwrap();
        curl.status.success().then(|| String::from_utf8(curl.stdout).unwrap())
    }

    /// The values of all series that `expression` gives now.
    pub fn query(&self, expression: &str) -> Vec<f64> {
        let query = format!("query={expression}");
        let answer = self.get("/api/v1/query", &["--data-urlencode", &query]);
        let answer: Value = serde_json::from_str(&answer.expect("a good expression")).unwrap();
        let series = answer["data"]["result"].as_array().unwrap().iter();
        series.map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
