//! The plain text of a body under construction: no longer than it may be, and
//! no more memory than there is.

use std::io::{self, Write};

use super::gate::Held;

/// What is reserved with the first byte; a promise of more is not believed.
const FIRST: usize = 4 * 1024;

/// A body so far.
pub(super) struct Plain {
    bytes: Vec<u8>,
    pub(super) most: usize,
    held: Held,
    /// Why nothing more could be written.
    pub(super) fault: Option<Fault>,
}

/// Why nothing more can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is as long as it may be.
    TooLarge,
    /// There is no memory for bodies left.
    NoRoom,
}

impl Plain {
    /// An empty one, of at most so many bytes.
    pub(super) fn new(most: usize, held: Held) -> Self {
        Plain { bytes: Vec::new(), most, held, fault: None }
    }

    /// What came, with its memory; nothing is left.
    pub(super) fn take(&mut self) -> (Vec<u8>, Held) {
        (std::mem::take(&mut self.bytes), self.held.take_all())
    }

    fn fail(&mut self, fault: Fault) -> io::Result<usize> {
        self.fault = Some(fault);
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl Write for Plain {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() + piece.len();
        if length > self.most {
            return self.fail(Fault::TooLarge);
        }
        if !self.held.take(piece.len()) {
            return self.fail(Fault::NoRoom);
        }
        if length > self.bytes.capacity() {
            // Four times as much each time, but never above what can come.
            let next = (4 * self.bytes.capacity()).max(FIRST).min(self.most).max(length);
            self.bytes.reserve_exact(next - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Gate;
    use crate::limits::Limits;

    fn gate(bodies_bytes: usize) -> Gate {
        Gate::new(&Limits { bodies_bytes, ..Limits::default() })
    }

    #[test]
    fn it_ends_with_the_first_byte_too_many_and_holds_no_more_than_it_may() {
        let mut plain = Plain::new(100_000, gate(1 << 20).hold());
        for _ in 0..100 {
            plain.write_all(&[0; 1_000]).unwrap();
            assert!(plain.bytes.capacity() <= 100_000);
        }
        assert!(plain.write_all(&[0]).is_err());
        assert_eq!((plain.fault, plain.bytes.len()), (Some(Fault::TooLarge), 100_000));
    }

    #[test]
    fn all_bodies_share_one_room_and_give_it_back() {
        let gate = gate(1_000);
        let mut first = Plain::new(1_000, gate.hold());
        let mut second = Plain::new(1_000, gate.hold());
        first.write_all(&[0; 600]).unwrap();
        assert!(second.write_all(&[0; 401]).is_err());
        assert_eq!(second.fault, Some(Fault::NoRoom));
        assert!(!gate.hold().has_room(401) && gate.hold().has_room(400));
        drop(first.take());
        assert!(gate.hold().has_room(1_000));
    }
}
