//! What playlists state for as long as their muxer lives.

use std::time::Duration;

use media::Timestamp;
use media::aac::AudioConfig;

use crate::options::{Cadence, Options};

/// The distance of random access points where nobody knows it yet: encoders are mostly set to 2 s, cameras to 4 s.
const GOP_UNKNOWN: Duration = Duration::from_secs(4);
/// GOPs that are longer (x264 without a setting: 250 frames) are cut inside.
const LONGEST_TARGET: u64 = 10;
/// How far a segment may exceed the target duration: HLS2 §4.4.3.1 counts it rounded to the nearest second.
const ROUNDING: Duration = Duration::from_millis(400);
/// The longest part: of a publisher with a picture a second.
const LONGEST_PART: Duration = Duration::from_secs(1);
/// HLS2 §4.4.3.8 demands twice the part target of PART-HOLD-BACK and recommends three times; three times where that
/// does not cost more delay than this.
const GENEROUS_HOLD_BACK: Duration = Duration::from_millis(350);

/// What playlists state, and the bounds that follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Targets {
    /// EXT-X-TARGETDURATION, in whole seconds.
    pub(crate) duration: Duration,
    /// No segment is longer.
    pub(crate) bound: Duration,
    /// A segment that is not shorter ends at the next random access point.
    pub(crate) segment: Duration,
    /// From one random access point to the next, presumably.
    pub(crate) gop: Duration,
    /// PART-TARGET of video; no part is longer.
    pub(crate) video_part: Duration,
    /// PART-TARGET of audio; no part is longer.
    pub(crate) audio_part: Duration,
    /// PART-HOLD-BACK of both.
    pub(crate) hold_back: Duration,
}

impl Targets {
    /// For a stream with pictures if `video`, and with the sound of `audio` if there is any.
    pub(crate) fn new(
        options: &Options,
        cadence: &Cadence,
        video: bool,
        audio: Option<&AudioConfig>,
    ) -> Self {
        let segment = options.segment.max(options.part);
        let gop = if video { cadence.gop.unwrap_or(GOP_UNKNOWN.max(segment)) } else { segment };
        let seconds = whole_seconds(segment).max(whole_seconds(gop.saturating_sub(ROUNDING / 2)));
        let seconds = seconds.clamp(1, LONGEST_TARGET.max(whole_seconds(segment)));
        let duration = Duration::from_secs(seconds);
        let longest = LONGEST_PART.min(duration);
        let video_part = video_part(options.part, cadence.frame_interval).min(longest);
        let audio_part = audio.map_or(options.part, |config| audio_part(options.part, config));
        let of_video = if video { hold_back(video_part) } else { Duration::ZERO };
        let of_audio = if audio.is_some() { hold_back(audio_part) } else { Duration::ZERO };
        Self {
            duration,
            bound: duration + ROUNDING,
            segment,
            gop,
            video_part,
            audio_part,
            hold_back: of_video.max(of_audio),
        }
    }

    /// Whether a random access point ends a segment that has lasted for `elapsed`: it is long enough, give or take the
    /// jitter of the stamps, or would not last until the next one.
    pub(crate) fn ends_at_random_access(&self, elapsed: Duration) -> bool {
        elapsed + self.segment / 20 >= self.segment || elapsed + self.gop > self.bound
    }
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// A part has at least one picture; with fewer pictures than parts, parts become longer.
fn video_part(wanted: Duration, interval: Option<Duration>) -> Duration {
    let millis = interval.map_or(0, |interval| (interval.as_millis() * 11).div_ceil(10));
    wanted.max(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// A whole number of frames, at least one.
fn audio_part(wanted: Duration, config: &AudioConfig) -> Duration {
    let samples = i64::from(frames_a_part(wanted, config)) * i64::from(config.samples_per_frame());
    Timestamp::new(samples, config.rate()).to_duration().unwrap_or(wanted)
}

/// How many frames of audio fit into a part.
pub(crate) fn frames_a_part(part: Duration, config: &AudioConfig) -> u32 {
    // A microsecond covers the rounding of `part`, which may itself be a number of frames.
    let nanos = (part + Duration::from_micros(1)).as_nanos();
    let frames = nanos * u128::from(config.rate().hz())
        / (1_000_000_000 * u128::from(config.samples_per_frame().max(1)));
    u32::try_from(frames).unwrap_or(u32::MAX).max(1)
}

fn hold_back(part: Duration) -> Duration {
    (part * 2).max((part * 3).min(GENEROUS_HOLD_BACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aac() -> AudioConfig {
        AudioConfig::lc(media::Rate::OPUS, 1).unwrap()
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn targets(part: u64, interval: u64, gop: Option<u64>) -> Targets {
        let options = Options { part: millis(part), ..Options::default() };
        let cadence = Cadence { frame_interval: Some(millis(interval)), gop: gop.map(millis) };
        Targets::new(&options, &cadence, true, Some(&aac()))
    }

    #[test]
    fn the_hold_back_keeps_the_drafts_minimum_and_the_delay_low() {
        for (part, hold_back) in [(100, 300), (150, 350), (200, 400), (500, 1000)] {
            assert_eq!(targets(part, 33, None).hold_back, millis(hold_back));
        }
    }

    #[test]
    fn parts_hold_at_least_one_picture() {
        assert_eq!(targets(200, 33, None).video_part, millis(200));
        assert_eq!(targets(200, 333, None).video_part, millis(367));
        assert_eq!(targets(200, 60_000, None).video_part, LONGEST_PART);
    }

    #[test]
    fn audio_parts_are_whole_frames_and_not_longer_than_wanted() {
        assert_eq!(targets(200, 33, None).audio_part, millis(192));
        assert_eq!(targets(100, 33, None).audio_part, Duration::from_nanos(85_333_333));
        assert_eq!(frames_a_part(millis(192), &aac()), 9);
        assert_eq!(frames_a_part(Duration::from_nanos(85_333_333), &aac()), 4);
        assert_eq!(frames_a_part(millis(1), &aac()), 1);
    }

    #[test]
    fn the_target_duration_covers_the_gop_and_its_jitter() {
        for (gop, seconds) in [
            (None, 4),
            (Some(500), 1),
            (Some(2_000), 2),
            (Some(2_100), 2),
            (Some(2_300), 3),
            (Some(60_000), 10),
        ] {
            let targets = targets(200, 33, gop);
            assert_eq!(targets.duration, Duration::from_secs(seconds), "{gop:?}");
            assert!(targets.bound < targets.duration + millis(500));
        }
    }

    #[test]
    fn a_segment_ends_early_rather_than_in_the_middle_of_a_gop() {
        let targets = targets(200, 33, Some(2_000));
        assert!(!targets.ends_at_random_access(millis(300)));
        assert!(targets.ends_at_random_access(millis(500)));
        assert!(targets.ends_at_random_access(millis(999)));
    }
}
