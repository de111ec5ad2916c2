//! Which Redis, and what its acknowledgement has to mean.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// Time for a connection to be ready: a server of the same data centre takes
/// milliseconds, and a request waits for it.
const CONNECT_TIMEOUT_MS: u64 = 1_000;
/// Time for an answer. Far above what a healthy server takes; a client is told
/// to come back long before it gives up by itself.
const RESPONSE_TIMEOUT_MS: u64 = 3_000;
/// Time for replicas or the disk to confirm, within the time for an answer.
const ACK_TIMEOUT_MS: u64 = 1_000;
const LONGEST_TIMEOUT_MS: u64 = 60_000;

const SINGLE: [&str; 2] = ["redis://", "rediss://"];
const CLUSTER: &str = "+cluster://";

/// What has to have happened to a change before it is acknowledged.
///
/// | level | acknowledged is | what can lose it |
/// | --- | --- | --- |
/// | `local` | in the memory of the one server | whatever takes that: a failover, and a crash for what its own persistence had not written (with `appendonly yes` and `everysec` up to two seconds at a power cut, and the same at kill -9 while its disk is slow to sync: it holds writes back then) |
/// | `aof` | synced to the append-only file of the server | the loss of that disk; a failover to a replica that lagged |
/// | `replica(n)` | in the memory of n replicas, too | a failover to a replica that was not among the n; servers that lose power together |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// The server has it.
    #[default]
    Local,
    /// It is on the server's disk: `appendfsync always`, or `WAITAOF` from 7.2 on.
    Aof,
    /// So many replicas have it, by `WAIT`.
    Replica(u32),
}

impl FromStr for Ack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let replicas = text.strip_prefix("replica(").and_then(|rest| rest.strip_suffix(')'));
        match (text, replicas.map(str::parse)) {
            ("local", _) => Ok(Ack::Local),
            ("aof", _) => Ok(Ack::Aof),
            (_, Some(Ok(replicas @ 1..=100))) => Ok(Ack::Replica(replicas)),
            _ => Err(format!(
                "ack = {text:?}: expected \"local\", \"aof\", or \"replica(n)\" with n from 1"
            )),
        }
    }
}

/// The table `[redis]` of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `local`, `aof` or `replica(n)`; see [`Ack`].
    pub ack: Option<String>,
    /// PEM file with the authority to trust for `rediss://`, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time for a connection, in milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// Time for an answer.
    pub response_timeout_ms: Option<u64>,
    /// Time for replicas or the disk to confirm; less than the time for an answer.
    pub ack_timeout_ms: Option<u64>,
}

/// Where the servers are. Displays without its password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// One server, or whoever is behind its name.
    Single(String),
    /// Some nodes of a cluster; they know the others.
    Cluster(Vec<String>),
}

/// Everything settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(super) address: Address,
    pub(super) ack: Ack,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) ack_timeout: Duration,
    /// Who delivers the log, where that has to be the same one after a restart.
    pub(super) reader: Option<String>,
}

impl Settings {
    /// Whether `store` names a Redis at all.
    pub fn is_meant(store: &str) -> bool {
        SINGLE.iter().any(|scheme| store.starts_with(scheme)) || store.contains(CLUSTER)
    }

    /// From `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or
    /// `redis+cluster://[user:password@]host:port,host:port` and
    /// `rediss+cluster://`. The error says what to write instead.
    pub fn new(store: &str, options: &Options) -> Result<Self, String> {
        let range = |name: &str, value: Option<u64>, default: u64| match value.unwrap_or(default) {
            value @ 1..=LONGEST_TIMEOUT_MS => Ok(Duration::from_millis(value)),
            value => Err(format!("[redis] {name} = {value}: expected 1 to {LONGEST_TIMEOUT_MS}")),
        };
        let ack = options.ack.as_deref().map_or(Ok(Ack::Local), Ack::from_str);
        let settings = Settings {
            address: Address::parse(store)?,
            ack: ack.map_err(|error| format!("[redis] {error}"))?,
            ca_file: options.ca_file.clone(),
            connect_timeout: range(
                "connect_timeout_ms",
                options.connect_timeout_ms,
                CONNECT_TIMEOUT_MS,
            )?,
            response_timeout: range(
                "response_timeout_ms",
                options.response_timeout_ms,
                RESPONSE_TIMEOUT_MS,
            )?,
            ack_timeout: range("ack_timeout_ms", options.ack_timeout_ms, ACK_TIMEOUT_MS)?,
            reader: None,
        };
        if settings.ack_timeout >= settings.response_timeout {
            return Err(format!(
                "[redis] ack_timeout_ms = {}: expected less than response_timeout_ms = {}",
                settings.ack_timeout.as_millis(),
                settings.response_timeout.as_millis()
            ));
        }
        Ok(settings)
    }

    /// The same, delivering the event log under a name that lasts: whoever has
    /// it takes up at once what one of the same name left.
    pub fn reading_as(self, reader: &str) -> Self {
        Settings { reader: Some(reader.to_owned()), ..self }
    }
}

impl Address {
    fn parse(store: &str) -> Result<Self, String> {
        let address = match store.split_once(CLUSTER) {
            None => Address::Single(store.to_owned()),
            Some((scheme, rest)) => {
                let (user, hosts) = match rest.rsplit_once('@') {
                    Some((user, hosts)) => (format!("{user}@"), hosts),
                    None => (String::new(), rest),
                };
                let node = |host: &str| format!("{scheme}://{user}{host}");
                Address::Cluster(hosts.split(',').map(node).collect())
            }
        };
        let valid = address.urls().iter().all(|url| redis::parse_redis_url(url).is_some());
        match valid && address.urls().iter().all(|url| url.contains("://")) {
            true => Ok(address),
            false => Err(format!(
                "--store {address}: expected redis://[user:password@]host[:port][/db], rediss:// \
                 for TLS, or redis+cluster://host:port,host:port for a cluster"
            )),
        }
    }

    pub(super) fn urls(&self) -> &[String] {
        match self {
            Address::Single(url) => std::slice::from_ref(url),
            Address::Cluster(urls) => urls,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, url) in self.urls().iter().enumerate() {
            let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            match (self, index) {
                (Address::Single(_), _) => write!(f, "{scheme}://{host}")?,
                (Address::Cluster(_), 0) => write!(f, "{scheme}{CLUSTER}{host}")?,
                (Address::Cluster(_), _) => write!(f, ",{host}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(store: &str) -> Result<Settings, String> {
        Settings::new(store, &Options::default())
    }

    #[test]
    fn one_server_or_some_nodes_of_a_cluster_are_named() {
        let single = settings("redis://localhost:6379/2").unwrap();
        assert_eq!(single.address, Address::Single("redis://localhost:6379/2".into()));
        let cluster = settings("rediss+cluster://me:secret@a:1,b:2").unwrap();
        let nodes = ["rediss://me:secret@a:1", "rediss://me:secret@b:2"];
        assert_eq!(cluster.address.urls(), nodes);
    }

    #[test]
    fn a_password_is_shown_to_nobody() {
        let single = format!("{:?}", settings("redis://me:secret@a:1").unwrap());
        let cluster = format!("{:?}", settings("redis+cluster://me:secret@a:1,b:2").unwrap());
        for (shown, place) in [(single, "redis://a:1"), (cluster, "redis+cluster://a:1,b:2")] {
            assert!(shown.contains(place) && !shown.contains("secret"), "{shown}");
        }
        let refused = settings("redis://me:secret@a:port").unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[test]
    fn what_cannot_be_is_named_with_what_could() {
        for (ack, connect, wait) in [("none", 1, 1), ("replica(0)", 1, 1), ("aof", 0, 1)] {
            let options = Options {
                ack: Some(ack.into()),
                connect_timeout_ms: Some(connect),
                ack_timeout_ms: Some(wait),
                ..Options::default()
            };
            let error = Settings::new("redis://a", &options).unwrap_err();
            assert!(error.starts_with("[redis] ") && error.contains("expected"), "{error}");
        }
        let options = Options { ack_timeout_ms: Some(3_000), ..Options::default() };
        let error = Settings::new("redis://a", &options).unwrap_err();
        assert!(error.contains("less than response_timeout_ms"), "{error}");
        assert_eq!("replica(2)".parse(), Ok(Ack::Replica(2)));
    }
}
