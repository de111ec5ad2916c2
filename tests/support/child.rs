//! Children of the test's process, made in every way a host may make them.
#![allow(unsafe_code)] // making processes is

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// A child that takes longer hangs: the kernel ends it, and the test fails.
const WATCHDOG_S: u32 = 30;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The C library's fork, with all its hooks.
    Fork,
    /// The bare system call, which no hook notices.
    RawClone,
}

fn make(kind: Kind) -> libc::pid_t {
    // SAFETY: the child runs only the library, whose point it is to bear
    // this, or becomes another program at once.
    unsafe {
        match kind {
            Kind::Fork => libc::fork(),
            Kind::RawClone => {
                libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t
            }
        }
    }
}

/// A process that is running.
pub struct Child(Pid);

impl Child {
    pub fn pid(&self) -> Pid {
        self.0
    }

    pub fn wait(self) -> WaitStatus {
        waitpid(self.0, None).unwrap()
    }

    /// Leaves it to whoever looks after orphans.
    pub fn orphan(self) {}
}

/// Starts `child` in a process of its own; it exits with 0 if that returns true.
pub fn start(kind: Kind, child: impl FnOnce() -> bool) -> Child {
    match make(kind) {
        0 => {
            // SAFETY: only sets a timer.
            unsafe { libc::alarm(WATCHDOG_S) };
            let fine = child();
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!fine)) }
        }
        pid => Child(Pid::from_raw(pid)),
    }
}

/// Runs `child` in a process of its own, and fails unless it returns true in time.
pub fn in_child(kind: Kind, child: impl FnOnce() -> bool) {
    let status = start(kind, child).wait();
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{kind:?}: {status:?}");
}

/// Forks and becomes `true`, as a host's `system` does.
pub fn exec_true() {
    let arguments = [c"true".as_ptr(), std::ptr::null()];
    match make(Kind::Fork) {
        0 => {
            // SAFETY: constant, NUL-terminated arguments; on failure the child ends.
            unsafe {
                libc::execvp(arguments[0], arguments.as_ptr());
                libc::_exit(1)
            }
        }
        pid => expect_exit(pid, Kind::Fork),
    }
}

fn expect_exit(pid: libc::pid_t, kind: Kind) {
    let status = waitpid(Pid::from_raw(pid), None).unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{kind:?}: {status:?}");
}
