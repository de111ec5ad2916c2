//! What goes wrong with a Redis, in words for whoever is woken by it. To a
//! client all of it is the same: not now, come back.

use std::fmt;

use redis::{ErrorKind, ParsingError, RedisError, ServerError, ServerErrorKind};

use super::settings::Settings;
use crate::store::StoreError;
use crate::store::rows::Unreadable;

/// Why a step came to nothing, or may have.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It said so, or did not answer.
    Redis(RedisError),
    /// What it holds makes no sense.
    Unreadable(Unreadable),
    /// It is not set up to keep what is acknowledged.
    Unfit(String),
    /// It did the step, and too few replicas or no disk confirmed it in time.
    Unconfirmed(String),
    /// The event log does not keep up.
    OutboxFull,
}

impl Fault {
    /// Whether another connection might fare better.
    pub(super) fn is_of_the_connection(&self) -> bool {
        match self {
            Fault::Redis(error) => match error.kind() {
                // A server that was demoted: behind the same name there may be another one.
                ErrorKind::Server(kind) => kind == ServerErrorKind::ReadOnly,
                // Any other code that a server gave as its answer.
                ErrorKind::Extension => false,
                _ => true,
            },
            Fault::Unreadable(_) | Fault::Unconfirmed(_) | Fault::OutboxFull => false,
            Fault::Unfit(_) => true,
        }
    }

    /// Whether the server may never have heard of it.
    pub(super) fn is_a_lost_connection(&self) -> bool {
        matches!(self, Fault::Redis(error) if error.is_connection_dropped())
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        Fault::Redis(error)
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        Fault::Redis(error.into())
    }
}

impl From<ParsingError> for Fault {
    fn from(error: ParsingError) -> Self {
        Fault::Redis(error.into())
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        Fault::Unreadable(unreadable)
    }
}

impl From<&Fault> for StoreError {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::OutboxFull => StoreError::OutboxFull,
            _ => StoreError::Unavailable,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Redis(error) => match advice(error) {
                Some(advice) => write!(f, "{error}: {advice}"),
                None => error.fmt(f),
            },
            Fault::Unreadable(Unreadable::Format(format)) => write!(
                f,
                "an entry is of format {format}, which this version cannot read: run the version \
                 of labkit-tracker that wrote it, or a later one"
            ),
            Fault::Unreadable(Unreadable::Damaged(what)) => write!(
                f,
                "a {what} cannot be read: something else writes keys named {{labkit...}}, or \
                 Redis was restored in part"
            ),
            Fault::Unfit(detail) | Fault::Unconfirmed(detail) => f.write_str(detail),
            Fault::OutboxFull => f.write_str("too many lines wait for the event log"),
        }
    }
}

fn advice(error: &RedisError) -> Option<&'static str> {
    Some(match error.code() {
        Some("OOM") => "Redis is out of memory. Raise its maxmemory, or give it a larger machine",
        Some("MISCONF") => {
            "Redis cannot save to its disk. Free or mend that disk; its own log says more"
        }
        Some("READONLY") => "this is a replica. Name the master, or an address that follows it",
        Some("LOADING") => "Redis is reading its data after a start. It gets through by itself",
        Some("CLUSTERDOWN" | "MASTERDOWN") => {
            "a part of the cluster has no master. `redis-cli cluster nodes` says which"
        }
        Some("BUSY") => {
            "somebody's script runs for seconds. `SCRIPT KILL` ends one that only reads"
        }
        Some("NOREPLICAS") => "too few replicas are connected for min-replicas-to-write",
        Some("NOAUTH" | "WRONGPASS") => "put redis://user:password@ into the address",
        Some("NOPERM") => {
            "the user needs the keys ~{labkit*, and the commands of read, write and scripting, \
             besides INFO, TIME, WAIT, WAITAOF and, on a cluster, CLUSTER SLOTS"
        }
        _ if error.is_timeout() => "no answer in time. Is it overloaded, or the network cut?",
        _ if error.is_connection_refusal() => "nobody listens there. Is Redis running?",
        _ => return None,
    })
}

/// Why the store cannot be used; displays what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOpenError(String);

impl RedisOpenError {
    pub(super) fn new(settings: &Settings, fault: &Fault) -> Self {
        RedisOpenError(format!("--store {}: {fault}", settings.address))
    }
}

impl fmt::Display for RedisOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RedisOpenError {}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    #[test]
    fn each_refusal_says_what_to_do_and_stays_on_its_connection() {
        for (code, expected) in [
            ("OOM", "maxmemory"),
            ("MISCONF", "disk"),
            ("BUSY", "SCRIPT KILL"),
            ("NOREPLICAS", "min-replicas-to-write"),
            ("NOAUTH", "user:password"),
        ] {
            let fault = Fault::Redis(make_extension_error(code.to_owned(), None));
            assert!(fault.to_string().contains(expected), "{fault}");
            assert!(!fault.is_of_the_connection(), "{fault}");
            assert_eq!(StoreError::from(&fault), StoreError::Unavailable);
        }
    }
}
