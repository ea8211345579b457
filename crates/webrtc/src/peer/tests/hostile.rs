//! Bytes from strangers and from peers that mean harm.

use std::time::Duration;

use super::pair::{CLEAN, Pair, SERVER, Source, client, frames, server};
use crate::client;
use crate::peer::{Event, Peer, Publisher, Subscriber, VIDEO_TRACK};
use media::Kind;
use std::time::Instant;

fn connected() -> Pair<Subscriber, Publisher> {
    let start = Instant::now();
    let (offering, offer) = client::publisher(&client(), &[Kind::Video], start).unwrap();
    let (server, answer) = Peer::publisher(&server(), &offer, start).unwrap();
    let mut pair = Pair::new(offering.accept(&answer).unwrap(), server, start, CLEAN);
    pair.connect();
    pair
}

/// The session still carries media.
fn assert_alive(pair: &mut Pair<Subscriber, Publisher>) {
    let before = frames(&pair.server_events, VIDEO_TRACK).len();
    let mut source = Source::new();
    for _ in 0..20 {
        source.tick(&mut pair.client, pair.now);
        pair.drain();
        pair.run(Duration::from_millis(20));
    }
    pair.run(Duration::from_millis(200));
    assert_eq!(frames(&pair.server_events, VIDEO_TRACK).len() - before, 10);
}

/// A ClientHello that offers nothing but a NULL cipher, as the attack on Asterisk and others sends it.
fn null_cipher_hello() -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([9; 32]);
    body.extend([0, 0, 0, 2, 0, 0, 1, 0]);
    let length = body.len() as u8;
    let mut hello = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, length + 12];
    hello.extend([1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length]);
    hello.extend(body);
    hello
}

#[test]
fn a_dtls_client_hello_from_a_stranger_before_the_peers_own_is_ignored() {
    let start = Instant::now();
    let (offering, offer) = client::publisher(&client(), &[Kind::Video], start).unwrap();
    let (server, answer) = Peer::publisher(&server(), &offer, start).unwrap();
    let mut pair = Pair::new(offering.accept(&answer).unwrap(), server, start, CLEAN);
    let stranger = "203.0.113.66:9".parse().unwrap();
    let sent = pair.wire.len();
    pair.inject(stranger, &null_cipher_hello());
    assert_eq!(pair.wire.len(), sent, "a stranger gets no answer");
    pair.connect();
    pair.inject(stranger, &null_cipher_hello());
    assert_alive(&mut pair);
}

#[test]
fn a_broken_client_hello_from_the_peers_own_address_does_not_end_the_session() {
    let mut pair = connected();
    let peer = super::pair::CLIENT.parse().unwrap();
    pair.inject(peer, &null_cipher_hello());
    pair.inject(peer, &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff]);
    assert_alive(&mut pair);
}

#[test]
fn checks_with_a_wrong_password_prove_nothing() {
    let mut pair = connected();
    let stranger = "203.0.113.66:9".parse().unwrap();
    let check = pair.wire.iter().find(|t| t.destination == SERVER.parse().unwrap() && t.bytes[0] == 0);
    let mut forged = check.unwrap().bytes.clone();
    let end = forged.len();
    forged[end - 20] ^= 1; // inside MESSAGE-INTEGRITY
    let sent = pair.wire.len();
    pair.inject(stranger, &forged);
    pair.inject(stranger, &[0x80; 40]);
    assert_eq!(pair.wire.len(), sent, "no answer");
    assert_alive(&mut pair);
}

#[test]
fn truncated_flipped_and_random_datagrams_from_the_peer_change_nothing() {
    let mut pair = connected();
    assert_alive(&mut pair);
    let peer = super::pair::CLIENT.parse().unwrap();
    let wire: Vec<Vec<u8>> = pair.wire.iter().map(|transmit| transmit.bytes.clone()).collect();
    for (index, datagram) in wire.iter().enumerate().filter(|(index, _)| index % 3 == 0) {
        let cut = (pair.random() * datagram.len() as f64) as usize;
        pair.inject(peer, &datagram[..cut]);
        let mut flipped = datagram.clone();
        let at = (pair.random() * datagram.len() as f64) as usize;
        flipped[at] ^= 1 << (index % 8);
        pair.inject(peer, &flipped);
    }
    for length in 0..400 {
        let random: Vec<u8> = (0..length).map(|_| (pair.random() * 256.0) as u8).collect();
        pair.inject(peer, &random);
    }
    assert_alive(&mut pair);
}

#[test]
fn malformed_rtcp_inside_valid_srtcp_changes_nothing() {
    let mut pair = connected();
    assert_alive(&mut pair);
    for payload in [&b"REMB"[..], b"REMB\xff\xff\xff\xff", b"REMB\x7f\x00\x00\x01\x00", b"", b"x"] {
        let mut api = pair.client.engine.rtc.direct_api();
        api.send_app_specific_feedback(1.into(), 2.into(), payload.to_vec());
        pair.client.handle_timeout(pair.now);
        pair.drain();
        pair.run(Duration::from_millis(50));
    }
    assert_alive(&mut pair);
    assert!(!pair.server_events.iter().any(|(_, event)| matches!(event, Event::Closed(_))));
}

#[test]
fn a_peer_cannot_fill_memory_with_addresses() {
    let mut pair = connected();
    let check = pair.wire.iter().find(|t| t.destination == SERVER.parse().unwrap() && t.bytes[0] == 0);
    let check = check.unwrap().bytes.clone();
    for port in 1..2_000_u16 {
        pair.inject(std::net::SocketAddr::from(([198, 51, 100, 7], port)), &check);
    }
    let answered = pair.wire.iter().filter(|t| t.bytes[0] == 1).count();
    assert!(answered < 300, "{answered} addresses were answered");
}
