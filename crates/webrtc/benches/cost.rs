//! What a peer costs: CPU and memory of readers, the delay that pacing adds, and joins.
//!
//! `cargo bench -p webrtc --bench cost [readers]`. Sockets are left out: the figures are those of RTP, SRTP, RTCP, ICE
//! and DTLS. Time on the wire is virtual, CPU time is measured around the calls into the server's peers.

#![expect(clippy::print_stdout, reason = "a benchmark reports on its standard output")]

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
    let began = Instant::now();
    let (server, answer) = Peer::subscriber(&server, &offer, &[], start).expect("an answer");
    let took = began.elapsed();
    let mut reader = Reader { server, client: offering.accept(&answer).expect("a client"), wake: start };
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

fn exchange(reader: &mut Reader, now: Instant) {
    let mut out = Vec::new();
    reader.client.handle_timeout(now);
    drain(&mut reader.client, &mut out);
    for Transmit { proto, source, destination, bytes } in out.drain(..) {
        reader.server.handle_datagram(now, proto, source, destination, &bytes);
    }
    reader.server.handle_timeout(now);
    reader.wake = drain(&mut reader.server, &mut out);
    for Transmit { proto, source, destination, bytes } in out {
        reader.client.handle_datagram(now, proto, source, destination, &bytes);
    }
    drain(&mut reader.client, &mut Vec::new());
}

/// Resident set size in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

struct Sent {
    cpu: Duration,
    bytes: usize,
    packets: usize,
    /// The delay of the last packet of each picture.
    delays: Vec<Duration>,
}

/// Sends ten seconds to every reader.
fn stream(readers: &mut [Reader], start: Instant) -> Sent {
    let (packetizer, mut out) = (Packetizer::default(), Vec::new());
    let mut sent = Sent { cpu: Duration::ZERO, bytes: 0, packets: 0, delays: Vec::new() };
    let mut last_of = vec![start; readers.len()];
    for tick in 0..SECONDS * 50 {
        let now = start + Duration::from_millis(tick * 20);
        let (video, idr) = (tick.is_multiple_of(2), tick.is_multiple_of(100));
        let pts = Timestamp::from_millis((tick * 20) as i64);
        let nal = vec![if idr { 0x65 } else { 0x41 }; if idr { 5 * PICTURE } else { PICTURE }];
        let began = Instant::now();
        let picture = packetizer.packetize(&avcc::write([&nal[..]]), None);
        let sound = rtp::opus::packetize(&vec![0x78; 160].into());
        sent.cpu += began.elapsed();
        for reader in readers.iter_mut() {
            let began = Instant::now();
            if video {
                let pts = pts.to_rate(Rate::VIDEO);
                reader
                    .server
                    .send(Outgoing { kind: Kind::Video, payloads: &picture, pts, random_access: idr }, now);
                reader.wake = drain(&mut reader.server, &mut out);
            }
            let pts = pts.to_rate(Rate::OPUS);
            reader
                .server
                .send(Outgoing { kind: Kind::Audio, payloads: &sound, pts, random_access: true }, now);
            reader.wake = drain(&mut reader.server, &mut out);
            sent.cpu += began.elapsed();
        }
        until(readers, (now, now + Duration::from_millis(20)), &mut sent, &mut last_of, &mut out);
        if video {
            sent.delays.extend(last_of.iter().map(|at| at.saturating_duration_since(now)));
        }
    }
    sent
}

/// Wakes the readers that want to be woken before the next frame, and answers as their clients would.
fn until(
    readers: &mut [Reader],
    (now, next): (Instant, Instant),
    sent: &mut Sent,
    last_of: &mut [Instant],
    out: &mut Vec<Transmit>,
) {
    for packet in out.drain(..) {
        sent.packets += 1;
        sent.bytes += packet.bytes.len();
    }
    for (reader, last) in readers.iter_mut().zip(last_of) {
        *last = (*last).max(now);
        while reader.wake < next {
            let at = reader.wake.max(now);
            let began = Instant::now();
            reader.server.handle_timeout(at);
            reader.wake = drain(&mut reader.server, out).max(at + Duration::from_micros(1));
            sent.cpu += began.elapsed();
            for packet in out.drain(..) {
                sent.packets += 1;
                sent.bytes += packet.bytes.len();
                if packet.bytes.len() > 1_000 {
                    *last = at;
                }
            }
        }
    }
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
    for (name, estimation) in modes {
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
             after {SECONDS} s; picture delay p50 {:?} p99 {:?}; answer {:?}",
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
