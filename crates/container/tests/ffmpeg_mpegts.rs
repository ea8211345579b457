//! Our transport streams judged by ffprobe and ffmpeg's decoders, and ffmpeg's own read by us.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use bytes::BytesMut;
use container::mpegts::{Demuxer, Event, Losses, Muxer, PACKET_LEN};
use media::h264::avcc;
use media::{Codec, Frame, Kind, Rate, Timestamp, TrackInfo};
use support::{BASELINE, HIGH, Packet, TempFile, decode, demux, fact, generated, packets};

mod support;

/// The frames in order of decoding with the tables in front of every random access point, as in segments.
fn mux(tracks: &[&TrackInfo], frames: &[Frame]) -> BytesMut {
    let mut muxer = Muxer::new(tracks).unwrap();
    let mut out = BytesMut::new();
    for (index, frame) in frames.iter().enumerate() {
        let track = tracks.iter().find(|track| track.id == frame.track).unwrap();
        if index == 0 || frame.random_access && track.kind() == Kind::Video {
            muxer.tables(&mut out);
        }
        muxer.frame(frame, track, &mut out).unwrap();
    }
    out
}

/// Only frames of the tracks, in order of decoding.
fn interleaved(tracks: &[&TrackInfo], frames: &[Frame]) -> Vec<Frame> {
    let mut frames: Vec<Frame> =
        frames.iter().filter(|frame| tracks.iter().any(|track| track.id == frame.track)).cloned().collect();
    frames.sort_by_key(|frame| frame.dts);
    frames
}

fn stamps(frame: &Frame) -> (i64, i64) {
    (frame.pts.to_rate(Rate::VIDEO).ticks(), frame.dts.to_rate(Rate::VIDEO).ticks())
}

fn read(stream: &[u8]) -> (Vec<TrackInfo>, Vec<Frame>, Losses) {
    let mut demuxer = Demuxer::new();
    let (mut tracks, mut frames) = (Vec::new(), Vec::new());
    for piece in stream.chunks(1_000) {
        demuxer.push(piece);
    }
    demuxer.finish();
    while let Some(event) = demuxer.poll_event() {
        match event {
            Event::Track(track) => tracks.push(track),
            Event::Frame(frame) => frames.push(frame),
            other => panic!("{other:?}"),
        }
    }
    (tracks, frames, demuxer.losses())
}

/// ffprobe must see every frame at its time, ffmpeg decode all without a warning, and our
/// demuxer give back what went in.
fn judged(tracks: &[&TrackInfo], frames: &[Frame]) -> TempFile {
    let frames = interleaved(tracks, frames);
    let stream = mux(tracks, &frames);
    let file = TempFile::with("ts", &stream);
    let shown = packets(&file);
    for (index, track) in (0..).zip(tracks) {
        let shown: Vec<&Packet> = shown.iter().filter(|packet| packet.stream == index).collect();
        let written: Vec<&Frame> = frames.iter().filter(|frame| frame.track == track.id).collect();
        assert_eq!(shown.len(), written.len(), "{:?}", track.kind());
        assert!(shown.windows(2).all(|pair| pair[0].dts < pair[1].dts), "strictly increasing");
        for (packet, frame) in shown.iter().zip(&written) {
            assert_eq!((packet.pts, packet.dts), stamps(frame));
            assert_eq!(packet.key, frame.random_access);
        }
        assert_eq!(
            fact(&file, &index.to_string(), "nb_read_frames"),
            written.len().to_string(),
            "all decoded"
        );
    }
    decode(&file);
    let (_, again, losses) = read(&stream);
    assert_eq!(losses, Losses::default());
    for (track, pid) in tracks.iter().zip(0x100..) {
        let ours = again.iter().filter(|frame| frame.track.0 == pid);
        let written = frames.iter().filter(|frame| frame.track == track.id);
        assert!(ours.zip(written).all(|(ours, theirs)| {
            (stamps(ours), ours.random_access, &ours.payload)
                == (stamps(theirs), theirs.random_access, &theirs.payload)
        }));
    }
    file
}

#[test]
fn ffmpeg_decodes_every_packet() {
    for vector in [HIGH, BASELINE] {
        let (tracks, frames) = demux(vector.flv);
        judged(&tracks.iter().collect::<Vec<_>>(), &frames);
        for track in &tracks {
            judged(&[track], &frames);
        }
    }
}

#[test]
fn a_longer_stream_with_b_frames() {
    let flv = generated("flv", 5, "-c:v libx264 -preset veryfast -bf 3 -g 50 -b:v 1M -c:a aac -b:a 64k");
    let (tracks, frames) = demux(&flv);
    assert!(frames.iter().any(|frame| frame.pts > frame.dts), "B pictures");
    let file = judged(&tracks.iter().collect::<Vec<_>>(), &frames);
    assert_eq!(fact(&file, "v", "codec_name,width,height"), "h264,320,180");
    assert_eq!(fact(&file, "a", "codec_name,sample_rate,channels"), "aac,48000,1");
}

/// 26.5 hours after its beginning a stream's stamps begin anew. ffprobe shows those before as negative ones.
#[test]
fn the_wrap_of_33_bits() {
    let (tracks, mut frames) = demux(BASELINE.flv);
    let tracks: Vec<&TrackInfo> = tracks.iter().collect();
    let age = Timestamp::new((1 << 33) - 27_000, Rate::VIDEO);
    for frame in &mut frames {
        (frame.pts, frame.dts) = (frame.pts.plus(age), frame.dts.plus(age));
    }
    let frames = interleaved(&tracks, &frames);
    let stream = mux(&tracks, &frames);
    let file = TempFile::with("ts", &stream);
    for (index, track) in (0..).zip(&tracks) {
        let shown: Vec<Packet> = packets(&file).into_iter().filter(|packet| packet.stream == index).collect();
        let written = frames.iter().filter(|frame| frame.track == track.id).map(stamps);
        let shown = shown.iter().map(|packet| (packet.pts + (1 << 33), packet.dts + (1 << 33)));
        assert!(shown.eq(written));
    }
    decode(&file);
    let read: Vec<(i64, i64)> = read(&stream).1.iter().map(stamps).collect();
    assert!(read.iter().any(|stamps| stamps.1 < 1 << 33) && read.iter().any(|stamps| stamps.1 > 1 << 33));
}

#[test]
fn streams_of_ffmpeg_are_read() {
    let bytes = generated("ts", 3, "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac -b:a 96k -ac 2");
    assert!(bytes.len().is_multiple_of(PACKET_LEN));
    let (tracks, frames, losses) = read(&bytes);
    assert_eq!(losses, Losses::default());
    let mut codecs: Vec<Codec> = tracks.iter().map(TrackInfo::codec).collect();
    codecs.sort_unstable();
    assert_eq!(codecs, [Codec::H264, Codec::Aac]);
    let shown = packets(&TempFile::with("ts", &bytes));
    for (stream, pid) in [(0, 0x100), (1, 0x101)] {
        let ours: Vec<(i64, i64)> = frames.iter().filter(|frame| frame.track.0 == pid).map(stamps).collect();
        let theirs: Vec<(i64, i64)> = shown
            .iter()
            .filter(|packet| packet.stream == stream)
            .map(|packet| (packet.pts, packet.dts))
            .collect();
        assert_eq!(ours, theirs);
    }
    assert!(
        frames
            .iter()
            .all(|frame| frame.track.0 != 0x100 || avcc::nals(&frame.payload, 4).all(|nal| nal.is_ok()))
    );
    let tracks: Vec<&TrackInfo> = tracks.iter().collect();
    judged(&tracks, &frames);
}
