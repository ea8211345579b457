//! Offers of browsers, answers, trickle and restart.

use std::time::{Duration, Instant};

use media::{CodecConfig, Kind, Pii, TrackInfo, opus};

use super::pair::{CLEAN, Pair, Source, client, config, frames, server};
use crate::client as clients;
use crate::config::{Address, Credentials, DtlsRole, Estimation, IceMode, Proto};
use crate::error::NegotiateError;
use crate::offer::tests::{CHROMIUM, CHROMIUM_WHIP};
use crate::peer::{AUDIO_TRACK, Event, Peer, Publisher, Subscriber, VIDEO_TRACK};
use crate::trickle::Fragment;

const BOTH: [Kind; 2] = [Kind::Video, Kind::Audio];

fn stereo() -> TrackInfo {
    TrackInfo { id: AUDIO_TRACK, config: CodecConfig::Opus(opus::Head { channels: 2 }) }
}

fn read(offer: &str, tracks: &[TrackInfo]) -> Result<String, NegotiateError> {
    Peer::subscriber(&server(), offer, tracks, Instant::now()).map(|(_, answer)| answer)
}

fn formats<'a>(answer: &'a str, media: &str) -> Vec<&'a str> {
    let line = answer.lines().find(|line| line.starts_with(media)).unwrap();
    let list = line.split(' ').skip(3).collect::<Vec<_>>();
    let map = |pt: &&str| {
        let prefix = format!("a=rtpmap:{pt} ");
        answer.lines().find_map(|line| line.strip_prefix(prefix.as_str()))
    };
    list.iter().filter_map(map).collect()
}

/// The offer without its `index`-th section.
fn without_section(offer: &str, index: usize) -> String {
    let mut sections = offer.split("m=").map(|part| format!("m={part}")).collect::<Vec<_>>();
    sections[0] = sections[0][2..].replace("BUNDLE 0 1", if index == 0 { "BUNDLE 1" } else { "BUNDLE 0" });
    sections.remove(index + 1);
    sections.concat()
}

#[test]
fn chromium_gets_h264_in_mode_1_and_opus_and_nothing_else() {
    let answer = read(CHROMIUM, &[]).unwrap();
    let video = formats(&answer, "m=video");
    assert!(video.iter().all(|codec| ["H264/90000", "rtx/90000"].contains(codec)), "{video:?}");
    assert_eq!(formats(&answer, "m=audio"), ["opus/48000/2"]);
    assert!(!answer.contains("packetization-mode=0"));
    assert!(
        answer.contains("a=ice-lite")
            && answer.contains("a=sendonly")
            && answer.contains("a=ice-ufrag:server")
    );
    assert!(answer.contains(" 192.0.2.1 8189 typ host"), "{answer}");
    let first = answer.lines().find(|line| line.contains("profile-level-id")).unwrap();
    assert!(first.ends_with("42e01f"), "{first}");
}

#[test]
fn a_publisher_gets_feedback_lines_and_a_reader_only_what_its_estimation_needs() {
    let (_, answer) = Peer::publisher(&server(), CHROMIUM_WHIP, Instant::now()).unwrap();
    for line in ["transport-cc", "nack", "nack pli", "ccm fir"] {
        assert!(answer.lines().any(|l| l.starts_with("a=rtcp-fb:") && l.ends_with(line)), "{line}");
    }
    assert!(answer.contains("transport-wide-cc-extensions") && answer.contains("a=recvonly"));
    let answer = read(CHROMIUM, &[]).unwrap();
    assert!(!answer.contains("transport-cc") && !answer.contains("transport-wide-cc"), "{answer}");
    assert!(answer.contains("goog-remb") && answer.contains("abs-send-time"));
}

#[test]
fn stereo_is_announced_for_stereo_streams_only() {
    let fmtp = |answer: &str| answer.lines().find(|line| line.starts_with("a=fmtp:111 ")).unwrap().to_owned();
    let mono = fmtp(&read(CHROMIUM, &[]).unwrap());
    assert!(
        mono.contains("useinbandfec=1") && mono.contains("minptime=10") && !mono.contains("stereo"),
        "{mono}"
    );
    let both = fmtp(&read(CHROMIUM, &[stereo()]).unwrap());
    assert!(both.contains(";stereo=1") && both.contains("sprop-stereo=1"), "{both}");
}

#[test]
fn sound_and_picture_belong_to_one_stream() {
    let answer = read(CHROMIUM, &[]).unwrap();
    let names = answer.lines().filter_map(|line| line.strip_prefix("a=msid:"));
    let (streams, tracks): (Vec<_>, Vec<_>) = names.filter_map(|name| name.split_once(' ')).unzip();
    assert_eq!((streams, tracks), (vec!["medley"; 2], vec!["0", "1"]), "{answer}");
}

#[test]
fn an_offer_without_usable_h264_is_refused_in_words() {
    let no_h264 = CHROMIUM.replace("H264/90000", "MPV/90000");
    assert_eq!(read(&no_h264, &[]), Err(NegotiateError::NoH264));
    let mode_0 = CHROMIUM.replace("packetization-mode=1", "packetization-mode=0");
    assert_eq!(read(&mode_0, &[]), Err(NegotiateError::NoH264));
    assert!(NegotiateError::NoH264.to_string().contains("packetization-mode=1"));
}

#[test]
fn a_reader_gets_what_it_can_play() {
    let picture_alone = read(&without_section(CHROMIUM, 1), &[]).unwrap();
    assert!(picture_alone.contains("m=video") && !picture_alone.contains("m=audio"));
    let sound_alone = read(&without_section(CHROMIUM, 0), &[]).unwrap();
    assert!(sound_alone.contains("m=audio") && !sound_alone.contains("m=video"));
    let rejected = read(&CHROMIUM.replace("opus/48000/2", "L16/48000/2"), &[]).unwrap();
    assert!(rejected.contains("m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n"), "{rejected}");
}

#[test]
fn the_dtls_role_is_ours_to_choose() {
    let mut config = server();
    let (_, answer) = Peer::subscriber(&config, CHROMIUM, &[], Instant::now()).unwrap();
    assert!(answer.contains("a=setup:passive"));
    config.dtls = DtlsRole::Client;
    let (_, answer) = Peer::subscriber(&config, CHROMIUM, &[], Instant::now()).unwrap();
    assert!(answer.contains("a=setup:active"));
}

#[test]
fn tcp_addresses_become_passive_candidates() {
    let mut config = server();
    config.addresses.push(Address { proto: Proto::Tcp, addr: super::pair::SERVER.parse().unwrap() });
    let (_, answer) = Peer::subscriber(&config, CHROMIUM, &[], Instant::now()).unwrap();
    assert!(answer.contains(" tcp ") && answer.contains("tcptype passive"), "{answer}");
}

#[test]
fn offers_that_break_the_engines_invariants_are_errors_not_panics() {
    for (from, to) in [
        ("a=mid:1", "a=mid:0"),
        ("m=audio 9", "m=application 9"),
        ("apt=102", "apt=108"),
        ("a=rtpmap:103 rtx", "a=rtpmap:255 rtx"),
        ("m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 UDP/TLS/RTP/SAVPF 111"),
        ("BUNDLE 0 1", "BUNDLE"),
        ("a=extmap:9", "a=extmap:255"),
        ("t=0 0", "t=0 0\r\nt=1 1\r\nb=AS:99999999999999999999"),
    ] {
        let offer = CHROMIUM.replace(from, to);
        assert!(offer != CHROMIUM, "{from}");
        let _ = read(&offer, &[]);
    }
    let bytes = CHROMIUM.as_bytes();
    for at in (0..bytes.len()).step_by(37) {
        let mut mutated = bytes.to_vec();
        mutated[at] = b"0:= \n\xc3a"[at / 37 % 7];
        if let Ok(offer) = String::from_utf8(mutated) {
            let _ = read(&offer, &[]);
        }
        let _ = read(&CHROMIUM[..at], &[]);
    }
}

#[test]
fn the_largest_offer_is_read_in_milliseconds() {
    let filler = "a=x-filler:0123456789012345678901\r\n";
    let offer =
        format!("{CHROMIUM}{}", filler.repeat((crate::MAX_OFFER_BYTES - CHROMIUM.len()) / filler.len() - 1));
    let start = Instant::now();
    let _ = read(&offer, &[]);
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

fn reader(ice: IceMode, dtls: DtlsRole) -> Pair<Publisher, Subscriber> {
    let start = Instant::now();
    let (offering, offer) = clients::subscriber(&client(), &BOTH, start).unwrap();
    let mut server = config("server", super::pair::SERVER, ice);
    server.dtls = dtls;
    let (server, answer) = Peer::subscriber(&server, &offer, &[], start).unwrap();
    let network = super::pair::Network { latency: Duration::from_millis(50), ..CLEAN };
    Pair::new(offering.accept(&answer).unwrap(), server, start, network)
}

/// Milliseconds from the answer until the server may send, with 100 ms of round trip.
fn ready_after(ice: IceMode, dtls: DtlsRole) -> u128 {
    let mut pair = reader(ice, dtls);
    pair.run_until(|pair| pair.server.is_connected());
    pair.now.duration_since(pair.start).as_millis()
}

/// str0m's client, unlike a browser, begins DTLS only once it has nominated; where the server begins DTLS the check that
/// is saved shows.
#[test]
fn taking_the_first_check_for_the_nomination_saves_a_round_trip() {
    assert_eq!(ready_after(IceMode::LiteStrict, DtlsRole::Client), 350);
    assert_eq!(ready_after(IceMode::Lite, DtlsRole::Client), 250);
    assert_eq!(ready_after(IceMode::Lite, DtlsRole::Server), 250);
    assert_eq!(ready_after(IceMode::Full, DtlsRole::Server), 250);
}

#[test]
fn a_later_nomination_of_the_peer_still_decides_and_media_goes_on() {
    let mut pair = reader(IceMode::Lite, DtlsRole::Server);
    pair.connect();
    let mut source = Source::new();
    for _ in 0..200 {
        source.tick(&mut pair.server, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
    }
    pair.run(Duration::from_millis(500));
    assert_eq!(frames(&pair.client_events, VIDEO_TRACK).len(), 100);
}

#[test]
fn candidates_may_trickle_and_new_credentials_restart_ice_under_the_name_that_we_choose() {
    let mut pair = reader(IceMode::Lite, DtlsRole::Server);
    pair.connect();
    let renewed = Credentials { ufrag: "renewed1".into(), pwd: Pii("abcdefghijklmnopqrstuvwx".into()) };
    let more = "a=ice-ufrag:client\r\na=ice-pwd:client-0123456789012345678901\r\na=mid:0\r\n\
                a=candidate:1 1 udp 1 198.51.100.8 4000 typ host\r\n";
    let unchanged = pair.server.trickle(&Fragment::parse(more).unwrap(), &renewed, pair.now).unwrap();
    pair.drain();
    assert_eq!(unchanged, None);

    let new = "a=ice-ufrag:again123\r\na=ice-pwd:zyxwvutsrqponmlkjihgfedc\r\n";
    let body = pair.server.trickle(&Fragment::parse(new).unwrap(), &renewed, pair.now).unwrap().unwrap();
    pair.drain();
    assert!(body.starts_with("a=ice-ufrag:renewed1\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"), "{body}");
    assert!(body.contains("a=candidate:") && body.contains("m=video 9"), "{body}");

    // The peer checks with the new credentials from another address: the move from Wi-Fi to the mobile network.
    let mut api = pair.client.engine.rtc.direct_api();
    api.set_local_ice_credentials(str0m::IceCreds {
        ufrag: "again123".into(),
        pass: "zyxwvutsrqponmlkjihgfedc".into(),
    });
    api.set_remote_ice_credentials(str0m::IceCreds {
        ufrag: "renewed1".into(),
        pass: "abcdefghijklmnopqrstuvwx".into(),
    });
    let mut source = Source::new();
    for _ in 0..1_000 {
        source.tick(&mut pair.server, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
    }
    pair.run(Duration::from_millis(500));
    assert_eq!(frames(&pair.client_events, VIDEO_TRACK).len(), 500, "media flows through the restart");
    assert!(!pair.server_events.iter().any(|(_, event)| matches!(event, Event::Closed(_))));
}

#[test]
fn estimation_at_the_sender_paces_and_reports() {
    let start = Instant::now();
    let (offering, offer) = clients::subscriber(&client(), &BOTH, start).unwrap();
    let mut server = server();
    server.estimation = Estimation::Sender { initial: 2_000_000, desired: 4_000_000 };
    let (server, answer) = Peer::subscriber(&server, &offer, &[], start).unwrap();
    assert!(answer.contains("transport-cc"));
    let mut pair = Pair::new(offering.accept(&answer).unwrap(), server, start, CLEAN);
    pair.connect();
    let mut source = Source::new();
    for _ in 0..250 {
        source.tick(&mut pair.server, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
    }
    pair.run(Duration::from_secs(1));
    assert_eq!(frames(&pair.client_events, VIDEO_TRACK).len(), 125);
    assert!(pair.server_events.iter().any(|(_, event)| matches!(event, Event::Estimate { .. })));
}
