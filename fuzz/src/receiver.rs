//! RTP and RTCP packets, AAC payloads, and all of them through a receiver.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::aac::AudioConfig;
use media::aac::latm::StreamMuxConfig;
use media::g711::{self, Law};
use media::h264::ParameterSets;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackId};
use rtp::aac::{AccessUnit, AuHeaders, GenericDepacketizer, LatmDepacketizer, MAX_ACCESS_UNIT};
use rtp::packet::{Header, Packet};
use rtp::receiver::{Event, Format, REORDER_WAIT, Receiver, TrackConfig};
use rtp::rtcp;

use crate::h264::check_payload;

/// AAC-LC at 48 kHz in stereo as StreamMuxConfig.
const LATM: [u8; 6] = [0x40, 0x00, 0x23, 0x20, 0x3f, 0xc0];

/// Any bytes as RTP packet.
pub fn packet(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let Ok(packet) = Packet::parse(&bytes) else { return };
    assert!(packet.payload.len() + Header::LEN <= input.len());
    let written = [&packet.header.write()[..], &packet.payload].concat();
    assert_eq!(Packet::parse(&written.into()), Ok(packet));
}

/// Any bytes as RTCP compound.
pub fn compound(input: &[u8]) {
    let packets: Vec<_> = rtcp::parse(input).flatten().collect();
    assert!(packets.len() <= input.len() / 4);
    let written = rtcp::write(&packets);
    assert!(written.len() % 4 == 0 && written.len() <= input.len() + 4 * packets.len());
    assert!(rtcp::parse(&written).eq(packets.into_iter().map(Ok)));
}

/// Three bytes of field sizes, then packets in the form of [`crate::rtp::write_packet`].
pub fn aac_generic(input: &[u8]) {
    let Some((&[size, index, delta], packets)) = input.split_first_chunk() else { return };
    let Some(headers) = AuHeaders::new(size, index, delta) else { return };
    let mut depacketizer = GenericDepacketizer::new(headers);
    for (packet, gap) in crate::rtp::packets(packets) {
        if gap {
            depacketizer.lose();
        }
        check_units(&depacketizer.push(&packet).unwrap_or_default());
    }
    // What we send, we understand: the input as one access unit.
    let unit = Bytes::copy_from_slice(input.get(..8_191).unwrap_or(input));
    let payloads = rtp::aac::packetize(&unit, 64 + usize::from(size));
    let mut depacketizer = GenericDepacketizer::new(AuHeaders::HBR);
    let header = Header { marker: true, payload_type: 97, sequence: 0, timestamp: 0, ssrc: 1 };
    let push = |payload: &Bytes| depacketizer.push(&Packet { header, payload: payload.clone() });
    let units: Vec<_> = payloads.shared().flat_map(push).flatten().collect();
    // An ADTS header is taken off, and may be all there is.
    let same = |got: &AccessUnit| got.index == 0 && unit.ends_with(&got.payload);
    assert!(units.iter().all(same) && (units.len() == 1 || unit.len() <= 9), "{units:?}");
}

/// A byte that says whether the configuration comes in the stream, then packets as above.
pub fn aac_latm(input: &[u8]) {
    let Some((in_band, packets)) = input.split_first() else { return };
    let config = if in_band & 1 == 1 { None } else { StreamMuxConfig::parse(&LATM).ok() };
    let mut depacketizer = LatmDepacketizer::new(config);
    for (packet, gap) in crate::rtp::packets(packets) {
        if gap {
            depacketizer.lose();
        }
        let units = depacketizer.push(&packet).unwrap_or_default();
        assert!(units.is_empty() || depacketizer.config().is_some());
        check_units(&units);
    }
}

fn check_units(units: &[AccessUnit]) {
    assert!(units.iter().all(|unit| (1..=MAX_ACCESS_UNIT.max(65_535)).contains(&unit.payload.len())));
    assert!(units.windows(2).all(|pair| pair[0].index < pair[1].index));
}

/// Interleaved blocks: the ms since the last one, the channel (two for each track: RTP and RTCP), two bytes of length,
/// the packet.
pub fn receiver(input: &[u8]) {
    let (mut receiver, mut now, mut rest) = (publisher(), Instant::now(), input);
    let mut checks = Checks::default();
    checks.events(&mut receiver);
    while let Some((&[millis, channel, high, low], behind)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(behind.len());
        let (packet, behind) = behind.split_at(len);
        rest = behind;
        now += Duration::from_millis(millis.into());
        let track = TrackId(u32::from(channel / 2) % 6);
        // What is refused is refused; all that comes out is checked.
        let _ = match channel & 1 {
            0 => receiver.handle_rtp(track, &Bytes::copy_from_slice(packet), now),
            _ => receiver.handle_rtcp(track, packet, now),
        };
        checks.events(&mut receiver);
        let _ = receiver.handle_timeout(now);
        checks.events(&mut receiver);
        while let Some((_, report)) = receiver.poll_report(now) {
            assert!(rtcp::parse(&report).all(|packet| packet.is_ok()));
        }
        assert!(receiver.poll_timeout().is_none_or(|due| due > now), "a deadline that has passed");
    }
}

/// One track of each format; track 5 is unknown.
fn publisher() -> Receiver {
    let lc = AudioConfig::lc(Rate::OPUS, 2).expect("AAC-LC");
    let formats = [
        (Rate::VIDEO, Format::H264 { sets: ParameterSets::default() }),
        (Rate::OPUS, Format::AacGeneric { config: lc, headers: AuHeaders::HBR }),
        (Rate::OPUS, Format::Opus { channels: 1 }),
        (Rate::OPUS, Format::AacLatm { config: None }),
        (Rate::TELEPHONE, Format::G711(g711::AudioConfig::telephone(Law::A))),
    ];
    let mut receiver = Receiver::new(1);
    for (id, (rate, format)) in (0_u8..).zip(formats) {
        // Half of them as over TCP.
        let reorder_wait = if id % 2 == 0 { REORDER_WAIT } else { Duration::ZERO };
        let payload_type = 96 + id;
        receiver.add_track(TrackConfig { id: TrackId(id.into()), payload_type, rate, format, reorder_wait });
    }
    receiver
}

/// What is known of each track.
#[derive(Default)]
struct Checks([(Option<CodecConfig>, Option<Timestamp>, bool); 5]);

impl Checks {
    fn events(&mut self, receiver: &mut Receiver) {
        while let Some(event) = receiver.poll_event() {
            match event {
                Event::Track(info) => {
                    let (known, ..) = &mut self.0[info.id.0 as usize];
                    assert_ne!(known.as_ref(), Some(&info.config), "announced twice");
                    *known = Some(info.config);
                }
                Event::Frame(frame) => self.frame(&frame),
                Event::Lost(id) => self.0[id.0 as usize].2 = true,
                Event::Goodbye(id) => assert!(id.0 < 5),
            }
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let (config, last, lost) = &mut self.0[frame.track.0 as usize];
        let config = config.as_ref().expect("a frame of a track that was not announced");
        assert!(!frame.payload.is_empty());
        assert!(
            frame.dts <= frame.pts && last.is_none_or(|last| last < frame.dts),
            "{frame:?} after {last:?}"
        );
        *last = Some(frame.dts);
        if matches!(config, CodecConfig::H264(_)) {
            check_payload(&frame.payload, frame.random_access);
            assert!(frame.random_access || !*lost, "half a picture behind a loss");
            *lost = false;
        } else {
            assert!(frame.random_access && frame.dts == frame.pts);
        }
    }
}
