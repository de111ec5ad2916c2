//! How slow a client may be. A connection on which the client owes something
//! is closed when that is overdue, be it sent a byte at a time; while the
//! tracker owes the answer, `total_timeout_ms` holds instead (`gate`).
//!
//! ```text
//! accepted --> head owed --(whole head)--> work --(answer ready)--> kept
//!                  ^    within head_timeout                          | within idle_timeout:
//!                  \------------------(first byte)-------------------/ reading, and the next one
//! ```

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::limits::Limits;

/// Whose turn it is on one connection. Shared by its socket and its requests,
/// which are polled by one task: nobody waits for the lock.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    turn: Mutex<Turn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The client sends a head, until then.
    Head(Instant),
    /// The tracker works.
    Work,
    /// The client reads the answer or says nothing, until then.
    Kept(Instant),
}

impl Pace {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let turn = Mutex::new(Turn::Head(Instant::now() + limits.head_timeout()));
        Arc::new(Pace { limits, turn })
    }

    /// The head is here.
    pub(super) fn asked(&self) {
        self.change(|_| Turn::Work);
    }

    /// The answer is ready.
    pub(super) fn answered(&self) {
        self.change(|_| self.kept());
    }

    fn kept(&self) -> Turn {
        Turn::Kept(Instant::now() + self.limits.idle_timeout())
    }

    fn read(&self) {
        self.change(|turn| match turn {
            Turn::Kept(_) => Turn::Head(Instant::now() + self.limits.head_timeout()),
            turn => turn,
        });
    }

    /// An answer that goes on, a little now and then, is one that is read.
    fn written(&self) {
        self.change(|turn| match turn {
            Turn::Kept(_) => self.kept(),
            turn => turn,
        });
    }

    fn change(&self, next: impl FnOnce(Turn) -> Turn) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn = next(*turn);
    }

    fn turn(&self) -> Turn {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ready when the client is overdue, with what it owed. To be polled after the
/// connection's own future, by the same task: whatever moves a deadline happens
/// in there, so that nobody has to be woken for it.
pub(super) fn poll_overdue(
    pace: &Pace,
    mut alarm: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Turn> {
    let turn = pace.turn();
    let (Turn::Head(until) | Turn::Kept(until)) = turn else { return Poll::Pending };
    if alarm.deadline() != until {
        alarm.as_mut().reset(until);
    }
    alarm.poll(cx).map(|()| turn)
}

/// A connection's socket, which tells its pace of each byte.
pub(super) struct Paced {
    stream: TcpStream,
    pace: Arc<Pace>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, pace: Arc<Pace>) -> Self {
        Paced { stream, pace }
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.pace.written();
        }
        polled
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.read();
        }
        polled
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
