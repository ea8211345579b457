//! The chunk layer: every header form, interleaving, timestamps, bounds.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rtmp::chunk::{Error, Header, Limits, MAX_CHUNK_STREAM, Message, Reader, Writer, put_message};
use rtmp::message::kind;

/// Feeds `bytes` in pieces that end at `cuts`, then the rest.
fn read_all(limits: Limits, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Message>, Error> {
    let mut reader = Reader::new(limits);
    let mut messages = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    for pair in cuts.windows(2) {
        let mut input = &bytes[pair[0]..pair[1]];
        while let Some(message) = reader.read(&mut input)? {
            messages.push(message);
        }
        assert!(input.is_empty());
    }
    Ok(messages)
}

fn read(bytes: &[u8]) -> Result<Vec<Message>, Error> {
    let whole = read_all(Limits::default(), bytes, &[]);
    let single_bytes: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(whole, read_all(Limits::default(), bytes, &single_bytes), "byte by byte");
    whole
}

fn message(chunk_stream: u32, kind: u8, timestamp: u32, body: impl Into<Bytes>) -> Message {
    Message { header: Header { chunk_stream, kind, stream: 1, timestamp }, body: body.into() }
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 0, 4, kind::SET_CHUNK_SIZE, 0, 0, 0, 0][..], &size.to_be_bytes()].concat()
}

/// The chunks of one message, each for itself.
fn chunks(message: &Message, chunk_size: usize) -> Vec<Bytes> {
    let mut out = BytesMut::new();
    put_message(&mut out, chunk_size, &message.header, message.body.clone());
    let basic = match message.header.chunk_stream {
        0..64 => 1,
        64..320 => 2,
        _ => 3,
    };
    let extended = if message.header.timestamp >= 0xff_ffff { 4 } else { 0 };
    let first = basic + 11 + extended + chunk_size;
    let mut pieces = vec![out.split_to(first.min(out.len())).freeze()];
    while !out.is_empty() {
        pieces.push(out.split_to((basic + extended + chunk_size).min(out.len())).freeze());
    }
    pieces
}

#[test]
fn the_specifications_examples() {
    // RTMP 1.0 §5.3.2.1: four audio messages 20 ms apart need headers of formats 0, 2, 3 and 3.
    let messages: Vec<_> =
        (0..4).map(|n| message(3, kind::AUDIO, 1000 + 20 * n, vec![n as u8; 32])).collect();
    let (mut writer, mut out) = (Writer::default(), BytesMut::new());
    let lengths: Vec<usize> = messages
        .iter()
        .map(|message| {
            let before = out.len();
            writer.write(&mut out, message);
            out.len() - before
        })
        .collect();
    assert_eq!(lengths, [12 + 32, 4 + 32, 1 + 32, 1 + 32]);
    assert_eq!(read(&out).unwrap(), messages);
    // §5.3.2.2: 307 bytes in chunks of 128.
    let video = message(4, kind::VIDEO, 1000, vec![9; 307]);
    let lengths: Vec<usize> = chunks(&video, 128).iter().map(Bytes::len).collect();
    assert_eq!(lengths, [140, 129, 52]);
    assert_eq!(read(&chunks(&video, 128).concat()).unwrap(), [video]);
}

#[test]
fn format_3_repeats_the_difference_and_after_format_0_the_absolute_time() {
    let bytes = [
        &[0x04, 0, 0, 23, 0, 0, 1, 8, 1, 0, 0, 0, b'a'][..],
        &[0xc4, b'b'],
        &[0x44, 0, 0, 40, 0, 0, 2, 8, b'c', b'c'],
        &[0xc4, b'd', b'd'],
        &[0x84, 0, 0, 5, b'e', b'e'],
        &[0xc4, b'f', b'f'],
    ];
    let expected = [(23, "a"), (46, "b"), (86, "cc"), (126, "dd"), (131, "ee"), (136, "ff")];
    let expected = expected.map(|(timestamp, body)| message(4, kind::AUDIO, timestamp, body));
    assert_eq!(read(&bytes.concat()).unwrap(), expected);
}

#[test]
fn a_first_chunk_of_format_1_belongs_to_stream_0() {
    // librtmp derivatives send their ping response like that.
    let bytes = [0x42, 0, 0, 0, 0, 0, 6, kind::USER_CONTROL, 0, 7, 0, 0, 0, 1];
    let messages = read(&bytes).unwrap();
    assert_eq!((messages[0].header.stream, messages[0].body.len()), (0, 6));
    for format in [2, 3] {
        assert_eq!(read(&[format << 6 | 5, 0, 0, 0]), Err(Error::NoEarlierHeader(format)));
    }
}

#[test]
fn timestamps_cross_24_and_32_bits() {
    let times = [0xff_fffe, 0xff_ffff, 0x0100_0000, 0xffff_fff0, 0xffff_ffff, 5, 0x0100_0010];
    let messages: Vec<_> = times.iter().map(|&time| message(6, kind::VIDEO, time, vec![7; 300])).collect();
    let (mut writer, mut compressed, mut plain) = (Writer::default(), BytesMut::new(), BytesMut::new());
    for message in &messages {
        writer.write(&mut compressed, message);
        put_message(&mut plain, 128, &message.header, message.body.clone());
    }
    assert_eq!(read(&compressed).unwrap(), messages);
    assert_eq!(read(&plain).unwrap(), messages);
}

#[test]
fn an_extended_timestamp_may_be_left_out_of_format_3() {
    let body: Vec<u8> = (0..=255).cycle().take(400).collect();
    let sent = message(6, kind::VIDEO, 0x0123_4567, body);
    let pieces = chunks(&sent, 128);
    let without: Vec<u8> = std::iter::once(pieces[0].to_vec())
        .chain(pieces[1..].iter().map(|piece| [&[0xc6], &piece[5..]].concat()))
        .flatten()
        .collect();
    assert_eq!(without.len() + 12, pieces.concat().len());
    assert_eq!(read(&without).unwrap(), std::slice::from_ref(&sent));
    assert_eq!(read(&pieces.concat()).unwrap(), [sent]);
}

#[test]
fn a_difference_in_32_bits_may_be_repeated_as_difference_or_as_absolute_time() {
    let first = [&[0x06, 0, 0, 9, 0, 0, 1, 9, 1, 0, 0, 0][..], b"a"].concat();
    let second = [&[0x46, 0xff, 0xff, 0xff, 0, 0, 200, 9, 1, 0, 0, 0][..], &[5; 128]].concat();
    for repeated in [0x0100_0000_u32, 0x0100_0009] {
        let third = [&[0xc6][..], &repeated.to_be_bytes(), &[6; 72]].concat();
        let messages = read(&[&first[..], &second, &third].concat()).unwrap();
        assert_eq!(messages[1], message(6, 9, 0x0100_0009, [[5; 128].as_slice(), &[6; 72]].concat()));
    }
}

#[test]
fn abort_drops_the_unfinished_message_only() {
    let (lost, kept) = (message(6, kind::VIDEO, 0, vec![1; 300]), message(4, kind::AUDIO, 0, vec![2; 300]));
    let (lost, kept_pieces) = (chunks(&lost, 128), chunks(&kept, 128));
    let abort = |id: u8| [2, 0, 0, 0, 0, 0, 4, kind::ABORT, 0, 0, 0, 0, 0, 0, 0, id];
    let next = message(6, kind::VIDEO, 40, vec![3; 10]);
    let bytes = [
        &lost[0][..],
        &kept_pieces[0],
        &abort(6),
        &abort(77),
        &kept_pieces[1],
        &chunks(&next, 128)[0],
        &kept_pieces[2],
    ];
    assert_eq!(read(&bytes.concat()).unwrap(), [next, kept]);
}

#[test]
fn a_header_in_the_middle_of_a_message_starts_it_over() {
    let (lost, next) = (message(6, kind::VIDEO, 0, vec![1; 300]), message(6, kind::VIDEO, 40, vec![3; 200]));
    let bytes = [&chunks(&lost, 128)[0][..], &chunks(&next, 128).concat()].concat();
    assert_eq!(read(&bytes).unwrap(), [next]);
}

#[test]
fn chunk_sizes_of_the_whole_range() {
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for size in [1, 2, 127, 4096, 65_536, 0xff_ffff, 0x7fff_ffff] {
        let sent = message(6, kind::VIDEO, 1, body.clone());
        let bytes = [set_chunk_size(size), chunks(&sent, size.min(0xff_ffff) as usize).concat()].concat();
        assert_eq!(read_all(Limits::default(), &bytes, &[]).unwrap(), [sent], "{size}");
    }
    for size in [0, 0x8000_0000, 0xffff_ffff] {
        assert_eq!(read(&set_chunk_size(size)), Err(Error::ChunkSize(size)));
    }
    assert_eq!(
        read(&[2, 0, 0, 0, 0, 0, 1, kind::ABORT, 0, 0, 0, 0, 6]),
        Err(Error::ShortControl(kind::ABORT))
    );
}

#[test]
fn a_message_of_no_bytes_is_a_message() {
    let empty = message(4, kind::AUDIO, 3, Bytes::new());
    assert_eq!(read(&chunks(&empty, 128).concat()).unwrap(), [empty]);
}

#[test]
fn messages_that_promise_too_much_are_refused_at_the_header() {
    let header = |kind, len: u32| {
        let [_, a, b, c] = len.to_be_bytes();
        vec![3, 0, 0, 0, a, b, c, kind, 1, 0, 0, 0]
    };
    let limit = 10 << 20;
    assert_eq!(
        read(&header(kind::VIDEO, limit + 1)),
        Err(Error::TooLong { kind: kind::VIDEO, len: 10_485_761, limit: 10_485_760 })
    );
    assert_eq!(read(&header(kind::VIDEO, limit)), Ok(vec![]));
    for kind in [kind::COMMAND, kind::DATA, kind::SET_CHUNK_SIZE, 99] {
        assert_eq!(read(&header(kind, 65_537)), Err(Error::TooLong { kind, len: 65_537, limit: 65_536 }));
    }
}

#[test]
fn a_flood_of_chunk_streams_is_refused() {
    let flood: Vec<u8> = (0..65u32)
        .flat_map(|n| chunks(&message(2 + n * 1000, kind::AUDIO, 0, vec![0; 300]), 128)[0].to_vec())
        .collect();
    assert_eq!(read(&flood), Err(Error::TooManyChunkStreams(64)));
}

#[test]
fn unfinished_messages_are_bounded_together() {
    let limits = Limits { partial: 1000, ..Limits::default() };
    let first_chunks: Vec<u8> = (3..20)
        .flat_map(|id| chunks(&message(id, kind::VIDEO, 0, vec![0; 5 << 20]), 128)[0].to_vec())
        .collect();
    assert_eq!(read_all(limits, &first_chunks, &[]), Err(Error::TooMuchPartial(1000)));
    // Aborted and finished ones do not count: the sum returns to zero.
    let storm: Vec<u8> = (0..50)
        .flat_map(|_| {
            let started = chunks(&message(6, kind::VIDEO, 0, vec![0; 900]), 128)[..2].concat();
            let abort = [2, 0, 0, 0, 0, 0, 4, kind::ABORT, 0, 0, 0, 0, 0, 0, 0, 6];
            [started, abort.to_vec(), chunks(&message(6, kind::VIDEO, 0, vec![0; 900]), 128).concat()]
                .concat()
        })
        .collect();
    assert_eq!(read_all(limits, &storm, &[]).map(|messages| messages.len()), Ok(50));
}

#[test]
fn an_error_names_its_place() {
    let good = chunks(&message(4, kind::AUDIO, 0, vec![0; 200]), 128).concat();
    let bytes = [&good[..], &[0xc0, 1]].concat();
    let mut reader = Reader::new(Limits::default());
    let mut input = &bytes[..];
    assert!(reader.read(&mut input).unwrap().is_some());
    assert_eq!(reader.read(&mut input), Err(Error::NoEarlierHeader(3)));
    assert_eq!((reader.position(), reader.chunk_stream()), (good.len() as u64, 65));
}

/// Messages on up to four chunk streams, every id form and time range.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let id = prop_oneof![3..64u32, 64..320u32, 320..=MAX_CHUNK_STREAM];
    let time = prop_oneof![0..100u32, 0xff_fff0..0x0100_0010u32, any::<u32>()];
    (
        prop::collection::vec(id, 1..5),
        prop::collection::vec((any::<prop::sample::Index>(), time, 0..900usize), 1..12),
    )
        .prop_map(|(ids, messages)| {
            let one = |(id, time, len): (prop::sample::Index, u32, usize)| {
                let body: Vec<u8> = (0..len).map(|at| (at as u32).wrapping_add(time) as u8).collect();
                message(ids[id.index(ids.len())], kind::VIDEO, time, body)
            };
            messages.into_iter().map(one).collect()
        })
}

proptest! {
    #[test]
    fn compressed_headers_read_back_whatever_the_cuts(
        messages in messages(),
        size in 1..1000usize,
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut out = BytesMut::from(&set_chunk_size(size as u32)[..]);
        let mut writer = Writer::default();
        writer.set_chunk_size(size);
        messages.iter().for_each(|message| writer.write(&mut out, message));
        prop_assert_eq!(read_all(Limits::default(), &out, &cuts).unwrap(), messages);
    }

    #[test]
    fn interleaved_messages_come_out_whole(
        messages in messages(),
        size in 1..400usize,
        turns in prop::collection::vec(any::<prop::sample::Index>(), 2000),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        // Per chunk stream, the chunks of its messages in order; whose turn it is, is random.
        let mut queues: Vec<(u32, Vec<Bytes>)> = Vec::new();
        for message in &messages {
            let id = message.header.chunk_stream;
            let at = queues.iter().position(|queue| queue.0 == id).unwrap_or_else(|| {
                queues.push((id, Vec::new()));
                queues.len() - 1
            });
            queues[at].1.extend(chunks(message, size));
        }
        let mut bytes = set_chunk_size(size as u32);
        let mut turns = turns.into_iter().cycle();
        while !queues.is_empty() {
            let turn = turns.next().unwrap().index(queues.len());
            bytes.extend(queues[turn].1.remove(0));
            queues.retain(|queue| !queue.1.is_empty());
        }
        let read = read_all(Limits::default(), &bytes, &cuts).unwrap();
        prop_assert_eq!(read.len(), messages.len());
        let of = |all: &[Message], id| -> Vec<Message> {
            all.iter().filter(|message| message.header.chunk_stream == id).cloned().collect()
        };
        for message in &messages {
            let id = message.header.chunk_stream;
            prop_assert_eq!(of(&read, id), of(&messages, id));
        }
    }

    #[test]
    fn any_bytes_read_alike_whatever_the_cuts(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(2u8), Just(0xc2u8), any::<u8>()], 0..600),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let limits = Limits { media: 300, command: 200, chunk_streams: 8, partial: 400 };
        let whole = read_all(limits, &bytes, &[]);
        let pieces = read_all(limits, &bytes, &cuts);
        prop_assert_eq!(whole, pieces);
    }
}
