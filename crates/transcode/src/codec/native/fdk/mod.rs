//! Fraunhofer FDK AAC behind a safe wrapper of our own.
//!
//! The published wrapper (`fdk-aac` 0.8) encodes through `&self` while being `Sync`, a data race that safe code can
//! write, and does not check the decoder's handle. Here a handle is owned by one value, used through `&mut` and never
//! shared: `Send`, not `Sync`. This folder holds the project's only `unsafe` code, one library call to a function.

mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;

const LIBRARY: &str = "fdk-aac";
