//! Playlists in words (HLS2 §4).

mod directives;
mod media;
mod multivariant;

use std::fmt;
use std::time::Duration;

use crate::name::{File, FileName, Rendition};

pub(crate) use directives::is_there;
pub use directives::{Directives, DirectivesError, Skip};
pub(crate) use media::{Media, Report, Stated, media};
pub(crate) use multivariant::{Multivariant, multivariant};

/// A span in seconds with six decimals. All spans are rounded alike, so that what is no longer than another is not
/// written as longer.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = (self.0.as_nanos() + 500) / 1_000;
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// A URI of a file of ours, relative to the playlist.
struct Uri<'a> {
    instance: &'a str,
    rendition: Rendition,
    file: File,
    query: &'a str,
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            FileName { instance: self.instance.to_owned(), rendition: self.rendition, file: self.file };
        write!(f, "{name}")?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_to_the_nearest_microsecond() {
        for (nanos, expected) in [
            (0, "0.000000"),
            (200_000_000, "0.200000"),
            (185_759_637, "0.185760"),
            (12_000_000_499, "12.000000"),
        ] {
            assert_eq!(Seconds(Duration::from_nanos(nanos)).to_string(), expected);
        }
    }
}
