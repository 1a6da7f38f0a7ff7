//! Where words go: results to standard output, everything else to standard error.
//!
//! A reader that has left is no error, so failures to write are ignored.

use std::io::{self, Write};

/// Writes a result.
pub fn result(text: impl AsRef<[u8]>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
}

/// Writes a remark, in one piece.
pub fn remark(text: impl AsRef<[u8]>) {
    let _ = io::stderr().lock().write_all(text.as_ref());
}
