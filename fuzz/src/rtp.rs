//! RTP payloads and timestamps.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::Rate;
use media::h264::{annexb, avcc};
use rtp::h264::{Depacketizer, LARGEST_PAYLOAD, MAX_ACCESS_UNIT, Packetizer, Popped};
use rtp::packet::{Header, Packet};
use rtp::timeline::{SenderReport, StreamClock};

use crate::h264::check_unit;

/// Packets as [`write_packet`] puts them, through the H.264 depacketizer.
pub fn h264_depacketizer(input: &[u8]) {
    let mut depacketizer = Depacketizer::new();
    for (packet, _) in packets(input) {
        // A payload that is none costs its own access unit; what comes behind is still to be read.
        let _ = depacketizer.push(&packet);
        drain(&mut depacketizer).iter().for_each(check_popped);
    }
}

/// The packets that [`write_packet`] put into `input`, and whether others are missing in front of each.
pub(crate) fn packets(input: &[u8]) -> impl Iterator<Item = (Packet, bool)> {
    let (mut sequence, mut timestamp, mut rest) = (0_u16, 0_u32, input);
    std::iter::from_fn(move || {
        let (&[control, high, low], behind) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (payload, behind) = behind.split_at(len);
        rest = behind;
        let [next, lost, duplicate, late] = [1, 2, 0, u16::MAX];
        let step = [next, lost, duplicate, late][usize::from(control & 3)];
        sequence = sequence.wrapping_add(step);
        timestamp = timestamp.wrapping_add(if control & 4 == 0 { 0 } else { 3_000 });
        let payload = Bytes::copy_from_slice(payload);
        Some((packet(sequence, timestamp, control & 8 != 0, payload), step == lost))
    })
}

fn packet(sequence: u16, timestamp: u32, marker: bool, payload: Bytes) -> Packet {
    Packet { header: Header { marker, payload_type: 96, sequence, timestamp, ssrc: 1 }, payload }
}

/// Appends a packet in the form of [`h264_depacketizer`]: a control byte (bits 0 and 1: next, one lost, duplicate, late;
/// bit 2: a later timestamp; bit 3: the marker), two bytes of length, the payload.
///
/// # Panics
/// If the payload is longer than two bytes can tell.
pub fn write_packet(out: &mut Vec<u8>, control: u8, payload: &[u8]) {
    out.push(control);
    out.extend(u16::try_from(payload.len()).expect("a payload of RTP over UDP").to_be_bytes());
    out.extend(payload);
}

fn drain(depacketizer: &mut Depacketizer) -> Vec<Popped> {
    let popped: Vec<Popped> = std::iter::from_fn(|| depacketizer.pop()).collect();
    assert!(popped.len() <= 4, "{} results of one packet", popped.len());
    popped
}

fn check_popped(popped: &Popped) {
    if let Popped::AccessUnit { unit, .. } = popped {
        // Each of at most 1,024 NAL units has its length in front.
        assert!(unit.payload.len() <= MAX_ACCESS_UNIT + 4 * 1_024);
        check_unit(unit);
    }
}

/// Two bytes that say how much one payload may hold, then a byte stream whose picture must come out of the depacketizer
/// as it went into the packetizer.
pub fn h264_round_trip(input: &[u8]) {
    let Some((&max, bytes)) = input.split_first_chunk() else { return };
    let max = usize::from(u16::from_be_bytes(max)).clamp(64, LARGEST_PAYLOAD);
    // RFC 6184 §5.2 gives the types 0 and 24 to 31 another meaning in RTP, and F is not kept by FU-A (§5.8): there is
    // no way to send such NAL units.
    let sendable = |nal: &&[u8]| nal.first().is_some_and(|header| matches!(header & 0x9f, 1..=23));
    // An IDR slice in front: the depacketizer waits for a random access point.
    let nals = std::iter::once(&b"\x65\x88\x80"[..]).chain(annexb::nals(bytes).filter(sendable).take(1_000));
    let Some(unit) = avcc::access_unit(nals) else { return };
    let payloads = Packetizer::new(max).packetize(&unit.payload, Some(&unit.sets));
    let mut depacketizer = Depacketizer::new();
    let mut popped = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        assert!(!payload.is_empty() && payload.len() <= max, "{} bytes of {max}", payload.len());
        let (sequence, marker) = (index as u16, index + 1 == payloads.len());
        let payload = Bytes::copy_from_slice(payload);
        depacketizer.push(&packet(sequence, 0, marker, payload)).expect("our own payloads");
        popped.extend(drain(&mut depacketizer));
    }
    assert_eq!(popped, [Popped::AccessUnit { timestamp: 0, unit }]);
}

/// Nine bytes an event on the timeline of a picture and a sound track: which (bit 0: sound; bit 1: a sender report), how
/// far its RTP timestamp moves, and when.
pub fn timeline(input: &[u8]) {
    let mut clock = StreamClock::new();
    let rates = [Rate::VIDEO, Rate::OPUS];
    let tracks = [clock.add_track(rates[0], false), clock.add_track(rates[1], true)];
    let (mut stamps, mut arrival) = ([0_u32; 2], Instant::now());
    for event in input.as_chunks::<9>().0 {
        let &[control, r0, r1, r2, r3, t0, t1, t2, t3] = event;
        let index = usize::from(control & 1);
        let stamp = stamps[index].wrapping_add(u32::from_be_bytes([r0, r1, r2, r3]));
        let time = u32::from_be_bytes([t0, t1, t2, t3]);
        if control & 2 != 0 {
            let ntp_nanos = i64::from(time.cast_signed()) << (control >> 3);
            clock.sender_report(tracks[index], SenderReport { ntp_nanos, rtp: stamp });
            continue;
        }
        stamps[index] = stamp;
        arrival += Duration::from_micros(time.into());
        assert_eq!(clock.stamp(tracks[index], stamp, arrival).rate(), rates[index]);
    }
}
