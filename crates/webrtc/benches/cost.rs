//! What a peer costs: CPU and memory of readers, the delay that pacing adds, and joins.
//!
//! `cargo bench -p webrtc --bench cost -- [readers] [off|receiver|sender]`. Sockets are left out: the figures are those of RTP, SRTP, RTCP, ICE
//! and DTLS. Time on the wire is virtual, and CPU time is this thread's, as the scheduler counts
//! it, so a busy machine does not show.

#![expect(clippy::print_stdout, reason = "a benchmark reports on its standard output")]

use std::fs;
use std::time::{Duration, Instant};

use media::h264::avcc;
use media::{Kind, Pii, Rate, Timestamp};
use rtp::h264::Packetizer;
use webrtc::{Address, Certificate, Config, Credentials, Estimation, IceMode, Outgoing, Output};
use webrtc::{Peer, Proto, Publisher, Subscriber, Transmit, client};

const SERVER: &str = "192.0.2.1:8189";
const KINDS: [Kind; 2] = [Kind::Video, Kind::Audio];
/// 2 Mbit/s of pictures.
const PICTURE: usize = 10_000;
const SECONDS: u64 = 10;

struct Reader {
    server: Peer<Subscriber>,
    client: Peer<Publisher>,
    wake: Instant,
    /// When the last packet of a picture left.
    last: Instant,
}

fn config(name: &str, address: &str, ice: IceMode, certificate: &Certificate) -> Config {
    let pwd = Pii(format!("{name}-0123456789012345678901"));
    let mut config = Config::new(Credentials { ufrag: name.to_owned(), pwd }, certificate.clone(), 7);
    config.ice = ice;
    config.addresses = vec![Address { proto: Proto::Udp, addr: address.parse().expect("an address") }];
    config
}

fn drain<R: webrtc::Role>(peer: &mut Peer<R>, out: &mut Vec<Transmit>) -> Instant {
    loop {
        match peer.poll_output() {
            Output::Transmit(transmit) => out.push(transmit),
            Output::Event(_) => {}
            Output::Timeout(at) => return at,
        }
    }
}

/// A connected reader, and the time that answering the offer took.
fn join(certificate: &Certificate, estimation: Estimation, start: Instant) -> (Reader, Duration) {
    let (offering, offer) =
        client::subscriber(&config("client", "198.51.100.7:4000", IceMode::Full, certificate), &KINDS, start)
            .expect("an offer");
    let mut server = config("server", SERVER, IceMode::Lite, certificate);
    server.estimation = estimation;
    let began = cpu_time();
    let (server, answer) = Peer::subscriber(&server, &offer, &[], start).expect("an answer");
    let took = cpu_time() - began;
    let mut reader =
        Reader { server, client: offering.accept(&answer).expect("a client"), wake: start, last: start };
    for step in 0..200 {
        let now = start + Duration::from_millis(step * 5);
        exchange(&mut reader, now);
        if reader.server.is_connected() && reader.client.is_connected() {
            break;
        }
    }
    assert!(reader.server.is_connected(), "no connection");
    (reader, took)
}

/// Lets both peers act at `now` and carries what they say, back and forth, until neither has more to say.
fn exchange(reader: &mut Reader, now: Instant) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    reader.client.handle_timeout(now);
    drain(&mut reader.client, &mut up);
    reader.server.handle_timeout(now);
    reader.wake = drain(&mut reader.server, &mut down);
    while !up.is_empty() || !down.is_empty() {
        for Transmit { proto, source, destination, bytes } in std::mem::take(&mut up) {
            reader.server.handle_datagram(now, proto, source, destination, &bytes);
            reader.wake = drain(&mut reader.server, &mut down);
        }
        for Transmit { proto, source, destination, bytes } in std::mem::take(&mut down) {
            reader.client.handle_datagram(now, proto, source, destination, &bytes);
            drain(&mut reader.client, &mut up);
        }
    }
}

/// What this thread has run so far.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts scheduling");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

/// Resident set size in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[derive(Default)]
struct Sent {
    cpu: Duration,
    bytes: usize,
    packets: usize,
    /// From each picture to its last packet, as far as it left before the next picture came.
    delays: Vec<Duration>,
    out: Vec<Transmit>,
}

impl Sent {
    /// Takes what the reader's peer sends at `now`.
    fn take(&mut self, reader: &mut Reader, now: Instant) {
        reader.wake = drain(&mut reader.server, &mut self.out).max(now + Duration::from_micros(1));
        for packet in self.out.drain(..) {
            self.packets += 1;
            self.bytes += packet.bytes.len();
            if packet.bytes.len() > 1_000 {
                reader.last = now;
            }
        }
    }

    /// Wakes the reader as often as it wants to be woken from `now` up to `next`.
    fn wake(&mut self, reader: &mut Reader, now: Instant, next: Instant) {
        while reader.wake < next {
            let at = reader.wake.max(now);
            reader.server.handle_timeout(at);
            self.take(reader, at);
        }
    }
}

/// Sends ten seconds to every reader.
fn stream(readers: &mut [Reader], start: Instant) -> Sent {
    let (packetizer, mut sent, mut pictured) = (Packetizer::default(), Sent::default(), start);
    let began = cpu_time();
    for tick in 0..SECONDS * 50 {
        let now = start + Duration::from_millis(tick * 20);
        let (video, idr) = (tick.is_multiple_of(2), tick.is_multiple_of(100));
        let pts = Timestamp::from_millis((tick * 20) as i64);
        let nal = vec![if idr { 0x65 } else { 0x41 }; if idr { 5 * PICTURE } else { PICTURE }];
        let picture = packetizer.packetize(&avcc::write([&nal[..]]), None);
        let sound = rtp::opus::packetize(&vec![0x78; 160].into());
        let video_pts = pts.to_rate(Rate::VIDEO);
        let picture = Outgoing { kind: Kind::Video, payloads: &picture, pts: video_pts, random_access: idr };
        let audio_pts = pts.to_rate(Rate::OPUS);
        let sound = Outgoing { kind: Kind::Audio, payloads: &sound, pts: audio_pts, random_access: true };
        for reader in readers.iter_mut() {
            if video {
                sent.delays.push(reader.last.saturating_duration_since(pictured));
                reader.server.send(picture, now);
                sent.take(reader, now);
            }
            reader.server.send(sound, now);
            sent.take(reader, now);
            sent.wake(reader, now, now + Duration::from_millis(20));
        }
        pictured = if video { now } else { pictured };
    }
    sent.cpu = cpu_time() - began;
    sent
}

fn percentile(delays: &mut [Duration], share: f64) -> Duration {
    delays.sort_unstable();
    delays[((delays.len() - 1) as f64 * share) as usize]
}

fn main() {
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(200);
    let certificate = Certificate::generate().expect("randomness");
    let paced = Estimation::Sender { initial: 4_000_000, desired: 6_000_000 };
    let modes = [("off", Estimation::Off), ("receiver", Estimation::Receiver), ("sender", paced)];
    println!(
        "{count} readers, {SECONDS} s of 2 Mbit/s picture and 64 kbit/s sound each, one thread, no sockets"
    );
    let wanted =
        |name: &str| std::env::args().all(|arg| arg == name || !modes.iter().any(|(mode, _)| arg == *mode));
    for (name, estimation) in modes.into_iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        let before = resident();
        let (mut readers, took): (Vec<_>, Vec<_>) =
            (0..count).map(|_| join(&certificate, estimation, start)).unzip();
        let joined = resident();
        let mut sent = stream(&mut readers, start + Duration::from_secs(1));
        let after = resident();
        let gbit = sent.bytes as f64 * 8e-9;
        println!(
            "estimation {name:8}: {:.3} CPU s/Gbit, {:.2} us/packet, {} KiB a pair when joined, {} KiB a reader more \
             after {SECONDS} s; picture delay p50 {:?} p99 {:?}; answer {:?} of CPU",
            sent.cpu.as_secs_f64() / gbit,
            sent.cpu.as_secs_f64() * 1e6 / sent.packets as f64,
            joined.saturating_sub(before) / count,
            after.saturating_sub(joined) / count,
            percentile(&mut sent.delays, 0.5),
            percentile(&mut sent.delays, 0.99),
            took.iter().sum::<Duration>() / u32::try_from(count).expect("few readers"),
        );
    }
}
