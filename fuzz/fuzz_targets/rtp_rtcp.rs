//! RTCP compounds.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::receiver::compound(input));
