//! The media playlist (HLS2 §4.4.3 to §4.4.5).

use std::fmt::{self, Write as _};
use std::time::Duration;

use media::Utc;

use super::directives::Skip;
use super::{Seconds, Uri};
use crate::name::{File, Rendition};
use crate::options::Variant;
use crate::window::{LEAST_TARGETS, Segment, Window};

/// CAN-SKIP-UNTIL in target durations, the least that is accepted (HLS2 §4.4.3.8).
const SKIP_UNTIL: u32 = 6;

/// What the playlist states for its whole life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stated {
    pub(crate) variant: Variant,
    pub(crate) target_duration: Duration,
    pub(crate) part_target: Duration,
    pub(crate) hold_back: Duration,
}

/// Where another rendition stands (HLS2 §4.4.5.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) rendition: Rendition,
    pub(crate) segment: u64,
    pub(crate) part: u32,
}

/// One media playlist.
#[derive(Debug)]
pub(crate) struct Media<'a> {
    pub(crate) instance: &'a str,
    pub(crate) rendition: Rendition,
    pub(crate) stated: &'a Stated,
    pub(crate) reports: Vec<Report>,
    pub(crate) skip: Skip,
    pub(crate) query: &'a str,
}

/// The playlist of `window`.
pub(crate) fn media(window: &Window, media: &Media<'_>) -> String {
    let mut text = String::with_capacity(4_096);
    media.write(&mut text, window).expect("a String takes all that is written");
    text
}

impl Media<'_> {
    fn write(&self, out: &mut String, window: &Window) -> fmt::Result {
        self.header(out, window)?;
        let end: Duration = window.listed().map(Segment::duration).sum();
        let skipped = self.skipped(window, end);
        if skipped > 0 {
            writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        let (mut map, mut at) = (None, Duration::ZERO);
        for (index, segment) in window.listed().enumerate() {
            at += segment.duration();
            if index < skipped {
                continue;
            }
            // HLS2 §6.2.2: parts are taken out when they are three target durations old.
            let recent = end.saturating_sub(at) <= self.stated.target_duration * LEAST_TARGETS;
            if !segment.parts.is_empty() && (segment.complete || self.has_parts()) {
                self.segment(out, segment, &mut map, self.has_parts() && recent)?;
            }
        }
        self.footer(out, window)
    }

    const fn has_parts(&self) -> bool {
        matches!(self.stated.variant, Variant::LowLatency)
    }

    fn header(&self, out: &mut String, window: &Window) -> fmt::Result {
        // HLS2 §8: 9 for EXT-X-SKIP, 6 for EXT-X-MAP, 3 for decimals in EXTINF.
        let version = match self.stated.variant {
            Variant::LowLatency => 9,
            Variant::Fmp4 => 7,
            Variant::MpegTs => 3,
        };
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{version}")?;
        writeln!(out, "#EXT-X-TARGETDURATION:{}", self.stated.target_duration.as_secs())?;
        if self.has_parts() {
            let skip = self.stated.target_duration * SKIP_UNTIL;
            writeln!(
                out,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},CAN-SKIP-UNTIL={}",
                Seconds(self.stated.hold_back),
                Seconds(skip)
            )?;
            writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(self.stated.part_target))?;
        } else {
            writeln!(out, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES")?;
        }
        writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", window.media_sequence())?;
        if window.discontinuity_sequence() > 0 {
            writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", window.discontinuity_sequence())?;
        }
        if self.rendition == Rendition::Audio {
            // A segment of video may have had to end without a random access point; nothing that is stated may change.
            writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        Ok(())
    }

    /// How many of the first segments a delta update leaves out: those beyond the skip boundary.
    fn skipped(&self, window: &Window, end: Duration) -> usize {
        if self.skip == Skip::No || !self.has_parts() {
            return 0;
        }
        let boundary = self.stated.target_duration * SKIP_UNTIL;
        let ends = window.complete_segments().scan(Duration::ZERO, |at, segment| {
            *at += segment.duration();
            Some(*at)
        });
        ends.take_while(|at| end.saturating_sub(*at) > boundary).count()
    }

    fn segment(
        &self,
        out: &mut String,
        segment: &Segment,
        map: &mut Option<u32>,
        with_parts: bool,
    ) -> fmt::Result {
        if segment.discontinuity {
            writeln!(out, "#EXT-X-DISCONTINUITY")?;
        }
        if segment.map.is_some() && segment.map != *map {
            *map = segment.map;
            if let Some(number) = segment.map {
                writeln!(out, "#EXT-X-MAP:URI=\"{}\"", self.uri(File::Init(number)))?;
            }
        }
        writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", Utc(segment.began))?;
        for (part, index) in segment.parts.iter().zip(0..).filter(|_| with_parts) {
            let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
            writeln!(
                out,
                "#EXT-X-PART:DURATION={},URI=\"{}\"{independent}",
                Seconds(part.duration),
                self.uri(File::Part(segment.number, index))
            )?;
        }
        if segment.complete {
            writeln!(
                out,
                "#EXTINF:{},\n{}",
                Seconds(segment.duration()),
                self.uri(File::Segment(segment.number))
            )?;
        }
        Ok(())
    }

    fn footer(&self, out: &mut String, window: &Window) -> fmt::Result {
        if window.has_ended() {
            return writeln!(out, "#EXT-X-ENDLIST");
        }
        if !self.has_parts() {
            return Ok(());
        }
        let (segment, part) = window.next_part();
        writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", self.uri(File::Part(segment, part)))?;
        for report in &self.reports {
            let uri = Uri { rendition: report.rendition, ..self.uri(File::Playlist) };
            writeln!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={},LAST-PART={}",
                report.segment, report.part
            )?;
        }
        Ok(())
    }

    const fn uri(&self, file: File) -> Uri<'_> {
        Uri { instance: self.instance, rendition: self.rendition, file, query: self.query }
    }
}
