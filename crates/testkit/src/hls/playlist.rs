//! Playlists as they are read (HLS2 §4).

use std::collections::HashMap;
use std::time::Duration;

use super::attributes::{Attributes, integer, required, seconds};
use super::wallclock;

/// Why a text is no playlist.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// One variant of a multivariant playlist (EXT-X-STREAM-INF, HLS2 §4.4.6.2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VariantStream {
    /// Its media playlist.
    pub uri: String,
    /// BANDWIDTH in bit/s.
    pub bandwidth: Option<u64>,
    /// CODECS.
    pub codecs: Option<String>,
    /// RESOLUTION: pixels.
    pub resolution: Option<(u64, u64)>,
    /// AUDIO: the group of its sound.
    pub audio: Option<String>,
}

/// One alternative (EXT-X-MEDIA, HLS2 §4.4.6.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Alternative {
    /// TYPE.
    pub kind: String,
    /// GROUP-ID.
    pub group: String,
    /// NAME.
    pub name: String,
    /// DEFAULT.
    pub default: bool,
    /// Its media playlist; `None` where the sound is in the variant itself.
    pub uri: Option<String>,
}

/// A multivariant playlist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Multivariant {
    /// In order of the file.
    pub variants: Vec<VariantStream>,
    /// In order of the file.
    pub alternatives: Vec<Alternative>,
}

/// EXT-X-SERVER-CONTROL (HLS2 §4.4.3.8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerControl {
    /// CAN-BLOCK-RELOAD.
    pub can_block_reload: bool,
    /// CAN-SKIP-UNTIL.
    pub can_skip_until: Option<Duration>,
    /// HOLD-BACK.
    pub hold_back: Option<Duration>,
    /// PART-HOLD-BACK.
    pub part_hold_back: Option<Duration>,
}

/// EXT-X-PART (HLS2 §4.4.4.9).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Part {
    /// Where its bytes are.
    pub uri: String,
    /// As it is stated.
    pub duration: Duration,
    /// It begins with a frame that can be decoded alone.
    pub independent: bool,
    /// It is not available.
    pub gap: bool,
}

/// A segment, or the parts of one that is not complete yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// Its media sequence number.
    pub number: u64,
    /// Where its bytes are; `None` while it is not complete.
    pub uri: Option<String>,
    /// EXTINF.
    pub duration: Option<Duration>,
    /// In order; the parts of older segments are taken out.
    pub parts: Vec<Part>,
    /// The init section, as it was named last.
    pub map: Option<String>,
    /// EXT-X-DISCONTINUITY stands in front of it.
    pub discontinuity: bool,
    /// How many discontinuities were before and at it.
    pub discontinuity_sequence: u64,
    /// EXT-X-PROGRAM-DATE-TIME in front of it, in microseconds since 1970.
    pub date_time: Option<i64>,
    /// EXT-X-GAP.
    pub gap: bool,
}

impl Segment {
    /// How long it is, or its parts are so far.
    pub fn length(&self) -> Duration {
        self.duration.unwrap_or_else(|| self.parts.iter().map(|part| part.duration).sum())
    }
}

/// EXT-X-RENDITION-REPORT (HLS2 §4.4.5.4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RenditionReport {
    /// The other playlist.
    pub uri: Option<String>,
    /// LAST-MSN.
    pub last_segment: Option<u64>,
    /// LAST-PART.
    pub last_part: Option<u64>,
}

/// EXT-X-PRELOAD-HINT (HLS2 §4.4.5.3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PreloadHint {
    /// TYPE: `PART` or `MAP`.
    pub kind: String,
    /// Where the bytes will be.
    pub uri: String,
}

/// A media playlist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MediaPlaylist {
    /// EXT-X-VERSION; 1 where there is none.
    pub version: u64,
    /// EXT-X-TARGETDURATION, in whole seconds.
    pub target_duration: Option<u64>,
    /// PART-TARGET of EXT-X-PART-INF.
    pub part_target: Option<Duration>,
    /// `None` without the tag.
    pub server_control: Option<ServerControl>,
    /// EXT-X-MEDIA-SEQUENCE.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// EXT-X-INDEPENDENT-SEGMENTS.
    pub independent_segments: bool,
    /// SKIPPED-SEGMENTS of a delta update that was not applied yet.
    pub skipped: Option<u64>,
    /// In order; the last may be incomplete.
    pub segments: Vec<Segment>,
    /// In order.
    pub hints: Vec<PreloadHint>,
    /// In order.
    pub reports: Vec<RenditionReport>,
    /// EXT-X-ENDLIST.
    pub ended: bool,
    /// A decimal stands in an EXTINF (HLS2 §8: from version 3 on).
    pub decimal_durations: bool,
}

/// The lines that mean something, with their numbers; the first must be EXTM3U.
fn lines(text: &str) -> Result<impl Iterator<Item = (usize, &str)>, ParseError> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    match lines.next() {
        Some((1, "#EXTM3U")) => Ok(lines),
        _ => Err(ParseError { line: 1, what: "a playlist begins with #EXTM3U".to_owned() }),
    }
}

impl Multivariant {
    /// Whether a text lists variants; otherwise it is a media playlist.
    pub fn is_one(text: &str) -> bool {
        text.lines().any(|line| line.starts_with("#EXT-X-STREAM-INF:"))
    }

    /// Reads a multivariant playlist. Attributes that are missing are missing: [`super::check`] says which must not be.
    ///
    /// # Errors
    /// [`ParseError`] for what cannot be read at all.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (mut playlist, mut pending) = (Self::default(), None);
        for (line, text) in lines(text)? {
            playlist.line(text, &mut pending).map_err(|what| ParseError { line, what })?;
        }
        match pending {
            None => Ok(playlist),
            Some(_) => Err(ParseError {
                line: text.lines().count(),
                what: "EXT-X-STREAM-INF without URI".to_owned(),
            }),
        }
    }

    fn line(&mut self, line: &str, pending: &mut Option<VariantStream>) -> Result<(), String> {
        if !line.starts_with('#') {
            let variant =
                pending.take().ok_or_else(|| format!("'{line}' is not announced by EXT-X-STREAM-INF"))?;
            self.variants.push(VariantStream { uri: line.to_owned(), ..variant });
            return Ok(());
        }
        if pending.is_some() {
            return Err("EXT-X-STREAM-INF is not followed by its URI".to_owned());
        }
        if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            let list = Attributes::parse(list)?;
            let resolution = list.plain("RESOLUTION")?.map(|text| {
                let (width, height) = text.split_once('x').ok_or("RESOLUTION without x")?;
                Ok::<_, String>((integer(width)?, integer(height)?))
            });
            *pending = Some(VariantStream {
                uri: String::new(),
                bandwidth: list.integer("BANDWIDTH")?,
                codecs: list.string("CODECS")?.map(str::to_owned),
                resolution: resolution.transpose()?,
                audio: list.string("AUDIO")?.map(str::to_owned),
            });
        } else if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            let list = Attributes::parse(list)?;
            self.alternatives.push(Alternative {
                kind: required("EXT-X-MEDIA", "TYPE", list.plain("TYPE")?)?.to_owned(),
                group: required("EXT-X-MEDIA", "GROUP-ID", list.string("GROUP-ID")?)?.to_owned(),
                name: required("EXT-X-MEDIA", "NAME", list.string("NAME")?)?.to_owned(),
                default: list.flag("DEFAULT")?,
                uri: list.string("URI")?.map(str::to_owned),
            });
        }
        Ok(())
    }
}

impl MediaPlaylist {
    /// Reads a media playlist; a delta update stays one until [`Self::apply`].
    ///
    /// # Errors
    /// [`ParseError`] for what cannot be read at all.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader::default();
        reader.playlist.version = 1;
        for (line, text) in lines(text)? {
            reader.line(text).map_err(|what| ParseError { line, what })?;
        }
        let mut playlist = reader.finish();
        playlist.count_discontinuities();
        Ok(playlist)
    }

    /// Puts the segments that a delta update skipped back in, from the playlist before (HLS2 §6.3.7). What is no delta
    /// update stays as it is.
    ///
    /// # Errors
    /// The number of the first segment that `before` does not have.
    pub fn apply(&mut self, before: &Self) -> Result<(), u64> {
        let Some(count) = self.skipped else { return Ok(()) };
        let known: HashMap<u64, &Segment> =
            before.segments.iter().map(|segment| (segment.number, segment)).collect();
        let numbers = self.media_sequence..self.media_sequence + count;
        let skipped: Result<Vec<Segment>, u64> = numbers
            .map(|number| {
                let segment = known.get(&number).filter(|segment| segment.uri.is_some()).ok_or(number)?;
                // Parts of skipped segments are older than those that are listed.
                Ok(Segment { parts: Vec::new(), ..(*segment).clone() })
            })
            .collect();
        self.segments.splice(..0, skipped?);
        self.skipped = None;
        let mut map = None;
        for segment in &mut self.segments {
            map = segment.map.clone().or(map);
            segment.map.clone_from(&map);
        }
        self.count_discontinuities();
        Ok(())
    }

    fn count_discontinuities(&mut self) {
        let mut count = self.discontinuity_sequence;
        for segment in &mut self.segments {
            count += u64::from(segment.discontinuity);
            segment.discontinuity_sequence = count;
        }
    }

    /// All segments and parts together.
    pub fn length(&self) -> Duration {
        self.segments.iter().map(Segment::length).sum()
    }

    /// The segments that are complete.
    pub fn complete(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.uri.is_some())
    }

    /// What comes next: the segment's number and, where parts are told, the part in it.
    pub fn next(&self) -> (u64, usize) {
        match self.segments.last() {
            None => (self.media_sequence, 0),
            Some(last) if last.uri.is_some() => (last.number + 1, 0),
            Some(last) => (last.number, last.parts.len()),
        }
    }

    /// Whether it has what was asked for by `_HLS_msn` and `_HLS_part` (HLS2 §6.2.5.2). The part behind the last one of a
    /// segment is the first of the next.
    pub fn has(&self, segment: u64, part: Option<usize>) -> bool {
        let (next, parts) = self.next();
        match part {
            _ if segment < next => true,
            Some(part) => segment == next && part < parts,
            None => false,
        }
    }
}

/// A playlist under way.
#[derive(Default)]
struct Reader {
    playlist: MediaPlaylist,
    /// The segment whose tags are being read.
    pending: Segment,
    map: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if !line.starts_with('#') {
            return self.uri(line);
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-STREAM-INF" | "#EXT-X-MEDIA" => Err(format!("{tag} in a media playlist")),
            "#EXTINF"
            | "#EXT-X-PART"
            | "#EXT-X-DISCONTINUITY"
            | "#EXT-X-MAP"
            | "#EXT-X-PROGRAM-DATE-TIME"
            | "#EXT-X-GAP" => self.segment_tag(tag, value),
            _ => self.playlist_tag(tag, value),
        }
    }

    fn uri(&mut self, line: &str) -> Result<(), String> {
        if self.pending.duration.is_none() {
            return Err(format!("'{line}' has no EXTINF"));
        }
        let uri = Some(line.to_owned());
        let segment = Segment { uri, map: self.map.clone(), ..std::mem::take(&mut self.pending) };
        self.playlist.segments.push(segment);
        Ok(())
    }

    /// Tags of a segment (HLS2 §4.4.4).
    fn segment_tag(&mut self, tag: &str, value: &str) -> Result<(), String> {
        match tag {
            "#EXTINF" => {
                let (duration, _) = value.split_once(',').ok_or("EXTINF without comma")?;
                self.playlist.decimal_durations |= duration.contains('.');
                self.pending.duration = Some(seconds(duration)?);
            }
            "#EXT-X-PART" => {
                let list = Attributes::parse(value)?;
                self.pending.parts.push(Part {
                    uri: required(tag, "URI", list.string("URI")?)?.to_owned(),
                    duration: required(tag, "DURATION", list.seconds("DURATION")?)?,
                    independent: list.flag("INDEPENDENT")?,
                    gap: list.flag("GAP")?,
                });
            }
            "#EXT-X-DISCONTINUITY" => self.pending.discontinuity = true,
            "#EXT-X-MAP" => {
                let list = Attributes::parse(value)?;
                self.map = Some(required(tag, "URI", list.string("URI")?)?.to_owned());
            }
            "#EXT-X-PROGRAM-DATE-TIME" => {
                let time = wallclock::parse(value).ok_or_else(|| format!("'{value}' is no ISO 8601 date"))?;
                self.pending.date_time = Some(time);
            }
            _ => self.pending.gap = true,
        }
        Ok(())
    }

    /// Tags of the playlist (HLS2 §4.4.1 to §4.4.3 and §4.4.5); others are ignored (HLS2 §4.1).
    fn playlist_tag(&mut self, tag: &str, value: &str) -> Result<(), String> {
        let playlist = &mut self.playlist;
        match tag {
            "#EXT-X-VERSION" => playlist.version = integer(value)?,
            "#EXT-X-TARGETDURATION" => playlist.target_duration = Some(integer(value)?),
            "#EXT-X-MEDIA-SEQUENCE" => playlist.media_sequence = integer(value)?,
            "#EXT-X-DISCONTINUITY-SEQUENCE" => playlist.discontinuity_sequence = integer(value)?,
            "#EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent_segments = true,
            "#EXT-X-ENDLIST" => playlist.ended = true,
            "#EXT-X-PART-INF" => {
                let target = Attributes::parse(value)?.seconds("PART-TARGET")?;
                playlist.part_target = Some(required(tag, "PART-TARGET", target)?);
            }
            "#EXT-X-SKIP" => {
                let skipped = Attributes::parse(value)?.integer("SKIPPED-SEGMENTS")?;
                playlist.skipped = Some(required(tag, "SKIPPED-SEGMENTS", skipped)?);
            }
            "#EXT-X-SERVER-CONTROL" => {
                let list = Attributes::parse(value)?;
                playlist.server_control = Some(ServerControl {
                    can_block_reload: list.flag("CAN-BLOCK-RELOAD")?,
                    can_skip_until: list.seconds("CAN-SKIP-UNTIL")?,
                    hold_back: list.seconds("HOLD-BACK")?,
                    part_hold_back: list.seconds("PART-HOLD-BACK")?,
                });
            }
            "#EXT-X-PRELOAD-HINT" => {
                let list = Attributes::parse(value)?;
                let kind = required(tag, "TYPE", list.plain("TYPE")?)?.to_owned();
                let uri = required(tag, "URI", list.string("URI")?)?.to_owned();
                playlist.hints.push(PreloadHint { kind, uri });
            }
            "#EXT-X-RENDITION-REPORT" => {
                let list = Attributes::parse(value)?;
                playlist.reports.push(RenditionReport {
                    uri: list.string("URI")?.map(str::to_owned),
                    last_segment: list.integer("LAST-MSN")?,
                    last_part: list.integer("LAST-PART")?,
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> MediaPlaylist {
        if !self.pending.parts.is_empty() {
            let open = Segment { map: self.map, ..self.pending };
            self.playlist.segments.push(open);
        }
        let first = self.playlist.media_sequence + self.playlist.skipped.unwrap_or(0);
        for (number, segment) in (first..).zip(&mut self.playlist.segments) {
            segment.number = number;
        }
        self.playlist
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW_LATENCY: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.5,CAN-SKIP-UNTIL=12
#EXT-X-PART-INF:PART-TARGET=0.2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01Z
#EXTINF:1.8,
7.mp4
#EXT-X-DISCONTINUITY
#EXT-X-PART:DURATION=0.2,URI=\"8.0.mp4\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.1,URI=\"8.1.mp4\"
#EXTINF:0.3,
8.mp4
#EXT-X-PART:DURATION=0.2,URI=\"9.0.mp4\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.1.mp4\"
#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=9,LAST-PART=0
";

    #[test]
    fn a_low_latency_playlist() {
        let playlist = MediaPlaylist::parse(LOW_LATENCY).unwrap();
        assert_eq!((playlist.version, playlist.target_duration), (9, Some(2)));
        assert_eq!(playlist.part_target, Some(Duration::from_millis(200)));
        let numbers: Vec<u64> = playlist.segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, [7, 8, 9]);
        let [first, second, open] = &playlist.segments[..] else { panic!() };
        assert_eq!((first.date_time, first.map.as_deref()), (Some(1_000_000), Some("init.mp4")));
        assert_eq!((first.discontinuity_sequence, second.discontinuity_sequence), (3, 4));
        assert_eq!((second.parts.len(), second.parts[0].independent, open.uri.as_deref()), (2, true, None));
        assert_eq!(playlist.length(), Duration::from_millis(2_300));
        assert_eq!((playlist.next(), playlist.hints[0].uri.as_str()), ((9, 1), "9.1.mp4"));
        assert_eq!(playlist.reports[0].last_segment, Some(9));
        assert!(playlist.has(8, Some(7)) && playlist.has(9, Some(0)) && playlist.has(8, None));
        assert!(!playlist.has(9, Some(1)) && !playlist.has(9, None) && !playlist.has(10, Some(0)));
    }

    #[test]
    fn a_delta_update_takes_what_it_skips_from_the_playlist_before() {
        let before = MediaPlaylist::parse(LOW_LATENCY).unwrap();
        let delta = LOW_LATENCY.replace(
            "#EXT-X-MAP:URI=\"init.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01Z\n#EXTINF:1.8,\n7.mp4\n",
            "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n",
        );
        let mut read = MediaPlaylist::parse(&delta).unwrap();
        assert_eq!((read.skipped, read.segments[0].number), (Some(1), 8));
        assert_eq!(read.clone().apply(&MediaPlaylist::default()), Err(7));
        read.apply(&before).unwrap();
        assert_eq!(read, before);
    }

    #[test]
    fn a_multivariant_playlist() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"sound\",DEFAULT=YES,URI=\"a.m3u8\"\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x480,AUDIO=\"a\"\nv.m3u8\n";
        assert!(Multivariant::is_one(text) && !Multivariant::is_one(LOW_LATENCY));
        let playlist = Multivariant::parse(text).unwrap();
        assert_eq!(playlist.variants[0].resolution, Some((640, 480)));
        assert_eq!(
            (playlist.variants[0].uri.as_str(), playlist.variants[0].bandwidth),
            ("v.m3u8", Some(2_000_000))
        );
        assert_eq!(playlist.alternatives[0].uri.as_deref(), Some("a.m3u8"));
        assert!(playlist.alternatives[0].default);
    }

    #[test]
    fn errors_name_their_line() {
        let wrong = |text: &str| MediaPlaylist::parse(text).unwrap_err().line;
        assert_eq!(wrong(""), 1);
        assert_eq!(wrong("\n#EXTM3U\n"), 1);
        assert_eq!(wrong("#EXTM3U\n#EXT-X-VERSION:x\n"), 2);
        assert_eq!(wrong("#EXTM3U\n\nsegment.ts\n"), 3, "no EXTINF");
        assert_eq!(wrong("#EXTM3U\n#EXT-X-PART:DURATION=1\n"), 2, "no URI");
        assert_eq!(wrong("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"), 2);
        assert_eq!(wrong("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:yesterday\n"), 2);
        let wrong = |text: &str| Multivariant::parse(text).unwrap_err().line;
        assert_eq!(wrong("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"), 2, "no URI");
        assert_eq!(wrong("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-VERSION:7\n"), 3);
        assert_eq!(wrong("#EXTM3U\nv.m3u8\n"), 2);
        assert_eq!(wrong("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"x\"\n"), 2);
    }
}
