//! One reader: shared payloads become packets of its own, and its tracks stay in sync by sender reports.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Pii, Rate, Timestamp};

use crate::packet::Header;
use crate::random::{cname, mix};
use crate::{Payloads, rtcp};

/// At least this long between two reports of a track (RFC 3550 §6.2).
pub const REPORT_INTERVAL: Duration = Duration::from_secs(5);

const NANOS: Rate = match Rate::new(1_000_000_000) {
    Some(rate) => rate,
    None => unreachable!(),
};
/// A timestamp this far from where the reports' line has it is of another line, in ns.
const JUMP: i64 = 10_000_000_000;
/// Where the line is off by less it is moved, by at most one part in this many of the elapsed time: a publisher's clock
/// is off by 1/10,000 at the most, and a player hears nothing of 1/1,000.
const MAX_SLEW_DIVISOR: i64 = 1_000;

/// What all tracks of one reader have in common: the wallclock of their timeline, and their name.
///
/// A player plays two tracks together by the wallclocks in their sender reports (RFC 3550 §6.4.1), so both tracks
/// must report the same line. It is drawn through the first frame of either and then only slewed.
#[derive(Debug)]
pub struct ReaderClock {
    start: Instant,
    /// Time since 1970 at `start`.
    unix: Duration,
    /// Position on the stream's timeline at `start`, in ns, and when it was last corrected.
    line: Option<(i64, Instant)>,
    cname: String,
}

impl ReaderClock {
    /// The clock of a reader that came at `now`, which is `unix` after 1970. `seed` is a random number of the session:
    /// the name must not tell who it is (RFC 7022 §4.2).
    pub fn new(seed: u64, now: Instant, unix: Duration) -> Self {
        Self { start: now, unix, line: None, cname: cname(seed) }
    }

    /// The name of all tracks (RFC 3550 §6.5.1).
    pub fn cname(&self) -> &str {
        &self.cname
    }

    /// Takes note of a frame that is sent at `now`.
    fn observe(&mut self, pts: Timestamp, now: Instant) {
        let seen = pts.to_rate(NANOS).ticks().saturating_sub(self.elapsed(now));
        let Some((line, corrected)) = self.line else {
            self.line = Some((seen, now));
            return;
        };
        let error = seen.saturating_sub(line);
        let limit = nanos(now.saturating_duration_since(corrected)) / MAX_SLEW_DIVISOR;
        let correction = if error.abs() > JUMP { error } else { error.clamp(-limit, limit) };
        self.line = Some((line.saturating_add(correction), now));
    }

    /// Where on the stream's timeline `now` is; `None` before the first frame.
    fn position(&self, now: Instant) -> Option<Timestamp> {
        let (line, _) = self.line?;
        Some(Timestamp::new(line.saturating_add(self.elapsed(now)), NANOS))
    }

    fn ntp(&self, now: Instant) -> rtcp::NtpTimestamp {
        rtcp::NtpTimestamp::from_unix(self.unix + now.saturating_duration_since(self.start))
    }

    fn elapsed(&self, now: Instant) -> i64 {
        nanos(now.saturating_duration_since(self.start))
    }
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// What was agreed about an outgoing track.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// The number that the SDP gave to the codec, 0 to 127.
    pub payload_type: u8,
    /// The clock of the RTP timestamps, as the SDP's `rtpmap` says.
    pub rate: Rate,
    /// The last packet of a frame has the marker bit: H.264 (RFC 6184 §5.1) and AAC (RFC 3640 §3.1), not Opus and
    /// G.711, where it begins a talk spurt (RFC 3551 §4.1).
    pub marks_frames: bool,
    /// A random number of the session and track, for SSRC, first sequence number and first timestamp (RFC 3550 §5.1).
    pub seed: u64,
}

/// One packet for one reader: the payload is the same bytes for all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing<'a> {
    /// The RTP header.
    pub header: [u8; Header::LEN],
    /// What follows it.
    pub payload: &'a Bytes,
}

/// One track to one reader.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    ssrc: u32,
    sequence: u16,
    /// Where RTP timestamps start.
    offset: u32,
    packets: u32,
    octets: u32,
    reported: Option<Instant>,
}

impl Sender {
    /// A track of which nothing was sent.
    pub const fn new(config: SenderConfig) -> Self {
        let (first, second) = (mix(config.seed ^ 3), mix(config.seed ^ 4));
        Self {
            config,
            ssrc: first as u32,
            // In the lower half: a reader of SRTP guesses the rollover counter of its first packets (RFC 3711 §3.3.1).
            sequence: (first >> 32) as u16 & 0x7fff,
            offset: second as u32,
            packets: 0,
            octets: 0,
            reported: None,
        }
    }

    /// The source's name in every packet.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The sequence number of the next packet: `seq` of RTP-Info (RFC 2326 §12.33).
    pub const fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// The RTP timestamp of an instant on the stream's timeline: `rtptime` of RTP-Info (RFC 2326 §12.33).
    pub fn timestamp(&self, pts: Timestamp) -> u32 {
        self.offset.wrapping_add(pts.to_rate(self.config.rate).ticks() as u32)
    }

    /// Payload bytes sent, modulo 2^32, and packets.
    pub const fn sent(&self) -> (u32, u32) {
        (self.octets, self.packets)
    }

    /// The packets of a frame that is sent at `now`. `pts` is when to show or play it, not when to decode it (RFC 6184
    /// §5.1), on the stream's timeline and any clock. All packets count as sent, whether they are taken or not.
    pub fn packets<'a>(
        &mut self,
        clock: &mut ReaderClock,
        payloads: &'a Payloads,
        pts: Timestamp,
        now: Instant,
    ) -> impl ExactSizeIterator<Item = Outgoing<'a>> + use<'a> {
        clock.observe(pts, now);
        let (sequence, last) = (self.sequence, payloads.len().saturating_sub(1));
        let (marks, timestamp) = (self.config.marks_frames, self.timestamp(pts));
        let SenderConfig { payload_type, .. } = self.config;
        let ssrc = self.ssrc;
        self.sequence = sequence.wrapping_add(payloads.len() as u16);
        self.packets = self.packets.wrapping_add(payloads.len() as u32);
        self.octets = self.octets.wrapping_add(payloads.bytes() as u32);
        payloads.shared().enumerate().map(move |(index, payload)| {
            let sequence = sequence.wrapping_add(index as u16);
            let marker = marks && index == last;
            Outgoing { header: Header { marker, payload_type, sequence, timestamp, ssrc }.write(), payload }
        })
    }

    /// The sender report with the name of the source, if one is due: with the first frame, because until then a player
    /// can only guess how the tracks belong together, then every [`REPORT_INTERVAL`].
    pub fn report(&mut self, clock: &ReaderClock, now: Instant) -> Option<Vec<u8>> {
        if self.packets == 0 || self.next_report().is_some_and(|due| now < due) {
            return None;
        }
        let report = self.sender_report(clock, now)?;
        self.reported = Some(now);
        Some(rtcp::write(&[report, self.name(clock)]))
    }

    /// When the next report is due; `None` before the first.
    pub fn next_report(&self) -> Option<Instant> {
        self.reported.map(|at| at + REPORT_INTERVAL)
    }

    /// The last packets to a reader: report, name and farewell (RFC 3550 §6.1).
    pub fn goodbye(&self, clock: &ReaderClock, now: Instant) -> Vec<u8> {
        let nothing = rtcp::Packet::ReceiverReport { ssrc: self.ssrc, blocks: Vec::new() };
        let report = self.sender_report(clock, now).unwrap_or(nothing);
        rtcp::write(&[report, self.name(clock), rtcp::Packet::Goodbye(vec![self.ssrc])])
    }

    fn sender_report(&self, clock: &ReaderClock, now: Instant) -> Option<rtcp::Packet> {
        Some(rtcp::Packet::SenderReport {
            ssrc: self.ssrc,
            ntp: clock.ntp(now),
            rtp: self.timestamp(clock.position(now)?),
            packets: self.packets,
            octets: self.octets,
            blocks: Vec::new(),
        })
    }

    fn name(&self, clock: &ReaderClock) -> rtcp::Packet {
        let cname = Pii(clock.cname.clone());
        rtcp::Packet::SourceDescription(vec![rtcp::Chunk { ssrc: self.ssrc, cname }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;

    const UNIX: Duration = Duration::from_secs(1_700_000_000);

    fn sender(payload_type: u8, rate: Rate, marks_frames: bool) -> Sender {
        Sender::new(SenderConfig { payload_type, rate, marks_frames, seed: payload_type.into() })
    }

    fn parse(outgoing: Outgoing<'_>) -> Packet {
        Packet::parse(&[&outgoing.header[..], outgoing.payload].concat().into()).unwrap()
    }

    fn payloads(count: u8) -> Payloads {
        Payloads::from((0..count).map(|i| [i; 3].as_slice().into()).collect::<Vec<_>>())
    }

    fn report_of(bytes: &[u8]) -> (i64, u32) {
        match rtcp::parse(bytes).next() {
            Some(Ok(rtcp::Packet::SenderReport { ntp, rtp, .. })) => (ntp.nanos(), rtp),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn packets_count_up_and_the_last_one_of_a_frame_is_marked() {
        let now = Instant::now();
        let (mut video, mut clock) = (sender(96, Rate::VIDEO, true), ReaderClock::new(1, now, UNIX));
        video.sequence = 0xfffe;
        let payloads = payloads(3);
        let pts = Timestamp::from_millis(1_000);
        let packets: Vec<_> = video.packets(&mut clock, &payloads, pts, now).map(parse).collect();
        let headers: Vec<_> = packets.iter().map(|p| (p.header.sequence, p.header.marker)).collect();
        assert_eq!(headers, [(0xfffe, false), (0xffff, false), (0, true)]);
        assert!(packets.iter().all(|p| p.header.timestamp == video.timestamp(pts)));
        assert_eq!((video.next_sequence(), video.sent()), (1, (9, 3)));
        let mut sound = sender(97, Rate::OPUS, false);
        let frame = Payloads::one(b"opus");
        assert!(sound.packets(&mut clock, &frame, pts, now).all(|p| !parse(p).header.marker));
    }

    #[test]
    fn payloads_are_shared_not_copied() {
        let now = Instant::now();
        let (mut video, mut clock) = (sender(96, Rate::VIDEO, true), ReaderClock::new(1, now, UNIX));
        let payloads = payloads(1);
        let packet = video.packets(&mut clock, &payloads, Timestamp::from_millis(0), now).next().unwrap();
        assert_eq!(packet.payload.as_ptr(), payloads.iter().next().unwrap().as_ptr());
    }

    #[test]
    fn reports_of_both_tracks_put_them_on_one_line() {
        let start = Instant::now();
        let mut clock = ReaderClock::new(1, start, UNIX);
        let (mut video, mut sound) = (sender(96, Rate::VIDEO, true), sender(97, Rate::OPUS, false));
        let frame = Payloads::one(b"frame");
        let ms = |millis| start + Duration::from_millis(millis);
        // The picture comes first, and 300 ms ahead of the sound that is sent beside it.
        video.packets(&mut clock, &frame, Timestamp::from_millis(10_300), start).for_each(drop);
        let first = report_of(&video.report(&clock, start).expect("with the first frame"));
        sound.packets(&mut clock, &frame, Timestamp::from_millis(10_000), ms(4)).for_each(drop);
        let second = report_of(&sound.report(&clock, ms(4)).expect("with the first frame"));
        assert_eq!(first.0, 2_208_988_800_000_000_000 + UNIX.as_nanos() as i64);
        // Positions of the same wallclock on either track's clock.
        let video_ms = i64::from(first.1.wrapping_sub(video.timestamp(Timestamp::from_millis(0)))) / 90;
        let sound_ms = i64::from(second.1.wrapping_sub(sound.timestamp(Timestamp::from_millis(0)))) / 48;
        assert_eq!((video_ms, sound_ms), (10_300, 10_304), "4 ms later");
        assert_eq!(second.0 - first.0, 4_000_000);
    }

    #[test]
    fn a_report_is_due_with_the_first_frame_and_every_five_seconds() {
        let start = Instant::now();
        let (mut sound, mut clock) = (sender(97, Rate::OPUS, false), ReaderClock::new(1, start, UNIX));
        assert_eq!(sound.report(&clock, start), None, "nothing sent");
        let frame = Payloads::one(b"frame");
        let mut reports = Vec::new();
        for step in 0..600_i64 {
            let now = start + Duration::from_millis(20) * step as u32;
            sound.packets(&mut clock, &frame, Timestamp::from_millis(step * 20), now).for_each(drop);
            reports.extend(sound.report(&clock, now).map(|_| step * 20));
        }
        assert_eq!(reports, [0, 5_000, 10_000]);
    }

    #[test]
    fn the_line_follows_a_publisher_whose_clock_is_fast_and_one_whose_timeline_jumps() {
        let start = Instant::now();
        let mut clock = ReaderClock::new(1, start, UNIX);
        let mut at = start;
        for step in 0..180_000_i64 {
            at = start + Duration::from_millis(20) * step as u32;
            clock.observe(Timestamp::new(step * 20_004_000, NANOS), at); // 200 ppm
        }
        let off = clock.position(at).unwrap().minus(Timestamp::new(179_999 * 20_004_000, NANOS));
        assert!(off.as_millis().abs() < 2, "{off:?}");
        clock.observe(Timestamp::from_millis(100_000_000), at);
        assert_eq!(clock.position(at), Some(Timestamp::from_millis(100_000_000)));
    }

    #[test]
    fn a_farewell_names_the_source() {
        let now = Instant::now();
        let (video, clock) = (sender(96, Rate::VIDEO, true), ReaderClock::new(1, now, UNIX));
        let bytes = video.goodbye(&clock, now);
        let packets: Vec<_> = rtcp::parse(&bytes).map(Result::unwrap).collect();
        assert_eq!(packets.last(), Some(&rtcp::Packet::Goodbye(vec![video.ssrc()])));
        assert_eq!(packets.len(), 3);
        assert_eq!(clock.cname().len(), 24);
    }
}
