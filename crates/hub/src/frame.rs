//! A frame as every reader of a stream shares it, and as one of them gets it.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use media::{Frame, Timestamp, TrackInfo};
use parking_lot::Mutex;

type WireForms = Vec<(TypeId, Arc<dyn Any + Send + Sync>)>;

/// One frame in a stream's log: stamped with the stream's time, bound to the parameters that decode it, shared by all
/// readers, and carrying the wire forms that readers made of it.
pub struct StreamFrame {
    frame: Frame,
    track: Arc<TrackInfo>,
    arrived: Instant,
    wire_forms: Mutex<WireForms>,
}

impl StreamFrame {
    pub(crate) fn new(frame: Frame, track: Arc<TrackInfo>, arrived: Instant) -> Self {
        Self { frame, track, arrived, wire_forms: Mutex::new(Vec::new()) }
    }

    /// The frame, on the stream's timeline.
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The track's parameters at this frame.
    pub const fn track(&self) -> &Arc<TrackInfo> {
        &self.track
    }

    /// When the hub took the frame.
    pub const fn arrived(&self) -> Instant {
        self.arrived
    }

    /// The bytes of this frame in some protocol, built by the first reader that asks and shared by the others: RTMP
    /// chunks, RTP payloads. A wire form is named by its type `W`, so that the hub need not know protocols.
    pub fn wire_form<W: Any + Send + Sync>(&self, build: impl FnOnce(&Frame, &TrackInfo) -> W) -> Arc<W> {
        let mut forms = self.wire_forms.lock();
        let existing = forms.iter().find(|(id, _)| *id == TypeId::of::<W>());
        if let Some(form) = existing.and_then(|(_, form)| Arc::clone(form).downcast::<W>().ok()) {
            return form;
        }
        let form = Arc::new(build(&self.frame, &self.track));
        forms.push((TypeId::of::<W>(), Arc::clone(&form) as Arc<dyn Any + Send + Sync>));
        form
    }
}

impl fmt::Debug for StreamFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFrame").field("frame", &self.frame).finish_non_exhaustive()
    }
}

/// A frame as one reader gets it.
#[derive(Clone, Debug)]
pub struct LiveFrame {
    frame: Arc<StreamFrame>,
    squeezed: Option<(Timestamp, Timestamp)>,
}

impl LiveFrame {
    /// With the (pts, dts) of one reader, or with the stream's own.
    pub(crate) const fn new(frame: Arc<StreamFrame>, squeezed: Option<(Timestamp, Timestamp)>) -> Self {
        Self { frame, squeezed }
    }

    /// The frame, shared with all other readers, with the stream's own timestamps.
    pub const fn frame(&self) -> &Arc<StreamFrame> {
        &self.frame
    }

    /// When this reader is to show it.
    pub fn pts(&self) -> Timestamp {
        self.squeezed.map_or(self.frame.frame().pts, |(pts, _)| pts)
    }

    /// When this reader is to decode it.
    pub fn dts(&self) -> Timestamp {
        self.squeezed.map_or(self.frame.frame().dts, |(_, dts)| dts)
    }

    /// Whether this reader's timestamps differ from the stream's ([`Join::LiveEdge`](crate::Join::LiveEdge)): shared bytes
    /// that carry timestamps do not fit then.
    pub const fn is_restamped(&self) -> bool {
        self.squeezed.is_some()
    }

    /// A copy of the frame with this reader's timestamps; the payload is shared.
    pub fn to_frame(&self) -> Frame {
        Frame { pts: self.pts(), dts: self.dts(), ..self.frame.frame().clone() }
    }
}
