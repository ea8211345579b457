//! The chunk stream, however it is cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtmp::chunks(input));
