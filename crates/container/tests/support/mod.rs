//! Frames that real encoders made, and ffmpeg as the judge of what we write.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use container::flv::{Demuxer, Event, Reader, Tag, TagKind};
use media::{Frame, TrackInfo};

/// A file of tests/vectors/ffmpeg-5.1 and what ffprobe says of it.
pub struct Vector {
    pub flv: &'static [u8],
    /// kind, pts, dts, bytes, key frame
    pub packets: &'static str,
}

pub const HIGH: Vector = Vector {
    flv: include_bytes!("../../../../tests/vectors/ffmpeg-5.1/h264-high-b2-aac-44100-mono.flv"),
    packets: include_str!("../../../../tests/vectors/ffmpeg-5.1/h264-high-b2-aac-44100-mono.csv"),
};
pub const BASELINE: Vector = Vector {
    flv: include_bytes!("../../../../tests/vectors/ffmpeg-5.1/h264-baseline-slices-aac-48000-stereo.flv"),
    packets: include_str!("../../../../tests/vectors/ffmpeg-5.1/h264-baseline-slices-aac-48000-stereo.csv"),
};

/// The media tags, read in pieces that never fit a tag.
pub fn tags(flv: &[u8]) -> Vec<Tag> {
    let mut reader = Reader::new();
    let mut tags = Vec::new();
    for piece in flv.chunks(7) {
        reader.push(piece);
        while let Some(tag) = reader.next_tag().expect("a file that ffmpeg wrote") {
            tags.push(tag);
        }
    }
    tags.retain(|tag| tag.kind != TagKind::Script);
    tags
}

pub fn demux(flv: &[u8]) -> (Vec<TrackInfo>, Vec<Frame>) {
    let mut demuxer = Demuxer::new();
    let (mut tracks, mut frames) = (Vec::new(), Vec::new());
    for tag in tags(flv) {
        match tag.kind {
            TagKind::Video => demuxer.push_video(tag.timestamp_ms, &tag.body),
            _ => demuxer.push_audio(tag.timestamp_ms, &tag.body),
        }
        while let Some(event) = demuxer.poll_event() {
            match event {
                Event::Track(track) => tracks.push(track),
                Event::Frame(frame) => frames.push(frame),
                other => panic!("{other:?}"),
            }
        }
    }
    (tracks, frames)
}

/// A file of a test, removed when this is dropped.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new(extension: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}.{extension}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub fn with(extension: &str, bytes: &[u8]) -> Self {
        let file = Self::new(extension);
        fs::write(&file.0, bytes).unwrap();
        file
    }

    pub fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // What cannot be removed lies in the target directory.
        let _ = fs::remove_file(&self.0);
    }
}

fn output(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().expect("scripts/setup installs ffmpeg");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{program} {arguments:?}: {told}");
    output
}

/// A file that ffmpeg makes of generated pictures and sound, a tone: `options` are those of the output.
pub fn generated(extension: &str, seconds: u32, options: &str) -> Vec<u8> {
    let file = TempFile::new(extension);
    let seconds = seconds.to_string();
    let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"];
    arguments.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", &seconds]);
    arguments.extend(options.split(' '));
    arguments.push(file.name());
    output("ffmpeg", &arguments);
    fs::read(&file.0).unwrap()
}

/// A packet as ffprobe tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Of the file, from 0.
    pub stream: u32,
    /// In the stream's time base.
    pub pts: i64,
    pub dts: i64,
    pub bytes: usize,
    pub key: bool,
}

fn field<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// Every packet of a file, in its order; ffprobe must have nothing to warn of.
pub fn packets(file: &TempFile) -> Vec<Packet> {
    let shown =
        ["-v", "warning", "-show_entries", "packet=stream_index,pts,dts,size,flags", "-of", "csv=p=0"];
    let text = String::from_utf8(output("ffprobe", &[&shown[..], &[file.name()]].concat()).stdout).unwrap();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [stream, pts, dts, bytes, flags, ..] = fields[..] else { panic!("{line}") };
        Packet {
            stream: field(stream),
            pts: field(pts),
            dts: field(dts),
            bytes: field(bytes),
            key: flags.starts_with('K'),
        }
    };
    // Side data of a packet are an empty line.
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

/// A fact of a stream, in ffprobe's words; without a warning.
pub fn fact(file: &TempFile, stream: &str, name: &str) -> String {
    let entry = format!("stream={name}");
    let arguments = [
        "-v",
        "warning",
        "-count_frames",
        "-select_streams",
        stream,
        "-show_entries",
        &entry,
        "-of",
        "csv=p=0",
    ];
    let text =
        String::from_utf8(output("ffprobe", &[&arguments[..], &[file.name()]].concat()).stdout).unwrap();
    // MPEG-TS streams are listed with their program and without it.
    text.lines().next().unwrap_or_default().trim().trim_end_matches(',').to_owned()
}

/// Decodes the whole file; any error or warning fails the test.
pub fn decode(file: &TempFile) {
    output("ffmpeg", &["-v", "warning", "-xerror", "-i", file.name(), "-f", "null", "-"]);
}
