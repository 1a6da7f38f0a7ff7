//! Where words go: results to standard output, everything else to standard error.
//!
//! A reader that has left is no error, so failures to write are ignored.

use std::io::{self, IsTerminal, Write};

use crate::diagnostic::render::Colour;

/// Writes a result.
pub fn result(text: impl AsRef<[u8]>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
}

/// Writes a remark, in one piece.
pub fn remark(text: impl AsRef<[u8]>) {
    let _ = io::stderr().lock().write_all(text.as_ref());
}

/// Whether words there are coloured: on a terminal that shows colours, unless `NO_COLOR` is set (<https://no-color.org>).
pub fn colour(out: &impl IsTerminal) -> Colour {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    if out.is_terminal() && !unwanted { Colour::Always } else { Colour::Never }
}
