//! An event stream means the same however its bytes are cut.
#![no_main]

use campanile::client::sse::Parser;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = (usize::from(input.0).max(1), input.1);
    let whole = Parser::default().feed(bytes);
    let mut in_pieces = Parser::default();
    let pieces: Vec<_> = bytes.chunks(cut).flat_map(|piece| in_pieces.feed(piece)).collect();
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
});
