//! Opus facts.
pub mod packet;

/// How an Opus stream is declared: the part of RFC 7845 §5.1 that a live stream needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// 1 or 2.
    pub channels: u8,
}
