//! `cargo fuzz run endpoint corpus/packets`
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mqtt_endpoint::fuzz::drive_session(bytes));
