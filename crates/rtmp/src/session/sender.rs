//! The outgoing half that both sessions share: control messages, commands and data, always with format-0 headers.

use crate::amf0::{self, Value};
use crate::chunk::{self, Header, put_message};
use crate::message::{MediaKind, UserControl, kind, write_command};
use crate::wire;
use bytes::{BufMut, Bytes, BytesMut};

/// §5.4: protocol control goes on chunk stream 2 and message stream 0.
const CONTROL_CHUNK_STREAM: u32 = 2;
const COMMAND_CHUNK_STREAM: u32 = 3;

/// Collects outgoing bytes.
#[derive(Debug)]
pub(super) struct Sender {
    out: BytesMut,
    chunk_size: usize,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self { out: BytesMut::new(), chunk_size: chunk::DEFAULT_SIZE }
    }

    /// What has been collected, if anything.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        // The buffer goes with the bytes: a session that says little keeps no memory for it.
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out).freeze())
    }

    /// The raw buffer, for the handshake and for media with compressed headers.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    pub(super) const fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    pub(super) fn set_chunk_size(&mut self, size: usize) {
        self.chunk_size = size.clamp(1, chunk::MAX_SIZE);
        self.number(kind::SET_CHUNK_SIZE, self.chunk_size as u32);
    }

    pub(super) fn window_ack_size(&mut self, size: u32) {
        self.number(kind::WINDOW_ACK_SIZE, size);
    }

    pub(super) fn acknowledgement(&mut self, received: u64) {
        // §5.4.3: the sequence number wraps.
        self.number(kind::ACKNOWLEDGEMENT, received as u32);
    }

    /// §5.4.5, limit type "dynamic", as Flash Media Server sends it.
    pub(super) fn peer_bandwidth(&mut self, size: u32) {
        let mut body = BytesMut::with_capacity(5);
        body.put_u32(size);
        body.put_u8(2);
        self.control(kind::SET_PEER_BANDWIDTH, &body);
    }

    pub(super) fn user_control(&mut self, event: UserControl) {
        self.control(kind::USER_CONTROL, &event.write());
    }

    pub(super) fn command(&mut self, stream: u32, name: &str, transaction: f64, arguments: &[Value]) {
        let header = Header { chunk_stream: COMMAND_CHUNK_STREAM, kind: kind::COMMAND, stream, timestamp: 0 };
        put_message(&mut self.out, self.chunk_size, &header, write_command(name, transaction, arguments));
    }

    /// A data message with the name of its handler.
    pub(super) fn data(&mut self, name: &str, values: &[Value]) {
        let mut body = BytesMut::new();
        amf0::write_string(&mut body, name);
        values.iter().for_each(|value| amf0::write(&mut body, value));
        put_message(&mut self.out, self.chunk_size, &wire::header(MediaKind::Data, 0), body);
    }

    fn number(&mut self, kind: u8, number: u32) {
        self.control(kind, &number.to_be_bytes());
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        let header = Header { chunk_stream: CONTROL_CHUNK_STREAM, kind, stream: 0, timestamp: 0 };
        put_message(&mut self.out, self.chunk_size, &header, body);
    }
}
