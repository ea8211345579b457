//! AAC in MPEG4-GENERIC payloads.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::receiver::aac_generic(input));
