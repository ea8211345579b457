//! One given random number becomes several.

/// SplitMix64.
pub(crate) const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A canonical name of 96 bits that does not tell whose it is (RFC 7022 §4.2).
pub(crate) fn cname(seed: u64) -> String {
    format!("{:016x}{:08x}", mix(seed ^ 1), mix(seed ^ 2) as u32)
}
