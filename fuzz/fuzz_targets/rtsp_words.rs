//! What stands in headers and URLs of RTSP.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtsp::words(input));
