#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the test's own numbers; a panic is a failure"
)]

use bytes::Bytes;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::opus::Head;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo};
use proptest::prelude::*;

use super::*;

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
    TrackInfo { id: TrackId(3), config: CodecConfig::Opus(Head { channels: 2 }) }
}

fn frame(track: &TrackInfo, dts: i64, composition: i64, random_access: bool, payload: &[u8]) -> Frame {
    Frame {
        track: track.id,
        pts: Timestamp::new(dts + composition, track.rate()),
        dts: Timestamp::new(dts, track.rate()),
        random_access,
        payload: Bytes::copy_from_slice(payload),
    }
}

fn init(tracks: &[&TrackInfo]) -> Init {
    Init::parse(&init_segment(tracks).unwrap()).unwrap()
}

fn run<'f>(track: &TrackInfo, samples: &'f [Sample<'f>]) -> Run<'f> {
    let base_decode_time = samples.first().map_or(0, |first| first.frame.dts.ticks().cast_unsigned());
    Run { track: track.id.0, rate: track.rate(), base_decode_time, samples }
}

/// Frames and durations, as they went in.
fn read_back(init: &Init, bytes: &Bytes) -> Vec<(Frame, u32)> {
    let fragments = init.fragments(bytes).unwrap();
    let samples = fragments.into_iter().flat_map(|fragment| fragment.runs).flat_map(|run| run.samples);
    samples.map(|sample| (sample.frame, sample.duration)).collect()
}

#[test]
fn tracks_of_every_codec_are_read_back() {
    let tracks = [video(), aac(), opus()];
    let init = init(&tracks.each_ref());
    let read: Vec<TrackInfo> = init.tracks.iter().map(|track| track.info.clone()).collect();
    assert_eq!(read, tracks);
    assert_eq!(
        init.tracks.iter().map(|track| track.rate).collect::<Vec<_>>(),
        tracks.map(|track| track.rate())
    );
}

#[test]
fn other_parameters_are_another_init_section() {
    let stereo = TrackInfo { config: CodecConfig::Aac(AudioConfig::lc(Rate::OPUS, 2).unwrap()), ..aac() };
    assert_ne!(init_segment(&[&aac()]), init_segment(&[&stereo]));
    assert_eq!(init_segment(&[&aac()]), init_segment(&[&aac()]));
}

#[test]
fn what_cannot_be_described_is_refused() {
    let bare = |sps: &[&'static [u8]]| TrackInfo {
        config: CodecConfig::H264(ParameterSets {
            sps: sps.iter().map(|sps| Bytes::from_static(sps)).collect(),
            pps: vec![Bytes::from_static(&[0x68, 0xce])],
        }),
        ..video()
    };
    let refused = Err(Fmp4Error::NotCarried(Codec::H264));
    assert_eq!(init_segment(&[&aac(), &bare(&[])]), refused);
    assert_eq!(init_segment(&[&bare(&[&[0x67, 0x42, 0xc0, 0x1f, 0x8c]])]), refused, "an SPS that ends early");
    assert_eq!(init_segment(&[]), Err(Fmp4Error::Empty));
    assert_eq!(init_segment(&[&aac(); 17]), Err(Fmp4Error::Tracks(17)));
    assert_eq!(fragment(1, &[]), Err(Fmp4Error::Empty));
    assert_eq!(fragment(1, &[run(&aac(), &[])]), Err(Fmp4Error::Empty));
    let far = frame(&aac(), 0, 1 << 31, true, b"x");
    assert_eq!(
        fragment(1, &[run(&aac(), &[Sample { frame: &far, duration: 1 }])]),
        Err(Fmp4Error::Composition(1 << 31))
    );
}

#[test]
fn two_tracks_share_a_fragment() {
    let (video, aac) = (TrackInfo { id: TrackId(1), ..video() }, TrackInfo { id: TrackId(2), ..aac() });
    let pictures = [
        frame(&video, 9_000, 7_200, true, b"idr"),
        frame(&video, 12_600, 0, false, b"b"),
        frame(&video, 16_200, 3_600, false, b"pp"),
    ];
    let sounds = [frame(&aac, 4_800, 0, true, b"one"), frame(&aac, 5_824, 0, true, b"two")];
    let pictures = pictures.each_ref().map(|frame| Sample { frame, duration: 3_600 });
    let sounds = sounds.each_ref().map(|frame| Sample { frame, duration: 1_024 });
    let bytes = fragment(7, &[run(&video, &pictures), run(&video, &[]), run(&aac, &sounds)]).unwrap();
    assert!(bytes.ends_with(b"mdatidrbpponetwo"));
    let init = init(&[&video, &aac]);
    let read = read_back(&init, &bytes);
    let written: Vec<(Frame, u32)> =
        pictures.iter().chain(&sounds).map(|sample| (sample.frame.clone(), sample.duration)).collect();
    assert_eq!(read, written);
    let fragments = init.fragments(&bytes).unwrap();
    assert_eq!(fragments[0].sequence, 7);
    assert_eq!(fragments[0].runs.iter().map(|run| run.base_decode_time).collect::<Vec<_>>(), [9_000, 4_800]);
}

#[test]
fn presentation_is_exact_whatever_the_durations() {
    let track = TrackInfo { id: TrackId(1), ..video() };
    let frames = [frame(&track, 1_000, 0, true, b"a"), frame(&track, 4_000, 500, false, b"b")];
    let samples = frames.each_ref().map(|frame| Sample { frame, duration: 2_000 });
    let shifted = Run { base_decode_time: 91_000, ..run(&track, &samples) };
    let read = read_back(&init(&[&track]), &fragment(1, &[shifted]).unwrap());
    let stamps: Vec<(i64, i64)> =
        read.iter().map(|(frame, _)| (frame.dts.ticks(), frame.pts.ticks())).collect();
    assert_eq!(stamps, [(91_000, 91_000), (93_000, 94_500)], "the second is shown 3,500 after the first");
}

#[test]
fn a_common_duration_and_kind_stand_once() {
    let track = TrackInfo { id: TrackId(1), ..aac() };
    let frames: Vec<Frame> = (0..10).map(|index| frame(&track, index * 1_024, 0, true, b"x")).collect();
    let samples: Vec<Sample<'_>> = frames.iter().map(|frame| Sample { frame, duration: 1_024 }).collect();
    let bytes = fragment(1, &[run(&track, &samples)]).unwrap();
    let boxes = 8 + 16 + 8 + 24 + 20 + (20 + 10 * 4) + 8;
    assert_eq!(bytes.len(), boxes + 10, "a sample costs its size and four bytes");
}

/// A fragment with one sample; `change` breaks it.
fn broken(change: impl Fn(&mut Vec<u8>)) -> Result<Vec<Fragment>, Fmp4Error> {
    let track = TrackInfo { id: TrackId(1), ..aac() };
    let frame = frame(&track, 0, 0, true, b"xyz");
    let samples = [Sample { frame: &frame, duration: 1_024 }];
    let mut bytes = fragment(1, &[run(&track, &samples)]).unwrap().to_vec();
    change(&mut bytes);
    init(&[&track]).fragments(&bytes.into())
}

/// Where the content of the first box of `kind` begins.
fn content(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).unwrap() + 4
}

#[test]
fn samples_stay_inside_the_media_data() {
    let len = broken(|_| ()).unwrap()[0].runs[0].samples[0].frame.payload.len();
    assert_eq!(len, 3);
    let patched = |kind: &'static [u8; 4], offset: usize, value: u32| {
        broken(move |bytes| {
            let at = content(bytes, kind) + offset;
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        })
    };
    assert!(
        matches!(patched(b"trun", 8, 0), Err(Fmp4Error::Sample { at: 0, len: 3 })),
        "inside of the boxes"
    );
    assert!(matches!(patched(b"trun", 8, u32::MAX), Err(Fmp4Error::Form { .. })), "in front of all");
    assert!(matches!(patched(b"trun", 12, 4), Err(Fmp4Error::Sample { len: 4, .. })), "too long");
    assert!(matches!(patched(b"trun", 12, 0), Err(Fmp4Error::Sample { len: 0, .. })), "empty");
    assert_eq!(patched(b"trun", 4, u32::MAX), Err(Fmp4Error::Samples));
    assert_eq!(patched(b"trun", 4, 2).unwrap_err(), Fmp4Error::Truncated { at: 100 });
    assert_eq!(patched(b"tfhd", 4, 9), Err(Fmp4Error::UnknownTrack(9)));
    assert!(matches!(patched(b"tfhd", 0, 0), Err(Fmp4Error::Form { .. })), "offsets from elsewhere");
}

#[test]
fn samples_that_claim_no_bytes_are_bounded() {
    // A run whose samples take size and duration from `tfhd` costs 20 bytes, whatever it counts.
    let track = TrackInfo { id: TrackId(1), ..aac() };
    let data = vec![0_u8; MAX_SAMPLES + 1];
    let mut out = bytes::BytesMut::new();
    boxes::put_box(&mut out, b"moof", |out| {
        boxes::put_full_box(out, b"mfhd", 0, 0, |out| out.extend_from_slice(&[0; 4]));
        boxes::put_box(out, b"traf", |out| {
            boxes::put_full_box(out, b"tfhd", 0, 0x02_0010, |out| {
                out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
            });
            boxes::put_full_box(out, b"tfdt", 0, 0, |out| out.extend_from_slice(&[0; 4]));
            for _ in 0..2 {
                boxes::put_full_box(out, b"trun", 0, 1, |out| {
                    out.extend_from_slice(&(MAX_SAMPLES as u32 / 2 + 1).to_be_bytes());
                    out.extend_from_slice(&200_u32.to_be_bytes());
                });
            }
        });
    });
    boxes::put_box(&mut out, b"mdat", |out| out.extend_from_slice(&data));
    assert_eq!(init(&[&track]).fragments(&out.freeze()), Err(Fmp4Error::Samples));
}

#[test]
fn boxes_nested_without_end_are_passed_over() {
    let depth = 100_000_usize;
    let nested: Vec<u8> = (1..=depth)
        .rev()
        .flat_map(|left| [&((left * 8) as u32).to_be_bytes()[..], b"moov"].concat())
        .collect();
    assert_eq!(Init::parse(&nested), Err(Fmp4Error::Missing(FourCc(*b"mvex"))));
}

#[test]
fn codecs_that_are_not_carried_are_named() {
    let mut bytes = init_segment(&[&opus()]).unwrap().to_vec();
    let at = content(&bytes, b"stsd") + 12;
    bytes[at..at + 4].copy_from_slice(b"fLaC");
    assert_eq!(Init::parse(&bytes), Err(Fmp4Error::Codec(FourCc(*b"fLaC"))));
    assert_eq!(Init::parse(&[]), Err(Fmp4Error::Missing(FourCc(*b"moov"))));
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        start in 0..1_i64 << 60,
        video_frames in prop::collection::vec((1..100_000_u32, -5_000..100_000_i64, any::<bool>(), prop::collection::vec(any::<u8>(), 1..40)), 0..20),
        audio_frames in prop::collection::vec((1..100_000_u32, prop::collection::vec(any::<u8>(), 1..40)), 1..20),
    ) {
        let tracks = [TrackInfo { id: TrackId(1), ..video() }, TrackInfo { id: TrackId(2), ..opus() }];
        let mut dts = start;
        let mut next = |duration: u32| { let at = dts; dts += i64::from(duration); at };
        let video_frames: Vec<(Frame, u32)> = video_frames
            .iter()
            .map(|(duration, composition, random_access, payload)| (frame(&tracks[0], next(*duration), *composition, *random_access, payload), *duration))
            .collect();
        let audio_frames: Vec<(Frame, u32)> = audio_frames
            .iter()
            .map(|(duration, payload)| (frame(&tracks[1], next(*duration), 0, true, payload), *duration))
            .collect();
        let video_samples: Vec<Sample<'_>> = video_frames.iter().map(|(frame, duration)| Sample { frame, duration: *duration }).collect();
        let audio_samples: Vec<Sample<'_>> = audio_frames.iter().map(|(frame, duration)| Sample { frame, duration: *duration }).collect();
        let bytes = fragment(3, &[run(&tracks[0], &video_samples), run(&tracks[1], &audio_samples)]).unwrap();
        let read = read_back(&init(&tracks.each_ref()), &bytes);
        prop_assert_eq!(read, [video_frames, audio_frames].concat());
    }

    #[test]
    fn damaged_bytes_do_not_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let tracks = [video(), aac(), opus()];
        let mut bytes = init_segment(&tracks.each_ref()).unwrap().to_vec();
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        let _ = Init::parse(&bytes);
        let _ = broken(|bytes| for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        });
    }
}
