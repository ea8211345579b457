//! Names of streams in RTMP commands, and URLs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtmp::stream_target(input));
