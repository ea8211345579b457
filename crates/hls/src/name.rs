//! The names of the files that a muxer offers, and what they mean.

use std::fmt;

/// The longest name of an instance.
const LONGEST_INSTANCE: usize = 32;

/// A media playlist and what belongs to it: a rendition in the sense of HLS2 §4.4.6.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Rendition {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Both in one (MPEG-TS).
    Main,
}

impl Rendition {
    const ALL: [Self; 3] = [Self::Video, Self::Audio, Self::Main];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Main => "main",
        }
    }
}

/// Which file of a rendition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum File {
    /// The media playlist.
    Playlist,
    /// An init section, counted from 0.
    Init(u32),
    /// A segment, by its media sequence number.
    Segment(u64),
    /// A part, by its segment's media sequence number and its place in it.
    Part(u64, u32),
}

/// The name of a file: `{instance}_video.m3u8`, `{instance}_video_init0.mp4`, `{instance}_video_seg7.mp4`,
/// `{instance}_video_part7.0.mp4`. Every muxer has an instance of its own, so that no cache gives one muxer's segments
/// for another's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileName {
    /// Which muxer.
    pub instance: String,
    /// Which of its renditions.
    pub rendition: Rendition,
    /// Which file.
    pub file: File,
}

impl FileName {
    /// Reads a name; `None` if it is none of ours. Accepts no other spelling of a name than the one that is written.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let mut words = stem.splitn(3, '_');
        let instance = words.next().filter(|instance| is_instance(instance))?;
        let rendition = words.next()?;
        let rendition = Rendition::ALL.into_iter().find(|known| known.name() == rendition)?;
        let file = match words.next() {
            None => File::Playlist,
            Some(word) => file(word)?,
        };
        let parsed = Self { instance: instance.to_owned(), rendition, file };
        (extension == parsed.extension()).then_some(parsed)
    }

    const fn extension(&self) -> &'static str {
        match (self.file, self.rendition) {
            (File::Playlist, _) => "m3u8",
            (_, Rendition::Main) => "ts",
            _ => "mp4",
        }
    }
}

fn is_instance(word: &str) -> bool {
    (1..=LONGEST_INSTANCE).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn file(word: &str) -> Option<File> {
    if let Some(number) = word.strip_prefix("init") {
        return decimal(number).and_then(|number| u32::try_from(number).ok()).map(File::Init);
    }
    if let Some(number) = word.strip_prefix("seg") {
        return decimal(number).map(File::Segment);
    }
    let (segment, part) = word.strip_prefix("part")?.split_once('.')?;
    Some(File::Part(decimal(segment)?, u32::try_from(decimal(part)?).ok()?))
}

/// A number without sign and without leading zeros.
pub(crate) fn decimal(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    (canonical && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.instance, self.rendition.name())?;
        match self.file {
            File::Playlist => {}
            File::Init(number) => write!(f, "_init{number}")?,
            File::Segment(number) => write!(f, "_seg{number}")?,
            File::Part(segment, part) => write!(f, "_part{segment}.{part}")?,
        }
        write!(f, ".{}", self.extension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (rendition, file, expected) in [
            (Rendition::Video, File::Playlist, "k3v9_video.m3u8"),
            (Rendition::Audio, File::Init(1), "k3v9_audio_init1.mp4"),
            (Rendition::Video, File::Segment(12), "k3v9_video_seg12.mp4"),
            (Rendition::Video, File::Part(12, 3), "k3v9_video_part12.3.mp4"),
            (Rendition::Main, File::Segment(0), "k3v9_main_seg0.ts"),
        ] {
            let name = FileName { instance: "k3v9".to_owned(), rendition, file };
            assert_eq!(name.to_string(), expected);
            assert_eq!(FileName::parse(expected), Some(name));
        }
    }

    #[test]
    fn nothing_else_is_a_name() {
        for other in [
            "",
            "index.m3u8",
            "video.m3u8",
            "_video.m3u8",
            "a_video.mp4",
            "a_video_seg1.ts",
            "a_main_seg1.mp4",
            "a_video_seg01.mp4",
            "a_video_seg+1.mp4",
            "a_video_seg.mp4",
            "a_video_part1.mp4",
            "a_video_part1.2.3.mp4",
            "a_video_init99999999999.mp4",
            "a_video_seg99999999999999999999.mp4",
            "a/b_video.m3u8",
            "a%2e_video.m3u8",
            "../a_video.m3u8",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
