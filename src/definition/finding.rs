//! What the linter has to say: where, which key, what was expected.

use std::fmt;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// A key this version does not know: the linter fails on it, the running
    /// library and tracker only warn, as a newer version may know it.
    UnknownKey,
    /// The definition works; somebody should look at it.
    Warning,
}

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The key at fault; empty where the file as a whole is meant.
    pub key: String,
    /// What was expected.
    pub expected: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Finding {
    /// Whether a linter should exit with failure because of it.
    pub fn fails_lint(&self) -> bool {
        self.severity != Severity::Warning
    }
}

impl fmt::Display for Finding {
    /// `file:line: severity: key: expectation`, as editors parse it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        let severity = match self.severity {
            Severity::Error | Severity::UnknownKey => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.expected)
    }
}
