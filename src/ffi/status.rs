//! Status codes: in ranges by origin, and no number is ever used again.

use std::ffi::c_char;

use crate::client::Delivery;
use crate::error::Error;
use crate::experience::Inactive;
use crate::stats::DropReason;

/// What a call returns. 0 is success; 1xx an argument, 2xx the state, 3xx
/// capacity, 4xx a definition, 5xx input and output, 9xx the library itself.
/// No number is ever used again for something else.
///
/// Every function may return LABKIT_STATUS_NULL_POINTER where it says "not
/// NULL" or where NULL comes with a length, and LABKIT_STATUS_PANIC; the
/// comments on functions do not repeat these two.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer that must not be NULL is.
    NullPointer = 100,
    /// Text that must be UTF-8 is not.
    InvalidUtf8 = 101,
    /// Text is longer than it may be.
    TooLong = 102,
    /// An argument is not what it must be.
    InvalidArgument = 103,
    /// The configuration is wrong; the error buffer says where.
    InvalidConfig = 104,
    /// A checkpoint or its meta is not what the wire format asks for.
    InvalidCheckpoint = 105,
    /// An extra has a name that the log line owns.
    ReservedKey = 106,
    /// A carrier cannot be read.
    InvalidCarrier = 107,
    /// A struct's size field is smaller than any released version of it.
    InvalidSize = 108,
    /// The client's handle is stale or was never given out.
    InvalidHandle = 200,
    /// The experience never started: nothing happened.
    NotStarted = 201,
    /// The experience has ended before: nothing happened.
    Over = 202,
    /// The client was shut down: the checkpoint was dropped and counted.
    ShutDown = 203,
    /// Only a client with the memory transport does this.
    TestOnly = 204,
    /// The carrier holds no experience of this definition.
    NotInCarrier = 205,
    /// The queue is full: the checkpoint was dropped and counted; the
    /// experience goes on.
    QueueFull = 300,
    /// The buffer is too small; the length says what it takes.
    BufferTooSmall = 301,
    /// As many clients exist as can.
    TooManyClients = 302,
    /// The wait ended before the work did.
    DeadlineExceeded = 303,
    /// No definition has this id or index.
    UnknownExperience = 400,
    /// A definition file is wrong; the error buffer says where.
    InvalidDefinition = 401,
    /// A directory or file cannot be read; the error buffer says which.
    Io = 500,
    /// The library panicked and caught it. The host is unharmed; please report it.
    Panic = 900,
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        match error {
            Error::InvalidArgument(_) => Status::InvalidArgument,
            Error::TooLong { .. } => Status::TooLong,
            Error::InvalidCheckpoint(_) => Status::InvalidCheckpoint,
            Error::ReservedKey(_) => Status::ReservedKey,
            Error::InvalidCarrier(_) => Status::InvalidCarrier,
            Error::NotInCarrier => Status::NotInCarrier,
            Error::InvalidConfig(_) => Status::InvalidConfig,
            Error::UnknownExperience(_) => Status::UnknownExperience,
            Error::InvalidDefinition(_) => Status::InvalidDefinition,
            Error::DeadlineExceeded => Status::DeadlineExceeded,
            Error::TestOnly => Status::TestOnly,
            Error::Io(_) => Status::Io,
        }
    }
}

impl From<Delivery> for Status {
    fn from(delivery: Delivery) -> Status {
        match delivery {
            Delivery::Queued => Status::Ok,
            Delivery::Dropped(DropReason::ShutDown) => Status::ShutDown,
            Delivery::Dropped(_) => Status::QueueFull,
            Delivery::Ignored(Inactive::NotStarted) => Status::NotStarted,
            Delivery::Ignored(Inactive::Over) => Status::Over,
        }
    }
}

/// Text for a status: static, NUL-terminated, in English, never NULL, also
/// for numbers that are no status. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_status_message(status: i32) -> *const c_char {
    let text = match status {
        0 => c"ok",
        100 => c"a pointer that must not be NULL is",
        101 => c"text is not UTF-8",
        102 => c"text is too long",
        103 => c"an argument is not what it must be",
        104 => c"the configuration is wrong",
        105 => c"a checkpoint or its meta is not what the wire format asks for",
        106 => c"an extra has a reserved name",
        107 => c"the carrier cannot be read",
        108 => c"a struct's size field is too small",
        200 => c"the client's handle is stale or was never given out",
        201 => c"the experience never started",
        202 => c"the experience has ended before",
        203 => c"the client was shut down",
        204 => c"only a client with the memory transport does this",
        205 => c"the carrier holds no experience of this definition",
        300 => c"the queue is full; the checkpoint was dropped and counted",
        301 => c"the buffer is too small",
        302 => c"too many clients",
        303 => c"the deadline passed first",
        400 => c"no definition has this id or index",
        401 => c"a definition file is wrong",
        500 => c"a directory or file cannot be read",
        900 => c"the library panicked and caught it",
        _ => c"unknown status",
    };
    text.as_ptr()
}
