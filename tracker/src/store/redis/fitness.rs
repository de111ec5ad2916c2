//! Whether a server keeps what is acknowledged, asked on every new connection
//! to it. `CONFIG` is often forbidden where Redis is rented, so `INFO` has to do
//! wherever it can.

use std::collections::HashMap;

use redis::{Pipeline, Value, from_redis_value};

use super::fault::Fault;
use super::settings::Ack;

/// The first with all that the scripts use.
const OLDEST: (u32, u32) = (6, 2);
/// The first with `WAITAOF`.
const WAITAOF: (u32, u32) = (7, 2);
/// Settings under which a write is synced before it is answered.
const SYNCED: [(&str, &str); 2] = [("appendfsync", "always"), ("no-appendfsync-on-rewrite", "no")];

/// What follows a write on its connection before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    /// Nothing: the answer itself means it.
    None,
    /// `WAITAOF`.
    Disk,
    /// `WAIT` for so many replicas.
    Replicas(u32),
}

/// To be asked; [`judge`] wants the answers.
pub(super) fn questions() -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO");
    pipeline.cmd("CONFIG").arg("GET").arg("*appendfsync*");
    pipeline
}

/// What has to follow each write so that it means `ack`, or why the server will not do.
pub(super) fn judge(answers: Vec<Value>, ack: Ack) -> Result<Barrier, Fault> {
    let [info, config] = <[Value; 2]>::try_from(answers)
        .map_err(|_| Fault::Unfit("it did not answer INFO".to_owned()))?;
    let info: String = from_redis_value(info.extract_error()?)?;
    let config = config.extract_error().ok();
    let config = config.and_then(|answer| from_redis_value::<HashMap<String, String>>(answer).ok());
    judge_info(&info, config.as_ref(), ack).map_err(Fault::Unfit)
}

/// `config` is what it says of `appendfsync`, if it may be asked.
fn judge_info(
    info: &str,
    config: Option<&HashMap<String, String>>,
    ack: Ack,
) -> Result<Barrier, String> {
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
        info.lines().find_map(value).unwrap_or_default()
    };
    let release = field("redis_version");
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST {
        return Err(format!("it is Redis {release}: expected 6.2 or later, or Valkey"));
    }
    if field("loading") == "1" {
        return Err("it still reads its data after a start: come back when it is done".to_owned());
    }
    if field("role") == "slave" {
        return Err("it is a replica. Name the master, or an address that follows it".to_owned());
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        return Err(format!(
            "its maxmemory-policy is {policy:?}, under which Redis silently throws experiences \
             away: set maxmemory-policy noeviction, or use a Redis that is not a cache"
        ));
    }
    match ack {
        Ack::Local => Ok(Barrier::None),
        Ack::Replica(replicas) => Ok(Barrier::Replicas(replicas)),
        Ack::Aof if field("aof_enabled") != "1" => {
            Err("[redis] ack = \"aof\" needs an append-only file: set appendonly yes".to_owned())
        }
        // Also where each write is synced: while Redis saves or rewrites, it may
        // be set not to.
        Ack::Aof if version >= WAITAOF => Ok(Barrier::Disk),
        Ack::Aof => {
            let config = config.ok_or_else(|| {
                format!(
                    "[redis] ack = \"aof\": CONFIG is forbidden, so nobody can say whether \
                     appendfsync is always, and Redis {release} has no WAITAOF: permit `CONFIG \
                     GET`, or upgrade to 7.2"
                )
            })?;
            match SYNCED.iter().find(|(name, value)| config.get(*name).is_none_or(|is| is != value))
            {
                None => Ok(Barrier::None),
                Some((name, value)) => Err(format!(
                    "[redis] ack = \"aof\" needs {name} {value} here, as Redis {release} has no \
                     WAITAOF: set it, or upgrade to 7.2"
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(version: &str, fsync: Option<&str>, ack: Ack) -> Result<Barrier, String> {
        let info = format!(
            "# Server\r\nredis_version:{version}\r\nrole:master\r\nloading:0\r\n\
             maxmemory_policy:noeviction\r\naof_enabled:1\r\n"
        );
        let config = fsync.map(|fsync| {
            let (fsync, on_rewrite) = fsync.split_once(", ").unwrap_or((fsync, "no"));
            let pairs = [("appendfsync", fsync), ("no-appendfsync-on-rewrite", on_rewrite)];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        });
        judge_info(&info, config.as_ref(), ack)
    }

    #[test]
    fn each_level_has_its_barrier() {
        for (version, fsync, ack, barrier) in [
            ("6.2.0", None, Ack::Local, Barrier::None),
            ("6.2.0", None, Ack::Replica(2), Barrier::Replicas(2)),
            ("6.2.14", Some("always"), Ack::Aof, Barrier::None),
            ("7.2.4", Some("always, yes"), Ack::Aof, Barrier::Disk),
            ("7.2.4", Some("everysec"), Ack::Aof, Barrier::Disk),
            ("8.0.1", None, Ack::Aof, Barrier::Disk),
        ] {
            assert_eq!(judged(version, fsync, ack), Ok(barrier), "{version} {ack:?}");
        }
    }

    #[test]
    fn what_would_lose_something_is_named_with_what_to_do() {
        for (version, fsync, ack, expected) in [
            ("6.0.16", None, Ack::Local, "expected 6.2"),
            ("7.0.15", Some("everysec"), Ack::Aof, "appendfsync always"),
            ("7.0.15", Some("always, yes"), Ack::Aof, "no-appendfsync-on-rewrite no"),
            ("7.0.15", None, Ack::Aof, "CONFIG is forbidden"),
        ] {
            let judged = judged(version, fsync, ack);
            assert!(judged.clone().unwrap_err().contains(expected), "{judged:?}");
        }
        for (policy, role, loading, expected) in [
            ("allkeys-lru", "master", "0", "maxmemory-policy noeviction"),
            ("volatile-ttl", "master", "0", "maxmemory-policy noeviction"),
            ("noeviction", "slave", "0", "replica"),
            ("noeviction", "master", "1", "reads its data"),
        ] {
            let info = format!(
                "redis_version:7.0.15\r\nrole:{role}\r\nloading:{loading}\r\n\
                 maxmemory_policy:{policy}\r\naof_enabled:0\r\n"
            );
            let error = judge_info(&info, None, Ack::Local).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = judge_info(
            "redis_version:7.2.0\nmaxmemory_policy:noeviction\naof_enabled:0",
            None,
            Ack::Aof,
        );
        assert!(error.unwrap_err().contains("appendonly yes"));
    }
}
