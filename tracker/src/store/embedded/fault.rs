//! What goes wrong with a file, in words for whoever is woken by it.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

use super::rows::Unreadable;

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database, or the disk below it.
    Database(Box<redb::Error>),
    /// A row.
    Unreadable(Unreadable),
    /// The file could not be opened again after an earlier fault.
    Closed(OpenError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Database(error) => error.fmt(f),
            Fault::Unreadable(unreadable) => unreadable.fmt(f),
            Fault::Closed(error) => error.fmt(f),
        }
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        Fault::Unreadable(unreadable)
    }
}

macro_rules! from_database {
    ($($error:ty),+) => {
        $(
            impl From<$error> for Fault {
                fn from(error: $error) -> Self {
                    Fault::Database(Box::new(error.into()))
                }
            }
        )+
    };
}

from_database!(CommitError, DatabaseError, StorageError, TableError, TransactionError);

/// Why the store's file cannot be used; displays what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    path: PathBuf,
    detail: String,
}

impl OpenError {
    pub(super) fn new(path: &Path, fault: &Fault) -> Self {
        let detail = match fault {
            Fault::Database(error) => explain(path, error),
            Fault::Unreadable(unreadable) => unreadable.to_string(),
            Fault::Closed(error) => error.detail.clone(),
        };
        OpenError { path: path.to_owned(), detail }
    }

    pub(super) fn foreign(path: &Path) -> Self {
        let detail = "it is the database of another program, and stays untouched. Name another \
                      file";
        OpenError { path: path.to_owned(), detail: detail.to_owned() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--store embedded:{}: {}", self.path.display(), self.detail)
    }
}

impl std::error::Error for OpenError {}

fn explain(path: &Path, error: &redb::Error) -> String {
    match error {
        redb::Error::DatabaseAlreadyOpen => "another process has the file open. An embedded store \
             belongs to exactly one tracker: stop the other one first (`fuser` on the file names \
             it), or give this one a file of its own"
            .to_owned(),
        redb::Error::UpgradeRequired(version) => format!(
            "it is of redb's old file format {version}, which no version of labkit-tracker wrote. \
             Name another file"
        ),
        redb::Error::Io(io) => match io.kind() {
            ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(path).display();
                format!("the directory {parent} does not exist: create it first")
            }
            ErrorKind::IsADirectory => {
                format!("it is a directory: name a file in it, such as {}", in_it(path).display())
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
                "{io}: the user that the tracker runs as has to be able to write the file and its \
                 directory"
            ),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                format!("{io}: make room on its disk, then start again")
            }
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => format!(
                "it is no database ({io}), and stays untouched. Name another file, or move this \
                 one away"
            ),
            _ => io.to_string(),
        },
        redb::Error::Corrupted(detail) => format!(
            "the file is damaged ({detail}). Put a backup in its place, or move it away to start \
             with an empty one"
        ),
        other => other.to_string(),
    }
}

fn in_it(path: &Path) -> PathBuf {
    path.join("tracker.redb")
}
