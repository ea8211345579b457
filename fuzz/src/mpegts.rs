//! MPEG transport streams: what we write is what we read, and what others wrote.

use bytes::BytesMut;
use container::mpegts::{Demuxer, Event, Losses, Muxer, PACKET_LEN};
use media::h264::{avcc, nal};
use media::{Codec, Frame, Rate, Timestamp, TrackId, TrackInfo};

use crate::frames::{self, Planned};
use crate::h264::check_payload;
use crate::pieces::pieces;

/// Two bytes that decide the cuts, then a stream. Any cuts give the same events, every frame comes behind its track and is
/// in the hub's form.
pub fn stream(input: &[u8]) {
    let Some((&seed, bytes)) = input.split_first_chunk() else { return };
    let whole = read(std::iter::once(bytes));
    assert_eq!(whole, read(pieces(bytes, u16::from_be_bytes(seed))));
    let mut known: Vec<TrackInfo> = Vec::new();
    for event in whole.0 {
        match event {
            Event::Track(track) => {
                known.retain(|other| other.id != track.id);
                known.push(track);
            }
            Event::Frame(frame) => {
                let track = known.iter().find(|track| track.id == frame.track).expect("its track before it");
                match track.codec() {
                    Codec::H264 => check_payload(&frame.payload, frame.random_access),
                    _ => assert!(!frame.payload.is_empty() && frame.dts.rate() == track.rate()),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Losses) {
    let mut demuxer = Demuxer::new();
    pieces.for_each(|piece| demuxer.push(piece));
    demuxer.finish();
    (std::iter::from_fn(|| demuxer.poll_event()).collect(), demuxer.losses())
}

/// Frames by [`frames::plan`] through the muxer; the upper bits of the start let the stamps wrap on the way.
pub fn round_trip(input: &[u8]) {
    let (start, plan) = frames::plan(input);
    let [video, audio] = frames::tracks();
    let [video, audio] =
        [TrackInfo { id: TrackId(0x100), ..video }, TrackInfo { id: TrackId(0x101), ..audio }];
    let mut muxer = Muxer::new(&[&video, &audio]).expect("tracks that can be carried");
    let (mut stream, mut written) = (BytesMut::new(), Vec::new());
    muxer.tables(&mut stream);
    // Below the first wrap, since the reader cannot know of earlier ones. The second frame is a picture as well: it ends
    // the first one, which otherwise came after sound from beyond the wrap, and before the origin that this has set.
    let mut at = i64::from(start) << 1;
    for (index, planned) in plan.iter().enumerate() {
        // A reader can follow up to half a wrap, and a picture without a length comes to it after all sound before the
        // next picture: 46 s are the longest step of the hundreds that an input has.
        at += if index == 0 { 0 } else { i64::from(planned.step >> 10) };
        let (track, frame) = if planned.video || index < 2 {
            (&video, picture(planned, at, index == 0))
        } else {
            (&audio, sound(planned, at))
        };
        let before = stream.len();
        match muxer.frame(&frame, track, &mut stream) {
            Ok(()) => written.push(frame),
            Err(error) => {
                assert!(track.id == audio.id && frame.payload.len() > 8_184, "{error}");
                assert_eq!(stream.len(), before, "a refused frame leaves nothing");
            }
        }
    }
    assert!(stream.len().is_multiple_of(PACKET_LEN));
    let (events, losses) = read(std::iter::once(&stream[..]));
    assert_eq!(losses, Losses::default());
    let mut read = Vec::new();
    for event in events {
        match event {
            Event::Frame(frame) => read.push(frame),
            Event::Track(track) => assert!(track == video || track == audio, "{track:?}"),
            other => panic!("{other:?}"),
        }
    }
    for id in [video.id, audio.id] {
        let of_track = |frames: &[Frame]| -> Vec<Frame> {
            frames.iter().filter(|frame| frame.track == id).cloned().collect()
        };
        assert_eq!(of_track(&read), of_track(&written));
    }
}

fn picture(planned: &Planned<'_>, at: i64, first: bool) -> Frame {
    let random_access = first || planned.random_access;
    let mut unit = vec![if random_access { 0x65 } else { 0x41 }];
    nal::escape(&planned.payload(), &mut unit);
    unit.push(0x80);
    let stamp = |ticks| Timestamp::new(ticks, Rate::VIDEO);
    let pts = stamp(at + i64::from(planned.composition));
    Frame { track: TrackId(0x100), pts, dts: stamp(at), random_access, payload: avcc::write([&unit[..]]) }
}

fn sound(planned: &Planned<'_>, at: i64) -> Frame {
    let at = Timestamp::new(at, Rate::VIDEO).to_rate(Rate::OPUS);
    Frame { track: TrackId(0x101), pts: at, dts: at, random_access: true, payload: planned.payload() }
}
