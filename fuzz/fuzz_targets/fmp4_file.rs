//! MP4 files of others.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::fmp4::file(input));
