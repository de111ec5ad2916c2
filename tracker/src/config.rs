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
use crate::redact::Redact;
use crate::store::{RedisOptions, RedisSettings};

/// The store's file unless another is named: whoever names nothing must not
/// lose what was acknowledged.
const DEFAULT_FILE: &str = "labkit-tracker.redb";
/// What systemd calls the directory of `StateDirectory=`.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";
/// What platforms that run containers call the port that they lead to.
const PORT: &str = "PORT";
const MAKE_A_KEY: &str = "Run `labkit-tracker keys new`, put the lines that it prints into a file, \
     and name that with --config";
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
    metrics_without_credential: Option<bool>,
    redact: Option<Vec<String>>,
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
    /// Bearer keys; without these and issuers nobody is asked for any.
    pub keys: Vec<Key>,
    /// Issuers of bearer tokens.
    pub issuers: Vec<IssuerConfig>,
    /// Whether the pages for Prometheus are anybody's.
    pub metrics_without_credential: bool,
    /// Which values of meta are not kept.
    pub redact: Redact,
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

/// Where to serve if nobody says: whoever sets `PORT` comes from outside the
/// container, so all of its addresses are served then.
fn unnamed_listen(port: Option<OsString>) -> Result<SocketAddr, ConfigError> {
    let Some(port) = port else { return Ok(DEFAULT_LISTEN) };
    let number = port.to_str().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| {
        ConfigError(format!("PORT={port:?}: expected the number of a port, or use --listen"))
    })?;
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), number))
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
            listen: match flags.listen.or(file.listen) {
                Some(listen) => listen,
                None => unnamed_listen(env::var_os(PORT))?,
            },
            definitions: flags
                .definitions
                .or(file.definitions)
                .ok_or_else(|| ConfigError(missing.to_owned()))?,
            store,
            reload: reload.unwrap_or(RELOAD_INTERVAL),
            types: flags.types.or(file.types).unwrap_or_default(),
            keys: file.keys,
            issuers: file.issuers,
            metrics_without_credential: flags
                .metrics_without_credential
                .or(file.metrics_without_credential)
                .unwrap_or(false),
            redact: Redact::new(&flags.redact.or(file.redact).unwrap_or_default())
                .map_err(ConfigError)?,
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

    /// Whoever gets in can distort what is told of every experience, so that
    /// everybody may is something that has to be said, and only this machine
    /// can be let in so. Said beside keys it would be true of one of the two,
    /// and of which is not for us to guess.
    fn check_exposure(&self, insecure: bool) -> Result<(), ConfigError> {
        let asks = !self.keys.is_empty() || !self.issuers.is_empty();
        let reason = match (asks, insecure) {
            (true, false) => return Ok(()),
            (false, true) if self.listen.ip().to_canonical().is_loopback() => return Ok(()),
            (true, true) => "--insecure-no-auth: keys or issuers are configured, and they are \
                             asked for. Remove the flag (or LABKIT_TRACKER_INSECURE_NO_AUTH, or \
                             `insecure_no_auth` in the --config file), or else the keys"
                .to_owned(),
            (false, true) => format!(
                "--listen {}: with --insecure-no-auth only a loopback address such as \
                 127.0.0.1:8480 is served, as whoever reaches the port can write and read \
                 everything. {MAKE_A_KEY}, without the flag",
                self.listen
            ),
            (false, false) => format!(
                "no keys and no issuers are configured, so nobody could be let in. {MAKE_A_KEY}; \
                 or, to let in whoever is on this machine, pass --insecure-no-auth and listen on \
                 loopback"
            ),
        };
        Err(ConfigError(reason))
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

    /// The flag without which nothing starts that has no keys.
    fn open() -> Serve {
        Serve { insecure_no_auth: Some(true), ..Serve::default() }
    }

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
        let flags = Serve { definitions: Some("from-flag".into()), ..open() };
        let config = resolve(file, flags).unwrap();
        assert_eq!(config.definitions, Path::new("from-flag"));
        assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(config.types, ["web"]);
        let config = resolve("definitions = 'd'", open()).unwrap();
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
            ("definitions = 'd'\nredact = ['']", "redact"),
            ("definitions = 'd'\nkeys = [{name = 'a', tenant = 'b', key = 'c'}]", "key"),
            ("definitions = 'd'\n[[issuers]]\niss = 'a'", "audiences"),
            ("definitions = 'd'\nissuers = [{iss = 'a', jwks = 'b', audiences = []}]", "jwks"),
            ("definitions = 'd'\n[limits]\nbody_byte = 1", "unknown field `body_byte`"),
            ("definitions = 'd'\n[limits]\nbody_bytes = 1", "body_bytes = 1: expected 1024 to"),
            ("definitions = 'd'\n[limits]\nbody_bytes = -1", "body_bytes"),
            ("definitions = 'd'\n[limits]\nconnections = '9'", "connections"),
        ] {
            let error = resolve(toml, open()).unwrap_err();
            assert!(error.contains(expected), "{toml}: {error}");
        }
    }

    #[test]
    fn state_is_kept_in_memory_or_in_the_file_that_is_named() {
        let file = "definitions = 'd'\nstore = 'embedded:/var/lib/a:b.redb'";
        let embedded = StoreChoice::Embedded("/var/lib/a:b.redb".into());
        assert_eq!(resolve(file, open()).unwrap().store, embedded);
        let flags = Serve { store: Some("memory".into()), ..open() };
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
        let config = resolve("definitions = 'd'", open()).unwrap();
        assert_eq!(config.store, StoreChoice::unnamed(env::var_os(STATE_DIRECTORY)));
    }

    #[test]
    fn a_port_that_a_platform_names_is_served_on_every_address() {
        let served = |port: Option<&str>| unnamed_listen(port.map(OsString::from));
        assert_eq!(served(None).unwrap(), DEFAULT_LISTEN);
        assert_eq!(served(Some("8080")).unwrap(), "0.0.0.0:8080".parse().unwrap());
        for bad in ["", "http", "70000", "-1", "127.0.0.1:80"] {
            let error = served(Some(bad)).unwrap_err().to_string();
            assert!(error.contains("PORT=") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn state_is_kept_in_a_redis_with_what_its_table_says() {
        let file = "definitions = 'd'\nstore = 'redis+cluster://a:1,b:2'\n[redis]\nack = 'aof'";
        let StoreChoice::Redis(settings) = resolve(file, open()).unwrap().store else {
            panic!("it is no other store");
        };
        assert!(format!("{settings:?}").contains("redis+cluster://a:1,b:2"));
        for (table, expected) in [("ack = 'all'", "replica(n)"), ("acks = 'aof'", "acks")] {
            let file = format!("definitions = 'd'\nstore = 'redis://a'\n[redis]\n{table}");
            let error = resolve(&file, open()).unwrap_err();
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
            let flags = Serve { reload_s: flag, ..open() };
            let config = resolve(&format!("definitions = 'd'\n{file}"), flags).unwrap();
            assert_eq!(config.reload, expected, "{file} {flag:?}");
        }
    }

    #[test]
    fn one_limit_is_set_and_the_others_keep_their_defaults() {
        let file = "definitions = 'd'\n[limits]\nbatch_items = 7";
        let config = resolve(file, open()).unwrap();
        assert_eq!(config.limits, Limits { batch_items: 7, ..Limits::default() });
    }

    #[test]
    fn without_keys_it_has_to_be_said_and_only_this_machine_is_served() {
        let keys = "keys = [{name = 'a', tenant = 'b', sha256 = 'c'}]\n";
        let issuers = "issuers = [{iss = 'a', file = 'b', audiences = ['c']}]\n";
        let insecure = "insecure_no_auth = true\n";
        for (says, listen, refusal) in [
            (keys, "127.0.0.1:0", None),
            (keys, "0.0.0.0:0", None),
            (issuers, "0.0.0.0:0", None),
            ("", "127.0.0.1:0", Some("labkit-tracker keys new")),
            ("", "127.0.0.1:0", Some("--insecure-no-auth")),
            ("", "0.0.0.0:0", Some("labkit-tracker keys new")),
            (insecure, "127.0.0.1:0", None),
            (insecure, "[::1]:0", None),
            (insecure, "[::ffff:127.0.0.1]:0", None),
            (insecure, "0.0.0.0:0", Some("--listen 0.0.0.0:0")),
            (insecure, "[::]:0", Some("--listen [::]:0")),
            (insecure, "192.0.2.1:0", Some("labkit-tracker keys new")),
            (&[insecure, keys].concat(), "127.0.0.1:0", Some("they are asked for")),
            (&[insecure, issuers].concat(), "127.0.0.1:0", Some("LABKIT_TRACKER_INSECURE")),
        ] {
            let file = format!("definitions = 'd'\nlisten = '{listen}'\n{says}");
            let refused = resolve(&file, Serve::default()).err();
            assert_eq!(refused.is_some(), refusal.is_some(), "{file}: {refused:?}");
            let said = refused.unwrap_or_default();
            assert!(said.contains(refusal.unwrap_or_default()), "{file}: {said}");
        }
        let taken_back = Serve { insecure_no_auth: Some(false), ..Serve::default() };
        let file = format!("definitions = 'd'\n{insecure}{keys}");
        assert!(resolve(&file, taken_back).is_ok(), "a flag wins over the file");
    }
}
