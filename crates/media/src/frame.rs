//! One frame of one track.

use bytes::Bytes;

use crate::{Timestamp, TrackId};

/// One frame of one track, in the canonical form that the crate's documentation lists by codec.
///
/// `pts` and `dts` are on the stream's timeline, the same origin for every track. For audio they are equal. Within a
/// track `dts` strictly increases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The track that this frame belongs to.
    pub track: TrackId,
    /// When to show or play it.
    pub pts: Timestamp,
    /// When to decode it; before `pts` only where the encoder reorders pictures.
    pub dts: Timestamp,
    /// Decodable alone: an IDR picture (H.264 §7.4.1.2.4), every audio frame.
    pub random_access: bool,
    /// The canonical bytes; never empty.
    pub payload: Bytes,
}
