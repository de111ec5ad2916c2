//! An issuer of tokens on loopback: keys made when the test starts, published
//! over HTTP, and whatever an issuer may sign or do wrong.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key that signs.
pub enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// 2,048 bits, made by OpenSSL: ring makes none.
    pub fn rsa() -> Self {
        let der = openssl(&["genpkey", "-algorithm", "RSA", "-outform", "DER", "-quiet"]);
        SigningKey::Rsa(Box::new(RsaKeyPair::from_der(&der).unwrap()))
    }

    pub fn ec() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        SigningKey::Ec(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    pub fn ed() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        SigningKey::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    /// As an issuer publishes it.
    pub fn jwk(&self, kid: &str) -> Value {
        match self {
            SigningKey::Rsa(pair) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                let (n, e) = (base64url(&public.n), base64url(&public.e));
                json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": n, "e": e})
            }
            SigningKey::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (base64url(x), base64url(y));
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "x": x, "y": y})
            }
            SigningKey::Ed(pair) => {
                let x = base64url(pair.public_key());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "x": x})
            }
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            SigningKey::Rsa(_) => self.sign_rsa(&RSA_PKCS1_SHA256, message),
            SigningKey::Ec(pair) => {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            SigningKey::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    pub fn sign_rsa(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let SigningKey::Rsa(pair) = self else { panic!("it is no RSA key") };
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// A token of exactly these bytes.
    pub fn token(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(payload));
        let signature = base64url(self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// What `openssl` prints to standard output.
pub fn openssl(args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).output().expect("openssl is needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A JSON key set.
pub fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// What the issuer answers.
#[derive(Clone)]
pub enum Says {
    /// 200 and this body.
    Body(String),
    /// 200 and the body that stands for this path.
    Paths(Vec<(String, String)>),
    /// This head, and no body.
    Head(String),
    /// Nothing, and keeps the connection.
    Nothing,
    /// Two bytes a second, or thereabouts, of a body that never ends.
    Drip,
}

/// An HTTP server of its own; it stops when it is dropped.
pub struct Issuer {
    pub address: String,
    says: Arc<Mutex<Says>>,
    requests: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Issuer {
    pub fn start(says: Says) -> Self {
        Self::start_on("127.0.0.1:0", says)
    }

    /// On `localhost` under a certificate of its own, which comes with it.
    pub fn start_tls(says: Says) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (Self::serve("127.0.0.1:0", says, Some(Arc::new(config))), made.cert.pem())
    }

    pub fn start_on(address: &str, says: Says) -> Self {
        Self::serve(address, says, None)
    }

    fn serve(address: &str, says: Says, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let says = Arc::new(Mutex::new(says));
        let requests = Arc::new(AtomicUsize::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let (shared, count, stop) = (says.clone(), requests.clone(), stopping.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, says) = (stream.unwrap(), shared.clone());
                let (count, stop, tls) = (count.clone(), stop.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => answer(stream, &says, &count, &stop),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        answer(StreamOwned::new(connection, stream), &says, &count, &stop);
                    }
                });
            }
        });
        Issuer { address, says, requests, stopping, thread: Some(thread) }
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// How often it was asked for anything.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn uri(&self) -> String {
        format!("http://{}/keys", self.address)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address); // wakes it
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(
    mut stream: impl Read + Write,
    says: &Mutex<Says>,
    count: &AtomicUsize,
    stop: &AtomicBool,
) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let says = says.lock().unwrap().clone();
    let good = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let _ = match says {
        Says::Body(body) => stream.write_all(good(&body).as_bytes()),
        Says::Head(head) => stream.write_all(head.as_bytes()),
        Says::Paths(paths) => {
            let found = paths.iter().find(|(known, _)| *known == path);
            let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
            let text = found.map_or(missing, |(_, body)| good(body));
            stream.write_all(text.as_bytes())
        }
        Says::Nothing => {
            // Until the other side gives up.
            let _ = stream.read(&mut byte);
            Ok(())
        }
        Says::Drip => drip(&mut stream, stop),
    };
}

fn drip(stream: &mut impl Write, stop: &AtomicBool) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{\"keys\":[")?;
    while !stop.load(Ordering::SeqCst) {
        stream.write_all(b" ")?;
        std::thread::sleep(Duration::from_millis(100)); // the pace is the point
    }
    Ok(())
}
