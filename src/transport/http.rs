//! Blocking HTTP/1.1 on the worker's thread, one request at a time over one
//! kept connection.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::http::Response;
use ureq::http::header::{AUTHORIZATION, CONTENT_ENCODING, RETRY_AFTER};
use ureq::typestate::AgentScope;
#[cfg(feature = "tls")]
use ureq::unversioned::transport::{Connector, RustlsConnector};

use super::dial::{Dialler, NoLookup, Stop};
use super::{Interrupt, Reply, Transport};
use crate::config::Config;
use crate::error::Error;

/// The largest answer has one rejection for each of 500 checkpoints.
const ANSWER_BYTES: u64 = 512 * 1024;
/// Batches are written in one piece and answers are small: the default of
/// 128 KiB each would be memory taken from the host for nothing.
const BUFFER_BYTES: usize = 16 * 1024;
/// What fits into one packet anyway is sent as it is.
const GZIP_ABOVE_BYTES: usize = 1_400;
/// A kept connection outlives the time between two signs of life.
const IDLE: Duration = Duration::from_secs(30);
/// A tracker that asks for more than this has miscalculated.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The configuration in the client's terms, certificates read.
pub(crate) struct Settings {
    agent: ureq::config::Config,
    url: String,
}

impl Settings {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let builder = Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(config.request_timeout_ms)))
            .timeout_connect(Some(Duration::from_millis(config.connect_timeout_ms)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The host's proxy settings are for the host's traffic.
            .proxy(None)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_idle_connections(1)
            .max_idle_age(IDLE)
            .user_agent(format!("{}/{}", config.sdk.name, config.sdk.version));
        let builder = with_trust(builder, config)?;
        Ok(Settings { agent: builder.build(), url: config.checkpoints_url() })
    }
}

pub(super) struct Http {
    agent: Agent,
    stop: Stop,
    url: String,
    /// The request, compressed.
    packed: Vec<u8>,
    /// Somebody has answered: until then a compressor would be memory taken from
    /// the host of a tracker that is away.
    is_answered: bool,
}

impl Http {
    pub(super) fn new(settings: &Settings) -> Self {
        let (agent, stop) = agent(settings.agent.clone());
        Http { agent, stop, url: settings.url.clone(), packed: Vec::new(), is_answered: false }
    }

    /// The compressor goes with the request: its 300 KiB are more than a host
    /// should miss between two.
    fn pack(&mut self, body: &[u8]) {
        self.packed.clear();
        let mut gzip = GzEncoder::new(&mut self.packed, Compression::fast());
        // Writing to a Vec cannot fail.
        let _ = gzip.write_all(body).and_then(|()| gzip.finish().map(drop));
    }
}

#[cfg(feature = "tls")]
fn agent(config: ureq::config::Config) -> (Agent, Stop) {
    let (dialler, stop) = Dialler::new();
    let connector = Connector::<()>::chain(dialler, RustlsConnector::default());
    (Agent::with_parts(config, connector, NoLookup), stop)
}

#[cfg(not(feature = "tls"))]
fn agent(config: ureq::config::Config) -> (Agent, Stop) {
    let (dialler, stop) = Dialler::new();
    (Agent::with_parts(config, dialler, NoLookup), stop)
}

type Builder = ConfigBuilder<AgentScope>;

#[cfg(feature = "tls")]
fn with_trust(builder: Builder, config: &Config) -> Result<Builder, Error> {
    use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
    let Some(path) = &config.ca_file else { return Ok(builder) };
    let refuse = |e: &dyn std::fmt::Display| {
        Error::InvalidConfig(format!("`ca_file`: {}: {e}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|e| refuse(&e))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| refuse(&e))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(refuse(&"expected at least one certificate in PEM form"));
    }
    let tls = TlsConfig::builder().root_certs(RootCerts::from(certificates)).build();
    Ok(builder.tls_config(tls))
}

#[cfg(not(feature = "tls"))]
fn with_trust(builder: Builder, config: &Config) -> Result<Builder, Error> {
    match &config.ca_file {
        None => Ok(builder),
        Some(_) => {
            Err(Error::InvalidConfig("`ca_file`: this library was built without TLS".into()))
        }
    }
}

impl Transport for Http {
    fn send(&mut self, body: &[u8], token: Option<&str>) -> Reply {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let result = if self.is_answered && body.len() > GZIP_ABOVE_BYTES {
            self.pack(body);
            request.header(CONTENT_ENCODING, "gzip").send(self.packed.as_slice())
        } else {
            request.send(body)
        };
        self.is_answered = result.is_ok();
        match result {
            Ok(response) => answer(response),
            Err(e) => Reply::Failed(e.to_string()),
        }
    }

    fn interrupt(&self) -> Interrupt {
        let (agent, stop) = (self.agent.clone(), self.stop.clone());
        Box::new(move || {
            stop.stop();
            agent.clone().shutdown();
        })
    }

    fn renew(&mut self) {
        (self.agent, self.stop) = agent(self.agent.config().clone());
    }
}

/// The body is read to its end: only then is the connection used again.
fn answer(mut response: Response<ureq::Body>) -> Reply {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| {
        let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
    });
    match response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec() {
        Ok(body) => Reply::Answer { status, retry_after, body },
        Err(e) => Reply::Failed(format!("status {status}, but its body broke off: {e}")),
    }
}
