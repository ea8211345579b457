//! A frame as every reader of a stream shares it.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use media::{Frame, TrackInfo};
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
