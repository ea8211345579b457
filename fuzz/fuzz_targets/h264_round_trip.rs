//! Access units cut into RTP payloads and put together again.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtp::h264_round_trip(input));
