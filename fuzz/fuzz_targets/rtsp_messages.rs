//! Messages and frames of RTSP, however they are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtsp::messages(input));
