//! Any text is a schema or is refused, and data is checked against it within a budget.
#![no_main]

use campanile::model::{CheckBudget, DataSchema, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let Ok(schema) = DataSchema::parse(input.0) else { return };
    if matches!(json::scan(input.1, 64), Ok(None)) {
        schema.check(input.1, &mut CheckBudget::default());
        schema.without_secrets(input.1);
    }
});
