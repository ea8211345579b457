//! The `user_data_unregistered` SEI message (ITU-T H.264 §D.1.7, §D.2.7): 16 bytes that name the format, then anything.
//! Benchmarks carry a wall clock in it, through every protocol and past every decoder.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::nal::{NalType, escape, nal_type, unescape};

const USER_DATA_UNREGISTERED: usize = 5;
const UUID_LEN: usize = 16;

/// The largest message that is written or looked into, in bytes.
pub const MAX_MESSAGE: usize = 65_536;

/// An SEI NAL unit (with header byte and emulation prevention, without start code or length) that carries `payload`
/// under `uuid`. `payload` is cut to fit [`MAX_MESSAGE`] with the UUID.
pub fn write_user_data(uuid: &[u8; UUID_LEN], payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MAX_MESSAGE.saturating_sub(UUID_LEN)).unwrap_or(payload);
    let mut plain = Vec::with_capacity(payload.len().saturating_add(UUID_LEN).saturating_add(8));
    put_number(&mut plain, USER_DATA_UNREGISTERED);
    put_number(&mut plain, payload.len().saturating_add(UUID_LEN));
    plain.extend_from_slice(uuid);
    plain.extend_from_slice(payload);
    plain.push(0x80); // rbsp_trailing_bits
    let mut nal = vec![0x06];
    escape(&plain, &mut nal);
    nal
}

/// The payload of the first `user_data_unregistered` message under `uuid` in an SEI NAL unit; `None` where there is
/// none, or `nal` is another NAL unit or broken.
pub fn find_user_data(nal: &[u8], uuid: &[u8; UUID_LEN]) -> Option<Vec<u8>> {
    if nal_type(nal)? != NalType::Sei || nal.len() > MAX_MESSAGE.saturating_mul(2) {
        return None;
    }
    let rbsp = unescape(nal.get(1..)?);
    let mut rest: &[u8] = &rbsp;
    loop {
        let kind = take_number(&mut rest)?;
        let len = take_number(&mut rest)?;
        let (message, after) = rest.split_at_checked(len)?;
        if kind == USER_DATA_UNREGISTERED
            && let Some(payload) = message.strip_prefix(uuid)
        {
            return Some(payload.to_vec());
        }
        rest = after;
    }
}

/// `payloadType` and `payloadSize` (§7.3.2.3.1): a byte 255 for each 255, then the rest.
fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while let Some(rest) = number.checked_sub(255) {
        out.push(255);
        number = rest;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number = number.saturating_add(byte.into());
        if byte != 255 {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use proptest::prelude::*;

    use super::*;

    const UUID: [u8; 16] = *b"0123456789abcdef";
    const OTHER: [u8; 16] = [0; 16];

    #[test]
    fn the_bytes_of_the_standard() {
        let nal = write_user_data(&UUID, &[0, 0, 1]);
        assert_eq!(nal[..3], [0x06, 5, 19]);
        assert_eq!(nal[3..19], UUID);
        assert_eq!(nal[19..], [0, 0, 3, 1, 0x80]);
    }

    #[test]
    fn found_behind_other_messages() {
        let ours = write_user_data(&UUID, b"clock");
        let x264 = write_user_data(&OTHER, b"x264 options");
        // The second message of one NAL unit; the first one's trailing bits go.
        let both = [&x264[..x264.len() - 1], &ours[1..]].concat();
        assert_eq!(find_user_data(&both, &UUID).unwrap(), b"clock");
        assert_eq!(find_user_data(&x264, &UUID), None);
        assert_eq!(find_user_data(&[0x65, 5, 16], &UUID), None);
        assert_eq!(find_user_data(&ours[..12], &UUID), None);
    }

    proptest! {
        #[test]
        fn any_payload_round_trips(uuid in any::<[u8; 16]>(), payload in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..600)) {
            let nal = write_user_data(&uuid, &payload);
            prop_assert!(!nal.windows(3).any(|window| matches!(window, [0, 0, 0..=2])));
            prop_assert_eq!(find_user_data(&nal, &uuid), Some(payload));
        }

        #[test]
        fn any_bytes_do_not_panic(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = find_user_data(&[&[6], &tail[..]].concat(), &OTHER);
        }
    }
}
