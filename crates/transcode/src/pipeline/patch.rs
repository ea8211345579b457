//! Joins between sound and silence, without clicks.
//!
//! A decoder without concealment stops in the middle of a wave, and one that starts again starts there too: both are
//! clicks. The end is patched with the last milliseconds played backwards (continuous in value) and faded out, the
//! start is faded in. A decoder's own concealment is let run and faded out before it drones: RFC 6716 §4.4 leaves its
//! length open, and past some 100 ms it is noise.

/// Milliseconds of fading out and in at a join.
const FADE_MS: usize = 5;

/// Milliseconds of a decoder's concealment that are heard: in full up to the first, not at all from the second.
const CONCEAL_FULL_MS: usize = 60;
const CONCEAL_MAX_MS: usize = 120;

/// What the output has just been doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    /// Nothing: the start, or after a fade.
    Silence,
    /// The stream, or its concealment since so many samples.
    Sound { concealed: usize },
    /// The stream, and what follows does not continue it: another decoder's output.
    Cut,
}

/// Watches the PCM of one format go by, and joins it.
#[derive(Debug)]
pub(super) struct Patch {
    channels: usize,
    /// Samples in a millisecond, at least 1.
    per_ms: usize,
    heard: Heard,
    /// The last [`FADE_MS`].
    tail: Vec<f32>,
}

impl Patch {
    pub(super) fn new(rate: u32, channels: u8) -> Self {
        let per_ms = (rate as usize / 1_000).max(1);
        Self { channels: usize::from(channels), per_ms, heard: Heard::Silence, tail: Vec::new() }
    }

    /// The same sound goes on from another decoder, with samples of `rate`.
    pub(super) fn continued_at(&self, rate: u32) -> Self {
        let mut next = Self::new(rate, u8::try_from(self.channels).unwrap_or(u8::MAX));
        if self.heard != Heard::Silence {
            let (had, fade) = (self.tail.len() / self.channels, next.fade_samples());
            let nearest = (0..fade).map(|at| at * had / fade * self.channels);
            next.tail =
                nearest.flat_map(|at| self.tail.iter().skip(at).take(self.channels)).copied().collect();
            next.heard = Heard::Cut;
        }
        next
    }

    fn fade_samples(&self) -> usize {
        FADE_MS * self.per_ms
    }

    /// The decoder's sound follows, in place: faded in after silence, cross-faded after a cut.
    pub(super) fn sound(&mut self, pcm: &mut [f32]) {
        if pcm.is_empty() {
            return;
        }
        if matches!(self.heard, Heard::Silence | Heard::Cut) {
            let fade = self.fade_samples();
            for (at, sample) in pcm.chunks_exact_mut(self.channels).take(fade).enumerate() {
                scale(sample, at as f32 / fade as f32);
            }
        }
        if self.heard == Heard::Cut {
            self.add_mirrored(pcm);
        }
        self.heard = Heard::Sound { concealed: 0 };
        self.keep(pcm);
    }

    /// Samples that the decoder may conceal yet before it has to be silent.
    pub(super) fn concealable(&self) -> usize {
        match self.heard {
            Heard::Silence | Heard::Cut => 0,
            Heard::Sound { concealed } => (CONCEAL_MAX_MS * self.per_ms).saturating_sub(concealed),
        }
    }

    /// The decoder's concealment follows, in place: fading once it has lasted.
    pub(super) fn concealed(&mut self, pcm: &mut [f32]) {
        let Heard::Sound { concealed } = self.heard else {
            pcm.fill(0.0);
            return;
        };
        let (full, end) = (CONCEAL_FULL_MS * self.per_ms, CONCEAL_MAX_MS * self.per_ms);
        for (at, sample) in pcm.chunks_exact_mut(self.channels).enumerate() {
            let left = end.saturating_sub(concealed + at) as f32 / (end - full) as f32;
            scale(sample, left.min(1.0));
        }
        let concealed = concealed + pcm.len() / self.channels;
        self.heard = if concealed >= end { Heard::Silence } else { Heard::Sound { concealed } };
        self.keep(pcm);
    }

    /// Appends `samples` of silence, after a fade of what went before.
    pub(super) fn silence(&mut self, samples: usize, pcm: &mut Vec<f32>) {
        let start = pcm.len();
        pcm.resize(start + samples * self.channels, 0.0);
        if self.heard != Heard::Silence {
            self.add_mirrored(&mut pcm[start..]);
        }
        if samples > 0 {
            self.heard = Heard::Silence;
        }
    }

    /// Adds what was heard last, backwards and fading.
    fn add_mirrored(&self, pcm: &mut [f32]) {
        let fade = self.fade_samples() as f32;
        let mirrored = self.tail.rchunks_exact(self.channels);
        for (at, (sample, last)) in pcm.chunks_exact_mut(self.channels).zip(mirrored).enumerate() {
            let gain = (1.0 - (at + 1) as f32 / fade).max(0.0);
            for (value, last) in sample.iter_mut().zip(last) {
                *value += last * gain;
            }
        }
    }

    fn keep(&mut self, pcm: &[f32]) {
        let values = self.fade_samples() * self.channels;
        if pcm.len() >= values {
            self.tail.clear();
            self.tail.extend_from_slice(&pcm[pcm.len() - values..]);
        } else {
            self.tail.extend_from_slice(pcm);
            let excess = self.tail.len().saturating_sub(values);
            self.tail.drain(..excess);
        }
    }
}

fn scale(sample: &mut [f32], gain: f32) {
    for value in sample {
        *value *= gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steepest(pcm: &[f32]) -> f32 {
        pcm.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn sound_silence_sound_has_no_step() {
        let mut patch = Patch::new(48_000, 1);
        let mut output = vec![0.9; 960];
        patch.sound(&mut output);
        patch.silence(960, &mut output);
        let mut again = vec![-0.9; 960];
        patch.sound(&mut again);
        output.extend(again);
        assert!(steepest(&output) < 0.01, "{}", steepest(&output));
        assert_eq!(output[960 + 240..1_920], [0.0; 720]);
    }

    #[test]
    fn a_cut_is_cross_faded_whatever_the_rates() {
        for rate in [8_000, 44_100, 48_000] {
            let mut patch = Patch::new(48_000, 2);
            let mut output = vec![0.9; 960];
            patch.sound(&mut output);
            let mut again = vec![-0.9; 960];
            patch.continued_at(rate).sound(&mut again);
            output.extend(again);
            assert!(steepest(&output) < 0.06, "{rate}: {}", steepest(&output));
        }
    }

    #[test]
    fn silence_shorter_than_the_fade_stays_in_bounds() {
        let mut patch = Patch::new(8_000, 2);
        let mut output = vec![0.5; 6];
        patch.sound(&mut output);
        patch.silence(2, &mut output);
        assert_eq!(output.len(), 10);
    }

    #[test]
    fn concealment_is_silent_after_its_limit() {
        let mut patch = Patch::new(48_000, 1);
        patch.sound(&mut [1.0; 960]);
        let mut run = Vec::new();
        for _ in 0..10 {
            let mut step = vec![1.0; 960];
            patch.concealed(&mut step);
            run.extend(step);
        }
        assert_eq!(run[2_879], 1.0);
        assert!(run[4_320] < 0.55 && run[4_320] > 0.45);
        assert!(run[5_760..].iter().all(|&value| value == 0.0));
        assert_eq!(patch.concealable(), 0);
    }
}
