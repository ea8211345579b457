//! The clip of the simulated patient: an FLV file, read whole and played in a loop.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use container::flv::{Demuxer, Event, FlvError, Reader, TagKind, Warning};
use media::{Codec, CodecConfig, Frame, Kind, Rate, Timestamp, TrackInfo};

/// The largest file that is read: minutes of what a phone sends.
const MAX_LEN: u64 = 64 << 20;
/// The clock of a loop's length; finer than those of the tracks.
const MICROS: Rate = match Rate::new(1_000_000) {
    Some(rate) => rate,
    None => panic!("a million is not zero"),
};

/// Why a file cannot be the patient.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ClipError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("more than {} MiB", MAX_LEN >> 20)]
    TooLong,
    #[error("{0}")]
    Flv(#[from] FlvError),
    #[error("no {}; a clip needs picture and sound", name(*.0))]
    Missing(Kind),
    #[error("its sound is {0}; a clip has AAC")]
    Sound(Codec),
    #[error("the parameters of its {} change on the way; a clip has one format", name(*.0))]
    Changes(Kind),
    #[error("its video has no IDR picture")]
    NoRandomAccess,
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Video => "video",
        Kind::Audio => "audio",
    }
}

/// A clip with one track of each kind.
#[derive(Debug)]
pub struct Clip {
    tracks: [TrackInfo; 2],
    /// In order of decoding, from 0 on.
    frames: Vec<Frame>,
    /// From the start of a loop to the start of the next one, in [`MICROS`].
    length: i64,
}

impl Clip {
    /// Reads a file: H.264 (B-frames are fine) with AAC, at most 64 MiB.
    ///
    /// # Errors
    /// [`ClipError`] names the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ClipError> {
        Self::read(path).map_err(|reason| ClipError { path: path.to_owned(), reason })
    }

    fn read(path: &Path) -> Result<Self, Reason> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_LEN {
            return Err(Reason::TooLong);
        }
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let mut reader = Reader::new();
        reader.push(bytes);
        let mut demuxer = Demuxer::new();
        let mut parts = Parts::default();
        while let Some(tag) = reader.next_tag()? {
            match tag.kind {
                TagKind::Video => demuxer.push_video(tag.timestamp_ms, &tag.body),
                TagKind::Audio => demuxer.push_audio(tag.timestamp_ms, &tag.body),
                TagKind::Script => {}
            }
            while let Some(event) = demuxer.poll_event() {
                parts.take(event)?;
            }
        }
        parts.finish()
    }

    /// Its tracks.
    pub const fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    /// Its frames over and over.
    pub const fn looped(&self) -> Looped<'_> {
        Looped { clip: self, next: 0, round: 0 }
    }
}

/// What has been found in a file so far.
#[derive(Default)]
struct Parts {
    video: Option<TrackInfo>,
    audio: Option<TrackInfo>,
    frames: Vec<Frame>,
    /// What was wrong with the first tags of each kind that could not be read: why a track is missing.
    broken: Vec<(Kind, FlvError)>,
}

impl Parts {
    fn take(&mut self, event: Event) -> Result<(), Reason> {
        match event {
            Event::Track(track) => {
                let kind = track.kind();
                let known = if kind == Kind::Video { &mut self.video } else { &mut self.audio };
                let played = self.frames.iter().any(|frame| frame.track == track.id);
                if played && known.as_ref().is_some_and(|known| *known != track) {
                    return Err(Reason::Changes(kind));
                }
                *known = Some(track);
            }
            Event::Frame(frame) => self.frames.push(frame),
            Event::Warning { warning: Warning::Tag { kind, error }, count: 1 } => {
                self.broken.push((kind, error));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Clip, Reason> {
        let Self { video, audio, mut frames, broken } = self;
        let missing = |kind| {
            let error = broken.iter().find(|(of, _)| *of == kind);
            error.map_or(Reason::Missing(kind), |(_, error)| Reason::Flv(*error))
        };
        let has_frames = |track: &TrackInfo| frames.iter().any(|frame| frame.track == track.id);
        let video = video.filter(has_frames).ok_or_else(|| missing(Kind::Video))?;
        let audio = audio.filter(has_frames).ok_or_else(|| missing(Kind::Audio))?;
        let CodecConfig::Aac(config) = &audio.config else { return Err(Reason::Sound(audio.codec())) };
        if !frames.iter().any(|frame| frame.track == video.id && frame.random_access) {
            return Err(Reason::NoRandomAccess);
        }
        frames.sort_by_key(|frame| frame.dts);
        let start = frames.first().map_or(Timestamp::from_millis(0), |frame| frame.dts);
        for frame in &mut frames {
            (frame.pts, frame.dts) = (frame.pts.minus(start), frame.dts.minus(start));
        }
        let of = |track: &TrackInfo| {
            let id = track.id;
            frames.iter().filter(move |frame| frame.track == id).map(|frame| frame.dts.as_micros())
        };
        // A picture lasts as long as the mean of those before it; a single one as long as the sound.
        let (first, last) = (of(&video).min().unwrap_or(0), of(&video).max().unwrap_or(0));
        let steps = i64::try_from(of(&video).count()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        let pictures_end = last + (last - first) / steps;
        let frame = Timestamp::new(config.samples_per_frame().into(), config.rate());
        let sound_end = of(&audio).max().unwrap_or(0) + frame.as_micros();
        Ok(Clip { tracks: [video, audio], frames, length: pictures_end.max(sound_end) })
    }
}

/// The frames of a clip over and over; time goes on from each loop to the next.
#[derive(Debug)]
pub struct Looped<'a> {
    clip: &'a Clip,
    next: usize,
    round: i64,
}

impl<'a> Iterator for Looped<'a> {
    type Item = (&'a TrackInfo, Frame);

    /// The next frame and its track; `None` only for a clip without frames, which cannot be loaded.
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.clip.frames.len() {
            (self.next, self.round) = (0, self.round + 1);
        }
        let frame = self.clip.frames.get(self.next)?.clone();
        self.next += 1;
        let track = self.clip.tracks.iter().find(|track| track.id == frame.track)?;
        let offset = Timestamp::new(self.clip.length.saturating_mul(self.round), MICROS);
        Some((track, Frame { pts: frame.pts.plus(offset), dts: frame.dts.plus(offset), ..frame }))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use container::flv::{self, Format, mux};
    use media::aac::AudioConfig;
    use media::h264::{ParameterSets, avcc};

    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    fn video() -> TrackInfo {
        let sets = ParameterSets { sps: vec![Bytes::from(SPS)], pps: vec![Bytes::from(PPS)] };
        TrackInfo { id: flv::VIDEO, config: CodecConfig::H264(sets) }
    }

    fn audio() -> TrackInfo {
        let config = AudioConfig::lc(Rate::new(44_100).unwrap(), 1).unwrap();
        TrackInfo { id: flv::AUDIO, config: CodecConfig::Aac(config) }
    }

    fn picture(number: i64, first: u8) -> (TagKind, u32, Bytes) {
        let dts = Timestamp::from_millis(number * 40);
        let payload = avcc::write([&[first, 0x88, 0x80][..]]);
        let frame = Frame { track: flv::VIDEO, pts: dts, dts, random_access: first == 0x65, payload };
        (TagKind::Video, flv::timestamp_ms(dts), mux::video_body(&frame, Format::Legacy))
    }

    fn sound(number: i64) -> (TagKind, u32, Bytes) {
        let dts = Timestamp::new(number * 1_024, Rate::new(44_100).unwrap());
        let payload = Bytes::from_static(&[0x21, 0x10]);
        let frame = Frame { track: flv::AUDIO, pts: dts, dts, random_access: true, payload };
        (TagKind::Audio, flv::timestamp_ms(dts), mux::audio_body(&frame, Codec::Aac, Format::Legacy).unwrap())
    }

    fn file(tags: impl IntoIterator<Item = (TagKind, u32, Bytes)>) -> Vec<u8> {
        let mut file = flv::file_header().to_vec();
        for (kind, stamp, body) in tags {
            file.extend_from_slice(&flv::write_tag(kind, stamp, &body[..]).unwrap());
        }
        file
    }

    fn video_config() -> (TagKind, u32, Bytes) {
        (TagKind::Video, 0, mux::video_config_body(&video(), Format::Legacy).unwrap())
    }

    fn audio_config() -> (TagKind, u32, Bytes) {
        (TagKind::Audio, 0, mux::audio_config_body(&audio(), Format::Legacy).unwrap())
    }

    /// One second: 25 pictures, 44 frames of sound, which are 1.0217 s.
    fn second() -> Vec<u8> {
        let pictures = (0..25).map(|number| picture(number, if number == 0 { 0x65 } else { 0x41 }));
        file([video_config(), audio_config()].into_iter().chain(pictures).chain((0..44).map(sound)))
    }

    #[test]
    fn time_goes_on_over_the_end_of_the_clip() {
        let clip = Clip::parse(&second()).unwrap();
        for (kind, frames, step) in [(Kind::Video, 25, 40), (Kind::Audio, 44, 23)] {
            let stamps: Vec<_> = clip
                .looped()
                .filter(|(track, _)| track.kind() == kind)
                .map(|(_, frame)| frame.dts.as_millis())
                .take(frames * 3)
                .collect();
            assert_eq!(stamps[0], 0);
            for pair in stamps.windows(2) {
                let gap = pair[1] - pair[0];
                // The sound is 21.7 ms longer than the pictures, which wait for it.
                assert!((step..=step + 23).contains(&gap), "{kind:?}: {pair:?}");
            }
            assert_eq!([stamps[frames], stamps[frames * 2]], [1_022, 2_043], "{kind:?}");
        }
    }

    #[test]
    fn frames_come_in_order_of_decoding_with_their_tracks() {
        let clip = Clip::parse(&second()).unwrap();
        let frames: Vec<_> = clip.looped().take(200).collect();
        assert!(frames.is_sorted_by_key(|(_, frame)| frame.dts));
        assert!(frames.iter().all(|(track, frame)| track.id == frame.track));
        assert_eq!(clip.tracks().iter().map(TrackInfo::codec).collect::<Vec<_>>(), [Codec::H264, Codec::Aac]);
    }

    #[test]
    fn a_clip_that_cannot_be_the_patient_is_refused_with_its_reason() {
        let other_sps = [&SPS[..3], &[0x1e], &SPS[4..]].concat();
        let other = ParameterSets { sps: vec![Bytes::from(other_sps)], pps: vec![Bytes::from(PPS)] };
        let other = TrackInfo { id: flv::VIDEO, config: CodecConfig::H264(other) };
        let other = (TagKind::Video, 0, mux::video_config_body(&other, Format::Legacy).unwrap());
        let hevc = (TagKind::Video, 0, Bytes::from_static(&[0x1c, 1, 0, 0, 0, 0]));
        for (bytes, reason) in [
            (b"RIFF....AVI ".to_vec(), "not an FLV file of version 1"),
            (file([]), "no video; a clip needs picture and sound"),
            (file([audio_config(), sound(0)]), "no video; a clip needs picture and sound"),
            (file([video_config(), picture(0, 0x65)]), "no audio; a clip needs picture and sound"),
            (file([video_config(), audio_config(), sound(0)]), "no video; a clip needs picture and sound"),
            (
                file([video_config(), audio_config(), picture(0, 0x41), sound(0)]),
                "its video has no IDR picture",
            ),
            (
                file([video_config(), picture(0, 0x65), other]),
                "the parameters of its video change on the way; a clip has one format",
            ),
            (
                file([hevc, audio_config(), sound(0)]),
                "HEVC video outside of enhanced RTMP (FLV codec 12) is not supported; publish H.264 video with AAC, Opus or G.711 audio",
            ),
        ] {
            assert_eq!(Clip::parse(&bytes).unwrap_err().to_string(), reason);
        }
        let error = Clip::load(Path::new("/nowhere/clip.flv")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/clip.flv: No such file or directory (os error 2)");
    }
}
