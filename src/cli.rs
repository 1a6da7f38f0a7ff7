//! The command line: one file per command, and the originals' own flags.

pub mod directives;

use std::process::ExitCode;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
