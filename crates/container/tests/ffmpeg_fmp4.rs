//! Our fMP4 judged by ffprobe and ffmpeg's decoders, and ffmpeg's own fMP4 read by us.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use bytes::Bytes;
use container::fmp4::{Init, Run, Sample, fragment, init_segment};
use media::{CodecConfig, Frame, Kind, Rate, Timestamp, TrackInfo};
use support::{BASELINE, HIGH, Packet, TempFile, decode, demux, fact, generated, packets};

mod support;

/// Milliseconds of a part in LL-HLS.
const PART: i64 = 200;

/// Each frame with the time to the next one of its track; the last gets that of the one before.
fn with_durations(frames: &[Frame]) -> Vec<Sample<'_>> {
    let mut samples: Vec<Sample<'_>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let next = frames.get(index + 1);
        let duration = match next {
            Some(next) => u32::try_from(next.dts.minus(frame.dts).ticks()).expect("increasing"),
            None => samples.last().map_or(1, |last| last.duration),
        };
        samples.push(Sample { frame, duration });
    }
    samples
}

/// An init section and fragments of 200 ms with all tracks, on the frames' own clocks.
fn mux(tracks: &[&TrackInfo], frames: &[Vec<Frame>]) -> Bytes {
    let samples: Vec<Vec<Sample<'_>>> = frames.iter().map(|frames| with_durations(frames)).collect();
    let end = frames.iter().flatten().map(|frame| frame.dts.as_millis()).max().unwrap();
    let mut file = init_segment(tracks).unwrap().to_vec();
    for (sequence, part) in (1..).zip((0..=end).step_by(usize::try_from(PART).unwrap())) {
        let (from, to) = (Timestamp::from_millis(part), Timestamp::from_millis(part + PART));
        let runs: Vec<Run<'_>> = (1..)
            .zip(tracks.iter().zip(&samples))
            .map(|(id, (track, samples))| {
                let first = samples.partition_point(|sample| sample.frame.dts < from);
                let last = samples.partition_point(|sample| sample.frame.dts < to);
                let samples = &samples[first..last];
                let start =
                    samples.first().map_or(0, |sample| sample.frame.dts.to_rate(track.rate()).ticks());
                let base_decode_time = u64::try_from(start).expect("our timelines begin at 0");
                Run { track: id, rate: track.rate(), base_decode_time, samples }
            })
            .collect();
        file.extend_from_slice(&fragment(sequence, &runs).unwrap());
    }
    file.into()
}

/// What ffprobe must tell of the frames of each track.
fn expected(tracks: &[&TrackInfo], frames: &[Vec<Frame>]) -> Vec<Vec<Packet>> {
    let packet = |stream: usize, frame: &Frame| Packet {
        stream: u32::try_from(stream).unwrap(),
        pts: frame.pts.to_rate(tracks[stream].rate()).ticks(),
        dts: frame.dts.to_rate(tracks[stream].rate()).ticks(),
        bytes: frame.payload.len(),
        key: frame.random_access,
    };
    let of_track =
        |(stream, frames): (usize, &Vec<Frame>)| frames.iter().map(|frame| packet(stream, frame)).collect();
    frames.iter().enumerate().map(of_track).collect()
}

fn by_stream(packets: Vec<Packet>, streams: usize) -> Vec<Vec<Packet>> {
    let mut lists = vec![Vec::new(); streams];
    for packet in packets {
        lists[usize::try_from(packet.stream).unwrap()].push(packet);
    }
    lists
}

/// Writes the tracks as fMP4, which ffprobe must read packet for packet and ffmpeg decode without a warning, and which
/// our reader gives back.
fn judged(tracks: &[&TrackInfo], frames: &[Vec<Frame>]) -> TempFile {
    let bytes = mux(tracks, frames);
    let file = TempFile::with("mp4", &bytes);
    let shown = by_stream(packets(&file), tracks.len());
    for packets in &shown {
        assert!(packets.windows(2).all(|pair| pair[0].dts < pair[1].dts), "strictly increasing");
    }
    assert_eq!(shown, expected(tracks, frames));
    decode(&file);
    for (stream, frames) in frames.iter().enumerate() {
        assert_eq!(
            fact(&file, &stream.to_string(), "nb_read_frames"),
            frames.len().to_string(),
            "all decoded"
        );
    }
    let init = Init::parse(&bytes).unwrap();
    let read = init.fragments(&bytes).unwrap();
    for (id, written) in (1..).zip(frames) {
        let runs = read.iter().flat_map(|fragment| &fragment.runs).filter(|run| run.track == id);
        let read = runs.flat_map(|run| &run.samples).map(|sample| &sample.frame);
        let same = |(ours, theirs): (&Frame, &Frame)| {
            (ours.pts, ours.dts, ours.random_access, &ours.payload)
                == (theirs.pts, theirs.dts, theirs.random_access, &theirs.payload)
        };
        assert!(read.zip(written).all(same), "our reader");
    }
    file
}

/// The frames of each track apart.
fn apart(tracks: &[TrackInfo], frames: &[Frame]) -> Vec<Vec<Frame>> {
    let of_track =
        |track: &TrackInfo| frames.iter().filter(|frame| frame.track == track.id).cloned().collect();
    tracks.iter().map(of_track).collect()
}

#[test]
fn ffmpeg_decodes_every_fragment() {
    for vector in [HIGH, BASELINE] {
        let (tracks, frames) = demux(vector.flv);
        judged(&tracks.iter().collect::<Vec<_>>(), &apart(&tracks, &frames));
    }
}

#[test]
fn a_longer_stream_with_b_frames() {
    let flv = generated("flv", 5, "-c:v libx264 -preset veryfast -bf 3 -g 50 -c:a aac -b:a 64k");
    let (tracks, frames) = demux(&flv);
    assert!(frames.iter().any(|frame| frame.pts > frame.dts), "B pictures");
    let file = judged(&tracks.iter().collect::<Vec<_>>(), &apart(&tracks, &frames));
    assert_eq!(fact(&file, "v", "width,height,time_base"), "320,180,1/90000");
    assert_eq!(fact(&file, "a", "sample_rate,channels"), "48000,1");
}

#[test]
fn one_track_alone() {
    let (tracks, frames) = demux(HIGH.flv);
    let frames = apart(&tracks, &frames);
    for (track, frames) in tracks.iter().zip(frames) {
        judged(&[track], &[frames]);
    }
}

#[test]
fn a_presentation_that_is_old() {
    // 13 hours at 90 kHz are beyond 32 bits.
    let (tracks, mut frames) = demux(BASELINE.flv);
    let age = Timestamp::from_millis(13 * 3_600_000);
    for frame in &mut frames {
        (frame.pts, frame.dts) = (frame.pts.plus(age), frame.dts.plus(age));
    }
    let frames = apart(&tracks, &frames);
    let tracks: Vec<&TrackInfo> = tracks.iter().collect();
    let samples: Vec<Vec<Sample<'_>>> = frames.iter().map(|frames| with_durations(frames)).collect();
    let runs: Vec<Run<'_>> = (1..)
        .zip(tracks.iter().zip(&samples))
        .map(|(id, (track, samples))| {
            let base_decode_time = samples[0].frame.dts.ticks().cast_unsigned();
            Run { track: id, rate: track.rate(), base_decode_time, samples }
        })
        .collect();
    let bytes = [&init_segment(&tracks).unwrap()[..], &fragment(1, &runs).unwrap()].concat();
    let file = TempFile::with("mp4", &bytes);
    assert_eq!(by_stream(packets(&file), 2), expected(&tracks, &frames));
    decode(&file);
}

#[test]
fn the_shape_of_pixels_is_told() {
    let flv = generated("flv", 1, "-vf setsar=16/11 -c:v libx264 -preset ultrafast -an");
    let (tracks, frames) = demux(&flv);
    let file = judged(&[&tracks[0]], &apart(&tracks, &frames));
    assert_eq!(fact(&file, "v", "width,height,sample_aspect_ratio"), "320,180,16:11");
}

/// What ffmpeg writes as fragments, and what ffprobe says of it, is what we read, and what we write of it is right too.
#[test]
fn fragments_of_ffmpeg_are_read() {
    let fragmented = "-movflags +frag_keyframe+empty_moov+default_base_moof+omit_tfhd_offset -f mp4";
    for codecs in ["-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac", "-vn -c:a libopus -ac 2 -b:a 64k"] {
        let bytes = Bytes::from(generated("mp4", 3, &format!("{codecs} {fragmented}")));
        let init = Init::parse(&bytes).unwrap();
        let tracks: Vec<&TrackInfo> = init.tracks.iter().map(|track| &track.info).collect();
        let mut frames = vec![Vec::new(); tracks.len()];
        for run in init.fragments(&bytes).unwrap().into_iter().flat_map(|fragment| fragment.runs) {
            frames[run.track as usize - 1].extend(run.samples.into_iter().map(|sample| sample.frame));
        }
        let shown = by_stream(packets(&TempFile::with("mp4", &bytes)), tracks.len());
        for ((track, frames), shown) in init.tracks.iter().zip(&frames).zip(&shown) {
            assert_eq!(frames.len(), shown.len());
            // ffmpeg's file has an edit list, which ffprobe applies: a constant distance.
            let shift = frames[0].dts.ticks() - shown[0].dts;
            for (frame, packet) in frames.iter().zip(shown) {
                assert_eq!((frame.pts.ticks() - shift, frame.dts.ticks() - shift), (packet.pts, packet.dts));
                assert_eq!((frame.payload.len(), frame.random_access), (packet.bytes, packet.key));
                assert_eq!(frame.dts.rate(), track.rate);
            }
        }
        for (track, frames) in tracks.iter().zip(&mut frames) {
            for frame in frames {
                let to_hub = |stamp: Timestamp| stamp.to_rate(track.rate());
                (frame.pts, frame.dts) = (to_hub(frame.pts), to_hub(frame.dts));
            }
        }
        judged(&tracks, &frames);
    }
}

#[test]
fn every_codec_is_named_by_its_sample_entry() {
    let (tracks, _) = demux(HIGH.flv);
    let init = Init::parse(&init_segment(&tracks.iter().collect::<Vec<_>>()).unwrap()).unwrap();
    let [video, audio] = &init.tracks[..] else { panic!("{init:?}") };
    assert_eq!((video.info.kind(), audio.info.kind()), (Kind::Video, Kind::Audio));
    assert_eq!((video.rate, audio.rate), (Rate::VIDEO, Rate::new(44_100).unwrap()));
    assert_eq!((&video.info.config, &audio.info.config), (&tracks[0].config, &tracks[1].config));
    assert!(matches!(&audio.info.config, CodecConfig::Aac(config) if config.channels() == 1));
}
