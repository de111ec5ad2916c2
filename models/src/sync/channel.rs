//! Channels with the behaviour of crossbeam's, as far as the library uses them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use crossbeam_channel::{RecvTimeoutError, SendError, TryRecvError, TrySendError};

use super::checker::{Condvar, Mutex, MutexGuard, thread};
use super::world;

pub(crate) struct Sender<T>(Arc<Pipe<T>>);

pub(crate) struct Receiver<T>(Arc<Pipe<T>>);

struct Pipe<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    messages: VecDeque<T>,
    room: usize,
    has_sender: bool,
    has_receiver: bool,
}

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

pub(crate) fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let messages = VecDeque::new();
    let state = State { messages, room, has_sender: true, has_receiver: true };
    let pipe = Arc::new(Pipe { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::clone(&pipe)), Receiver(pipe))
}

impl<T> Pipe<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("nobody panics with this lock")
    }
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.try_send(message).map_err(|e| SendError(e.into_inner()))
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut state = self.0.lock();
        if !state.has_receiver {
            return Err(TrySendError::Disconnected(message));
        }
        if state.messages.len() == state.room {
            return Err(TrySendError::Full(message));
        }
        state.messages.push_back(message);
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().has_sender = false;
        self.0.changed.notify_all();
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.0.lock();
        match state.messages.pop_front() {
            Some(message) => Ok(message),
            None if state.has_sender => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Disconnected),
        }
    }

    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let is_patient = !timeout.is_zero() && !world::time_passes();
        if !is_patient {
            thread::yield_now(); // for as long as the checker likes
        }
        let mut state = self.0.lock();
        loop {
            match state.messages.pop_front() {
                Some(message) => return Ok(message),
                None if !state.has_sender => return Err(RecvTimeoutError::Disconnected),
                None if !is_patient => return Err(RecvTimeoutError::Timeout),
                None => state = self.0.changed.wait(state).expect("as in `lock`"),
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_receiver = false;
        // Whoever waits for an answer to one of these waits in vain; but not
        // under the lock, as their destructors take locks of their own.
        let unread = std::mem::take(&mut state.messages);
        drop(state);
        drop(unread);
    }
}
