//! The names of sessions in the API.

use std::fmt;
use std::str::FromStr;

/// Names a session to the API: a random UUID (RFC 9562 §5.4), so that nobody who was not told it can guess it. It opens
/// no door: whoever uses it needs credentials all the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u128);

/// A text that is not the id of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an id has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, each x one of 0-9 a-f")]
pub struct SessionIdError;

/// Where the hyphens stand (RFC 9562 §4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl SessionId {
    /// A new one.
    pub(super) fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("Linux gives random numbers from boot on");
        // RFC 9562 §5.4: version 4 in bits 48 to 51, variant 0b10 in bits 64 and 65, from the left.
        let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62);
        Self(bits | (4 << 76) | (0b10 << 62))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, digits: u32| (self.0 >> shift) & ((1 << (digits * 4)) - 1);
        let (a, b, c, d, e) = (part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match HYPHENS.contains(&at) {
                true => byte == b'-',
                false => byte.is_ascii_hexdigit(),
            });
        if !well_formed {
            return Err(SessionIdError);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| SessionIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_4_and_reads_back() {
        for _ in 0..1_000 {
            let id = SessionId::random();
            let text = id.to_string();
            assert_eq!(text.as_bytes()[14], b'4', "{text}");
            assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.to_uppercase().parse(), Ok(id));
        }
        let known = SessionId(0x919108f7_52d1_4320_9bac_f847db4148a8);
        assert_eq!(known.to_string(), "919108f7-52d1-4320-9bac-f847db4148a8");
        assert_ne!(SessionId::random(), SessionId::random());
    }

    #[test]
    fn anything_else_is_refused() {
        let good = "919108f7-52d1-4320-9bac-f847db4148a8";
        for text in
            ["", "1", &good[1..], &format!("{good}0"), &good.replace('-', "0"), &good.replace('9', "+")]
        {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError), "{text}");
        }
        assert_eq!("919108f7-52d1-4320-9bac-f847db4148é".parse::<SessionId>(), Err(SessionIdError));
    }
}
