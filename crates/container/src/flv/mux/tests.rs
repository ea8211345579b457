#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the test's own numbers; a panic is a failure"
)]

use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::opus::Head;
use media::{Rate, Timestamp, TrackId};
use proptest::prelude::*;

use super::*;
use crate::flv::{Announced, Demuxer, Event, timestamp_ms};

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];

fn video() -> TrackInfo {
    let sets =
        ParameterSets { sps: vec![Bytes::from_static(SPS)], pps: vec![Bytes::from_static(&[0x68, 0xce])] };
    TrackInfo { id: TrackId(1), config: CodecConfig::H264(sets) }
}

fn aac() -> TrackInfo {
    TrackInfo { id: TrackId(2), config: CodecConfig::Aac(AudioConfig::lc(Rate::OPUS, 1).unwrap()) }
}

fn opus() -> TrackInfo {
    TrackInfo { id: TrackId(2), config: CodecConfig::Opus(Head { channels: 2 }) }
}

fn frame(pts: Timestamp, dts: Timestamp, random_access: bool) -> Frame {
    Frame {
        track: TrackId(1),
        pts,
        dts,
        random_access,
        payload: Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).to_rate(Rate::VIDEO)
}

#[test]
fn headers_of_video_frames() {
    let header = |pts, dts, key, format| video_prefix(&frame(at(pts), at(dts), key), format).to_vec();
    assert_eq!(header(0, 0, true, Format::Legacy), [0x17, 1, 0, 0, 0]);
    assert_eq!(header(120, 40, false, Format::Legacy), [0x27, 1, 0, 0, 80]);
    assert_eq!(header(0, 2, false, Format::Legacy), [0x27, 1, 0xff, 0xff, 0xfe]);
    assert_eq!(header(99_999_999, 0, false, Format::Legacy), [0x27, 1, 0x7f, 0xff, 0xff]);
    assert_eq!(header(5, 5, true, Format::Enhanced), *b"\x93avc1");
    assert_eq!(header(6, 5, false, Format::Enhanced), *b"\xa1avc1\0\0\x01");
}

#[test]
fn bodies_of_sequence_headers() {
    assert!(video_config_body(&video(), Format::Legacy).unwrap().starts_with(&[0x17, 0, 0, 0, 0, 1, 0x42]));
    assert!(video_config_body(&video(), Format::Enhanced).unwrap().starts_with(b"\x90avc1\x01\x42"));
    assert_eq!(audio_config_body(&aac(), Format::Legacy).unwrap()[..], [0xaf, 0, 0x11, 0x88]);
    assert_eq!(audio_config_body(&aac(), Format::Enhanced).unwrap()[..], *b"\x90mp4a\x11\x88");
    assert!(audio_config_body(&opus(), Format::Enhanced).unwrap().starts_with(b"\x90OpusOpusHead\x01\x02"));
}

#[test]
fn what_a_format_cannot_carry_is_refused() {
    let incomplete = TrackInfo { id: TrackId(1), config: CodecConfig::H264(ParameterSets::default()) };
    assert_eq!(video_config_body(&incomplete, Format::Legacy), Err(FlvError::NotCarried(Codec::H264)));
    assert_eq!(video_config_body(&aac(), Format::Legacy), Err(FlvError::NotCarried(Codec::Aac)));
    assert_eq!(audio_config_body(&opus(), Format::Legacy), Err(FlvError::NotCarried(Codec::Opus)));
    assert_eq!(audio_config_body(&video(), Format::Enhanced), Err(FlvError::NotCarried(Codec::H264)));
}

#[test]
fn numbers_of_the_metadata() {
    let legacy = metadata(&[video(), aac()], Format::Legacy);
    assert_eq!((legacy.width, legacy.height, legacy.videocodecid), (Some(640.0), Some(480.0), Some(7.0)));
    assert_eq!(
        (legacy.audiocodecid, legacy.audiosamplerate, legacy.stereo),
        (Some(10.0), Some(48_000.0), Some(false))
    );
    let enhanced = metadata(&[opus()], Format::Enhanced);
    assert_eq!((enhanced.videocodecid, enhanced.audiocodecid), (None, Some(f64::from(0x4f70_7573))));
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        format in prop::sample::select(&[Format::Legacy, Format::Enhanced][..]),
        start in 0..i64::from(u32::MAX) * 3,
        steps in prop::collection::vec((1..5_000_i64, -500..5_000_i64, any::<bool>()), 1..20),
    ) {
        let mut demuxer = Demuxer::new();
        demuxer.push_metadata(Announced { video: true, audio: true });
        demuxer.push_video(0, &video_config_body(&video(), format).unwrap());
        demuxer.push_audio(0, &audio_config_body(&aac(), format).unwrap());
        prop_assert_eq!(demuxer.poll_event(), Some(Event::Track(video())));
        prop_assert_eq!(demuxer.poll_event(), Some(Event::Track(aac())));
        let mut dts = start;
        let mut offset = None;
        for (step, composition, key) in steps {
            dts += step;
            let nal: &[u8] = if key { &[0, 0, 0, 2, 0x65, 0x88] } else { &[0, 0, 0, 2, 0x41, 0x9a] };
            let sent = Frame { payload: Bytes::from_static(nal), ..frame(at(dts + composition), at(dts), key) };
            demuxer.push_video(timestamp_ms(sent.dts), &video_body(&sent, format));
            let Some(Event::Frame(got)) = demuxer.poll_event() else { panic!("a frame") };
            // 32 bits do not tell in which of the 49.7 days the stream began.
            let offset = *offset.get_or_insert(sent.dts.minus(got.dts));
            prop_assert_eq!(offset.as_millis() % (1 << 32), 0);
            prop_assert_eq!(&got, &Frame { pts: sent.pts.minus(offset), dts: sent.dts.minus(offset), ..sent });
        }
    }
}
