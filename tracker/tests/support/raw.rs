//! A client that writes what it is told, byte for byte, over a kept
//! connection; and what the server's process looks like from outside.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// One connection to a server.
pub struct Raw {
    address: String,
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
    /// From the first byte written to the last one read.
    pub took: Duration,
}

pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Raw {
    /// To `host:port`.
    pub fn new(address: &str) -> Self {
        Raw { address: address.to_owned(), stream: BufReader::new(connect(address)) }
    }

    /// The head of a checkpoint request, without its end.
    pub fn head(headers: &[&str], length: usize) -> String {
        let mut head = String::from("POST /v1/checkpoints HTTP/1.1\r\nHost: tracker\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head + &format!("Content-Length: {length}\r\n\r\n")
    }

    /// Sends a body with these headers, and hears the answer. A connection that
    /// the server has closed meanwhile is opened again, once.
    pub fn post(&mut self, headers: &[&str], body: &[u8]) -> Heard {
        let mut request = Raw::head(headers, body.len()).into_bytes();
        request.extend_from_slice(body);
        self.send(&request)
    }

    pub fn get(&mut self, path: &str) -> Heard {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: tracker\r\n\r\n").as_bytes())
    }

    pub fn send(&mut self, request: &[u8]) -> Heard {
        let heard = self.try_send(request).or_else(|_| {
            self.stream = BufReader::new(connect(&self.address));
            self.try_send(request)
        });
        heard.unwrap_or_else(|e| panic!("{e}: {:.200}", String::from_utf8_lossy(request)))
    }

    fn try_send(&mut self, request: &[u8]) -> io::Result<Heard> {
        let began = Instant::now();
        self.stream.get_mut().write_all(request)?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = String::from_utf8(body).unwrap();
        Ok(Heard { status, head, body, took: began.elapsed() })
    }
}

/// A figure of `/proc/PID/status`, in KiB: `VmRSS`, or `VmHWM` for the peak.
pub fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Lets the peak begin again at what is held now.
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}
