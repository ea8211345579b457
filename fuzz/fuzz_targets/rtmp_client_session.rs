//! What an RTMP server may say to a client.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtmp::client_session(input));
