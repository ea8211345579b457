//! AMF0 values: of commands and metadata.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtmp::amf0(input));
