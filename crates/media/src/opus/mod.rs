//! Opus facts: how a stream is declared, and what a packet says about itself.

mod head;
pub mod packet;

pub use head::{Head, HeadError};
