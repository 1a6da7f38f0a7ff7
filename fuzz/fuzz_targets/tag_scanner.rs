//! Any bytes as HTML in any pieces: what is rewritten of it is the same as in one piece, and without a tag nothing is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::filter::sample;

fuzz_target!(|data: &[u8]| {
    let Some((step, content)) = data.split_first() else { return };
    let whole = sample(content, content.len());
    let pieces = sample(content, usize::from(*step) + 1);
    assert!(whole == pieces, "pieces of {step}: {:?} and {:?}", whole.escape_ascii(), pieces.escape_ascii());
    if !content.contains(&b'<') {
        assert!(whole == content, "{:?}", whole.escape_ascii());
    }
});
