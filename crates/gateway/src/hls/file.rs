//! The bytes of a segment or part as HTTP gives them, whole or in a range (RFC 9110 §14).

use std::ops::Range;

use ::hls::{Rendition, Resource};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use crate::refusal::Refusal;

/// A name means the same bytes for ever; what is asked for with a session is nobody else's.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");

/// The answer, and how many bytes it has.
pub(super) fn answer(
    resource: &Resource,
    rendition: Rendition,
    headers: &HeaderMap,
) -> Result<(Response, usize), Refusal> {
    let len = resource.len();
    let kind = match rendition {
        Rendition::Video => "video/mp4",
        Rendition::Audio => "audio/mp4",
        Rendition::Main => "video/mp2t",
    };
    let common = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, IMMUTABLE),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    match range(headers, len) {
        Wanted::Whole => Ok((
            (common, [(header::CONTENT_LENGTH, len)], body(resource.pieces.clone())).into_response(),
            len,
        )),
        Wanted::Part(range) => {
            let content_range = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            let part = range.len();
            let body = body(resource.slice(range).pieces);
            let headers =
                [(header::CONTENT_LENGTH, part.to_string()), (header::CONTENT_RANGE, content_range)];
            Ok(((StatusCode::PARTIAL_CONTENT, common, headers, body).into_response(), part))
        }
        Wanted::Unsatisfiable => Err(Refusal::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            format!("accepted: one range within bytes 0-{}", len.saturating_sub(1)),
        )),
    }
}

fn body(pieces: Vec<Bytes>) -> Body {
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::convert::Infallible>)))
}

/// What a request wants of a file.
#[derive(PartialEq, Eq, Debug)]
enum Wanted {
    Whole,
    /// Not empty, and within the file.
    Part(Range<usize>),
    Unsatisfiable,
}

/// RFC 9110 §14.2: a range in a unit that is not known is ignored. Several ranges at once could ask for a file many times
/// over, and no player asks for them: they are refused.
fn range(headers: &HeaderMap, len: usize) -> Wanted {
    let Some(value) = headers.get(header::RANGE) else { return Wanted::Whole };
    let Some(ranges) = value.to_str().ok().and_then(|value| value.strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let wanted = ranges.trim().split_once('-').and_then(|(first, last)| bounds(first, last, len));
    match wanted {
        Some(range) if range.start < range.end => Wanted::Part(range),
        _ => Wanted::Unsatisfiable,
    }
}

/// `first-last`, `first-` or `-suffix` (RFC 9110 §14.1.2).
fn bounds(first: &str, last: &str, len: usize) -> Option<Range<usize>> {
    let number = |digits: &str| {
        let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than a number can have are beyond every end.
        decimal.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(len.saturating_sub(number(last)?)..len),
        (false, true) => Some(number(first)?..len),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first..last.saturating_add(1).min(len))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(value: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, value.parse().unwrap());
        range(&headers, 100)
    }

    #[test]
    fn single_ranges_are_taken_as_the_rfc_says() {
        for (value, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=90-200", 90..100),
            ("bytes=50-", 50..100),
            ("bytes=-5", 95..100),
            ("bytes=-500", 0..100),
        ] {
            assert_eq!(wanted(value), Wanted::Part(expected), "{value}");
        }
        assert_eq!(range(&HeaderMap::new(), 100), Wanted::Whole);
        assert_eq!(wanted("parts=0-1"), Wanted::Whole);
    }

    #[test]
    fn what_is_beyond_or_several_or_senseless_is_refused() {
        for value in [
            "bytes=100-",
            "bytes=99999999999999999999999-",
            "bytes=5-4",
            "bytes=-0",
            "bytes=-",
            "bytes=",
            "bytes=0-1,2-3",
            "bytes=0-,0-,0-,0-,0-,0-",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(wanted(value), Wanted::Unsatisfiable, "{value}");
        }
    }
}
