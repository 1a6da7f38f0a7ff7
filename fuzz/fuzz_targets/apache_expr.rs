//! Any bytes as an expression and as a text with expressions in it: no panic, and errors lie in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::dialect::apache::expr;

fuzz_target!(|data: &[u8]| {
    for wrong in [expr::condition(data).err(), expr::text(data).err()].into_iter().flatten() {
        assert!(wrong.at <= data.len(), "{wrong:?}");
        assert!(!wrong.message.is_empty());
    }
});
