//! Delivery directives: what a client adds to the URI of a media playlist (HLS2 §6.2.5).

use std::time::Duration;

use crate::muxer::Missing;
use crate::name::decimal;
use crate::window::Window;

/// How many segments ahead of the playlist may be asked for (HLS2 §6.2.5.2).
const SEGMENTS_AHEAD: u64 = 2;
/// How many seconds of parts (`Advance Part Limit`, HLS2 §6.2.5.2).
const PARTS_AHEAD: Duration = Duration::from_secs(3);

/// Whether old segments may be left out (`_HLS_skip`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Skip {
    /// The whole playlist is wanted.
    #[default]
    No,
    /// A playlist delta update will do. `v2` would leave out date ranges too, of which there are none.
    Yes,
}

/// What a client asks of a media playlist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Directives {
    /// Answer when this segment is in the playlist (`_HLS_msn`), or
    pub segment: Option<u64>,
    /// when this part of it is (`_HLS_part`).
    pub part: Option<u32>,
    /// Whether a delta update will do.
    pub skip: Skip,
}

/// Why directives are refused (HTTP 400).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectivesError {
    /// Not a decimal number.
    #[error("{0} is not a decimal number")]
    Number(&'static str),
    /// HLS2 §6.2.5.2: a part is one of a segment.
    #[error("_HLS_part without _HLS_msn")]
    PartWithoutSegment,
}

impl Directives {
    /// Reads the directives in a query; other parameters, and directives that are not known, are ignored.
    ///
    /// # Errors
    /// [`DirectivesError`].
    pub fn parse(query: &str) -> Result<Self, DirectivesError> {
        let mut directives = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "_HLS_msn" => {
                    directives.segment = Some(number(value).ok_or(DirectivesError::Number("_HLS_msn"))?)
                }
                "_HLS_part" => {
                    let part = number(value).and_then(|part| u32::try_from(part).ok());
                    directives.part = Some(part.ok_or(DirectivesError::Number("_HLS_part"))?);
                }
                "_HLS_skip" if matches!(value, "YES" | "v2") => directives.skip = Skip::Yes,
                _ => {}
            }
        }
        if directives.part.is_some() && directives.segment.is_none() {
            return Err(DirectivesError::PartWithoutSegment);
        }
        Ok(directives)
    }

    /// Whether the client waits for news.
    pub const fn blocks(&self) -> bool {
        self.segment.is_some()
    }
}

fn number(value: &str) -> Option<u64> {
    decimal(value)
        .or_else(|| value.bytes().all(|byte| byte == b'0').then_some(0).filter(|_| !value.is_empty()))
}

/// Whether the playlist has what is asked for.
pub(crate) fn is_there(
    window: &Window,
    directives: &Directives,
    part_target: Duration,
) -> Result<(), Missing> {
    let Some(segment) = directives.segment else { return Ok(()) };
    if window.contains(segment, directives.part) {
        return Ok(());
    }
    let (last, parts) = window.last_part().unwrap_or((window.media_sequence(), 0));
    let limit = PARTS_AHEAD.as_nanos().div_ceil(part_target.as_nanos().max(1)).max(3);
    let ahead = match directives.part {
        Some(part) if segment == last => u128::from(part.saturating_sub(parts)),
        Some(part) if segment > last => u128::from(part),
        _ => 0,
    };
    if segment > last + SEGMENTS_AHEAD || ahead > limit {
        return Err(Missing::TooFarAhead);
    }
    Err(Missing::NotYet)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::*;
    use crate::window::Part;

    #[test]
    fn directives_are_read_among_other_parameters() {
        let read = |query| Directives::parse(query).unwrap();
        assert_eq!(read(""), Directives::default());
        assert_eq!(
            read("session=abc&_HLS_msn=7&_HLS_part=3&_HLS_skip=YES"),
            Directives { segment: Some(7), part: Some(3), skip: Skip::Yes }
        );
        assert_eq!(read("_HLS_skip=v2").skip, Skip::Yes);
        assert_eq!(read("_HLS_skip=NO&_HLS_report=x").skip, Skip::No);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (query, error) in [
            ("_HLS_msn=-1", DirectivesError::Number("_HLS_msn")),
            ("_HLS_msn=", DirectivesError::Number("_HLS_msn")),
            ("_HLS_msn=99999999999999999999", DirectivesError::Number("_HLS_msn")),
            ("_HLS_msn=1&_HLS_part=4294967296", DirectivesError::Number("_HLS_part")),
            ("_HLS_part=1", DirectivesError::PartWithoutSegment),
        ] {
            assert_eq!(Directives::parse(query), Err(error), "{query}");
        }
    }

    #[test]
    fn what_is_near_is_waited_for_and_what_is_far_is_refused() {
        let mut window = Window::new(Duration::from_secs(1), 7);
        for _ in 0..=5 {
            window.begin_segment(UNIX_EPOCH, None, false);
            (0..3).for_each(|_| {
                window.push(Part {
                    duration: Duration::from_millis(200),
                    independent: true,
                    bytes: Bytes::from_static(b"x"),
                });
            });
        }
        let ask = |segment, part| {
            let directives = Directives { segment: Some(segment), part, skip: Skip::No };
            is_there(&window, &directives, Duration::from_millis(200))
        };
        assert_eq!(ask(4, None), Ok(()));
        assert_eq!(ask(5, Some(2)), Ok(()));
        assert_eq!(ask(5, Some(3)), Err(Missing::NotYet));
        assert_eq!(ask(5, None), Err(Missing::NotYet));
        assert_eq!(ask(6, Some(0)), Err(Missing::NotYet));
        assert_eq!(ask(7, None), Err(Missing::NotYet));
        assert_eq!(ask(8, None), Err(Missing::TooFarAhead));
        assert_eq!(ask(5, Some(18)), Err(Missing::TooFarAhead));
        assert_eq!(ask(u64::MAX, Some(u32::MAX)), Err(Missing::TooFarAhead));
    }
}
