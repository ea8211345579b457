//! FLV tags, which are also the audio, video and data messages of RTMP publishers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::flv::tags(input));
