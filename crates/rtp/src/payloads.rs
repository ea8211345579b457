//! The RTP payloads of one frame.

use std::sync::Arc;

use bytes::Bytes;

/// The RTP payloads of one frame, in sending order; the last one carries the marker bit (RFC 6184 §5.1).
///
/// They are the same for every reader of a stream, so they are made once and shared: a clone copies one pointer. Each
/// payload is an `Arc<[u8]>` of its own because that is what str0m keeps for retransmission; with it a packet that
/// waits in two hundred retransmission caches is in memory once. [`Self::shared`] gives the same bytes as [`Bytes`], for
/// sockets that take a list of buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payloads(Arc<[Payload]>);

#[derive(Debug, PartialEq, Eq)]
struct Payload {
    bytes: Arc<[u8]>,
    /// A view of `bytes`, made here once because it costs an allocation.
    shared: Bytes,
}

impl From<Arc<[u8]>> for Payload {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self { shared: Bytes::from_owner(Arc::clone(&bytes)), bytes }
    }
}

impl Payloads {
    /// One payload: every Opus packet.
    pub fn one(payload: &[u8]) -> Self {
        Self(Arc::new([Payload::from(Arc::from(payload))]))
    }

    /// The payloads, in sending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<[u8]>> {
        self.0.iter().map(|payload| &payload.bytes)
    }

    /// The payloads, in sending order; a clone of one copies no bytes.
    pub fn shared(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.0.iter().map(|payload| &payload.shared)
    }

    /// How many packets the frame takes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the frame holds nothing to send.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The payload bytes of all packets together.
    pub fn bytes(&self) -> usize {
        self.iter().map(|payload| payload.len()).sum()
    }
}

impl From<Vec<Arc<[u8]>>> for Payloads {
    fn from(payloads: Vec<Arc<[u8]>>) -> Self {
        Self(payloads.into_iter().map(Payload::from).collect())
    }
}
