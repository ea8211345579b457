//! Any sampling rate of AAC to 48 kHz, and the small stretch that follows a drifting clock.
//!
//! Both stages are rubato's. [`Resampler`] is its FFT resampler (a linear-phase filter, 0.1 % of a core); its delay is
//! cut off the front, so that output sample 0 *is* input sample 0. [`Stretch`] is its `Slip`: it drops or doubles
//! single samples behind a 128-sample cross-fade. A second true resampler for the drift would cost three times as
//! much, delay the sound by itself and roll off its top for ever, for corrections of a few samples a second that no
//! listener can tell from none; and where there is no drift, `Slip` passes the samples through bit for bit.

use media::Rate;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Adjustable, Fft, FixedAsync, FixedSync, Resampler as _, Resizable, Slip};

use crate::{CodecError, Error};

/// The sampling rates of ISO/IEC 14496-3 Table 1.18, in Hz.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Blocks of the FFT resampler in a second: 6 ms, of which half is its delay. Shorter blocks filter less steeply.
const BLOCKS_PER_SECOND: u32 = 160;

/// Samples that [`Stretch`] takes at a time.
const STRETCH_BLOCK: usize = 1_024;

/// Fewer samples than these pass unstretched: there is no room for a cross-fade.
const STRETCH_LEAST: usize = 32;

const LIBRARY: &str = "rubato";

/// Interleaved PCM of one rate to 48 kHz, without delay on the timeline.
pub(crate) struct Resampler {
    from: u32,
    channels: usize,
    engine: Option<Engine>,
    /// Samples taken and made.
    taken: u64,
    made: u64,
}

struct Engine {
    fft: Fft<f32>,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    block: Vec<f32>,
    /// Samples of the filter's delay still to be cut off.
    skip: usize,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("from", &self.from)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// From `rate` to 48 kHz.
    pub(crate) fn new(rate: Rate, channels: u8) -> Result<Self, Error> {
        let (from, channels) = (rate.hz(), usize::from(channels));
        if !RATES.contains(&from) {
            return Err(Error::Rate(from));
        }
        let engine = if rate == Rate::OPUS { None } else { Some(Engine::new(from, channels)?) };
        Ok(Self { from, channels, engine, taken: 0, made: 0 })
    }

    /// Takes `input` and appends what is complete to `output`.
    pub(crate) fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        self.taken += (input.len() / self.channels) as u64;
        let before = output.len();
        match &mut self.engine {
            None => output.extend_from_slice(input),
            Some(engine) => engine.push(input, self.channels, output),
        }
        self.made += ((output.len() - before) / self.channels) as u64;
    }

    /// Ends the signal: appends what is still inside, so that `taken` input samples have become `taken · 48,000 / rate`.
    pub(crate) fn finish(mut self, output: &mut Vec<f32>) {
        let Some(mut engine) = self.engine.take() else { return };
        let due = usize::try_from(self.due() - self.made).unwrap_or(0);
        let end = output.len() + due * self.channels;
        let silence = vec![0.0; engine.fft.input_frames_next() * self.channels];
        // Delay and a part of a block are inside: two blocks of silence push them out.
        while output.len() < end {
            engine.push(&silence, self.channels, output);
        }
        output.truncate(end);
    }

    /// Output samples that the input amounts to; never less than what has been made.
    fn due(&self) -> u64 {
        (self.taken * u64::from(Rate::OPUS.hz()) / u64::from(self.from)).max(self.made)
    }
}

impl Engine {
    fn new(from: u32, channels: usize) -> Result<Self, CodecError> {
        let block = (from / BLOCKS_PER_SECOND) as usize;
        let fft = Fft::new(from as usize, Rate::OPUS.hz() as usize, block, channels, FixedSync::Both)
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        // The middle of the filter. rubato's `output_delay` rounds up where the block has an odd length (22,050 Hz: 147).
        let middle = fft.input_frames_next() / 2;
        let delay = (middle as f64 * f64::from(Rate::OPUS.hz()) / f64::from(from)).round();
        let skip = delay as usize * channels;
        let block = vec![0.0; fft.output_frames_max() * channels];
        Ok(Self { fft, pending: Vec::new(), block, skip })
    }

    fn push(&mut self, input: &[f32], channels: usize, output: &mut Vec<f32>) {
        self.pending.extend_from_slice(input);
        let size = self.fft.input_frames_next();
        let blocks = self.pending.len() / (size * channels);
        for chunk in self.pending.chunks_exact(size * channels) {
            let made = process(&mut self.fft, chunk, &mut self.block, channels);
            let skipped = self.skip.min(made);
            self.skip -= skipped;
            output.extend_from_slice(&self.block[skipped..made]);
        }
        self.pending.drain(..blocks * size * channels);
    }
}

/// Runs one block and returns the values made.
fn process(
    engine: &mut dyn rubato::Resampler<f32>,
    input: &[f32],
    output: &mut [f32],
    channels: usize,
) -> usize {
    let (taken, room) = (input.len() / channels, output.len() / channels);
    let input =
        InterleavedSlice::new(input, channels, taken).expect("the slice was measured by its channels");
    let mut output =
        InterleavedSlice::new_mut(output, channels, room).expect("the slice was measured by its channels");
    let (_, made) = engine
        .process_into_buffer(&input, &mut output, None)
        .expect("the block has the size that the resampler asked for");
    made * channels
}

/// 48 kHz PCM made a little longer or shorter.
pub(crate) struct Stretch {
    slip: Slip<f32>,
    channels: usize,
    block: Vec<f32>,
}

impl std::fmt::Debug for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stretch").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Stretch {
    pub(crate) fn new(channels: u8) -> Result<Self, CodecError> {
        let channels = usize::from(channels);
        let slip = Slip::new(STRETCH_BLOCK, channels, FixedAsync::Input)
            .map_err(|error| CodecError::setup(LIBRARY, error))?;
        let block = vec![0.0; slip.output_frames_max() * channels];
        Ok(Self { slip, channels, block })
    }

    /// Appends `input`, stretched by the factor `1 + by` in the long run, to `output`; returns the samples that were
    /// added, or, if negative, taken away.
    pub(crate) fn push(&mut self, input: &[f32], by: f64, output: &mut Vec<f32>) -> i64 {
        let before = output.len();
        for chunk in input.chunks(STRETCH_BLOCK * self.channels) {
            let samples = chunk.len() / self.channels;
            if by == 0.0 || samples < STRETCH_LEAST || self.slip.set_chunk_size(samples).is_err() {
                output.extend_from_slice(chunk);
                continue;
            }
            // Out of the block's range it is clamped, which is the best that the block can do.
            let _ = self.slip.set_resample_ratio(1.0 + by, false);
            let made = process(&mut self.slip, chunk, &mut self.block, self.channels);
            output.extend_from_slice(&self.block[..made]);
        }
        ((output.len() - before) as i64 - input.len() as i64) / self.channels as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, samples: usize, channels: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * 440.0 / rate as f32;
        (0..samples * channels).map(|at| (step * (at / channels) as f32).sin() * 0.5).collect()
    }

    #[test]
    fn every_aac_rate_gets_its_samples_in_time_and_in_place() {
        for from in RATES {
            let input = tone(from, from as usize, 1);
            let mut resampler = Resampler::new(Rate::new(from).unwrap(), 1).unwrap();
            let mut output = Vec::new();
            for chunk in input.chunks(1_024) {
                resampler.push(chunk, &mut output);
                let behind = resampler.due() - resampler.made;
                assert!(behind <= 1_300, "{from} Hz: {behind} samples inside");
            }
            resampler.finish(&mut output);
            assert_eq!(output.len(), 48_000, "{from} Hz");
            let expected = tone(48_000, 48_000, 1);
            let worst = output[960..47_040].iter().zip(&expected[960..47_040]).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 0.03, "{from} Hz is displaced by more than a sample: {worst}");
        }
    }

    #[test]
    fn other_rates_are_refused() {
        assert!(matches!(Resampler::new(Rate::new(44_101).unwrap(), 1), Err(Error::Rate(44_101))));
    }

    #[test]
    fn stretch_changes_the_count_as_told_and_clicks_nowhere() {
        for by in [0.005, -0.005, 0.0001, -0.0001] {
            let input = tone(48_000, 480_000, 2);
            let (mut output, mut added) = (Vec::new(), 0);
            let mut stretch = Stretch::new(2).unwrap();
            for chunk in input.chunks(960 * 2) {
                added += stretch.push(chunk, by, &mut output);
            }
            assert!((added as f64 - 480_000.0 * by).abs() <= 1.0, "{by}: {added}");
            assert_eq!(output.len() as i64, (480_000 + added) * 2);
            let steepest =
                output.chunks_exact(2).zip(output.chunks_exact(2).skip(1)).map(|(a, b)| (a[0] - b[0]).abs());
            assert!(steepest.fold(0.0, f32::max) < 0.5 * std::f32::consts::TAU * 440.0 / 48_000.0 * 1.1);
        }
    }

    #[test]
    fn without_drift_the_samples_pass_untouched() {
        let input = tone(48_000, 5_760, 1);
        let mut output = Vec::new();
        assert_eq!(Stretch::new(1).unwrap().push(&input, 0.0, &mut output), 0);
        assert_eq!(input, output);
    }
}
