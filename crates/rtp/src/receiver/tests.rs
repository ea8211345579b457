//! One publisher's tracks, packet by packet.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::aac::AudioConfig;
use media::g711::Law;
use media::{Codec, g711};

use super::*;
use crate::packet::Header;
use crate::rtcp::NtpTimestamp;

const TRACK: TrackId = TrackId(3);
const SSRC: u32 = 0x1234_5678;

struct Publisher {
    receiver: Receiver,
    now: Instant,
    header: Header,
}

impl Publisher {
    fn new(format: Format, rate: Rate) -> Self {
        let mut receiver = Receiver::new(1);
        let reorder_wait = REORDER_WAIT;
        receiver.add_track(TrackConfig { id: TRACK, payload_type: 96, rate, format, reorder_wait });
        let header = Header { marker: true, payload_type: 96, sequence: 0xfff0, timestamp: 9, ssrc: SSRC };
        Self { receiver, now: Instant::now(), header }
    }

    /// The next packet, `ticks` after the last one, `millis` later.
    fn send(&mut self, payload: &[u8], ticks: u32, millis: u64) -> Vec<Event> {
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks);
        self.now += Duration::from_millis(millis);
        let packet = [&self.header.write()[..], payload].concat().into();
        self.receiver.handle_rtp(TRACK, &packet, self.now).unwrap();
        self.events()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.receiver.poll_event()).collect()
    }
}

fn frames(events: &[Event]) -> Vec<(i64, usize)> {
    let frame = |event: &Event| match event {
        Event::Frame(frame) => Some((frame.pts.ticks(), frame.payload.len())),
        _ => None,
    };
    events.iter().filter_map(frame).collect()
}

fn codec(events: &[Event]) -> Option<Codec> {
    events.iter().find_map(|event| match event {
        Event::Track(info) => Some(info.codec()),
        _ => None,
    })
}

#[test]
fn g711_of_any_packet_length_is_announced_and_given_out() {
    let config = g711::AudioConfig::telephone(Law::A);
    let mut publisher = Publisher::new(Format::G711(config), config.rate());
    assert_eq!(codec(&publisher.events()), Some(Codec::G711));
    assert_eq!(frames(&publisher.send(&[0xd5; 160], 0, 0)), [(0, 160)]);
    assert_eq!(
        frames(&publisher.send(&[0xd5; 2_400], 160, 20)),
        [(160, 1_000), (1_160, 1_000), (2_160, 400)]
    );
    assert_eq!(frames(&publisher.send(&[], 2_400, 300)), [], "a keep-alive");
}

#[test]
fn every_access_unit_of_a_packet_has_its_own_time() {
    let rate = Rate::new(44_100).unwrap();
    let format = Format::AacGeneric { config: AudioConfig::lc(rate, 2).unwrap(), headers: AuHeaders::HBR };
    let mut publisher = Publisher::new(format, rate);
    assert_eq!(codec(&publisher.events()), Some(Codec::Aac));
    let two = [0, 32, 0, 8, 0, 16, 1, 2, 3];
    assert_eq!(frames(&publisher.send(&two, 0, 0)), [(-1_024, 1), (0, 2)]);
    assert_eq!(frames(&publisher.send(&two, 2_048, 46)), [(1_024, 1), (2_048, 2)]);
}

#[test]
fn the_times_of_he_aac_are_on_its_output_clock_whatever_the_rtp_clock_is() {
    // LC at 22.05 kHz, SBR to 44.1 kHz; RFC 3640 leaves open which of both the RTP clock counts.
    let config = AudioConfig::parse(&[0x13, 0x90, 0x56, 0xe5, 0xa0]).unwrap();
    let two = [0, 32, 0, 8, 0, 8, 1, 2];
    for hz in [22_050, 44_100] {
        let format = Format::AacGeneric { config: config.clone(), headers: AuHeaders::HBR };
        let mut publisher = Publisher::new(format, Rate::new(hz).unwrap());
        assert_eq!(frames(&publisher.send(&two, 0, 0)), [(-2_048, 1), (0, 1)]);
    }
}

#[test]
fn latm_announces_the_configuration_in_its_stream_mux_config() {
    let config = StreamMuxConfig::parse(&[0x40, 0x00, 0x23, 0x20, 0x3f, 0xc0]).unwrap();
    let mut publisher = Publisher::new(Format::AacLatm { config: Some(config) }, Rate::OPUS);
    assert_eq!(codec(&publisher.events()), Some(Codec::Aac));
    assert_eq!(frames(&publisher.send(&[2, 7, 7], 0, 0)), [(0, 2)]);
    // cpresent=1: the configuration comes with the first unit.
    let mut publisher = Publisher::new(Format::AacLatm { config: None }, Rate::OPUS);
    assert_eq!(publisher.events(), []);
    let element = [0x20, 0x00, 0x11, 0x90, 0x1f, 0xe0, 0x08, 0x38];
    let events = publisher.send(&element, 0, 0);
    assert_eq!(codec(&events), Some(Codec::Aac));
    assert_eq!(frames(&events), [(0, 1)]);
}

#[test]
fn rule_3_opus_becomes_stereo_with_the_first_stereo_packet() {
    let mut publisher = Publisher::new(Format::Opus { channels: 1 }, Rate::OPUS);
    assert_eq!(codec(&publisher.events()), Some(Codec::Opus));
    assert_eq!(codec(&publisher.send(&[0x78, 1], 0, 0)), None);
    assert_eq!(codec(&publisher.send(&[0xfc, 1], 960, 20)), Some(Codec::Opus));
    assert_eq!(codec(&publisher.send(&[0x78, 1], 960, 20)), None, "not back");
}

#[test]
fn rule_7_another_source_goes_on_behind_the_first_one() {
    let mut publisher = Publisher::new(Format::Opus { channels: 1 }, Rate::OPUS);
    for _ in 0..50 {
        publisher.send(&[0x78, 1], 960, 20);
    }
    // An encoder that was started anew, a second back in its timestamps.
    publisher.header.ssrc += 1;
    publisher.header.sequence = 7;
    publisher.header.timestamp -= 48_000;
    assert_eq!(publisher.send(&[0x78, 1], 960, 20), [], "it could be a stray packet");
    let pts: Vec<_> = frames(&publisher.send(&[0x78, 1], 960, 20)).into_iter().map(|(pts, _)| pts).collect();
    assert_eq!(pts, [50 * 960, 51 * 960]);
    let statistics = publisher.receiver.statistics(TRACK).unwrap();
    assert_eq!((statistics.received, statistics.bytes, statistics.lost), (2, 4, 0));
    let at = publisher.now + REPORT_INTERVAL;
    let (_, report) = publisher.receiver.poll_report(at).unwrap();
    let Some(Ok(rtcp::Packet::ReceiverReport { blocks, .. })) = rtcp::parse(&report).next() else {
        panic!("no receiver report")
    };
    assert_eq!((blocks[0].ssrc, blocks[0].highest_sequence), (SSRC + 1, 9));
}

#[test]
fn a_lost_packet_is_waited_for_by_the_clock_when_nothing_else_comes() {
    let mut publisher = Publisher::new(Format::Opus { channels: 1 }, Rate::OPUS);
    publisher.send(&[0x78, 1], 960, 20);
    publisher.header.sequence += 1;
    assert_eq!(publisher.send(&[0x78, 1], 1_920, 40), []);
    let due = publisher.receiver.poll_timeout().unwrap();
    assert_eq!(due, publisher.now + REORDER_WAIT);
    publisher.receiver.handle_timeout(due).unwrap();
    assert_eq!(frames(&publisher.events()), [(1_920, 2)]);
    assert_eq!(publisher.receiver.statistics(TRACK).unwrap().lost, 1);
}

#[test]
fn a_farewell_and_broken_reports_are_told() {
    let mut publisher = Publisher::new(Format::Opus { channels: 1 }, Rate::OPUS);
    publisher.events();
    let compound = rtcp::write(&[
        rtcp::Packet::SenderReport {
            ssrc: SSRC,
            ntp: NtpTimestamp(1 << 32),
            rtp: 9,
            packets: 0,
            octets: 0,
            blocks: Vec::new(),
        },
        rtcp::Packet::Goodbye(vec![SSRC]),
    ]);
    let now = publisher.now;
    publisher.receiver.handle_rtcp(TRACK, &compound, now).unwrap();
    assert_eq!(publisher.events(), [Event::Goodbye(TRACK)]);
    let error = publisher.receiver.handle_rtcp(TRACK, &compound[..20], now);
    assert_eq!(error, Err(ReceiveError::Rtcp(RtcpError::Truncated { at: 0 })));
}

#[test]
fn what_is_no_packet_of_the_track_is_refused_with_its_reason() {
    let mut publisher = Publisher::new(Format::Opus { channels: 1 }, Rate::OPUS);
    let now = publisher.now;
    let mut rtp = |id, bytes: &[u8]| publisher.receiver.handle_rtp(id, &Bytes::copy_from_slice(bytes), now);
    assert_eq!(rtp(TrackId(9), &[]), Err(ReceiveError::UnknownTrack(TrackId(9))));
    assert_eq!(rtp(TRACK, &[0; 3]), Err(ReceiveError::Packet(PacketError::Truncated { len: 3 })));
    let other = Header { marker: false, payload_type: 97, sequence: 5, timestamp: 0, ssrc: 1 }.write();
    let error = ReceiveError::PayloadType { sequence: 5, got: 97, expected: 96 };
    assert_eq!(rtp(TRACK, &other), Err(error));
    assert_eq!(error.to_string(), "RTP packet 5: payload type 97; the track has 96");
}
