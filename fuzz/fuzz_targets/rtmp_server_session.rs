//! What an RTMP client may say to the server: publish, play, anything else.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtmp::server_session(input));
