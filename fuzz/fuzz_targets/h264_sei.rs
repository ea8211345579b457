//! SEI messages, found and written.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::h264::user_data(input));
