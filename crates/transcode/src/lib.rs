//! Sound from one codec to another: Opus to AAC-LC for RTMP, FLV and HLS readers, AAC to Opus for WebRTC readers, and
//! G.711, which cameras send, to either.
//!
//! ```text
//! Frame -> clock (gap? late? jump?) -> decoder -> mix -> resample to 48 kHz -> stretch -> encoder -> Frame
//!            pipeline/clock             codec/     mix     resample            resample    codec/     pipeline/sink
//! ```
//!
//! [`Pipeline`] is the whole way; it has no clock, no thread and no IO. What it promises:
//!
//! - Its output's [`media::TrackInfo`] is known before the first frame: AAC-LC at 48 kHz or Opus.
//! - Output timestamps are an anchor plus a count of samples, corrected for the delays of decoder, resampler and
//!   encoder: a click at time *t* of the input is at *t* ± 3 ms of the output.
//! - The count stays equal to the time: lost packets are recovered, concealed or silent; pauses are silent; a drifting
//!   clock is followed by at most ±0.5 %; only beyond 200 ms is the timeline cut, and the caller told ([`Reanchor`]).
//! - Bytes from outside never make it fail or grow: a packet that does not decode is concealed and counted.
//!
//! Features: `native` (default) takes libopus, symphonia and FDK AAC, `pure-rust` takes `opus-pure` and `syom`; see
//! [`codec`] and docs/adr/0003, where the measured cost and delay stand.
#![deny(unsafe_code)]

pub mod codec;
mod error;
mod mix;
mod pipeline;
mod resample;

pub use error::{CodecError, Error};
pub use pipeline::{Pipeline, Reanchor, Stats, Target};

#[cfg(not(any(feature = "native", feature = "pure-rust")))]
compile_error!("`transcode` needs a codec backend: feature `native` or `pure-rust`");
