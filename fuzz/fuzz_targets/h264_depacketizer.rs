//! RTP payloads of H.264 with losses, duplicates and wrong markers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtp::h264_depacketizer(input));
