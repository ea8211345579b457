//! Frames through fragmented MP4.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::fmp4::round_trip(input));
