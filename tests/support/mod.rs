//! A tracker that answers as it is told: a real server on loopback, one
//! thread, HTTP/1.1 with kept connections.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

pub mod child;
#[path = "../../src/scratch.rs"]
pub mod scratch;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use labkit::Client;
use labkit::wire::{Body, Checkpoint};

/// One request as it arrived.
pub struct Request {
    pub head: String,
    pub body: String,
    /// Which connection it came over.
    pub connection: SocketAddr,
    /// Whether it was answered as a tracker does that takes all.
    pub is_accepted: bool,
}

impl Request {
    /// The ids of the batch's checkpoints, in order.
    pub fn ids(&self) -> Vec<String> {
        let Ok(Body::Batch(batch)) = Body::parse(&self.body) else { panic!("{}", self.body) };
        let id = |text: &str| Checkpoint::parse(text).unwrap().id.unwrap().to_string();
        batch.checkpoints.iter().map(|raw| id(raw.get())).collect()
    }
}

/// What to answer.
pub enum Response {
    /// Status, extra header lines (each ended by CRLF), body.
    Plain(u16, &'static str, String),
    /// 200, all accepted.
    Accept,
    /// Nothing, ever; the connection stays open.
    BlackHole,
    /// A head, and then one byte now and again, for ever.
    Drip,
}

pub struct Server {
    pub address: SocketAddr,
    pub requests: Receiver<Request>,
}

type Script = Arc<Mutex<dyn FnMut(&Request) -> Response + Send>>;

impl Server {
    /// Answers each request as `script` says; tells of it afterwards.
    pub fn start(script: impl FnMut(&Request) -> Response + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, requests) = channel();
        let script: Script = Arc::new(Mutex::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, tell) = (Arc::clone(&script), tell.clone());
                thread::spawn(move || serve(stream.unwrap(), &script, &tell));
            }
        });
        Server { address, requests }
    }

    pub fn client(&self, more: &str) -> Client {
        client_of(self.address, more)
    }

    /// The next request; fails the test if none comes.
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(Duration::from_secs(10)).expect("a request arrives")
    }
}

/// A quick client of the tracker at `address`; `more` are further keys, each after a comma.
pub fn client_of(address: SocketAddr, more: &str) -> Client {
    client_at(&format!("http://{address}"), more)
}

/// The same of a tracker with a name.
pub fn client_at(endpoint: &str, more: &str) -> Client {
    type Keys = serde_json::Map<String, serde_json::Value>;
    let keys = |text: String| serde_json::from_str::<Keys>(&text).unwrap();
    let mut config = keys(
        r#"{"definitions":"tests/scenarios/definitions","batch_age_ms":20,"backoff_base_ms":10,"backoff_cap_ms":40}"#
            .to_owned(),
    );
    config.extend(keys(format!(r#"{{"endpoint":"{endpoint}","type":"web"{more}}}"#)));
    Client::from_json(&serde_json::to_string(&config).unwrap()).unwrap()
}

/// Records `count` checkpoints.
pub fn record(client: &Client, count: usize) {
    let definition = client.definition("create_order").unwrap();
    for _ in 0..count {
        client.start(definition, None, None).unwrap();
    }
}

fn serve(mut stream: TcpStream, script: &Script, tell: &Sender<Request>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let Ok(connection) = stream.peer_addr() else { return };
    while let Some(mut request) = read_request(&mut reader, connection) {
        let response = script.lock().unwrap()(&request);
        request.is_accepted = matches!(response, Response::Accept);
        let ids = matches!(response, Response::Accept).then(|| request.ids().len());
        let _ = tell.send(request);
        match response {
            Response::Plain(status, headers, body) => write(&mut stream, status, headers, &body),
            Response::Accept => write(&mut stream, 200, "", &accepted(ids.unwrap())),
            Response::BlackHole => loop {
                thread::park();
            },
            Response::Drip => drip(&mut stream),
        }
    }
}

pub fn accepted(count: usize) -> String {
    format!(r#"{{"server_timestamp":"","accepted":{count},"duplicate":0,"rejected":[]}}"#)
}

fn write(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(text.as_bytes());
}

fn drip(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n");
    while stream.write_all(b" ").is_ok() {
        thread::park_timeout(Duration::from_millis(20));
    }
}

pub fn read_request(reader: &mut impl BufRead, connection: SocketAddr) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let (_, after) = lower.split_once("content-length:")?;
    let length: usize = after.lines().next()?.trim().parse().ok()?;
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).ok()?;
    let mut body = String::new();
    match lower.contains("content-encoding: gzip") {
        true => GzDecoder::new(sent.as_slice()).read_to_string(&mut body).ok()?,
        false => sent.as_slice().read_to_string(&mut body).ok()?,
    };
    Some(Request { head, body, connection, is_accepted: false })
}
