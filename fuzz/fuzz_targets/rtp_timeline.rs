//! RTP timestamps and sender reports.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtp::timeline(input));
