//! The hub's renditions, made by `transcode`.

use hub::{Transform, TransformError, TransformFactory};
use media::{Codec, Frame, Timestamp, TrackId, TrackInfo};
use transcode::{Pipeline, Target};

/// Which sound becomes which, and how good.
#[derive(Clone, Copy, Debug)]
pub struct Renditions {
    /// Bits a second of AAC; `None`: 64,000 for one channel, 96,000 for two.
    pub aac_bitrate: Option<u32>,
    /// Bits a second of Opus; `None`: as for AAC.
    pub opus_bitrate: Option<u32>,
    /// Channels of AAC that is made from Opus, 1 or 2: what is sent as Opus always declares two.
    pub aac_channels: u8,
}

impl TransformFactory for Renditions {
    fn supports(&self, from: Codec, to: Codec) -> bool {
        matches!(
            (from, to),
            (Codec::Opus | Codec::G711, Codec::Aac) | (Codec::Aac | Codec::G711, Codec::Opus)
        )
    }

    fn create(
        &self,
        input: &TrackInfo,
        to: Codec,
        id: TrackId,
    ) -> Result<Box<dyn Transform>, TransformError> {
        let channels = (input.codec() == Codec::Opus).then_some(self.aac_channels);
        let bitrate = if to == Codec::Aac { self.aac_bitrate } else { self.opus_bitrate };
        let target = Target { codec: to, channels, bitrate };
        match Pipeline::new(input, target, id) {
            Ok(pipeline) => Ok(Box::new(Rendition { pipeline, from: input.codec(), to })),
            Err(error) => Err(TransformError { from: input.codec(), to, reason: error.to_string() }),
        }
    }
}

struct Rendition {
    pipeline: Pipeline,
    from: Codec,
    to: Codec,
}

impl Transform for Rendition {
    fn output(&self) -> TrackInfo {
        self.pipeline.output().clone()
    }

    fn reconfigure(&mut self, input: &TrackInfo) -> Result<(), TransformError> {
        let reason = |error: transcode::Error| error.to_string();
        self.pipeline.reconfigure(input).map_err(|error| TransformError {
            from: self.from,
            to: self.to,
            reason: reason(error),
        })
    }

    fn push(&mut self, frame: &Frame, out: &mut Vec<Frame>) {
        // A cut of the timeline was made by the hub's clock before, for all tracks alike; there is nothing to move.
        let _ = self.pipeline.push(frame, out);
    }

    fn silence_until(&mut self, until: Timestamp, out: &mut Vec<Frame>) {
        let _ = self.pipeline.silence_until(until, out);
    }
}
