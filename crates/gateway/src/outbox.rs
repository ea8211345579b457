//! Bytes on their way to one connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use crate::transport::TryWrite;

/// Buffers that one system call takes; the kernel's own limit is 1,024.
const VECTOR: usize = 64;

/// What is to be written, in order; most of it shared with other readers.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffers: VecDeque<Bytes>,
    /// What the transport has taken has not all left.
    held_back: bool,
    /// When bytes last left, while some wait.
    stalled_since: Option<Instant>,
}

impl Outbox {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.buffers.push_back(bytes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffers.is_empty() && !self.held_back
    }

    /// When the other side will have taken no bytes for `patience`; `None` while nothing waits for it.
    pub(crate) fn stalled_at(&self, patience: Duration) -> Option<Instant> {
        self.stalled_since.map(|since| since + patience)
    }

    /// Writes as much as the socket takes now and returns how many bytes that were. Also sends what TLS has to say by
    /// itself, so it is called after each read as well.
    pub(crate) fn write(&mut self, transport: &mut impl TryWrite) -> io::Result<usize> {
        let written = self.write_all_it_takes(transport)?;
        let (flushed, all) = transport.try_flush()?;
        self.held_back = !all;
        self.stalled_since = match self.stalled_since {
            _ if self.is_empty() => None,
            Some(since) if written + flushed == 0 => Some(since),
            _ => Some(Instant::now()),
        };
        Ok(written)
    }

    fn write_all_it_takes(&mut self, transport: &mut impl TryWrite) -> io::Result<usize> {
        let mut written = 0;
        while !self.buffers.is_empty() {
            match self.write_once(transport) {
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

    /// One system call. For a single buffer `send` costs the kernel less than `writev`.
    fn write_once(&self, transport: &mut impl TryWrite) -> io::Result<usize> {
        if let (Some(only), 1) = (self.buffers.front(), self.buffers.len()) {
            return transport.try_write(only);
        }
        let mut slices = [IoSlice::new(&[]); VECTOR];
        let count =
            slices.iter_mut().zip(&self.buffers).map(|(slice, bytes)| *slice = IoSlice::new(bytes)).count();
        transport.try_write_vectored(&slices[..count])
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

impl Extend<Bytes> for Outbox {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, bytes: I) {
        bytes.into_iter().for_each(|bytes| self.push(bytes));
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
