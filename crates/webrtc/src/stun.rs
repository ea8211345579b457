//! Whose datagram is this: what a socket that serves all peers must know before it knows anything (RFC 7983, RFC 8489).
//!
//! Nothing here is proof. [`crate::Peer::handle_datagram`] verifies MESSAGE-INTEGRITY before an address counts.

/// What a datagram on a WebRTC port can be, by its first byte (RFC 7983 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STUN (0-3): may name a session by our user fragment.
    Stun,
    /// DTLS (20-63): only from an address that a session knows.
    Dtls,
    /// SRTP or SRTCP (128-191): only from an address that a session knows.
    Rtp,
}

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
/// RFC 8445 §7.2.2: "fragment:fragment", each at most 256 characters.
const MAX_USERNAME: usize = 513;

/// What the datagram can be; `None`: none of ours, drop it.
pub fn classify(datagram: &[u8]) -> Option<Kind> {
    match datagram.first()? {
        0..=3 if is_stun(datagram) => Some(Kind::Stun),
        20..=63 => Some(Kind::Dtls),
        128..=191 if datagram.len() >= 12 => Some(Kind::Rtp),
        _ => None,
    }
}

/// Whether the datagram has the header of a STUN message of its size (RFC 8489 §5).
pub fn is_stun(datagram: &[u8]) -> bool {
    let Some(header) = datagram.first_chunk::<HEADER>() else { return false };
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    header[0] < 4 && header[4..8] == COOKIE && length % 4 == 0 && datagram.len() == HEADER + length
}

/// The receiver's user fragment in a STUN message: USERNAME up to the colon (RFC 8445 §7.2.2). It is ours when the
/// message is a check of a peer of ours; routing by it takes one look-up, whatever the number of sessions.
pub fn ufrag_of(datagram: &[u8]) -> Option<&str> {
    if !is_stun(datagram) {
        return None;
    }
    let mut attributes = &datagram[HEADER..];
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if u16::from_be_bytes([head[0], head[1]]) == USERNAME {
            let name = std::str::from_utf8(rest.get(..length.min(MAX_USERNAME + 1))?).ok()?;
            return name.split_once(':').filter(|_| length <= MAX_USERNAME).map(|(ufrag, _)| ufrag);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = vec![0, 1];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(COOKIE);
        message.extend([7; 12]);
        message.extend(body);
        message
    }

    #[test]
    fn the_user_fragment_is_found_behind_other_attributes() {
        let check = message(&[(0x8022, b"agent"), (USERNAME, b"room1234:peer"), (0x0024, &[0; 4])]);
        assert_eq!(ufrag_of(&check), Some("room1234"));
        assert_eq!(classify(&check), Some(Kind::Stun));
    }

    #[test]
    fn what_is_not_a_check_names_nobody() {
        for datagram in [
            message(&[(0x0024, &[0; 4])]),
            message(&[(USERNAME, b"no-colon")]),
            message(&[(USERNAME, &[0xff, b':'])]),
            message(&[(USERNAME, &[b'a'; 600])]),
            vec![0, 1, 0, 4],
            vec![22; 40],
            vec![],
        ] {
            assert_eq!(ufrag_of(&datagram), None);
        }
        let mut longer = message(&[(USERNAME, b"room:peer")]);
        longer.push(0);
        assert!(!is_stun(&longer), "the length must fit the datagram");
    }

    #[test]
    fn first_bytes_are_told_apart_as_rfc_7983_says() {
        assert_eq!(classify(&[22; 30]), Some(Kind::Dtls));
        assert_eq!(classify(&[0x80; 12]), Some(Kind::Rtp));
        for first in [4, 19, 64, 127, 192, 255] {
            assert_eq!(classify(&[first; 30]), None, "{first}");
        }
        assert_eq!(classify(&[0x80; 11]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (classify(&bytes), ufrag_of(&bytes));
            if bytes.len() >= HEADER {
                let length = (bytes.len() - HEADER) as u16;
                bytes[0] = 0;
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[4..8].copy_from_slice(&COOKIE);
                let _ = ufrag_of(&bytes);
            }
        }
    }
}
