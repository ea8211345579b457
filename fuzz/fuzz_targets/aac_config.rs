//! AudioSpecificConfig and ADTS headers: of publishers over RTMP, of files.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::audio::aac_config(input));
