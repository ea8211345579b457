//! What a picture of 2 Mbit/s costs as RTP: its payloads, made once for all readers; its packets, for each reader; and
//! its way in from a publisher.
//!
//! `cargo bench -p rtp --bench packets`. CPU time is this thread's, as the scheduler counts it, so a busy machine does not
//! show; beside it stands what copying the payload alone costs.
#![expect(clippy::print_stdout, reason = "a benchmark reports on its standard output")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::h264::{ParameterSets, avcc};
use media::{Rate, Timestamp, TrackId};
use rtp::Payloads;
use rtp::h264::{DEFAULT_MAX_PAYLOAD, LARGEST_PAYLOAD, Packetizer};
use rtp::receiver::{Format, REORDER_WAIT, Receiver, TrackConfig};
use rtp::sender::{ReaderClock, Sender, SenderConfig};

const ROUNDS: u32 = 50_000;
/// 2 Mbit/s at 25 pictures a second.
const PICTURE: usize = 10_000;
const TRACK: TrackId = TrackId(1);

fn main() {
    let picture = avcc::write([&vec![0x41; PICTURE][..]]);
    report("copy alone", || Bytes::copy_from_slice(&picture).len());
    for (name, max) in [("UDP", DEFAULT_MAX_PAYLOAD), ("TCP", LARGEST_PAYLOAD)] {
        let packetizer = Packetizer::new(max);
        report(&format!("payloads, {name}"), || packetizer.packetize(&picture, None).bytes());
        let payloads = packetizer.packetize(&picture, None);
        let mut outgoing = Outgoing::new();
        report(&format!("a reader, {name}"), || outgoing.send(&payloads));
    }
    receive(&picture);
}

struct Outgoing {
    sender: Sender,
    clock: ReaderClock,
    now: Instant,
    pts: i64,
}

impl Outgoing {
    fn new() -> Self {
        let now = Instant::now();
        let config = SenderConfig { payload_type: 96, rate: Rate::VIDEO, marks_frames: true, seed: 1 };
        Self { sender: Sender::new(config), clock: ReaderClock::new(1, now, Duration::ZERO), now, pts: 0 }
    }

    /// As a session queues them: an owner for each payload, and the headers.
    fn send(&mut self, payloads: &Payloads) -> usize {
        self.pts += 3_600;
        self.now += Duration::from_millis(40);
        let pts = Timestamp::new(self.pts, Rate::VIDEO);
        let packets = self.sender.packets(&mut self.clock, payloads, pts, self.now);
        let queued: Vec<_> = packets.map(|packet| (packet.header, packet.payload.clone())).collect();
        black_box(&queued).iter().map(|(header, payload)| header.len() + payload.len()).sum()
    }
}

fn receive(picture: &Bytes) {
    let idr = avcc::write([&[0x65; 100][..]]);
    let sets = ParameterSets {
        sps: vec![Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40])],
        pps: vec![Bytes::from_static(&[0x68, 0xce])],
    };
    let mut receiver = Receiver::new(1);
    receiver.add_track(TrackConfig {
        id: TRACK,
        payload_type: 96,
        rate: Rate::VIDEO,
        format: Format::H264 { sets },
        reorder_wait: REORDER_WAIT,
    });
    let mut outgoing = Outgoing::new();
    let (first, payloads) =
        (Packetizer::default().packetize(&idr, None), Packetizer::default().packetize(picture, None));
    let mut arrive = |payloads: &Payloads| {
        outgoing.pts += 3_600;
        outgoing.now += Duration::from_millis(40);
        let (pts, now) = (Timestamp::new(outgoing.pts, Rate::VIDEO), outgoing.now);
        for packet in outgoing.sender.packets(&mut outgoing.clock, payloads, pts, now) {
            let packet = [&packet.header[..], packet.payload].concat().into();
            receiver.handle_rtp(TRACK, &packet, now).expect("our own packets");
        }
        std::iter::from_fn(|| receiver.poll_event()).count()
    };
    arrive(&first);
    report("a publisher, UDP", || arrive(&payloads));
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

fn report(name: &str, mut work: impl FnMut() -> usize) {
    let begun = cpu_time();
    let mut result = 0;
    for _ in 0..ROUNDS {
        result = black_box(work());
    }
    let each = (cpu_time() - begun) / ROUNDS;
    println!("{name:16} {result:6} {each:8.1?}");
}
