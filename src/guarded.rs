//! Descriptors in a process that is not ours. A host that makes itself a daemon
//! closes all it finds, and gives their numbers to files of its own: what was
//! our connection is now its database. So it is asked before each use whether
//! the number still stands for what we opened; if not, it is never used again,
//! and not closed. (Between that question and the use the host may act still.)

use std::fmt;
use std::io;
use std::os::fd::{AsFd, IntoRawFd};

use nix::sys::stat::fstat;

/// Device and inode: what a descriptor stands for.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(descriptor: impl AsFd) -> io::Result<Identity> {
    let stat = fstat(descriptor)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// A descriptor of ours, closed on drop if it still is one.
pub(crate) struct Guarded<T: AsFd + IntoRawFd> {
    /// Gone only while it is dropped.
    inner: Option<T>,
    identity: Identity,
}

impl<T: AsFd + IntoRawFd> Guarded<T> {
    pub(crate) fn new(inner: T) -> io::Result<Self> {
        let identity = identity(&inner)?;
        Ok(Guarded { inner: Some(inner), identity })
    }

    /// # Errors
    /// The host has closed it.
    pub(crate) fn get(&self) -> io::Result<&T> {
        let inner = self
            .inner
            .as_ref()
            .filter(|inner| identity(inner).is_ok_and(|identity| identity == self.identity));
        inner.ok_or_else(|| io::Error::other("the process has closed our descriptor"))
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }
}

impl<T: AsFd + IntoRawFd> Drop for Guarded<T> {
    fn drop(&mut self) {
        if self.get().is_err() {
            let _ = self.inner.take().map(IntoRawFd::into_raw_fd);
        }
    }
}

impl<T: AsFd + IntoRawFd> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guarded{:?}", self.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::{AsRawFd, OwnedFd};

    #[test]
    fn a_number_that_was_given_to_another_file_is_neither_used_nor_closed() {
        let (ours, hosts) = (File::open("Cargo.toml").unwrap(), File::open("README.md").unwrap());
        let number = ours.as_raw_fd();
        let mut guarded = Guarded::new(ours).unwrap();
        assert!(guarded.get().is_ok());
        let mut replaced = OwnedFd::from(guarded.inner.take().unwrap());
        nix::unistd::dup2(&hosts, &mut replaced).unwrap();
        guarded.inner = Some(File::from(replaced));
        assert!(guarded.get().is_err());
        drop(guarded);
        let here = std::fs::metadata(format!("/proc/self/fd/{number}")).unwrap();
        assert_eq!(here.len(), hosts.metadata().unwrap().len());
        nix::unistd::close(number).unwrap();
    }
}
