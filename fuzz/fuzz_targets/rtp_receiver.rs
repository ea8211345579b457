//! Packets of all kinds through a receiver.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::receiver::receiver(input));
