//! Fragmented MP4: what we write is what we read, and what others wrote.

use bytes::Bytes;
use container::fmp4::{Init, MAX_SAMPLES, MAX_TRACKS, ReadSample, Run, Sample, fragment, init_segment};
use media::{Frame, TrackInfo};

use crate::frames::{self, Planned};

/// Any bytes as init section, as fragments behind one of ours, and as a file of both.
pub fn file(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let tracks = frames::tracks();
    let ours = init_segment(&tracks.each_ref()).expect("tracks that can be described");
    check_fragments(&Init::parse(&ours).expect("our own init section"), &bytes);
    if let Ok(init) = Init::parse(input) {
        assert!(init.tracks.len() <= MAX_TRACKS);
        check_fragments(&init, &bytes);
    }
}

fn check_fragments(init: &Init, bytes: &Bytes) {
    let Ok(fragments) = init.fragments(bytes) else { return };
    let mut samples = 0;
    for run in fragments.iter().flat_map(|fragment| &fragment.runs) {
        assert!(init.tracks.iter().any(|track| track.info.id.0 == run.track));
        samples += run.samples.len();
        let mut decoded = i64::try_from(run.base_decode_time).unwrap_or(i64::MAX);
        for ReadSample { frame, duration } in &run.samples {
            assert!(!frame.payload.is_empty() && frame.payload.len() <= bytes.len());
            assert_eq!(frame.dts.ticks(), decoded, "each begins where the one before ends");
            decoded = decoded.saturating_add((*duration).into());
        }
    }
    assert!(samples <= MAX_SAMPLES, "{samples} samples");
}

/// Frames by [`frames::plan`] in one fragment; the step in front of a frame is its duration.
pub fn round_trip(input: &[u8]) {
    let (start, plan) = frames::plan(input);
    let tracks = frames::tracks();
    let init = init_segment(&tracks.each_ref()).expect("tracks that can be described");
    let init = Init::parse(&init).expect("our own init section");
    // A start as late as the clock can be, so that wraps of 32 and 33 bits are in between.
    let written = tracks.each_ref().map(|track| {
        let mut dts = i64::from(start) << 20;
        let mut list = Vec::new();
        for planned in plan.iter().filter(|planned| planned.video == (track.id == tracks[0].id)) {
            list.push((frame(planned, track, dts), planned.step));
            dts += i64::from(planned.step);
        }
        list
    });
    let samples = written.each_ref().map(|list| {
        list.iter().map(|(frame, duration)| Sample { frame, duration: *duration }).collect::<Vec<_>>()
    });
    let run = |index: usize| Run {
        track: tracks[index].id.0,
        rate: tracks[index].rate(),
        base_decode_time: u64::from(start) << 20,
        samples: &samples[index],
    };
    let Ok(bytes) = fragment(start, &[run(0), run(1)]) else {
        return assert!(plan.is_empty(), "frames that fit were refused");
    };
    let read = init.fragments(&bytes).expect("our own fragment");
    assert_eq!((read.len(), read[0].sequence), (1, start));
    let read: Vec<(Frame, u32)> = read
        .into_iter()
        .flat_map(|fragment| fragment.runs)
        .flat_map(|run| run.samples)
        .map(|sample| (sample.frame, sample.duration))
        .collect();
    assert_eq!(read, written.concat());
}

fn frame(planned: &Planned<'_>, track: &TrackInfo, dts: i64) -> Frame {
    let at = |ticks| media::Timestamp::new(ticks, track.rate());
    Frame {
        track: track.id,
        pts: at(dts + i64::from(planned.composition)),
        dts: at(dts),
        random_access: planned.random_access,
        payload: planned.payload(),
    }
}
