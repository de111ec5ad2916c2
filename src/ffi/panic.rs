//! The barrier: no panic crosses into the host, nor onto its stderr. It stands
//! inside each function's body, in tests and in what ships alike.

use super::handle;
use super::status::Status;
use crate::quiet;

/// Runs a function's body. Whatever a panic leaves half done is the library's
/// own state, which holds no invariant that a later call relies on for
/// memory safety.
#[inline]
pub(super) fn barrier(body: impl FnOnce() -> Result<Status, Status>) -> Status {
    match quiet::catch(body) {
        Ok(Ok(status)) | Ok(Err(status)) => status,
        Err(message) => report(&message),
    }
}

/// Whose client it was is not known here, so all of them get the message.
#[cold]
fn report(message: &str) -> Status {
    let log = || handle::each(|client| client.log(&format!("a call panicked: {message}")));
    // Should that panic in turn, the host still gets its status.
    let _ = quiet::catch(log);
    Status::Panic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(barrier(|| panic!("inside")), Status::Panic);
        assert_eq!(barrier(|| Ok(Status::Ok)), Status::Ok);
        assert_eq!(barrier(|| Err(Status::TooLong)), Status::TooLong);
    }
}
