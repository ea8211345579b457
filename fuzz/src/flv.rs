//! FLV: the file, the tags, what is in them.

use container::flv::mux::{video_body, video_config_body};
use container::flv::video::{self, VideoPacket};
use container::flv::{
    Announced, Demuxer, Event, FlvError, Format, Reader, Tag, TagKind, VIDEO, file_header, write_tag,
};
use media::opus::packet::duration_samples;
use media::{Codec, CodecConfig, Frame, Kind, TrackInfo};

use crate::h264::{check_payload, check_record};
use crate::pieces::pieces;

/// Two bytes that decide the cuts, then a file. Any cuts give the same tags, and these written give them again.
pub fn file(input: &[u8]) {
    let Some((&seed, bytes)) = input.split_first_chunk() else { return };
    let whole = read(std::iter::once(bytes));
    assert_eq!(whole, read(pieces(bytes, u16::from_be_bytes(seed))));
    let (tags, _) = whole;
    let mut written = file_header().to_vec();
    for tag in &tags {
        written.extend(write_tag(tag.kind, tag.timestamp_ms, &tag.body[..]).expect("no longer than it was"));
    }
    assert_eq!(read(std::iter::once(&written[..])), (tags, None));
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Tag>, Option<FlvError>) {
    let (mut reader, mut tags) = (Reader::new(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_tag() {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => return (tags, Some(error)),
            }
        }
    }
    (tags, None)
}

/// Tags as they stand in a file, without its header, through the demuxer: what comes out is what the hub takes.
pub fn tags(input: &[u8]) {
    let (tags, _) = read([&file_header()[..], input].into_iter());
    let (mut demuxer, mut known) = (Demuxer::new(), [None, None]);
    for Tag { kind, timestamp_ms, body } in tags {
        match kind {
            TagKind::Video => demuxer.push_video(timestamp_ms, &body),
            TagKind::Audio => demuxer.push_audio(timestamp_ms, &body),
            TagKind::Script => {
                let metadata = rtmp::Metadata::parse(&body).unwrap_or_default();
                let announced = (metadata.video_codec.is_some(), metadata.audio_codec.is_some());
                demuxer.push_metadata(Announced { video: announced.0, audio: announced.1 });
            }
        }
        let events: Vec<Event> = std::iter::from_fn(|| demuxer.poll_event()).collect();
        assert!(events.len() <= 3, "{} events of one tag", events.len());
        for event in events {
            match event {
                Event::Track(info) => {
                    check_track(&info);
                    let index = usize::from(info.kind() == Kind::Audio);
                    known[index] = Some(info);
                }
                Event::Frame(frame) => {
                    let info = known[usize::from(frame.track != VIDEO)].as_ref();
                    check_frame(&frame, info.expect("a track before its frames"));
                }
                _ => {}
            }
        }
    }
}

/// Video parameters survive both formats of sequence header.
fn check_track(info: &TrackInfo) {
    let CodecConfig::H264(sets) = &info.config else { return };
    assert!(sets.is_complete());
    check_record(sets);
    for format in [Format::Legacy, Format::Enhanced] {
        let body = video_config_body(info, format).expect("complete parameter sets");
        assert!(matches!(video::parse(&body), Ok(VideoPacket::Config(_))));
    }
}

fn check_frame(frame: &Frame, info: &TrackInfo) {
    assert_eq!((frame.track, frame.dts.rate()), (info.id, info.rate()));
    match info.codec() {
        Codec::H264 => {
            check_payload(&frame.payload, frame.random_access);
            for format in [Format::Legacy, Format::Enhanced] {
                let parsed = video::parse(&video_body(frame, format));
                assert!(matches!(parsed, Ok(VideoPacket::Frame { data, .. }) if data == frame.payload));
            }
        }
        Codec::Opus => assert!(duration_samples(&frame.payload).is_ok()),
        _ => assert!(!frame.payload.is_empty()),
    }
}
