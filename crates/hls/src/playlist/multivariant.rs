//! The multivariant playlist (HLS2 §4.4.6).

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use media::h264::sps::Sps;
use media::{CodecConfig, TrackInfo};

use super::Uri;
use crate::bandwidth::Bandwidth;
use crate::name::{File, Rendition};
use crate::options::Variant;

/// One variant stream, and the rendition of its sound where that is apart.
#[derive(Debug)]
pub(crate) struct Multivariant<'a> {
    pub(crate) instance: &'a str,
    pub(crate) variant: Variant,
    /// The first is the variant's own playlist.
    pub(crate) renditions: &'a [Rendition],
    pub(crate) tracks: &'a [Arc<TrackInfo>],
    pub(crate) bandwidth: Bandwidth,
    pub(crate) frame_interval: Option<Duration>,
    pub(crate) query: &'a str,
}

/// The playlist's text.
pub(crate) fn multivariant(it: &Multivariant<'_>) -> String {
    let mut text = String::with_capacity(1_024);
    it.write(&mut text).expect("a String takes all that is written");
    text
}

impl Multivariant<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        let version = if self.variant == Variant::MpegTs { 3 } else { 7 };
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{version}")?;
        let (Some(main), rest) = (self.renditions.first(), self.renditions.get(1..).unwrap_or_default())
        else {
            return Ok(());
        };
        let audio = rest.first();
        if let Some(&audio) = audio {
            writeln!(
                out,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"{}\",URI=\"{}\"",
                self.channels(),
                self.uri(audio)
            )?;
        }
        write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}",
            self.bandwidth.peak, self.bandwidth.average
        )?;
        let codecs: Vec<_> = self.tracks.iter().filter_map(|track| track.codec_string()).collect();
        write!(out, ",CODECS=\"{}\"", codecs.join(","))?;
        self.pictures(out)?;
        if audio.is_some() {
            write!(out, ",AUDIO=\"audio\"")?;
        }
        writeln!(out, "\n{}", self.uri(*main))
    }

    fn pictures(&self, out: &mut String) -> fmt::Result {
        let sets = self.tracks.iter().find_map(|track| match &track.config {
            CodecConfig::H264(sets) => sets.sps.first(),
            _ => None,
        });
        let Some(sps) = sets.and_then(|sps| Sps::parse(sps).ok()) else { return Ok(()) };
        write!(out, ",RESOLUTION={}x{}", sps.width, sps.height)?;
        let micros = self.frame_interval.map_or(0, |interval| interval.as_micros());
        match 1_000_000_000_u128.checked_div(micros) {
            Some(millihertz) => write!(out, ",FRAME-RATE={}.{:03}", millihertz / 1_000, millihertz % 1_000),
            None => Ok(()),
        }
    }

    fn channels(&self) -> u8 {
        let channels = self.tracks.iter().find_map(|track| match &track.config {
            CodecConfig::Aac(config) => Some(config.channels()),
            _ => None,
        });
        channels.unwrap_or(2)
    }

    const fn uri(&self, rendition: Rendition) -> Uri<'_> {
        Uri { instance: self.instance, rendition, file: File::Playlist, query: self.query }
    }
}
