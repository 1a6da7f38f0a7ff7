//! Any bytes behind a client's preface: no panic, bounded memory, and the same end however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::http2::Bare;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let whole = in_pieces(input, input.len().max(1));
    assert_eq!(whole, in_pieces(input, usize::from(piece).max(1)), "in pieces of {piece}");
});

/// Why it ended, if it did.
fn in_pieces(input: &[u8], piece: usize) -> Result<(), &'static str> {
    let mut bare = Bare::default();
    for part in input.chunks(piece) {
        bare.take(part)?;
        // Window updates, answers and resets are bounded by what came.
        assert!(bare.written().len() < 1 << 22);
    }
    Ok(())
}
