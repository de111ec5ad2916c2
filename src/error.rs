//! What can be wrong with a call. Nothing here ever comes from the network or
//! the tracker: those are counted, not raised.

use std::fmt;

use crate::wire::Rejection;

/// A mistake of the caller, or a call at the wrong time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument, and what was expected of it.
    InvalidArgument(String),
    /// Text longer than its field may be.
    TooLong {
        /// The field.
        field: &'static str,
        /// In bytes.
        limit: usize,
    },
    /// A checkpoint or its meta is not what the wire format asks for.
    InvalidCheckpoint(Rejection),
    /// An extra whose name the log line owns.
    ReservedKey(&'static str),
    /// The carrier's text, and what was expected.
    InvalidCarrier(String),
    /// The carrier holds no experience of this definition.
    NotInCarrier,
    /// The configuration's key, and what was expected.
    InvalidConfig(String),
    /// No definition has this id.
    UnknownExperience(String),
    /// A definition file is wrong; only where mistakes should raise.
    InvalidDefinition(String),
    /// The wait ended before the work did.
    DeadlineExceeded,
    /// Only a client with the memory transport does this.
    TestOnly,
    /// The definitions or the spool could not be read, or a thread not started.
    Io(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArgument(text) => f.write_str(text),
            Error::TooLong { field, limit } => write!(f, "{field}: at most {limit} bytes"),
            Error::InvalidCheckpoint(rejection) => rejection.fmt(f),
            Error::ReservedKey(key) => write!(f, "meta: the key `{key}` is reserved"),
            Error::InvalidCarrier(text) => write!(f, "carrier: {text}"),
            Error::NotInCarrier => f.write_str("the carrier holds no such experience"),
            Error::InvalidConfig(text) => write!(f, "configuration: {text}"),
            Error::UnknownExperience(id) => write!(f, "no definition has the id `{id}`"),
            Error::InvalidDefinition(text) => write!(f, "definition: {text}"),
            Error::DeadlineExceeded => f.write_str("the deadline passed before all was sent"),
            Error::TestOnly => f.write_str("only with \"transport\": \"memory\""),
            Error::Io(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
