//! `cargo fuzz run codec corpus/packets`
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mqtt_endpoint::fuzz::decode_any(bytes));
