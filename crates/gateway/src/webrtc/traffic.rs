//! What a session's datagrams tell without being decrypted: how many packets of which kind, which never came, and
//! between which addresses they go.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use media::Pii;

use super::mux::Transport;
use crate::sessions::{Route, Session, count};

/// RTP streams whose sequence numbers are followed: picture, sound and the retransmissions of both, twice.
const STREAMS: usize = 8;

/// A packet of SRTP or SRTCP, whose headers are plain (RFC 3711 §3.1, §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packet {
    Rtp { ssrc: u32, sequence: u16 },
    Rtcp,
}

impl Packet {
    /// `None` for STUN and DTLS (RFC 7983 §7: RTP and RTCP begin with 128 to 191).
    fn of(bytes: &[u8]) -> Option<Self> {
        let [128..=191, second, high, low, _, _, _, _, rest @ ..] = bytes else { return None };
        // RFC 5761 §4: packet types of RTCP are 64 to 95 where RTP has its payload type.
        if matches!(second & 0x7f, 64..=95) {
            return Some(Self::Rtcp);
        }
        let ssrc = u32::from_be_bytes(*rest.first_chunk()?);
        Some(Self::Rtp { ssrc, sequence: u16::from_be_bytes([*high, *low]) })
    }
}

/// The sequence numbers of one RTP stream (RFC 3550 appendix A.1).
#[derive(Debug)]
struct Sequence {
    ssrc: u32,
    /// The highest so far.
    highest: u16,
    expected: u64,
    received: u64,
}

impl Sequence {
    const fn new(ssrc: u32, first: u16) -> Self {
        Self { ssrc, highest: first, expected: 1, received: 1 }
    }

    const fn push(&mut self, sequence: u16) {
        self.received += 1;
        let ahead = sequence.wrapping_sub(self.highest);
        // Less than half the range ahead is new, the rest is late (RFC 1982 §3.2).
        if ahead < 0x8000 {
            self.expected += ahead as u64;
            self.highest = sequence;
        }
    }

    const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

/// Counts a session's datagrams.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    sequences: Vec<Sequence>,
    route: Option<Route>,
}

impl Traffic {
    /// A datagram that came.
    pub(super) fn came(&mut self, session: &Session, bytes: &[u8]) {
        count(&session.bytes_in, bytes.len());
        match Packet::of(bytes) {
            Some(Packet::Rtcp) => count(&session.rtp.rtcp_in, 1),
            Some(Packet::Rtp { ssrc, sequence }) => {
                count(&session.rtp.packets_in, 1);
                self.follow(ssrc, sequence);
                let lost = self.sequences.iter().map(Sequence::lost).sum();
                session.rtp.packets_lost.store(lost, Ordering::Relaxed);
            }
            None => {}
        }
    }

    /// A datagram that goes out. Media flows over the pair of addresses that ICE chose, checks over all.
    pub(super) fn goes(
        &mut self,
        session: &Session,
        (transport, local, remote): (Transport, SocketAddr, SocketAddr),
        bytes: &[u8],
    ) {
        count(&session.bytes_out, bytes.len());
        match Packet::of(bytes) {
            Some(Packet::Rtp { .. }) => count(&session.rtp.packets_out, 1),
            Some(Packet::Rtcp) => count(&session.rtp.rtcp_out, 1),
            None => return,
        }
        let udp = transport == Transport::Udp;
        let route = Some(Route { udp, local: Pii(local), remote: Pii(remote) });
        if self.route != route {
            self.route = route;
            session.update(|details| details.route = route);
        }
    }

    fn follow(&mut self, ssrc: u32, number: u16) {
        if let Some(sequence) = self.sequences.iter_mut().find(|sequence| sequence.ssrc == ssrc) {
            sequence.push(number);
        } else if self.sequences.len() < STREAMS {
            self.sequences.push(Sequence::new(ssrc, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::sessions::{SessionEntry, SessionKind, Sessions};

    const LOCAL: ([u8; 4], u16) = ([192, 0, 2, 1], 8189);
    const REMOTE: ([u8; 4], u16) = ([203, 0, 113, 9], 50_000);

    fn session() -> SessionEntry {
        Sessions::default().enter(SessionKind::WebRtc, Pii(REMOTE.into()))
    }

    fn rtp(ssrc: u8, sequence: u16) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        vec![0x80, 0x80 | 102, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc, 1, 2, 3]
    }

    const RECEIVER_REPORT: [u8; 12] = [0x81, 201, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2];
    const STUN: [u8; 20] = [0; 20];
    const DTLS: [u8; 14] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];

    fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    #[test]
    fn packets_are_told_apart_and_counted() {
        let (session, mut traffic) = (session(), Traffic::default());
        let pair = (Transport::Udp, LOCAL.into(), REMOTE.into());
        for bytes in [&rtp(1, 7)[..], &RECEIVER_REPORT, &STUN, &DTLS, &[0x80], &[]] {
            traffic.came(&session, bytes);
            traffic.goes(&session, pair, bytes);
        }
        let counters = &session.rtp;
        for counter in [&counters.packets_in, &counters.rtcp_in, &counters.packets_out, &counters.rtcp_out] {
            assert_eq!(read(counter), 1);
        }
        assert_eq!(read(&session.bytes_in), 15 + 12 + 20 + 14 + 1);
        assert_eq!(read(&session.bytes_out), read(&session.bytes_in));
    }

    #[test]
    fn what_never_came_is_counted_over_all_streams_and_the_wrap() {
        let (session, mut traffic) = (session(), Traffic::default());
        let lost = || read(&session.rtp.packets_lost);
        for sequence in [65_533, 65_534, 1] {
            traffic.came(&session, &rtp(1, sequence));
        }
        assert_eq!(lost(), 2, "65535 and 0");
        traffic.came(&session, &rtp(1, 65_535));
        assert_eq!(lost(), 1, "one was only late");
        for sequence in [10, 13] {
            traffic.came(&session, &rtp(2, sequence));
        }
        assert_eq!(lost(), 3);
        for _ in 0..3 {
            traffic.came(&session, &rtp(1, 1));
        }
        assert_eq!(lost(), 2, "more copies than losses cannot make it negative");
    }

    #[test]
    fn a_sender_of_many_streams_is_followed_no_further() {
        let (session, mut traffic) = (session(), Traffic::default());
        for ssrc in 0..100 {
            traffic.came(&session, &rtp(ssrc, 1));
        }
        assert_eq!(traffic.sequences.len(), STREAMS);
        assert_eq!(read(&session.rtp.packets_in), 100);
    }

    #[test]
    fn media_tells_between_which_addresses_it_goes() {
        let (session, mut traffic) = (session(), Traffic::default());
        let pair = |port| (Transport::Udp, LOCAL.into(), ([203, 0, 113, 9], port).into());
        traffic.goes(&session, pair(50_000), &STUN);
        assert_eq!(session.details().route, None, "a check is no choice");
        for port in [50_000, 50_001] {
            traffic.goes(&session, pair(port), &RECEIVER_REPORT);
            let route = session.details().route.unwrap();
            assert_eq!((route.remote.reveal().port(), route.udp), (port, true));
        }
    }
}
