//! Where words go: results to standard output, everything else to standard error.
//!
//! A reader that has left is no error. That a result could not be written otherwise is: a part of a configuration must
//! not be taken for the whole.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::diagnostic::render::Colour;

/// Whether a result was not written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes a result.
pub fn result(text: impl AsRef<[u8]>) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_ref()).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Relaxed)
    {
        remark(format!("error: what was to be written is lost: {error}\n"));
    }
}

/// The status to end with: a failure where a result was not written.
pub fn end(status: ExitCode) -> ExitCode {
    if LOST.load(Relaxed) { ExitCode::FAILURE } else { status }
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
