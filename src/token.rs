//! The bearer token: the one set at run time or configured, else what is in a
//! file now. Platforms that rotate tokens replace the file; it is looked at
//! before each request, on the worker's thread, and read when it has changed.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{HEADER_BYTES, is_header_text};
use crate::process::Process;

/// More than a token can have, so that one too long is seen as such.
const LONGEST: u64 = 2 * HEADER_BYTES as u64;

/// Which state of a file was read: changed in place, or replaced.
type Stamp = (u64, i64, i64, u64);

pub(crate) struct Token<'a> {
    process: &'a Process,
    file: Option<PathBuf>,
    read: Option<Stamp>,
    /// The last good one.
    from_file: Option<Arc<str>>,
    /// What was last said against the file.
    complaint: String,
}

impl<'a> Token<'a> {
    pub(crate) fn new(process: &'a Process, file: Option<PathBuf>) -> Self {
        Token { process, file, read: None, from_file: None, complaint: String::new() }
    }

    /// The one to send now.
    pub(crate) fn current(&mut self) -> Option<Arc<str>> {
        let given = self.process.token();
        if given.is_none() {
            self.refresh();
        }
        given.or_else(|| self.from_file.clone())
    }

    /// Forgets when the file was read: its time alone proves nothing to a
    /// tracker that has just refused the token.
    pub(crate) fn doubt(&mut self) {
        self.read = None;
    }

    fn refresh(&mut self) {
        let Some(path) = &self.file else { return };
        let stamp = fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.len()));
        if stamp.is_some() && stamp == self.read {
            return;
        }
        let complaint = match read(path) {
            Ok(token) => {
                self.from_file = Some(token);
                String::new()
            }
            Err(e) => format!("`token_file`: {}: {e}", path.display()),
        };
        if !complaint.is_empty() && complaint != self.complaint {
            self.process.log(&complaint);
        }
        self.complaint = complaint;
        self.read = stamp;
    }
}

/// The file's token, without the line end that editors leave.
pub(crate) fn read(path: &Path) -> io::Result<Arc<str>> {
    // Where a pipe lies in its place, neither opening nor reading may wait.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("expected a file"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    match text.trim() {
        "" => Err(io::Error::other("it is empty")),
        token if is_header_text(token) => Ok(token.into()),
        _ => Err(io::Error::other("expected visible ASCII characters on one line, 8192 at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::scratch::Scratch;

    fn process(token: Option<&str>) -> Process {
        let config = Config { token: token.map(Into::into), ..Config::default() };
        Process::new(&config, Clock::new().now())
    }

    #[test]
    fn a_file_that_is_replaced_or_changed_is_read_again_and_a_bad_one_is_not_used() {
        let dir = Scratch::new();
        let (path, beside) = (dir.path().join("token"), dir.path().join("new"));
        fs::write(&path, "one\n").unwrap();
        let process = process(None);
        let mut token = Token::new(&process, Some(path.clone()));
        assert_eq!(token.current().as_deref(), Some("one"));
        fs::write(&beside, "two").unwrap();
        fs::rename(&beside, &path).unwrap();
        assert_eq!(token.current().as_deref(), Some("two"));
        fs::write(&path, "sm\u{f8}rrebr\u{f8}d").unwrap();
        assert_eq!(token.current().as_deref(), Some("two"));
        fs::remove_file(&path).unwrap();
        assert_eq!(token.current().as_deref(), Some("two"));
        assert!(process.drain_log(|_| true).unwrap().contains("visible ASCII"));
    }

    #[test]
    fn a_pipe_in_the_files_place_keeps_nobody_waiting() {
        let dir = Scratch::new();
        let path = dir.path().join("token");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "expected a file");
    }

    #[test]
    fn one_that_is_set_at_run_time_goes_before_the_file() {
        let dir = Scratch::new();
        let path = dir.path().join("token");
        fs::write(&path, "file").unwrap();
        let process = process(Some("configured"));
        let mut token = Token::new(&process, Some(path));
        assert_eq!(token.current().as_deref(), Some("configured"));
        process.set_token(Some("set".into()));
        assert_eq!(token.current().as_deref(), Some("set"));
        process.set_token(None);
        assert_eq!(token.current().as_deref(), Some("file"));
    }
}
