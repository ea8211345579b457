//! Bytes on their way to one connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

/// Buffers that one system call takes; the kernel's own limit is 1,024.
const VECTOR: usize = 64;

/// What is to be written, in order; most of it shared with other readers.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    buffers: VecDeque<Bytes>,
}

impl Outbox {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.buffers.push_back(bytes);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Writes as much as the socket takes now and returns how many bytes that were.
    pub(super) fn write(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut written = 0;
        while !self.buffers.is_empty() {
            match self.write_once(stream) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    written += taken;
                    self.advance(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// One system call. A live reader has one frame waiting, for which `send` costs the kernel less than `writev`.
    fn write_once(&self, stream: &TcpStream) -> io::Result<usize> {
        if let (Some(only), 1) = (self.buffers.front(), self.buffers.len()) {
            return stream.try_write(only);
        }
        let mut slices = [IoSlice::new(&[]); VECTOR];
        let count =
            slices.iter_mut().zip(&self.buffers).map(|(slice, bytes)| *slice = IoSlice::new(bytes)).count();
        stream.try_write_vectored(&slices[..count])
    }

    fn advance(&mut self, mut taken: usize) {
        while let Some(front) = self.buffers.front_mut() {
            if taken < front.len() {
                front.advance(taken);
                return;
            }
            taken -= front.len();
            self.buffers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_written_again() {
        let mut outbox = Outbox::default();
        for bytes in ["abc", "", "de", "f"] {
            outbox.push(Bytes::from(bytes));
        }
        outbox.advance(4);
        assert_eq!(outbox.buffers, ["e", "f"]);
        outbox.advance(2);
        assert!(outbox.is_empty());
    }
}
