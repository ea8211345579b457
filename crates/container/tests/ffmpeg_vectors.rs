//! Files that ffmpeg wrote, against what ffprobe says of them and against our own muxer (vectors/ffmpeg-5.1/SOURCE.md).

use bytes::Bytes;
use container::flv::{self, Format, TagKind, mux};
use media::g711::{AudioConfig, Law};
use media::h264::avcc;
use media::h264::sps::Sps;
use media::{CodecConfig, Frame, Kind, TrackInfo};
use support::{BASELINE, HIGH, Vector};

mod support;

fn demux(vector: &Vector) -> (Vec<TrackInfo>, Vec<Frame>) {
    support::demux(vector.flv)
}

#[test]
fn every_packet_is_where_ffprobe_sees_it() {
    for vector in [HIGH, BASELINE] {
        let (_, frames) = demux(&vector);
        assert_eq!(frames.len(), vector.packets.lines().count());
        for (frame, line) in frames.iter().zip(vector.packets.lines()) {
            let fields: Vec<&str> = line.split(',').collect();
            let [kind, pts, dts, _, key] = fields[..] else { panic!("{line}") };
            let (pts, dts): (i64, i64) = (pts.parse().unwrap(), dts.parse().unwrap());
            assert_eq!(frame.track == flv::VIDEO, kind == "video", "{line}");
            assert_eq!(frame.random_access, key == "K", "{line}");
            let off = (frame.pts.as_millis() - pts).abs().max((frame.dts.as_millis() - dts).abs());
            // ffmpeg cut the audio stamps down to whole milliseconds; ours are on the grid of samples again.
            assert!(off <= i64::from(kind == "audio"), "{frame:?} for {line}");
        }
    }
}

#[test]
fn audio_frames_follow_each_other_without_a_gap() {
    for vector in [HIGH, BASELINE] {
        let audio: Vec<Frame> =
            demux(&vector).1.into_iter().filter(|frame| frame.track == flv::AUDIO).collect();
        assert!(audio.windows(2).all(|pair| pair[1].dts.minus(pair[0].dts).ticks() == 1_024));
    }
}

#[test]
fn parameters_are_told_once_although_they_are_repeated_in_the_stream() {
    let expected = [(HIGH, 44_100, 1, 100, 2), (BASELINE, 48_000, 2, 66, 0)];
    for (vector, rate, channels, profile, reordered) in expected {
        let (tracks, _) = demux(&vector);
        assert_eq!(tracks.iter().map(TrackInfo::kind).collect::<Vec<_>>(), [Kind::Video, Kind::Audio]);
        let [CodecConfig::H264(sets), CodecConfig::Aac(aac)] = [&tracks[0].config, &tracks[1].config] else {
            panic!("{tracks:?}")
        };
        let sps = Sps::parse(&sets.sps[0]).unwrap();
        assert_eq!((sps.width, sps.height, sps.profile_idc), (128, 96, profile));
        assert_eq!(sps.max_num_reorder_frames, Some(reordered));
        assert_eq!((aac.rate().hz(), aac.channels()), (rate, channels));
    }
}

#[test]
fn both_slices_of_a_picture_stay_together() {
    let (_, frames) = demux(&BASELINE);
    for frame in frames.iter().filter(|frame| frame.track == flv::VIDEO) {
        let types: Vec<u8> = avcc::nals(&frame.payload, 4).map(|nal| nal.unwrap()[0] & 0x1f).collect();
        let slice = if frame.random_access { 5 } else { 1 };
        assert_eq!(types.iter().filter(|&&kind| kind == slice).count(), 2, "{types:?}");
        assert!(types.iter().all(|&kind| kind == slice || kind == 6), "{types:?}");
    }
}

#[test]
fn our_muxer_writes_the_bytes_that_ffmpeg_wrote() {
    let (tracks, frames) = demux(&HIGH);
    let mut ours: Vec<(TagKind, Bytes)> = vec![
        (TagKind::Video, mux::video_config_body(&tracks[0], Format::Legacy).unwrap()),
        (TagKind::Audio, mux::audio_config_body(&tracks[1], Format::Legacy).unwrap()),
    ];
    for frame in &frames {
        ours.push(if frame.track == flv::VIDEO {
            (TagKind::Video, mux::video_body(frame, Format::Legacy))
        } else {
            (TagKind::Audio, mux::audio_body(frame, tracks[1].codec(), Format::Legacy).unwrap())
        });
    }
    let mut theirs: Vec<(TagKind, Bytes)> =
        support::tags(HIGH.flv).into_iter().map(|tag| (tag.kind, tag.body)).collect();
    let end = theirs.iter().rposition(|(_, body)| body.starts_with(&[0x17, 2])).unwrap();
    assert_eq!(theirs.remove(end).1, mux::video_end_body(Format::Legacy));
    assert_eq!(ours, theirs);
}

#[test]
fn ffmpegs_g711_is_8_khz_whatever_its_rate_bits_say() {
    const G711: Vector = Vector {
        flv: include_bytes!("../../../tests/vectors/ffmpeg-5.1/g711-alaw-8000-mono.flv"),
        packets: include_str!("../../../tests/vectors/ffmpeg-5.1/g711-alaw-8000-mono.csv"),
    };
    let (tracks, frames) = demux(&G711);
    let [CodecConfig::G711(config)] = [&tracks[0].config] else { panic!("{tracks:?}") };
    assert_eq!(*config, AudioConfig::telephone(Law::A));
    assert_eq!(frames.len(), G711.packets.lines().count());
    for (frame, line) in frames.iter().zip(G711.packets.lines()) {
        let seen = format!("audio,{0},{0},{1},K", frame.pts.as_millis(), frame.payload.len());
        assert_eq!(seen, line);
    }
}
