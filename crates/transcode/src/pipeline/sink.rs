//! The end of a pipeline: 48 kHz PCM to frames, stamped by the count of samples.

use media::{Frame, Rate, Timestamp, TrackId};

use super::Stats;
use crate::codec::Encoder;

/// Collects PCM until a frame is complete.
#[derive(Debug)]
pub(super) struct Sink {
    track: TrackId,
    encoder: Box<dyn Encoder>,
    channels: usize,
    /// Values of one frame.
    frame: usize,
    pub(super) fifo: Vec<f32>,
    /// When the first sample since the last restart is, in ticks of 48 kHz, and the frames since then.
    base: i64,
    frames: i64,
    /// Frames that end by this time are the encoder's run-up.
    start: i64,
}

impl Sink {
    pub(super) fn new(track: TrackId, encoder: Box<dyn Encoder>, channels: u8) -> Self {
        let channels = usize::from(channels);
        let frame = encoder.samples() * channels;
        Self {
            track,
            encoder,
            channels,
            frame,
            fifo: Vec::with_capacity(2 * frame),
            base: 0,
            frames: 0,
            start: i64::MAX,
        }
    }

    /// The next sample is at `at`; nothing is emitted for the time before the first start, unless time runs back.
    pub(super) fn restart(&mut self, at: i64) {
        self.start = self.start.min(at);
        (self.base, self.frames) = (at, 0);
    }

    /// Encodes every complete frame.
    pub(super) fn encode(&mut self, stats: &mut Stats, out: &mut Vec<Frame>) {
        let complete = self.fifo.len() / self.frame;
        for index in 0..complete {
            let pcm = &self.fifo[index * self.frame..(index + 1) * self.frame];
            let encoded = self.encoder.encode(pcm);
            let samples = self.encoder.samples() as i64;
            let at = self.base + self.frames * samples - self.encoder.delay() as i64;
            self.frames += 1;
            match encoded {
                Err(_) => stats.encoder_failures += 1,
                Ok(payload) if at + samples > self.start => {
                    let pts = Timestamp::new(at, Rate::OPUS);
                    stats.frames_out += 1;
                    out.push(Frame { track: self.track, pts, dts: pts, random_access: true, payload });
                }
                Ok(_run_up) => {}
            }
        }
        self.fifo.drain(..complete * self.frame);
    }

    /// Appends silence up to the end of the frame that is being collected.
    pub(super) fn pad(&mut self) {
        self.fifo.resize(self.fifo.len().next_multiple_of(self.frame), 0.0);
    }

    /// Appends the silence that pushes the last sample out of the encoder.
    pub(super) fn pad_delay(&mut self) {
        self.fifo.resize(self.fifo.len() + self.encoder.delay() * self.channels, 0.0);
        self.pad();
    }
}
