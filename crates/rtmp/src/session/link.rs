//! What both sessions do with protocol control: acknowledgements, pings, places of errors.

use super::sender::Sender;
use crate::chunk::{Limits, Reader};
use crate::message::{Command, Media, Message, UserControl};
use crate::{Error, Order, handshake};

/// Acknowledge after this many bytes where the other side names no window: what Flash Media Server announces.
pub(super) const DEFAULT_WINDOW: u32 = 2_500_000;

/// Both halves of a connection behind the handshake.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sender: Sender,
    reader: Reader,
    /// Bytes of the connection, and those up to the end of the handshake.
    received: u64,
    handshake: u64,
    acknowledged: u64,
    /// The other side wants an acknowledgement at least this often.
    window: u64,
    /// What we have announced as ours.
    announced_window: u32,
}

/// What control leaves over.
pub(super) enum Incoming {
    Media(Vec<Media>),
    Command(Command),
    UserControl(UserControl),
}

impl Link {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            sender: Sender::new(),
            reader: Reader::new(limits),
            received: 0,
            handshake: 0,
            acknowledged: 0,
            window: u64::from(DEFAULT_WINDOW),
            announced_window: 0,
        }
    }

    pub(super) const fn set_limits(&mut self, limits: Limits) {
        self.reader.set_limits(limits);
    }

    /// Counts input before it is looked at.
    pub(super) const fn count(&mut self, len: usize) {
        self.received += len as u64;
    }

    /// The handshake ended `left` bytes before the end of the input.
    pub(super) const fn start_chunks(&mut self, left: usize) {
        self.handshake = self.received - left as u64;
    }

    /// The next message that is not for this layer.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Error> {
        while let Some(message) = self.reader.read(input).map_err(|source| self.chunk_error(source))? {
            let (chunk_stream, kind) = (message.header.chunk_stream, message.header.kind);
            let at = self.position();
            let message = Message::parse(message).map_err(|source| Error::Message {
                at,
                chunk_stream,
                kind,
                source,
            })?;
            match message {
                Message::Media(media) => return Ok(Some(Incoming::Media(media))),
                Message::Command(command) => return Ok(Some(Incoming::Command(command))),
                Message::UserControl(UserControl::PingRequest(number)) => {
                    self.sender.user_control(UserControl::PingResponse(number));
                }
                Message::UserControl(event) => return Ok(Some(Incoming::UserControl(event))),
                // A window of 0 would ask for endless acknowledgements.
                Message::WindowAckSize(size) => self.window = u64::from(size.max(1)),
                // §5.4.5: answer with the window if it is another than the one announced last. The limit itself would
                // throttle media for the sake of acknowledgements, which no live server does: TCP has its own.
                Message::SetPeerBandwidth { size, .. } => {
                    if size != self.announced_window {
                        self.announce_window(size);
                    }
                }
                // Acknowledgements need no answer; nothing is held back for them, see above.
                Message::Acknowledgement(_) | Message::Ignored(_) => {}
            }
        }
        Ok(None)
    }

    pub(super) fn announce_window(&mut self, size: u32) {
        self.announced_window = size;
        self.sender.window_ack_size(size);
    }

    /// Sends at most one acknowledgement, whatever came: a tiny window cannot multiply the traffic.
    pub(super) fn acknowledge(&mut self) {
        if self.received - self.acknowledged >= self.window {
            self.acknowledged = self.received;
            self.sender.acknowledgement(self.received);
        }
    }

    pub(super) const fn handshake_error(&self, source: handshake::Error) -> Error {
        Error::Handshake { at: self.received, source }
    }

    pub(super) const fn order_error(&self, order: Order) -> Error {
        Error::Order { at: self.position(), order }
    }

    const fn chunk_error(&self, source: crate::chunk::Error) -> Error {
        Error::Chunk { at: self.position(), chunk_stream: self.reader.chunk_stream(), source }
    }

    const fn position(&self) -> u64 {
        self.handshake + self.reader.position()
    }
}
