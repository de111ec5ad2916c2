//! HTTPS with a certificate that nobody has signed: taken where the
//! configuration trusts it, refused elsewhere.
#![cfg(feature = "tls")]

mod support;

use std::fs;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use labkit::{Client, Error};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::scratch::Scratch;
use support::{Request, accepted, read_request, record};

/// A tracker on `localhost` that accepts everything, and its certificate (PEM).
fn server() -> (SocketAddr, String) {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || serve(stream, config));
        }
    });
    (address, made.cert.pem())
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>) {
    let peer = stream.peer_addr().unwrap();
    let connection = ServerConnection::new(config).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(request) = read_request(&mut stream, peer) {
        let body = accepted(Request::ids(&request).len());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.get_mut().write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn client(address: SocketAddr, more: &str) -> Client {
    let config = format!(
        r#"{{"endpoint":"https://localhost:{}","definitions":"tests/scenarios/definitions","type":"web","batch_age_ms":20{more}}}"#,
        address.port()
    );
    Client::from_json(&config).unwrap()
}

#[test]
fn a_tracker_whose_certificate_is_trusted_gets_everything() {
    let (address, certificate) = server();
    let dir = Scratch::new();
    let ca_file = dir.path().join("ca.pem");
    fs::write(&ca_file, certificate).unwrap();
    let client = client(address, &format!(r#","ca_file":{ca_file:?}"#));
    record(&client, 300);
    client.flush(Duration::from_secs(10)).unwrap();
    assert_eq!(client.stats().acknowledged, 300);
}

#[test]
fn a_tracker_whose_certificate_is_unknown_gets_nothing_and_the_log_says_why() {
    let (address, _) = server();
    let client = client(address, "");
    record(&client, 3);
    assert_eq!(client.flush(Duration::from_millis(300)), Err(Error::DeadlineExceeded));
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.queued), (0, 3));
    let log = client.drain_log();
    assert!(log.contains("certificate"), "{log}");
}

#[test]
fn a_ca_file_that_holds_no_certificate_is_refused_by_its_key() {
    let dir = Scratch::new();
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "nothing here").unwrap();
    for path in [empty, dir.path().join("missing.pem")] {
        let config = format!(
            r#"{{"endpoint":"https://localhost:1","definitions":"tests/scenarios/definitions","type":"web","ca_file":{path:?}}}"#
        );
        let error = Client::from_json(&config).err().unwrap().to_string();
        assert!(error.contains("ca_file"), "{error}");
    }
}
