#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the test's own numbers; a panic is a failure"
)]

use bytes::{Bytes, BytesMut};
use media::aac::AudioConfig;
use media::h264::{ParameterSets, avcc, nal};
use media::opus::Head;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackInfo};
use proptest::prelude::*;

use super::*;

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x10];
const P: &[u8] = &[0x41, 0x9a, 0x24, 0x6c];

/// The PIDs that the muxer gives out, so that what is read equals what was written.
const VIDEO: TrackId = TrackId(0x100);
const AUDIO: TrackId = TrackId(0x101);

fn video() -> TrackInfo {
    let sets =
        ParameterSets { sps: vec![Bytes::from_static(SPS)], pps: vec![Bytes::from_static(&[0x68, 0xce])] };
    TrackInfo { id: VIDEO, config: CodecConfig::H264(sets) }
}

fn aac() -> TrackInfo {
    TrackInfo { id: AUDIO, config: CodecConfig::Aac(AudioConfig::lc(Rate::OPUS, 1).unwrap()) }
}

fn picture(pts: i64, dts: i64, nal: &[u8]) -> Frame {
    Frame {
        track: VIDEO,
        pts: Timestamp::new(pts, Rate::VIDEO),
        dts: Timestamp::new(dts, Rate::VIDEO),
        random_access: nal[0] & 0x1f == 5,
        payload: avcc::write([nal]),
    }
}

fn sound(at: i64, len: usize) -> Frame {
    let at = Timestamp::new(at, Rate::OPUS);
    Frame { track: AUDIO, pts: at, dts: at, random_access: true, payload: vec![0xab; len].into() }
}

fn mux(tracks: &[&TrackInfo], frames: &[Frame]) -> BytesMut {
    let (mut muxer, mut out) = (Muxer::new(tracks).unwrap(), BytesMut::new());
    muxer.tables(&mut out);
    for frame in frames {
        let track = tracks.iter().find(|track| track.id == frame.track).unwrap();
        muxer.frame(frame, track, &mut out).unwrap();
    }
    assert!(out.len().is_multiple_of(PACKET_LEN));
    out
}

fn demux<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<TrackInfo>, Vec<Frame>, Losses) {
    let mut demuxer = Demuxer::new();
    pieces.into_iter().for_each(|piece| demuxer.push(piece));
    demuxer.finish();
    let (mut tracks, mut frames) = (Vec::new(), Vec::new());
    while let Some(event) = demuxer.poll_event() {
        match event {
            Event::Track(track) => tracks.push(track),
            Event::Frame(frame) => frames.push(frame),
        }
    }
    (tracks, frames, demuxer.losses())
}

/// The content of every PES packet of the first track.
fn units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    for packet in stream.as_chunks().0 {
        let packet = packet::Packet::parse(packet).unwrap();
        if packet.pid == 0x100 {
            if packet.unit_start {
                units.push(Vec::new());
            }
            units.last_mut().unwrap().extend_from_slice(packet.payload.unwrap());
        }
    }
    units
}

#[test]
fn parameter_sets_stand_in_front_of_random_access_points_only() {
    let stream = mux(&[&video()], &[picture(0, 0, IDR), picture(9_000, 3_600, P)]);
    let units = units(&stream);
    let start = [0, 0, 0, 1];
    let first = [&start[..], &[9, 0xf0], &start, SPS, &start, &[0x68, 0xce], &start, IDR].concat();
    assert_eq!(units[0][14..], first);
    assert_eq!(units[1][19..], [&start[..], &[9, 0xf0], &start, P].concat(), "with PTS and DTS");
}

#[test]
fn one_track_carries_the_clock_and_marks_random_access() {
    let frames = [picture(0, 0, IDR), sound(0, 100), picture(3_600, 3_600, P)];
    for (tracks, clock) in [(vec![&video(), &aac()], 0x100), (vec![&aac()], 0x100)] {
        let ids: Vec<TrackId> = tracks.iter().map(|track| track.id).collect();
        let frames: Vec<Frame> = frames.iter().filter(|frame| ids.contains(&frame.track)).cloned().collect();
        let stream = mux(&tracks, &frames);
        for packet in stream.as_chunks::<PACKET_LEN>().0 {
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            let flags = if packet[3] & 0x20 != 0 && packet[4] > 0 { packet[5] } else { 0 };
            assert_eq!(flags & 0x10 != 0, pid == clock && packet[1] & 0x40 != 0, "a clock reference");
            assert!(flags & 0x40 == 0 || pid == clock, "random access");
        }
        let marked = stream
            .as_chunks::<PACKET_LEN>()
            .0
            .iter()
            .filter(|packet| packet[3] & 0x20 != 0 && packet[5] & 0x40 != 0);
        assert_eq!(marked.count(), 1);
    }
}

#[test]
fn tracks_that_have_no_place_are_refused() {
    let opus = TrackInfo { id: AUDIO, config: CodecConfig::Opus(Head { channels: 2 }) };
    let refused = |tracks: &[&TrackInfo]| Muxer::new(tracks).unwrap_err();
    assert_eq!(refused(&[&video(), &opus]), TsError::NotCarried(Codec::Opus));
    assert_eq!(
        refused(&[&opus]).to_string(),
        "a transport stream cannot carry the Opus track as it is; it carries H.264 and AAC"
    );
    let bare = TrackInfo { config: CodecConfig::H264(ParameterSets::default()), ..video() };
    assert_eq!(refused(&[&bare]), TsError::NotCarried(Codec::H264));
    let low_delay = CodecConfig::Aac(AudioConfig::parse(&[0xb9, 0x88, 0x00]).unwrap());
    assert_eq!(refused(&[&TrackInfo { config: low_delay, ..aac() }]), TsError::Adts(AdtsError::NotCarried));
    assert_eq!(refused(&[]), TsError::Tracks(0));
    assert_eq!(refused(&[&aac(); 9]), TsError::Tracks(9));
}

#[test]
fn frames_that_do_not_belong_are_refused_and_leave_nothing() {
    let (mut muxer, mut out) = (Muxer::new(&[&video()]).unwrap(), BytesMut::new());
    let mut put = |frame: &Frame, track: &TrackInfo| {
        let result = muxer.frame(frame, track, &mut out);
        (result, out.len())
    };
    assert_eq!(put(&sound(0, 10), &aac()), (Err(TsError::UnknownTrack(AUDIO)), 0));
    let as_sound = Frame { track: VIDEO, ..sound(0, 10) };
    assert_eq!(put(&as_sound, &aac()), (Err(TsError::UnknownTrack(VIDEO)), 0));
    let cut_off = Frame { payload: Bytes::from_static(&[0, 0, 0, 9, 1]), ..picture(0, 0, IDR) };
    assert_eq!(put(&cut_off, &video()), (Err(TsError::Avc(AvccError::Truncated { at: 0 })), 0));
    assert_eq!(put(&picture(0, 0, IDR), &video()), (Ok(()), PACKET_LEN));
    let (mut muxer, mut out) = (Muxer::new(&[&aac()]).unwrap(), BytesMut::new());
    let long = muxer.frame(&sound(0, 8_185), &aac(), &mut out);
    assert_eq!((long, out.len()), (Err(TsError::Adts(AdtsError::TooLong(8_185))), 0));
}

#[test]
fn huge_pictures_have_no_length_and_end_with_the_next() {
    let huge = [&[0x65][..], &vec![0xaa; 3_000_000]].concat();
    let frames = [picture(0, 0, &huge), picture(3_600, 3_600, P), picture(7_200, 7_200, &huge)];
    let (_, read, losses) = demux([&mux(&[&video()], &frames)[..]]);
    assert_eq!((read, losses), (frames.to_vec(), Losses::default()));
}

#[test]
fn parameters_that_change_are_told_again() {
    let mut muxer = Muxer::new(&[&video(), &aac()]).unwrap();
    let mut out = BytesMut::new();
    muxer.tables(&mut out);
    let mut other = SPS.to_vec();
    other[3] = 0x29;
    let sets = ParameterSets { sps: vec![other.into()], pps: vec![Bytes::from_static(&[0x68, 0xce])] };
    let changed = TrackInfo { config: CodecConfig::H264(sets), ..video() };
    let stereo = TrackInfo { config: CodecConfig::Aac(AudioConfig::lc(Rate::OPUS, 2).unwrap()), ..aac() };
    muxer.frame(&picture(0, 0, IDR), &video(), &mut out).unwrap();
    muxer.frame(&sound(0, 9), &aac(), &mut out).unwrap();
    muxer.frame(&picture(3_600, 3_600, IDR), &changed, &mut out).unwrap();
    muxer.frame(&sound(1_024, 9), &stereo, &mut out).unwrap();
    assert_eq!(demux([&out[..]]).0, [video(), aac(), changed, stereo]);
}

#[test]
fn stamps_wrap_after_26_hours_and_are_continued() {
    let start = (1 << 33) - 5_000;
    let frames: Vec<Frame> = (0..5)
        .flat_map(|index| {
            let at = start + index * 3_600;
            [picture(at + 7_200, at, if index == 0 { IDR } else { P }), sound(at * 8 / 15, 20)]
        })
        .collect();
    assert_eq!(demux([&mux(&[&video(), &aac()], &frames)[..]]).1, frames);
    assert!(frames.last().unwrap().dts.ticks() * 15 / 8 > 1 << 33);
}

#[test]
fn a_lost_packet_costs_one_unit() {
    let big = [&[0x41][..], &[0xaa; 1_000]].concat();
    let frames = [picture(0, 0, IDR), picture(3_600, 3_600, &big), picture(7_200, 7_200, P)];
    let stream = mux(&[&video()], &frames);
    let lost = [&stream[..4 * PACKET_LEN], &stream[5 * PACKET_LEN..]].concat();
    let (_, read, losses) = demux([&lost[..]]);
    assert_eq!(read, [frames[0].clone(), frames[2].clone()]);
    assert_eq!(losses, Losses { bytes: 0, packets: 1, units: 1 });
    let twice = [&stream[..5 * PACKET_LEN], &stream[4 * PACKET_LEN..]].concat();
    assert_eq!(demux([&twice[..]]).1, frames, "sent twice");
}

#[test]
fn bytes_between_packets_are_skipped() {
    let frames = [picture(0, 0, IDR)];
    let stream = mux(&[&video()], &frames);
    let noisy = [&[1, 2, 3][..], &stream[..188], &[0, 0xff], &stream[188..]].concat();
    let (_, read, losses) = demux([&noisy[..]]);
    assert_eq!((read.as_slice(), losses.bytes), (&frames[..], 5));
}

#[test]
fn adts_frames_need_not_begin_with_their_packets() {
    let (config, rate) = (AudioConfig::lc(Rate::OPUS, 1).unwrap(), Rate::OPUS);
    let bodies: [&[u8]; 4] = [&[1; 30], &[2; 40], &[3; 5], &[4; 60]];
    let stream: Vec<u8> = bodies
        .iter()
        .flat_map(|body| [&media::aac::adts::write_header(&config, body.len()).unwrap()[..], body].concat())
        .collect();
    for cut in 1..stream.len() {
        let (first, second) = stream.split_at(cut);
        let mut out = mux(&[&aac()], &[]);
        let begun_before = bodies
            .iter()
            .scan(0, |at, body| {
                let begin = *at;
                *at += body.len() + 7;
                Some(begin)
            })
            .filter(|&begin| begin < cut)
            .count();
        // §2.4.3.7: the stamp of the first frame that begins in the packet.
        for (data, frames_before) in [(first, 0), (second, begun_before)] {
            let pts = 1_920 * frames_before as u64;
            let mut unit = BytesMut::new();
            pes::put_header(&mut unit, 0xc0, pts, pts, data.len());
            unit.extend_from_slice(data);
            let mut counter = u8::from(frames_before > 0);
            packet::put_unit(&mut out, 0x100, &mut counter, packet::Start::default(), &unit);
        }
        let (_, read, losses) = demux([&out[..]]);
        let expected: Vec<(i64, &[u8])> =
            (0..).zip(bodies).map(|(index, body)| (index * 1_024, body)).collect();
        let read: Vec<(i64, &[u8])> =
            read.iter().map(|frame| (frame.dts.to_rate(rate).ticks(), &frame.payload[..])).collect();
        assert_eq!((read, losses), (expected, Losses::default()), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_is_cut(
        start in -100_000..1_i64 << 40,
        frames in prop::collection::vec((any::<bool>(), any::<bool>(), 1..50_000_i64, 0..50_000_i64, prop::collection::vec(any::<u8>(), 1..600)), 1..20),
        piece in 1..1_000_usize,
    ) {
        let mut at = start;
        let mut list = vec![picture(start, start, IDR)];
        for (is_video, random_access, step, composition, body) in frames {
            at += step;
            list.push(if is_video {
                let mut nal = vec![if random_access { 0x65 } else { 0x41 }];
                nal::escape(&body, &mut nal);
                nal.push(0x80);
                picture(at + composition, at, &nal)
            } else {
                sound(Timestamp::new(at, Rate::VIDEO).to_rate(Rate::OPUS).ticks(), body.len())
            });
        }
        let stream = mux(&[&video(), &aac()], &list);
        let (tracks, read, losses) = demux(stream.chunks(piece));
        prop_assert_eq!(losses, Losses::default());
        prop_assert!(tracks.contains(&video()) && tracks.len() <= 2);
        // Stamps come back below the first wrap.
        let turns = list[0].dts.minus(read[0].dts).ticks();
        prop_assert_eq!(turns.rem_euclid(1 << 33), 0);
        let mut written = list;
        for frame in &mut written {
            let back = Timestamp::new(turns, Rate::VIDEO);
            (frame.pts, frame.dts) = (frame.pts.to_rate(Rate::VIDEO).minus(back).to_rate(frame.pts.rate()), frame.dts.to_rate(Rate::VIDEO).minus(back).to_rate(frame.dts.rate()));
        }
        for id in [VIDEO, AUDIO] {
            let of_track = |frames: &[Frame]| -> Vec<Frame> { frames.iter().filter(|frame| frame.track == id).cloned().collect() };
            prop_assert_eq!(of_track(&read), of_track(&written));
        }
    }

    #[test]
    fn damaged_streams_do_not_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut stream = mux(&[&video(), &aac()], &[picture(0, 0, IDR), sound(0, 300), picture(3_600, 3_600, P)]);
        for (at, value) in damage {
            let at = at.index(stream.len());
            stream[at] = value;
        }
        let _ = demux([&stream[..]]);
    }
}
