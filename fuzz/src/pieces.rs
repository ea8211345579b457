//! Input in pieces, as a network delivers it.

/// Cuts `bytes` into pieces of 1 to 2,048 bytes, short ones as likely as long ones; `seed` decides where.
pub(crate) fn pieces(bytes: &[u8], seed: u16) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(seed);
    std::iter::from_fn(move || {
        // Numerical Recipes' generator; its upper bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let longest = 1 << ((state >> 28) % 12);
        let len = 1 + (state >> 8) as usize % longest;
        let (piece, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}
