//! The hidden HMAC-SHA256 of the digest handshake. No specification exists; every server and player since Flash
//! Player 9 does it alike, and ffmpeg, librtmp and Flash check it.

use super::{BLOCK, Block};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a digest.
pub(super) const LEN: usize = 32;

/// "Genuine Adobe Flash Media Server 001" and the 32 bytes that both keys share.
const SERVER_KEY: [u8; 68] = key(b"Genuine Adobe Flash Media Server 001");
const SERVER_KEY_TEXT: usize = 36;
/// "Genuine Adobe Flash Player 001" and the same 32 bytes.
const CLIENT_KEY: [u8; 62] = key(b"Genuine Adobe Flash Player 001");
const CLIENT_KEY_TEXT: usize = 30;

const SHARED_KEY: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e,
    0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

const fn key<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    let mut at = 0;
    while at < N {
        key[at] = if at < text.len() { text[at] } else { SHARED_KEY[at - text.len()] };
        at += 1;
    }
    key
}

/// Where in a first block the four bytes stand that point to the digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// At byte 8 (ffmpeg).
    AtEight,
    /// At byte 772 (Flash Player 10, librtmp when it is told to verify).
    At772,
}

impl Scheme {
    /// Both, in the order in which they are tried.
    pub(super) const ALL: [Self; 2] = [Self::AtEight, Self::At772];

    const fn pointer(self) -> usize {
        match self {
            Self::AtEight => 8,
            Self::At772 => 772,
        }
    }

    /// Where the digest stands: behind the pointer, up to 727 bytes on. Always within the block: 776 + 727 + 32 = 1535.
    fn position(self, block: &Block) -> usize {
        let pointer = self.pointer();
        let sum: usize = block[pointer..pointer + 4].iter().map(|&byte| usize::from(byte)).sum();
        pointer + 4 + sum % 728
    }
}

/// Which side a block comes from, hence its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    /// The readable part alone signs first blocks.
    fn first_key(self) -> &'static [u8] {
        match self {
            Self::Client => &CLIENT_KEY[..CLIENT_KEY_TEXT],
            Self::Server => &SERVER_KEY[..SERVER_KEY_TEXT],
        }
    }

    /// The whole key signs second blocks.
    const fn second_key(self) -> &'static [u8] {
        match self {
            Self::Client => &CLIENT_KEY,
            Self::Server => &SERVER_KEY,
        }
    }
}

/// Puts the digest of a first block into it.
pub(super) fn sign_first(block: &mut Block, side: Side, scheme: Scheme) {
    let at = scheme.position(block);
    let digest = around(block, at, side.first_key());
    block[at..at + LEN].copy_from_slice(&digest);
}

/// The scheme and digest of a first block, if it carries a right one.
pub(super) fn find_first(block: &Block, side: Side) -> Option<(Scheme, [u8; LEN])> {
    Scheme::ALL.into_iter().find_map(|scheme| {
        let at = scheme.position(block);
        let digest = around(block, at, side.first_key());
        (block[at..at + LEN] == digest).then_some((scheme, digest))
    })
}

/// Ends a second block with its signature, which proves that the digest of the other side's first block was found.
pub(super) fn sign_second(block: &mut Block, side: Side, first_digest: &[u8; LEN]) {
    let signature = signature(block, side, first_digest);
    block[BLOCK - LEN..].copy_from_slice(&signature);
}

/// Whether a second block ends with its signature.
pub(super) fn verify_second(block: &Block, side: Side, first_digest: &[u8; LEN]) -> bool {
    block[BLOCK - LEN..] == signature(block, side, first_digest)
}

fn signature(block: &Block, side: Side, first_digest: &[u8; LEN]) -> [u8; LEN] {
    let key = hmac(side.second_key(), &[first_digest]);
    hmac(&key, &[&block[..BLOCK - LEN]])
}

/// The HMAC of a block without the digest's own place.
fn around(block: &Block, at: usize, key: &[u8]) -> [u8; LEN] {
    hmac(key, &[&block[..at], &block[at + LEN..]])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; LEN] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104 §2)");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_always_fits() {
        for scheme in Scheme::ALL {
            for byte in 0..=255 {
                let at = scheme.position(&[byte; BLOCK]);
                assert!(at >= scheme.pointer() + 4 && at + LEN <= BLOCK);
            }
        }
    }

    #[test]
    fn one_changed_byte_is_noticed_anywhere() {
        for scheme in Scheme::ALL {
            let mut block = [0x21; BLOCK];
            sign_first(&mut block, Side::Client, scheme);
            assert_eq!(find_first(&block, Side::Client).map(|(found, _)| found), Some(scheme));
            assert_eq!(find_first(&block, Side::Server), None, "another key");
            for at in (0..BLOCK).step_by(97) {
                let mut changed = block;
                changed[at] ^= 1;
                assert_eq!(find_first(&changed, Side::Client), None, "byte {at}");
            }
        }
    }
}
