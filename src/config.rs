//! Every setting of a client, with its default and the reason for it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::queue::Queue;
use crate::token;
use crate::wire::{self, Sdk};

/// It is part of each request's head, beside a token of [`HEADER_BYTES`].
const ENDPOINT_BYTES: usize = 2_048;

/// The batches that are in memory as well must fit, and some more.
const LEAST_SPOOL_BYTES: u64 = 4 * 1024 * 1024;

/// Settings of a client; as JSON, an object with these keys. A key that is
/// not known is refused by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The tracker's address, `http://host:port` or `https://...`; required
    /// unless the transport is `memory`.
    pub endpoint: String,
    /// The directory of definition files; required.
    pub definitions: PathBuf,
    /// This service or component, `^[a-z0-9_-]{1,64}$`, such as `web`; required.
    #[serde(rename = "type")]
    pub service: String,
    /// Development and test: mistakes are errors. Elsewhere they are counted,
    /// and the checkpoint goes out without what was wrong.
    pub strict: bool,
    /// Where batches go.
    pub transport: TransportKind,
    /// The bearer token for the tracker.
    pub token: Option<String>,
    /// A file with the bearer token, read again whenever it changes.
    pub token_file: Option<PathBuf>,
    /// The binding's name and version; the library's own by default.
    pub sdk: Sdk,
    /// What leaving a block by `throw`, `break` or `return` means.
    pub non_local_exit: NonLocalExit,
    /// Checkpoints that wait at most. 8,192 of them are 2 MiB, half of the
    /// memory we promise to stay under.
    pub queue_items: usize,
    /// Bytes of long texts that wait at most, beside the items themselves.
    pub queue_bytes: usize,
    /// Checkpoints in one batch at most. Beyond a few hundred the envelope
    /// is no longer what a request costs.
    pub batch_items: usize,
    /// Bytes of one batch at most; a quarter of what the tracker accepts.
    pub batch_bytes: usize,
    /// How long a checkpoint waits for company, in milliseconds. A second is
    /// little beside the shortest threshold, and makes batches.
    pub batch_age_ms: u64,
    /// The whole of one request, in milliseconds. Ten seconds outlast a
    /// tracker's restart, not an operator's patience.
    pub request_timeout_ms: u64,
    /// The connection's part of it.
    pub connect_timeout_ms: u64,
    /// The first retry waits up to this long, in milliseconds.
    pub backoff_base_ms: u64,
    /// No retry waits longer, in milliseconds, unless the tracker asks for it.
    pub backoff_cap_ms: u64,
    /// A process that has sent something, and has nothing to send for this long,
    /// shows that it lives, in milliseconds; 0: never. The tracker, which is told
    /// how often, takes a process for gone that misses two.
    pub heartbeat_ms: u64,
    /// A file of certificates (PEM) to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// A directory where what waits is kept, so that it outlasts long outages
    /// and the process itself. It may be shared by processes of one user.
    pub spool_dir: Option<PathBuf>,
    /// Bytes of it that this process uses at most; the oldest go first. The
    /// default is some 250,000 checkpoints.
    pub spool_bytes: u64,
}

/// Where batches go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportKind {
    /// To the tracker.
    #[default]
    Http,
    /// Nowhere: tests take them.
    Memory,
}

/// What a non-local exit from a block means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonLocalExit {
    /// An expected end, reason `non_local_exit`.
    #[default]
    Handled,
    /// A failure.
    Error,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoint: String::new(),
            definitions: PathBuf::new(),
            service: String::new(),
            strict: false,
            transport: TransportKind::Http,
            token: None,
            token_file: None,
            sdk: Sdk { name: "labkit".into(), version: env!("CARGO_PKG_VERSION").into() },
            non_local_exit: NonLocalExit::Handled,
            queue_items: 8_192,
            queue_bytes: 1024 * 1024,
            batch_items: 200,
            batch_bytes: 256 * 1024,
            batch_age_ms: 1_000,
            request_timeout_ms: 10_000,
            connect_timeout_ms: 3_000,
            backoff_base_ms: 500,
            backoff_cap_ms: 60_000,
            heartbeat_ms: 20_000,
            ca_file: None,
            spool_dir: None,
            spool_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Config {
    /// Reads the JSON form; the error names the key and what was expected.
    pub fn from_json(text: &str) -> Result<Config, Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let config: Config = serde_path_to_error::deserialize(&mut json)
            .map_err(|e| Error::InvalidConfig(at_path(&e)))?;
        json.end().map_err(|e| Error::InvalidConfig(e.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types cannot say.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::InvalidConfig(text.to_owned()));
        if !wire::is_name(&self.service, true) {
            return refuse("`type`: expected ^[a-z0-9_-]{1,64}$, such as \"web\"");
        }
        if self.definitions.as_os_str().is_empty() {
            return refuse("`definitions`: expected the directory of the definition files");
        }
        if self.transport == TransportKind::Http {
            self.validate_endpoint()?;
        }
        if !self.token.as_deref().is_none_or(is_header_text) {
            return refuse("`token`: expected visible ASCII characters, 8192 at most");
        }
        if let Some(path) = &self.token_file {
            if self.token.is_some() {
                return refuse("`token_file`: expected it alone, without `token`");
            }
            token::read(path).map_err(|e| {
                Error::InvalidConfig(format!("`token_file`: {}: {e}", path.display()))
            })?;
        }
        let is_short_text = |text: &String| text.len() <= 128 && is_header_text(text);
        if ![&self.sdk.name, &self.sdk.version].into_iter().all(is_short_text) {
            return refuse("`sdk`: expected visible ASCII characters, 128 at most");
        }
        let limits = [
            ("queue_items", self.queue_items, 1 << 20),
            ("batch_items", self.batch_items, wire::limits::BATCH_ITEMS),
            ("batch_bytes", self.batch_bytes, wire::limits::BODY_BYTES / 2),
        ];
        for (key, value, most) in limits {
            if !(1..=most).contains(&value) {
                return refuse(&format!("`{key}`: expected 1 to {most}, not {value}"));
            }
        }
        if !Queue::fits(self.queue_items) {
            let given = self.queue_items;
            return refuse(&format!("`queue_items`: there is no memory for {given} checkpoints"));
        }
        if self.spool_bytes < LEAST_SPOOL_BYTES {
            let given = self.spool_bytes;
            return refuse(&format!(
                "`spool_bytes`: expected {LEAST_SPOOL_BYTES} or more, not {given}"
            ));
        }
        let times = [
            ("batch_age_ms", self.batch_age_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("backoff_base_ms", self.backoff_base_ms),
            ("backoff_cap_ms", self.backoff_cap_ms),
        ];
        const HOUR_MS: u64 = 3_600_000;
        if self.heartbeat_ms > HOUR_MS {
            let given = self.heartbeat_ms;
            return refuse(&format!(
                "`heartbeat_ms`: expected 0 (never) to {HOUR_MS} milliseconds, not {given}"
            ));
        }
        match times.iter().find(|(_, value)| !(1..=HOUR_MS).contains(value)) {
            Some((key, value)) => {
                refuse(&format!("`{key}`: expected 1 to {HOUR_MS} milliseconds, not {value}"))
            }
            None => Ok(()),
        }
    }

    fn validate_endpoint(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::InvalidConfig(format!("`endpoint`: {text}")));
        let uri: ureq::http::Uri = match self.endpoint.parse() {
            Ok(uri) => uri,
            Err(_) => return refuse("expected an address such as http://127.0.0.1:8480"),
        };
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") if cfg!(feature = "tls") => {}
            Some("https") => return refuse("this library was built without TLS"),
            _ => return refuse("expected http:// or https://"),
        }
        if uri.host().is_none_or(str::is_empty) {
            return refuse("expected a host");
        }
        if self.endpoint.len() > ENDPOINT_BYTES {
            return refuse("expected 2048 characters at most");
        }
        Ok(())
    }

    pub(crate) fn batch_age(&self) -> Duration {
        Duration::from_millis(self.batch_age_ms)
    }

    /// None without a tracker that would hear it.
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        let is_heard = self.transport == TransportKind::Http && self.heartbeat_ms > 0;
        is_heard.then_some(Duration::from_millis(self.heartbeat_ms))
    }

    /// The URL that batches are posted to.
    pub(crate) fn checkpoints_url(&self) -> String {
        format!("{}/v1/checkpoints", self.endpoint.trim_end_matches('/'))
    }
}

/// Servers refuse longer headers, and our own buffer for a request's head holds
/// twice that.
pub(crate) const HEADER_BYTES: usize = 8 * 1024;

/// Whether HTTP can send it: otherwise no request would ever leave.
pub(crate) fn is_header_text(text: &str) -> bool {
    text.len() <= HEADER_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn at_path(e: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match e.path().to_string().as_str() {
        "." => e.inner().to_string(),
        path => format!("`{path}`: {}", e.inner()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Config::from_json(text).unwrap_err().to_string()
    }

    #[test]
    fn the_least_configuration_is_three_keys() {
        let text = r#"{"endpoint":"http://localhost:1","definitions":"d","type":"web"}"#;
        let config = Config::from_json(text).unwrap();
        assert_eq!(config.checkpoints_url(), "http://localhost:1/v1/checkpoints");
        assert!(!config.strict);
    }

    #[test]
    fn each_mistake_names_its_key() {
        for (text, key) in [
            (r#"{"endpont":"x"}"#, "endpont"),
            (r#"{"strict":"yes"}"#, "strict"),
            (r#"{"sdk":{"name":1}}"#, "sdk.name"),
            (r#"{"type":"Web"}"#, "type"),
            (r#"{"type":"web"}"#, "definitions"),
            (r#"{"type":"web","definitions":"d"}"#, "endpoint"),
            (r#"{"type":"web","definitions":"d","endpoint":"ftp://x"}"#, "endpoint"),
            (
                r#"{"type":"w","definitions":"d","transport":"memory","batch_items":0}"#,
                "batch_items",
            ),
            (
                r#"{"type":"w","definitions":"d","transport":"memory","batch_age_ms":0}"#,
                "batch_age_ms",
            ),
            (r#"{"type":"w","definitions":"d","transport":"carrier pigeon"}"#, "transport"),
            (
                r#"{"type":"w","definitions":"d","transport":"memory","token":"a
b"}"#,
                "token",
            ),
            (
                r#"{"type":"w","definitions":"d","transport":"memory","sdk":{"name":"ü","version":"1"}}"#,
                "sdk",
            ),
        ] {
            assert!(refusal(text).contains(key), "{text}: {}", refusal(text));
        }
        assert!(refusal("{").starts_with("configuration: "));
        let long = "x".repeat(HEADER_BYTES + 1);
        for key in ["token", "endpoint"] {
            let value = if key == "token" { long.clone() } else { format!("http://{long}") };
            let text = format!(
                r#"{{"endpoint":"http://h","type":"w","definitions":"d","{key}":"{value}"}}"#
            );
            let text =
                text.replacen(r#""endpoint":"http://h","#, "", usize::from(key == "endpoint"));
            assert!(refusal(&text).contains(key), "{key}");
        }
    }
}
