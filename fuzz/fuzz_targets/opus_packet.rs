//! The first bytes of Opus packets, and identification headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::audio::opus_packet(input));
