//! What the fuzz targets do: each function takes one input, feeds it to a parser of bytes from outside, and panics when
//! a promise of that parser is broken. The targets themselves only name one of these functions.
//!
//! Inputs are as near to the bytes of the wire as they can be, so that the seeds can be cut out of captures. Where more
//! is needed (cuts, roles, decisions), a few bytes stand in front.
#![forbid(unsafe_code)]

pub mod audio;
pub mod flv;
pub mod fmp4;
mod frames;
pub mod h264;
pub mod mpegts;
mod pieces;
pub mod receiver;
pub mod rtmp;
pub mod rtp;
pub mod rtsp;
