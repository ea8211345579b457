//! The handshake (RTMP 1.0 §5.2) in both roles, incremental: bytes in any pieces.
//!
//! ```text
//! client -> C0 C1 (1 + 1536 bytes)          server -> S0 S1 S2          client -> C2
//! ```
//! Two forms exist. The *simple* one is the specification's: four bytes of time, four zero bytes, 1528 random bytes,
//! echoed by the other side. The *digest* one (never specified; Flash Player 9.0.124 on) replaces the zero bytes by a
//! version and hides an HMAC-SHA256 of the block at a place that four of its bytes point to. The server answers in the
//! form, and with the scheme of hiding, that the client used: ffmpeg refuses to play after a wrong answer, and
//! librtmp without digests expects the echo.

mod client;
mod digest;
mod server;

pub use client::Client;
pub use digest::Scheme;
pub use server::Server;

use bytes::BytesMut;

/// C1, S1, C2 and S2 each have this many bytes (§5.2.3).
pub const BLOCK: usize = 1536;

/// The only version that is spoken: plain RTMP (§5.2.2). 6 would be RTMPE, whose cipher is broken.
pub const VERSION: u8 = 3;

type Block = [u8; BLOCK];

/// Why a handshake cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// C0 or S0 names another version; 6 and 8 are the encrypted forms, and letters mean that HTTP or TLS knocks here.
    #[error("RTMP version {0} is not spoken here, only 3")]
    Version(u8),
}

/// How far a handshake is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    Pending,
    /// Complete: what is left in the input is the chunk stream.
    Done,
}

/// Collects a block from pieces of input.
#[derive(Debug)]
struct Collect {
    bytes: BytesMut,
    len: usize,
}

impl Collect {
    fn new(len: usize) -> Self {
        Self { bytes: BytesMut::new(), len }
    }

    /// Takes what is missing from the front of `input`; the bytes once they are complete.
    fn take(&mut self, input: &mut &[u8]) -> Option<BytesMut> {
        let missing = self.len - self.bytes.len();
        let (piece, rest) = input.split_at(missing.min(input.len()));
        self.bytes.extend_from_slice(piece);
        *input = rest;
        (self.bytes.len() == self.len).then(|| std::mem::take(&mut self.bytes))
    }
}

/// Checks the version byte as soon as it is there: a peer that speaks HTTP gets its refusal without waiting for 1537
/// bytes.
fn check_version(collected: &Collect, input: &[u8]) -> Result<(), Error> {
    match collected.bytes.first().or(input.first()) {
        Some(&version) if version != VERSION => Err(Error::Version(version)),
        _ => Ok(()),
    }
}

/// A block of bytes that differ from session to session (§5.2.3 asks for no more than that), from a seed so that
/// sessions replay exactly.
fn filled(seed: &mut u64) -> Block {
    let mut block = [0; BLOCK];
    for chunk in block.chunks_exact_mut(8) {
        // SplitMix64 (Steele, Lea, Flood 2014).
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    block
}

/// Time 0, `version` (zero bytes in the simple form), random bytes.
fn first_block(seed: &mut u64, version: [u8; 4]) -> Block {
    let mut block = filled(seed);
    if let Some((head, _)) = block.split_first_chunk_mut::<8>() {
        let [.., a, b, c, d] = head;
        (*a, *b, *c, *d) = (version[0], version[1], version[2], version[3]);
        head[..4].fill(0);
    }
    block
}

/// The version field of a first block: zero in the simple form.
const fn version_of(block: &Block) -> [u8; 4] {
    [block[4], block[5], block[6], block[7]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs both ends, cutting each direction into pieces of `step` bytes; what the server had left over.
    fn run(mut client: Client, step: usize) -> (Client, Server) {
        let mut server = Server::new(7);
        let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
        client.start(&mut to_server);
        let (mut server_done, mut client_done) = (false, false);
        while !(server_done && client_done) {
            assert!(!(to_server.is_empty() && to_client.is_empty()), "both wait");
            let piece = to_server.split_to(step.min(to_server.len()));
            let mut input = &piece[..];
            server_done |= server.advance(&mut input, &mut to_client).unwrap() == Progress::Done;
            assert!(input.is_empty());
            let piece = to_client.split_to(step.min(to_client.len()));
            let mut input = &piece[..];
            client_done |= client.advance(&mut input, &mut to_server).unwrap() == Progress::Done;
            assert!(input.is_empty());
        }
        (client, server)
    }

    proptest! {
        #[test]
        fn each_form_completes_whatever_the_pieces(step in 1..4000usize, seed: u64) {
            let (client, server) = run(Client::simple(seed), step);
            prop_assert_eq!((client.server_proved(), server.scheme()), (None, None));
            for scheme in [Scheme::AtEight, Scheme::At772] {
                let (client, server) = run(Client::digest(seed, scheme), step);
                prop_assert_eq!(client.server_proved(), Some(true));
                prop_assert_eq!(server.scheme(), Some(scheme));
            }
        }
    }

    #[test]
    fn the_simple_form_echoes_the_whole_first_block() {
        let mut c1 = [0x5a; BLOCK];
        c1[4..8].fill(0);
        let mut out = BytesMut::new();
        let mut server = Server::new(1);
        let bytes = [&[3][..], &c1, b"C2 comes later"].concat();
        let mut input = &bytes[..1 + BLOCK];
        assert_eq!(server.advance(&mut input, &mut out), Ok(Progress::Pending));
        assert_eq!(out.len(), 1 + 2 * BLOCK);
        assert_eq!(out[0], 3);
        assert_eq!(out[1..9], [0; 8]);
        assert_eq!(out[1 + BLOCK..], c1, "S2 repeats C1");
    }

    #[test]
    fn a_version_without_a_valid_digest_is_answered_in_the_simple_form() {
        // librtmp built without crypto, and several phone SDKs, fill the zero field with their version.
        let mut c1 = [0x11; BLOCK];
        c1[4..8].copy_from_slice(&[10, 0, 32, 18]);
        let bytes = [&[3][..], &c1].concat();
        let mut out = BytesMut::new();
        let mut server = Server::new(1);
        server.advance(&mut &bytes[..], &mut out).unwrap();
        assert_eq!(server.scheme(), None);
        assert_eq!(out[1 + BLOCK..], c1);
    }

    #[test]
    fn other_versions_are_refused_at_the_first_byte() {
        for version in [0, 2, 6, 8, b'G', 0x16] {
            let mut out = BytesMut::new();
            let refused = Err(Error::Version(version));
            assert_eq!(Server::new(1).advance(&mut &[version][..], &mut out), refused);
            assert_eq!(Client::simple(1).advance(&mut &[version][..], &mut out), refused);
            assert!(out.is_empty());
        }
    }

    #[test]
    fn bytes_after_the_handshake_stay_in_the_input() {
        let (mut to_server, mut out) = (BytesMut::new(), BytesMut::new());
        Client::simple(3).start(&mut to_server);
        to_server.extend_from_slice(&[0; BLOCK]);
        to_server.extend_from_slice(b"chunks");
        let mut input = &to_server[..];
        assert_eq!(Server::new(4).advance(&mut input, &mut out), Ok(Progress::Done));
        assert_eq!(input, b"chunks");
    }
}
