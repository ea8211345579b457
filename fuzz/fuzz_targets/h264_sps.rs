//! Sequence parameter sets.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::h264::sps(input));
