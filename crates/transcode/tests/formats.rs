//! What comes in: every AAC that a publisher may send, every Opus packet that a browser may send.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use bytes::Bytes;
use common::*;
use media::aac::AudioConfig;
use media::g711::Law;
use media::{Codec, CodecConfig, Frame, TrackInfo, opus};
use transcode::codec::{EncoderSettings, backend};
use transcode::{Error, Pipeline, Stats, Target};

/// The tone of `hz` is there, nothing else is, and nothing clicks.
fn assert_tone(pcm: &[f32], hz: f64, level: f64, what: &str) {
    let found = amplitude(pcm, hz);
    assert!((found - level).abs() < 0.05 * level.max(0.2), "{what}: {found} instead of {level}");
    let rest = (rms(pcm).powi(2) - found * found / 2.0).max(0.0).sqrt();
    assert!(rest < 0.03, "{what}: {rest} besides the tone");
    let steepest = pcm.windows(2).map(|pair| f64::from((pair[1] - pair[0]).abs())).fold(0.0, f64::max);
    assert!(
        steepest < 1.3 * level * hz * std::f64::consts::TAU / 48_000.0 + 0.03,
        "{what}: a step of {steepest}"
    );
}

#[test]
fn rule_5_ffmpegs_aac_of_any_rate_becomes_opus() {
    if !has_ffmpeg() {
        return;
    }
    for (rate, channels) in
        [(44_100, 1), (48_000, 2), (44_100, 2), (22_050, 1), (16_000, 1), (8_000, 1), (96_000, 2)]
    {
        let what = format!("{rate} Hz, {channels} channels");
        let (input, frames) = ffmpeg_encode(&tone(1_000.0, 2.0, channels.into()), channels, rate);
        let (pipeline, out) = run(&input, Target::new(Codec::Opus), &frames);
        assert_eq!(pipeline.output().config, CodecConfig::Opus(opus::Head { channels }));
        let (heard, first) = listen(pipeline.output(), &out);
        assert!(first <= 0 && first > -360 - 1_024 * 48_000 / i64::from(rate), "{what}: starts at {first}");
        for index in 0..usize::from(channels) {
            let pcm = channel(&heard, channels.into(), index);
            assert_tone(&pcm[24_000..72_000], 1_000.0, 0.5, &what);
        }
        let Stats { corrupt, filled, late, .. } = pipeline.stats();
        assert_eq!((corrupt, filled, late), (0, 0, 0), "{what}");
    }
}

#[test]
fn g711_of_both_laws_becomes_aac_and_opus() {
    for (law, channels) in [(Law::A, 1), (Law::Mu, 1), (Law::A, 2)] {
        for codec in [Codec::Aac, Codec::Opus] {
            let what = format!("{law}, {channels} channels, to {codec}");
            let frames = publish_g711(law, &tone(1_000.0, 2.0, channels.into()), channels, 0);
            let (pipeline, out) = run(&g711_track(law, channels), Target::new(codec), &frames);
            let (heard, first) = listen(pipeline.output(), &out);
            assert!((-2_048..=0).contains(&first), "{what}: starts at {first}");
            for index in 0..usize::from(channels) {
                let pcm = channel(&heard, channels.into(), index);
                assert_tone(&pcm[24_000..72_000], 1_000.0, 0.5, &what);
            }
            let Stats { corrupt, filled, late, stretched, .. } = pipeline.stats();
            assert_eq!((corrupt, filled, late, stretched), (0, 0, 0, 0), "{what}");
        }
    }
}

#[test]
fn g711_that_changes_its_law_and_rate_goes_on() {
    let pcm = tone(1_000.0, 2.0, 1);
    let mut pipeline = Pipeline::new(&g711_track(Law::A, 1), Target::new(Codec::Opus), OUT).unwrap();
    let mut out = Vec::new();
    for frame in publish_g711(Law::A, &pcm, 1, 0) {
        assert_eq!(pipeline.push(&frame, &mut out), None);
    }
    let wide = media::g711::AudioConfig::new(Law::Mu, media::Rate::new(16_000).unwrap(), 1).unwrap();
    pipeline.reconfigure(&TrackInfo { id: IN, config: CodecConfig::G711(wide) }).unwrap();
    // The same bytes at twice the rate are half as long and an octave higher.
    for (index, mut frame) in (0..).zip(publish_g711(Law::Mu, &pcm, 1, 0)) {
        frame.pts = at(2 * 48_000 + index * 480);
        frame.dts = frame.pts;
        assert_eq!(pipeline.push(&frame, &mut out), None);
    }
    let (heard, first) = listen(pipeline.output(), &out);
    let place = |time: i64| usize::try_from(time - first).unwrap();
    assert_tone(&heard[place(48_000)..place(90_000)], 1_000.0, 0.5, "before");
    assert_tone(&heard[place(100_000)..place(138_000)], 2_000.0, 0.5, "after");
}

#[test]
fn ffmpegs_clicks_are_where_they_were_after_resampling() {
    if !has_ffmpeg() {
        return;
    }
    for rate in [44_100, 48_000, 22_050, 16_000] {
        let (input, frames) = ffmpeg_encode(&clicks(96_000, &[50_001]), 1, rate);
        let (pipeline, out) = run(&input, Target::new(Codec::Opus), &frames);
        let (heard, first) = listen(pipeline.output(), &out);
        let expected = (50_001 - first) as usize;
        let found = loudest(&heard, expected - 4_000..expected + 4_000);
        println!("{rate} Hz: {} samples", found as i64 - expected as i64);
        assert!(found.abs_diff(expected) <= 144, "{rate} Hz: {found} instead of {expected}");
    }
}

#[test]
fn five_one_is_mixed_to_stereo() {
    if !has_ffmpeg() {
        return;
    }
    let (input, frames) = ffmpeg_encode(&tone(500.0, 3.0, 6), 6, 48_000);
    let (pipeline, out) = run(&input, Target::new(Codec::Opus), &frames);
    let (heard, _) = listen(pipeline.output(), &out);
    for index in 0..2 {
        assert_tone(&channel(&heard, 2, index)[24_000..120_000], 500.0, 0.5, "5.1");
    }
}

#[test]
fn he_aac_becomes_opus_in_time() {
    for (name, delay, channels, rate) in
        [("he-aac-v1-48k-mono", 4_096, 1, 48_000), ("he-aac-v2-44k1-stereo", 6_144, 2, 44_100)]
    {
        let (input, frames) = vector(name, delay);
        let (pipeline, out) = run(&input, Target::new(Codec::Opus), &frames);
        assert_eq!(pipeline.output().config, CodecConfig::Opus(opus::Head { channels }), "{name}");
        let (heard, first) = listen(pipeline.output(), &out);
        let left = channel(&heard, channels.into(), 0);
        let from = usize::try_from(4_800 - first).unwrap();
        assert_tone(&left[from..from + 14_400], 1_000.0, 0.5, name);
        let expected = usize::try_from(33_600 - first).unwrap();
        let found = loudest(&left, expected - 4_000..expected + 4_000);
        println!("{name} of {rate} Hz: {} samples", found as i64 - expected as i64);
        assert!(found.abs_diff(expected) <= 144, "{name}: {found} instead of {expected}");
    }
}

#[test]
fn rule_6_opus_becomes_aac_lc_for_symphonia_and_ffmpeg() {
    for channels in [1, 2] {
        let frames = publish(Codec::Opus, &tone(1_000.0, 4.0, channels.into()), channels, 0);
        let target = Target { channels: Some(channels), ..Target::new(Codec::Aac) };
        let (pipeline, out) = run(&opus_track(), target, &frames);
        let config = AudioConfig::lc(media::Rate::OPUS, channels).unwrap();
        assert_eq!(pipeline.output(), &TrackInfo { id: OUT, config: CodecConfig::Aac(config.clone()) });
        let mut heard = vec![("symphonia", listen(pipeline.output(), &out).0)];
        if has_ffmpeg() {
            heard.push(("ffmpeg", ffmpeg_decode(&config, &out)));
        }
        for (who, pcm) in heard {
            for index in 0..usize::from(channels) {
                assert_tone(&channel(&pcm, channels.into(), index)[24_000..168_000], 1_000.0, 0.5, who);
            }
        }
    }
}

#[test]
fn opus_defaults_to_one_channel_of_64_kbits_and_two_of_96() {
    for (channels, expected) in [(None, 64_000), (Some(2), 96_000)] {
        let frames = publish(Codec::Opus, &tone(440.0, 10.0, 2), 2, 0);
        let (_, out) = run(&opus_track(), Target { channels, ..Target::new(Codec::Aac) }, &frames);
        let bits = out.iter().map(|frame| frame.payload.len() * 8).sum::<usize>() as f64;
        let rate = bits / (out.len() as f64 * 1_024.0 / 48_000.0);
        assert!((rate / f64::from(expected) - 1.0).abs() < 0.06, "{rate} instead of {expected}");
    }
}

#[test]
fn rule_3_opus_may_switch_between_mono_and_stereo() {
    for channels in [1, 2] {
        let mono = publish(Codec::Opus, &tone(600.0, 2.0, 1), 1, 0);
        let stereo = publish(Codec::Opus, &tone(600.0, 2.0, 2), 2, 0);
        let switching =
            mono.iter().zip(&stereo).enumerate().map(|(index, (mono, stereo))| {
                if index / 20 % 2 == 0 { mono.clone() } else { stereo.clone() }
            });
        let target = Target { channels: Some(channels), ..Target::new(Codec::Aac) };
        let (pipeline, out) = run(&opus_track(), target, &switching.collect::<Vec<_>>());
        let (heard, _) = listen(pipeline.output(), &out);
        assert!((rms(&heard[24_000..72_000]) - 0.354).abs() < 0.02);
        assert_eq!(pipeline.stats().corrupt, 0);
    }
}

/// Joins `frames` packets of 20 ms into one of code 3 (RFC 6716 §3.2.5) with that many times the duration.
fn joined(packets: &[Frame]) -> Bytes {
    let toc = packets[0].payload[0] & !3 | 3;
    let mut bytes = vec![toc, 0x80 | packets.len() as u8];
    for packet in &packets[..packets.len() - 1] {
        let length = packet.payload.len() - 1;
        if length < 252 {
            bytes.push(length as u8);
        } else {
            bytes.extend_from_slice(&[252 + (length & 3) as u8, ((length - 252) >> 2) as u8]);
        }
    }
    for packet in packets {
        bytes.extend_from_slice(&packet.payload[1..]);
    }
    bytes.into()
}

#[test]
fn rule_3_opus_packets_of_20_to_120_ms() {
    let singles = publish(Codec::Opus, &tone(440.0, 6.0, 1), 1, 0);
    for count in 1..=6 {
        let frames: Vec<Frame> = singles
            .chunks_exact(count)
            .map(|packets| {
                frame(packets[0].pts, if count == 1 { packets[0].payload.clone() } else { joined(packets) })
            })
            .collect();
        let (pipeline, out) = run(&opus_track(), Target::new(Codec::Aac), &frames);
        let (heard, _) = listen(pipeline.output(), &out);
        assert_tone(&heard[24_000..264_000], 440.0, 0.5, &format!("{} ms", count * 20));
        assert_eq!(pipeline.stats().filled, 0);
    }
}

/// CELT packets of 2.5, 5 and 10 ms with nothing in them (RFC 6716 §3.1: configurations 28, 29 and 30).
#[test]
fn rule_3_opus_packets_shorter_than_20_ms_count_as_what_they_are() {
    for (toc, samples) in [(28 << 3, 120), (29 << 3, 240), (30 << 3, 480)] {
        let frames: Vec<Frame> = (0..4_000)
            .map(|index| frame(at(index * samples), Bytes::copy_from_slice(&[toc, 0xFF, 0xFE])))
            .collect();
        let (pipeline, out) = run(&opus_track(), Target::new(Codec::Aac), &frames);
        let end = out.last().unwrap().pts.ticks();
        assert!((4_000 * samples - end) < 4 * 1_024, "{toc}: {end}");
        assert_eq!(pipeline.stats().filled, 0);
    }
}

/// 960 samples a frame, of digital silence: a single channel element without spectrum (ISO/IEC 14496-3 §4.4.2.1).
#[test]
fn aac_frames_of_960_samples_are_20_ms() {
    // LC, 48 kHz, one channel, frameLengthFlag.
    let config = AudioConfig::parse(&[0x11, 0x8C]).unwrap();
    assert_eq!(config.samples_per_frame(), 960);
    let input = TrackInfo { id: IN, config: CodecConfig::Aac(config) };
    let silence = Bytes::from_static(&[0, 0, 0, 0b111]);
    let frames: Vec<Frame> = (0..500).map(|index| frame(at(index * 960), silence.clone())).collect();
    let (pipeline, out) = run(&input, Target::new(Codec::Opus), &frames);
    assert_eq!(out.len(), 500);
    assert_eq!((pipeline.stats().corrupt, pipeline.stats().stretched), (0, 0));
}

#[test]
fn rule_5_a_new_configuration_in_mid_stream_goes_on_without_a_step() {
    if !has_ffmpeg() {
        return;
    }
    let (first, mut frames) = ffmpeg_encode(&tone(500.0, 3.0, 1), 1, 44_100);
    let (second, more) = ffmpeg_encode(&tone(500.0, 3.0, 2), 2, 48_000);
    let mut pipeline = Pipeline::new(&first, Target::new(Codec::Opus), OUT).unwrap();
    let mut out = Vec::new();
    frames.pop();
    for frame in &frames {
        assert_eq!(pipeline.push(frame, &mut out), None);
    }
    pipeline.reconfigure(&second).unwrap();
    let end = frames.last().unwrap().pts.as_millis() + 23;
    for (index, other) in more[2..].iter().enumerate() {
        let pts = media::Timestamp::from_millis(end + (index as i64 * 1_024 + 24) / 48);
        assert_eq!(pipeline.push(&frame(pts, other.payload.clone()), &mut out), None);
    }
    let (heard, _) = listen(pipeline.output(), &out);
    assert_eq!(pipeline.output().config, CodecConfig::Opus(opus::Head { channels: 1 }), "as announced");
    let steepest = heard[2_000..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.1, "a step of {steepest}");
    assert!(out.len() > 280, "{} frames", out.len());
}

#[test]
fn what_cannot_be_transcoded_is_refused_by_name() {
    let refusal = |input: &TrackInfo, target| Pipeline::new(input, target, OUT).unwrap_err().to_string();
    let odd = TrackInfo {
        id: IN,
        config: CodecConfig::Aac(AudioConfig::lc(media::Rate::new(44_101).unwrap(), 1).unwrap()),
    };
    assert!(refusal(&odd, Target::new(Codec::Opus)).contains("44101 Hz"));
    let wide = Target { channels: Some(3), ..Target::new(Codec::Opus) };
    assert!(refusal(&opus_track(), wide).contains("3 channels"));
    let loud = Target { bitrate: Some(1), ..Target::new(Codec::Opus) };
    assert!(refusal(&opus_track(), loud).contains("1 bit/s"));
    assert!(refusal(&opus_track(), Target::new(Codec::H264)).contains("H264"));
    let main = TrackInfo { id: IN, config: CodecConfig::Aac(AudioConfig::parse(&[0x09, 0x88]).unwrap()) };
    assert!(matches!(Pipeline::new(&main, Target::new(Codec::Opus), OUT), Err(Error::ObjectType(1))));
}

#[test]
fn both_codecs_keep_their_level_over_several_generations() {
    let pcm = tone(1_000.0, 3.0, 1);
    let mut frames = publish(Codec::Opus, &pcm, 1, 0);
    let mut track = opus_track();
    for codec in [Codec::Aac, Codec::Opus, Codec::Aac] {
        let (pipeline, out) = run(&track, Target { channels: Some(1), ..Target::new(codec) }, &frames);
        (track, frames) = (pipeline.output().clone(), out);
    }
    let (heard, _) = listen(&track, &frames);
    assert_tone(&heard[24_000..120_000], 1_000.0, 0.5, "three generations");
    let settings = EncoderSettings { channels: 1, bitrate: 64_000 };
    assert!(backend::aac_encoder(settings).unwrap().delay() <= 2_048);
}
