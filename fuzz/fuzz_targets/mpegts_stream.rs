//! Transport streams of others, however they are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::mpegts::stream(input));
