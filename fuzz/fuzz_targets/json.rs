//! The JSON scanner agrees with a well-known parser on what is JSON, and breaks at nothing.
#![no_main]

use campanile::model::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let scanned = json::scan(text, 64);
    // What the scanner takes without a word, everybody takes.
    if let Ok(None) = scanned {
        assert!(serde_json::from_slice::<serde_json::Value>(text).is_ok());
    }
});
