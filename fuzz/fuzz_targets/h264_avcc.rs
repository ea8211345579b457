//! Sequence headers and access units, length-prefixed and as byte stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::h264::avcc(input));
