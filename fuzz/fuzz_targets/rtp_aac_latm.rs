//! AAC in MP4A-LATM payloads.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::receiver::aac_latm(input));
