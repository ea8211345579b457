//! Bodies of RTMP messages of every type.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtmp::messages(input));
