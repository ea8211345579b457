//! Messages and frames come out of a stream the same, however it is cut.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use bytes::BytesMut;
use proptest::prelude::*;
use rtsp::Error;
use rtsp::framer::{Framer, Item, MAX_BODY, MAX_GARBAGE, MAX_HEADER, MAX_HEADER_LINES};

/// Feeds `bytes` cut at `cuts`; gives what came out in words, and the error that ended it.
fn read(bytes: &[u8], cuts: &[usize]) -> (Vec<String>, Option<Error>) {
    let (mut framer, mut input, mut items) = (Framer::new(), BytesMut::new(), Vec::new());
    framer.allow_channel(1);
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    for piece in cuts.windows(2) {
        input.extend_from_slice(&bytes[piece[0]..piece[1]]);
        loop {
            match framer.next(&mut input) {
                Ok(Some(item)) => items.push(words(&item)),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
    }
    (items, None)
}

fn words(item: &Item) -> String {
    match item {
        Item::Packet { channel, packet } => format!("{channel}:{packet:?}"),
        Item::Request(request) => {
            let method: &str = request.method().into();
            format!("{method} {:?}", String::from_utf8_lossy(request.body()))
        }
        Item::Response(response) => format!("{}", u16::from(response.status())),
    }
}

fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&rtsp::interleaved_header(channel, length)[..], payload].concat()
}

const OPTIONS: &[u8] = b"OPTIONS rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\n\r\n";
const BODY: &[u8] = b"SET_PARAMETER rtsp://h/a RTSP/1.0\r\nCSeq: 2\r\ncontent-length: 5\r\n\r\n$hell";

#[test]
fn messages_and_frames_alternate() {
    let stream = [
        OPTIONS,
        &frame(0, b"12345678"),
        b"\r\n\r\n",
        BODY,
        &frame(1, b""),
        b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n",
    ];
    let (items, error) = read(&stream.concat(), &[]);
    assert_eq!(error, None);
    assert_eq!(items, ["OPTIONS \"\"", "0:b\"12345678\"", "SET_PARAMETER \"$hell\"", "1:b\"\"", "200"]);
}

#[test]
fn packets_are_slices_of_the_input() {
    let (mut framer, mut input) = (Framer::new(), BytesMut::from(&frame(0, b"payload")[..]));
    let start = input.as_ptr();
    let Ok(Some(Item::Packet { packet, .. })) = framer.next(&mut input) else { panic!("a packet") };
    assert_eq!(packet.as_ptr(), start.wrapping_add(4));
    assert_eq!(framer.position(), 11);
}

#[test]
fn after_garbage_the_next_plausible_item_counts() {
    // A torn packet, then a frame on a channel that is not in use, a frame too short for RTP, and one that counts.
    let stream =
        [&b"\xff\xfegarbage"[..], &frame(9, b"12345678"), &frame(0, b"123"), &frame(1, b"12345678"), OPTIONS];
    assert_eq!(read(&stream.concat(), &[]).0, ["1:b\"12345678\"", "OPTIONS \"\""]);
    assert_eq!(read(&[&b"\0\0PLAYX PLAY"[..], OPTIONS].concat(), &[]).0, ["OPTIONS \"\""]);
}

#[test]
fn what_exceeds_a_bound_ends_it_with_its_place() {
    let error = |bytes: &[u8]| read(bytes, &[]).1;
    let garbage = vec![0; MAX_GARBAGE + 1];
    assert_eq!(error(&garbage[1..]), None);
    assert_eq!(error(&garbage), Some(Error::Garbage { at: 65_537, bytes: 65_537 }));
    let bomb = [&b"OPTIONS * RTSP/1.0\r\nX: "[..], &vec![b'a'; MAX_HEADER]].concat();
    assert_eq!(error(&bomb), Some(Error::HeaderTooLong { at: 0, limit: MAX_HEADER }));
    let lines = [&b"OPTIONS * RTSP/1.0\r\n"[..], &b"X: 1\r\n".repeat(MAX_HEADER_LINES), b"\r\n"].concat();
    assert_eq!(error(&lines), Some(Error::TooManyHeaders { at: 0, lines: 66 }));
    let body = [
        OPTIONS,
        format!("ANNOUNCE rtsp://h/a RTSP/1.0\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1).as_bytes(),
    ]
    .concat();
    assert_eq!(
        error(&body),
        Some(Error::BodyTooLong { at: OPTIONS.len() as u64, bytes: MAX_BODY + 1, limit: MAX_BODY })
    );
    for malformed in [
        &b"OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n"[..],
        b"OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"OPTIONS *\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"OPTIONS rtsp://[ RTSP/1.0\r\n\r\n",
    ] {
        assert_eq!(error(malformed), Some(Error::Malformed { at: 0 }));
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(OPTIONS.to_vec()),
        Just(BODY.to_vec()),
        Just(b"RTSP/1.0 401 Unauthorized\r\nCSeq: 9\r\n\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        (0..3_u8, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(channel, payload)| frame(channel, &payload)),
        prop::collection::vec(any::<u8>(), 0..30),
        "[A-Z$ /.01\r\n]{0,30}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn any_cuts_give_the_same(
        pieces in prop::collection::vec(piece(), 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let bytes = pieces.concat();
        prop_assert_eq!(read(&bytes, &[]), read(&bytes, &cuts));
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(read(&bytes, &[]), read(&bytes, &each));
    }
}
