//! The beginnings of NAL units, and emulation prevention.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::h264::nal(input));
