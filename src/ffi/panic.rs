//! The barrier: no panic crosses into the host. It stands inside each
//! function's body, in tests and in what ships alike.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::status::Status;

/// Runs a function's body. Whatever a panic leaves half done is the library's
/// own state, which holds no invariant that a later call relies on for
/// memory safety.
pub(super) fn barrier(body: impl FnOnce() -> Result<Status, Status>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) | Ok(Err(status)) => status,
        Err(payload) => {
            // A payload's destructor could panic in turn.
            std::mem::forget(payload);
            Status::Panic
        }
    }
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
