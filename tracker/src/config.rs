//! What an operator can set. Defaults give way to the file, the file to the
//! environment, the environment to flags.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs};

use serde::Deserialize;

use crate::auth::{IssuerConfig, Key};
use crate::cli::Serve;
use crate::limits::{Limits, RELOAD_INTERVAL};
use crate::store::{RedisOptions, RedisSettings};

/// The store's file unless another is named: whoever names nothing must not
/// lose what was acknowledged.
const DEFAULT_FILE: &str = "labkit-tracker.redb";
/// What systemd calls the directory of `StateDirectory=`.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    definitions: Option<PathBuf>,
    store: Option<String>,
    reload_s: Option<u64>,
    types: Option<Vec<String>>,
    insecure_no_auth: Option<bool>,
    port_file: Option<PathBuf>,
    #[serde(default)]
    redis: RedisOptions,
    #[serde(default)]
    keys: Vec<Key>,
    #[serde(default)]
    issuers: Vec<IssuerConfig>,
    #[serde(default)]
    limits: Limits,
}

/// Everything settled.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Where the definitions are.
    pub definitions: PathBuf,
    /// Where state is kept.
    pub store: StoreChoice,
    /// How often the definitions are read again; zero: only when told to.
    pub reload: Duration,
    /// The accepted types; empty: any.
    pub types: Vec<String>,
    /// Bearer keys; without these and issuers: no authentication.
    pub keys: Vec<Key>,
    /// Issuers of bearer tokens.
    pub issuers: Vec<IssuerConfig>,
    /// What may come in, and how long things may take.
    pub limits: Limits,
    /// Where to write the address.
    pub port_file: Option<PathBuf>,
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// In this process's memory.
    Memory,
    /// In this file.
    Embedded(PathBuf),
    /// In this Redis.
    Redis(Box<RedisSettings>),
}

impl StoreChoice {
    /// `state` is what systemd says: absolute paths with colons between them.
    fn unnamed(state: Option<OsString>) -> Self {
        let first = state.and_then(|paths| env::split_paths(&paths).next());
        StoreChoice::Embedded(first.unwrap_or_default().join(DEFAULT_FILE))
    }

    fn parse(text: &str, redis: &RedisOptions) -> Result<Self, ConfigError> {
        if RedisSettings::is_meant(text) {
            let settings = RedisSettings::new(text, redis).map_err(ConfigError)?;
            return Ok(StoreChoice::Redis(Box::new(settings)));
        }
        match text.split_once(':') {
            None if text == "memory" => Ok(StoreChoice::Memory),
            Some(("embedded", path)) if !path.is_empty() => Ok(StoreChoice::Embedded(path.into())),
            _ => Err(ConfigError(format!(
                "--store {text}: expected `embedded:PATH` with the path of a file, \
                 `redis://HOST:PORT`, or `memory`"
            ))),
        }
    }
}

/// A setting that cannot be; displays what to do about it.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the file, if one is named, and settles every value.
    pub fn resolve(flags: Serve) -> Result<Self, ConfigError> {
        let file = flags.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let store = flags.store.or(file.store);
        let store = match store.as_deref() {
            Some(named) => StoreChoice::parse(named, &file.redis)?,
            None => StoreChoice::unnamed(env::var_os(STATE_DIRECTORY)),
        };
        let reload = flags.reload_s.or(file.reload_s).map(Duration::from_secs);
        let missing = "--definitions DIR is required: the directory of <id>.yml files \
                       (or LABKIT_TRACKER_DEFINITIONS, or `definitions` in the file)";
        let config = Config {
            listen: flags.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN),
            definitions: flags
                .definitions
                .or(file.definitions)
                .ok_or_else(|| ConfigError(missing.to_owned()))?,
            store,
            reload: reload.unwrap_or(RELOAD_INTERVAL),
            types: flags.types.or(file.types).unwrap_or_default(),
            keys: file.keys,
            issuers: file.issuers,
            limits: file.limits,
            port_file: flags.port_file.or(file.port_file),
        };
        config.check_types()?;
        let insecure = flags.insecure_no_auth.or(file.insecure_no_auth).unwrap_or(false);
        config.check_exposure(insecure)?;
        Ok(config)
    }

    fn check_types(&self) -> Result<(), ConfigError> {
        let is_word = |name: &&String| {
            let word = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
            (1..=64).contains(&name.len()) && name.bytes().all(word)
        };
        match self.types.iter().find(|name| !is_word(name)) {
            Some(name) => Err(ConfigError(format!(
                "--types: {name:?} is not of the form ^[a-z0-9_-]{{1,64}}$"
            ))),
            None => Ok(()),
        }
    }

    fn check_exposure(&self, insecure: bool) -> Result<(), ConfigError> {
        let asks = !self.keys.is_empty() || !self.issuers.is_empty();
        if asks || self.listen.ip().is_loopback() || insecure {
            return Ok(());
        }
        Err(ConfigError(format!(
            "--listen {}: without keys only a loopback address such as 127.0.0.1 is served. Add \
             `[[keys]]` (see `keys new`) or `[[issuers]]` to the --config file, or pass --insecure-no-auth where nobody else can reach \
             the port",
            self.listen
        )))
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let place = path.display();
        let text =
            fs::read_to_string(path).map_err(|e| ConfigError(format!("--config {place}: {e}")))?;
        let file: File =
            toml::from_str(&text).map_err(|e| ConfigError(format!("--config {place}: {e}")))?;
        match file.limits.check() {
            Ok(()) => Ok(file),
            Err(detail) => Err(ConfigError(format!("--config {place}: [limits] {detail}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(toml: &str, flags: Serve) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tracker.toml");
        fs::write(&path, toml).unwrap();
        let flags = Serve { config: Some(path), ..flags };
        Config::resolve(flags).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = "definitions = 'from-file'\nlisten = '127.0.0.1:1'\ntypes = ['web']";
        let flags = Serve { definitions: Some("from-flag".into()), ..Serve::default() };
        let config = resolve(file, flags).unwrap();
        assert_eq!(config.definitions, Path::new("from-flag"));
        assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(config.types, ["web"]);
        let config = resolve("definitions = 'd'", Serve::default()).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.listen, DEFAULT_LISTEN);
    }

    #[test]
    fn each_mistake_is_named() {
        for (toml, expected) in [
            ("definitons = 'd'", "definitons"),
            ("", "--definitions"),
            ("definitions = 'd'\nstore = 'http://x'", "http://x"),
            ("definitions = 'd'\nstore = 'embedded:'", "embedded:PATH"),
            ("definitions = 'd'\nstore = 'embedded'", "embedded:PATH"),
            ("definitions = 'd'\ntypes = ['Web']", "\"Web\""),
            ("definitions = 'd'\nlisten = '0.0.0.0:80'", "--insecure-no-auth"),
            ("definitions = 'd'\nkeys = [{name = 'a', tenant = 'b', key = 'c'}]", "key"),
            ("definitions = 'd'\n[[issuers]]\niss = 'a'", "audiences"),
            ("definitions = 'd'\nissuers = [{iss = 'a', jwks = 'b', audiences = []}]", "jwks"),
            ("definitions = 'd'\n[limits]\nbody_byte = 1", "unknown field `body_byte`"),
            ("definitions = 'd'\n[limits]\nbody_bytes = 1", "body_bytes = 1: expected 1024 to"),
            ("definitions = 'd'\n[limits]\nbody_bytes = -1", "body_bytes"),
            ("definitions = 'd'\n[limits]\nconnections = '9'", "connections"),
        ] {
            let error = resolve(toml, Serve::default()).unwrap_err();
            assert!(error.contains(expected), "{toml}: {error}");
        }
    }

    #[test]
    fn state_is_kept_in_memory_or_in_the_file_that_is_named() {
        let file = "definitions = 'd'\nstore = 'embedded:/var/lib/a:b.redb'";
        let embedded = StoreChoice::Embedded("/var/lib/a:b.redb".into());
        assert_eq!(resolve(file, Serve::default()).unwrap().store, embedded);
        let flags = Serve { store: Some("memory".into()), ..Serve::default() };
        assert_eq!(resolve(file, flags).unwrap().store, StoreChoice::Memory);
    }

    #[test]
    fn state_is_kept_in_a_file_where_nobody_says_otherwise() {
        for (state, path) in [
            (None, "labkit-tracker.redb"),
            (Some("/var/lib/labkit"), "/var/lib/labkit/labkit-tracker.redb"),
            (Some("/var/lib/a:/var/lib/b"), "/var/lib/a/labkit-tracker.redb"),
        ] {
            let unnamed = StoreChoice::unnamed(state.map(Into::into));
            assert_eq!(unnamed, StoreChoice::Embedded(path.into()));
        }
        let config = resolve("definitions = 'd'", Serve::default()).unwrap();
        assert_eq!(config.store, StoreChoice::unnamed(env::var_os(STATE_DIRECTORY)));
    }

    #[test]
    fn state_is_kept_in_a_redis_with_what_its_table_says() {
        let file = "definitions = 'd'\nstore = 'redis+cluster://a:1,b:2'\n[redis]\nack = 'aof'";
        let StoreChoice::Redis(settings) = resolve(file, Serve::default()).unwrap().store else {
            panic!("it is no other store");
        };
        assert!(format!("{settings:?}").contains("redis+cluster://a:1,b:2"));
        for (table, expected) in [("ack = 'all'", "replica(n)"), ("acks = 'aof'", "acks")] {
            let file = format!("definitions = 'd'\nstore = 'redis://a'\n[redis]\n{table}");
            let error = resolve(&file, Serve::default()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn definitions_are_read_again_as_often_as_is_said() {
        for (file, flag, expected) in [
            ("", None, RELOAD_INTERVAL),
            ("reload_s = 5", None, Duration::from_secs(5)),
            ("reload_s = 5", Some(0), Duration::ZERO),
        ] {
            let flags = Serve { reload_s: flag, ..Serve::default() };
            let config = resolve(&format!("definitions = 'd'\n{file}"), flags).unwrap();
            assert_eq!(config.reload, expected, "{file} {flag:?}");
        }
    }

    #[test]
    fn one_limit_is_set_and_the_others_keep_their_defaults() {
        let file = "definitions = 'd'\n[limits]\nbatch_items = 7";
        let config = resolve(file, Serve::default()).unwrap();
        assert_eq!(config.limits, Limits { batch_items: 7, ..Limits::default() });
    }

    #[test]
    fn other_machines_are_served_with_keys_or_when_the_operator_insists() {
        let open = "definitions = 'd'\nlisten = '0.0.0.0:0'\n";
        let keys = format!("{open}keys = [{{name = 'a', tenant = 'b', sha256 = 'c'}}]");
        assert!(resolve(&keys, Serve::default()).is_ok());
        let issuers = format!("{open}issuers = [{{iss = 'a', file = 'b', audiences = ['c']}}]");
        assert!(resolve(&issuers, Serve::default()).is_ok());
        let insist = Serve { insecure_no_auth: Some(true), ..Serve::default() };
        assert!(resolve(open, insist).is_ok());
    }
}
