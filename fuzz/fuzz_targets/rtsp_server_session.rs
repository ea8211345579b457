//! What a client says to the server, however it is cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rtsp::server_session(input));
