//! Frames through a transport stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::mpegts::round_trip(input));
