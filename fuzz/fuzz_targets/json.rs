//! The JSON scanner agrees with a well-known parser on what is JSON, and breaks at nothing.
#![no_main]

use campanile::model::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let scanned = json::scan(text, 64);
    // What the scanner takes without a word, everybody takes. Numbers may be of any size: they are kept as they are
    // written, and nobody has to find room for them.
    if let Ok(None) = scanned {
        let text = std::str::from_utf8(text).expect("JSON is UTF-8");
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    }
});
