//! RTSP against the real binary, spoken by hand: who publishes and reads, and hostile clients beside them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use support::{EVERYBODY_HERE, Running, closed_after, file};

/// H.264 of one slice a picture, with its parameter sets.
const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAH4yNQFAekA8IhGo=,aM48gA==\r\na=control:streamid=0\r\n";
/// Bytes of a picture; each is a random access point.
const PICTURE: usize = 60_000;

fn start(name: &str) -> Running {
    Running::start(name, &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="))
}

/// A client that types.
struct Client {
    stream: TcpStream,
    url: String,
    cseq: u32,
    input: Vec<u8>,
}

impl Client {
    fn new(server: &Running, path: &str) -> Self {
        let stream = server.connect("rtsp");
        let url = format!("rtsp://{}/{path}", server.address("rtsp").unwrap());
        Self { stream, url, cseq: 0, input: Vec::new() }
    }

    fn send(&mut self, method: &str, track: &str, headers: &str, body: &str) {
        self.cseq += 1;
        let (url, cseq, length) = (&self.url, self.cseq, body.len());
        let length = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
        write!(self.stream, "{method} {url}{track} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}{length}\r\n{body}")
            .unwrap();
    }

    /// Sends a request and reads its answer, over packets.
    fn ask(&mut self, method: &str, track: &str, headers: &str, body: &str) -> String {
        self.send(method, track, headers, body);
        self.answer()
    }

    /// Reads the next answer, over packets.
    fn answer(&mut self) -> String {
        loop {
            self.fill(4);
            if self.input[0] == b'$' {
                self.packet();
                continue;
            }
            let end = loop {
                match self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                    Some(end) => break end + 4,
                    None => self.fill(self.input.len() + 1),
                }
            };
            let head = String::from_utf8(self.input[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            self.fill(end + length);
            let body = String::from_utf8(self.input.drain(..end + length).skip(end).collect()).unwrap();
            return head + &body;
        }
    }

    /// Reads the next packet: its channel and its bytes.
    fn packet(&mut self) -> (u8, Vec<u8>) {
        self.fill(4);
        assert_eq!(self.input[0], b'$', "{:?}", String::from_utf8_lossy(&self.input));
        let length = usize::from(u16::from_be_bytes([self.input[2], self.input[3]]));
        self.fill(4 + length);
        let channel = self.input[1];
        (channel, self.input.drain(..4 + length).skip(4).collect())
    }

    /// Reads until there are so many bytes.
    fn fill(&mut self, bytes: usize) {
        let mut buffer = [0; 65_536];
        while self.input.len() < bytes {
            let read = self.stream.read(&mut buffer).expect("an answer in time");
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.input));
            self.input.extend_from_slice(&buffer[..read]);
        }
    }

    fn publish(server: &Running, path: &str) -> Self {
        let mut client = Self::new(server, path);
        for (method, track, headers, body) in [
            ("ANNOUNCE", "", "Content-Type: application/sdp\r\n", SDP),
            ("SETUP", "/streamid=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n", ""),
            ("RECORD", "", "", ""),
        ] {
            let answer = client.ask(method, track, headers, body);
            assert!(answer.starts_with("RTSP/1.0 200 "), "{method}: {answer}");
        }
        client
    }

    /// Reads over TCP from here on.
    fn play(server: &Running, path: &str) -> Self {
        let mut client = Self::new(server, path);
        for (method, track, headers) in [
            ("DESCRIBE", "", ""),
            ("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
            ("PLAY", "", ""),
        ] {
            let answer = client.ask(method, track, headers, "");
            assert!(answer.starts_with("RTSP/1.0 200 "), "{method}: {answer}");
        }
        client
    }

    /// Reads packets of the picture until `count` are whole, each without a gap in front of it.
    fn pictures(&mut self, count: usize) {
        let (mut whole, mut last) = (0, None);
        while whole < count {
            let (channel, packet) = self.packet();
            if channel != 0 {
                continue;
            }
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            assert!(last.is_none_or(|last: u16| last.wrapping_add(1) == sequence), "a packet is missing");
            last = Some(sequence);
            whole += usize::from(packet[1] & 0x80 != 0);
        }
    }
}

/// Somebody who publishes a picture every 20 ms, until dropped.
struct Publisher(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Publisher {
    fn start(server: &Running, path: &str) -> Self {
        let mut client = Client::publish(server, path);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut picture = vec![0x5a; PICTURE];
            picture[..2].copy_from_slice(&[0x65, 0x88]);
            for number in 0..u16::MAX {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut packet = vec![0x80, 0xe0];
                packet.extend(number.to_be_bytes());
                packet.extend((u32::from(number) * 1_800).to_be_bytes());
                packet.extend([0, 0, 0, 7]);
                packet.extend(&picture);
                let length = u16::try_from(packet.len()).unwrap();
                client.stream.write_all(&[&[b'$', 0][..], &length.to_be_bytes(), &packet].concat()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

#[test]
fn a_reader_on_tcp_gets_whole_pictures_from_the_first_packet_on() {
    let server = start("rtsp-tcp.toml");
    let _publisher = Publisher::start(&server, "ward/bed");
    let mut reader = Client::play(&server, "ward/bed");
    reader.pictures(20);
    assert_eq!(server.metric("medley_sessions{protocol=\"rtsp\",action=\"read\"}"), 1);
    assert_eq!(server.metric("medley_sessions{protocol=\"rtsp\",action=\"publish\"}"), 1);
    assert!(reader.ask("TEARDOWN", "", "", "").starts_with("RTSP/1.0 200"));
    server.comes_to("medley_sessions{protocol=\"rtsp\",action=\"read\"}", 0);
}

#[test]
fn a_reader_on_udp_gets_datagrams_at_its_port() {
    let server = start("rtsp-udp.toml");
    let _publisher = Publisher::start(&server, "ward");
    let (rtp, rtcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    let mut client = Client::new(&server, "ward");
    client.ask("DESCRIBE", "", "", "");
    let transport = format!("Transport: RTP/AVP;unicast;client_port={}-{}\r\n", port(&rtp), port(&rtcp));
    let answer = client.ask("SETUP", "/trackID=0", &transport, "");
    assert!(answer.contains("server_port=") && answer.contains("ssrc="), "{answer}");
    assert!(client.ask("PLAY", "", "", "").contains("RTP-Info: url="));
    rtp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    rtcp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = [0; 2_048];
    let length = rtp.recv(&mut buffer).unwrap();
    assert!((13..=1_412).contains(&length) && buffer[0] == 0x80, "{length}");
    assert!(rtcp.recv(&mut buffer).unwrap() > 28);
    assert_eq!(buffer[1], 200, "a sender report");
}

#[test]
fn who_announces_nothing_that_is_carried_is_told() {
    let server = start("rtsp-h265.toml");
    let mut client = Client::new(&server, "ward");
    let h265 = SDP.replace("H264", "H265");
    let answer = client.ask("ANNOUNCE", "", "Content-Type: application/sdp\r\n", &h265);
    assert!(answer.starts_with("RTSP/1.0 415 "), "{answer}");
    assert!(client.ask("DESCRIBE", "", "", "").starts_with("RTSP/1.0 404 "), "nobody publishes");
}

#[test]
fn a_header_that_does_not_end_is_refused_within_its_bound() {
    let server = start("rtsp-bomb.toml");
    let _publisher = Publisher::start(&server, "ward");
    let mut reader = Client::play(&server, "ward");
    let mut bomb = server.connect("rtsp");
    // The server closes after 16 KiB; what comes behind may meet a closed socket.
    let _ = bomb.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: ");
    for _ in 0..64 {
        let _ = bomb.write_all(&[b'a'; 1_024]);
    }
    closed_after(&mut bomb);
    let mut lines = server.connect("rtsp");
    let _ = lines.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n");
    let _ = lines.write_all(&b"X: 1\r\n".repeat(1_000));
    let _ = lines.write_all(b"\r\n");
    closed_after(&mut lines);
    let mut body = server.connect("rtsp");
    body.write_all(b"ANNOUNCE rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999999\r\n\r\n").unwrap();
    let mut answer = String::new();
    body.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("RTSP/1.0 413 "), "{answer}");
    server.comes_to("medley_protocol_errors_total", 3);
    reader.pictures(10);
    server.logged("the header of a message has more than 16384 bytes");
}

#[test]
fn garbage_between_packets_ends_the_publisher_alone() {
    let server = start("rtsp-garbage.toml");
    let _publisher = Publisher::start(&server, "ward");
    let mut reader = Client::play(&server, "ward");
    let mut hostile = Client::publish(&server, "other");
    // A little is passed over.
    hostile.stream.write_all(&[0xff; 1_000]).unwrap();
    assert!(hostile.ask("OPTIONS", "", "", "").starts_with("RTSP/1.0 200"));
    let _ = hostile.stream.write_all(&[0xff; 70_000]);
    closed_after(&mut hostile.stream);
    server.comes_to("medley_protocol_errors_total", 1);
    reader.pictures(10);
    server.logged("bytes are no RTSP");
}

#[test]
fn floods_of_setup_reserve_nothing_and_disturb_nobody() {
    let server = start("rtsp-flood.toml");
    let _publisher = Publisher::start(&server, "ward");
    let mut reader = Client::play(&server, "ward");
    let mut flooding: Vec<_> = (0..4).map(|_| Client::new(&server, "ward")).collect();
    for client in &mut flooding {
        assert!(client.ask("DESCRIBE", "", "", "").starts_with("RTSP/1.0 200 "));
    }
    let request = |number: usize| {
        let port = 20_000 + 2 * number;
        let (track, transport) = match number % 4 {
            0 => (0, format!("RTP/AVP;unicast;client_port={port}-{}", port + 1)),
            1 => (0, "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned()),
            2 => (9, "RTP/AVP/TCP;unicast;interleaved=250-251".to_owned()),
            _ => (0, "RTP/AVP;multicast".to_owned()),
        };
        format!("SETUP rtsp://h/ward/trackID={track} RTSP/1.0\r\nCSeq: 9\r\nTransport: {transport}\r\n\r\n")
    };
    for (first, client) in flooding.iter_mut().enumerate() {
        let requests: String = (first..first + 500).map(request).collect();
        client.stream.write_all(requests.as_bytes()).unwrap();
        for _ in 0..500 {
            let answer = client.answer();
            assert!(answer.starts_with("RTSP/1.0 "), "{answer}");
        }
    }
    reader.pictures(10);
    assert_eq!(server.metric("medley_sessions{protocol=\"rtsp\",action=\"read\"}"), 1, "nobody else plays");
    // Some 50 MB of them, whose answers nobody reads: they do not gather in the server.
    let (request, mut deaf) =
        ("SETUP rtsp://h/ward/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n\r\n", server.connect("rtsp"));
    deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    deaf.write_all(request.repeat(1_000_000).as_bytes()).expect_err("it is not read on");
    reader.pictures(10);
    drop((deaf, flooding));
    let mut late = Client::play(&server, "ward");
    late.pictures(10);
}

#[test]
fn a_connection_that_asks_for_nothing_is_closed() {
    let server = Running::start("rtsp-silent.toml", "[limits]\nhandshake_timeout_ms = 400\n");
    assert!(closed_after(&mut server.connect("rtsp")) >= Duration::from_millis(300));
}

#[test]
fn a_session_of_another_connection_opens_nothing() {
    let server = start("rtsp-foreign.toml");
    let _publisher = Publisher::start(&server, "ward");
    let mut reader = Client::play(&server, "ward");
    let answer = reader.ask("OPTIONS", "", "", "");
    let session = answer.lines().find(|line| line.starts_with("Session: ")).unwrap();
    let session = format!("{}\r\n", session.split(';').next().unwrap());
    let mut thief = Client::new(&server, "ward");
    for method in ["TEARDOWN", "PAUSE", "PLAY", "GET_PARAMETER"] {
        assert!(thief.ask(method, "", &session, "").starts_with("RTSP/1.0 454 "), "{method}");
    }
    reader.pictures(10);
}

#[test]
fn credentials_are_asked_for_and_a_wrong_one_is_answered_late() {
    let secret = file("rtsp-secret", "open sesame\n");
    let user = |extra: &str| {
        format!("[[auth.user]]\nname = \"nurse\"\n{extra}\npublish = [\"*\"]\nread = [\"*\"]\napi = true\n")
    };
    let server = Running::start("rtsp-users.toml", &user(&format!("password_file = {secret:?}")));
    let mut client = Client::new(&server, "ward");
    let asked = client.ask("DESCRIBE", "", "", "");
    assert!(asked.starts_with("RTSP/1.0 401 "), "{asked}");
    assert!(
        asked.contains("WWW-Authenticate: Digest realm=\"medley\"")
            && asked.contains("WWW-Authenticate: Basic")
    );
    let begun = Instant::now();
    // nurse:wrong, then nurse:open sesame.
    let refused = client.ask("DESCRIBE", "", "Authorization: Basic bnVyc2U6d3Jvbmc=\r\n", "");
    assert!(refused.starts_with("RTSP/1.0 401 ") && begun.elapsed() >= Duration::from_secs(1), "{refused}");
    let right = client.ask("DESCRIBE", "", "Authorization: Basic bnVyc2U6b3BlbiBzZXNhbWU=\r\n", "");
    assert!(right.starts_with("RTSP/1.0 404 "), "{right}");
    let mut by_query = Client::new(&server, "ward?user=nurse&pass=open%20sesame");
    assert!(by_query.ask("DESCRIBE", "", "", "").starts_with("RTSP/1.0 404 "));
    server.logged("the credentials do not permit this");
}

#[test]
fn a_reader_that_hardly_reads_loses_pictures_and_disturbs_nobody() {
    let server = start("rtsp-slow.toml");
    let _publisher = Publisher::start(&server, "ward");
    let mut slow = Client::play(&server, "ward");
    let mut reader = Client::play(&server, "ward");
    // What the kernel holds for a reader fills first: some 10 MB.
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.metric("medley_frames_dropped_total") == 0 {
        assert!(Instant::now() < deadline, "nothing was dropped");
        // One that reads nothing at all is closed after 10 s.
        slow.stream.read_exact(&mut [0; 100_000]).expect("it is late, not closed");
        let before = Instant::now();
        reader.pictures(25);
        assert!(before.elapsed() < Duration::from_secs(8), "{:?} for half a second", before.elapsed());
    }
}
