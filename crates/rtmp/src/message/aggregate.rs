//! Aggregates: several FLV tags in one message (§7.1.6). Flash Media Live Encoder sends them.

use super::{Error, Media, MediaKind, kind, without_set_data_frame};
use bytes::{Buf, Bytes};

/// An aggregate of 10 MiB could hold 700,000 empty tags.
const MAX_TAGS: usize = 1024;

/// The tags' bodies without a copy. Their timestamps are relative to the first one's, which corresponds to the
/// message's own.
pub(super) fn parse(timestamp: u32, body: &Bytes) -> Result<Vec<Media>, Error> {
    let mut rest = body.clone();
    let mut tags = Vec::new();
    let mut origin = None;
    while rest.has_remaining() {
        let at = body.len() - rest.len();
        let broken = Error::Aggregate { at };
        if tags.len() == MAX_TAGS {
            return Err(broken);
        }
        let header = rest.try_get_u32().map_err(|_| broken)?;
        let [low @ .., high] = rest.try_get_u32().map_err(|_| broken)?.to_be_bytes();
        let _stream = rest.try_get_uint(3).map_err(|_| broken)?;
        let len = (header & 0xff_ffff) as usize;
        if rest.len() < len {
            return Err(broken);
        }
        let tag = rest.split_to(len);
        // The length of the tag again; encoders leave it out behind the last one.
        rest.advance(rest.len().min(4));
        let time = u32::from_be_bytes([high, low[0], low[1], low[2]]);
        let since_first = time.wrapping_sub(*origin.get_or_insert(time));
        let (kind, body) = match (header >> 24) as u8 {
            kind::AUDIO => (MediaKind::Audio, tag),
            kind::VIDEO => (MediaKind::Video, tag),
            kind::DATA => (MediaKind::Data, without_set_data_frame(tag)),
            _ => continue,
        };
        tags.push(Media { kind, timestamp: timestamp.wrapping_add(since_first), body });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
        let [high, low @ ..] = time.to_be_bytes();
        let mut tag = vec![kind, 0, 0, body.len() as u8];
        tag.extend(low);
        tag.extend([high, 0, 0, 0]);
        tag.extend(body);
        tag.extend((body.len() as u32 + 11).to_be_bytes());
        tag
    }

    #[test]
    fn tags_keep_their_distance_from_the_messages_time() {
        let body = [
            tag(8, 0x0100_0000, b"a"),
            tag(9, 0x0100_0017, b"vv"),
            tag(7, 0, b"?"),
            tag(9, 0x00ff_fff0, b"w"),
        ];
        let media = parse(5_000, &body.concat().into()).unwrap();
        let expected =
            [(MediaKind::Audio, 5_000, "a"), (MediaKind::Video, 5_023, "vv"), (MediaKind::Video, 4_984, "w")];
        assert_eq!(
            media,
            expected.map(|(kind, timestamp, body)| Media { kind, timestamp, body: body.into() })
        );
    }

    #[test]
    fn tags_that_do_not_fit_are_refused_where_they_start() {
        let mut body = [tag(8, 0, b"a"), tag(9, 0, b"vv")].concat();
        body.truncate(16 + 11 + 1);
        assert_eq!(parse(0, &body.into()), Err(Error::Aggregate { at: 16 }));
        let empty = tag(8, 0, b"").repeat(MAX_TAGS + 1);
        assert_eq!(parse(0, &empty.into()), Err(Error::Aggregate { at: 15 * MAX_TAGS }));
    }
}
