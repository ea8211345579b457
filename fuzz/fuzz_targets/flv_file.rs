//! FLV files, however they are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::flv::file(input));
