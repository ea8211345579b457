//! What a camera says to its client.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtsp::client_session(input));
