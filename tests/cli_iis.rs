//! What people do with IIS by hand: its dialog for reverse proxies, its command line, the programs behind its handlers.

#[path = "apps_support/all.rs"]
mod support;

#[path = "cli_iis/dialog.rs"]
mod dialog;
#[path = "cli_iis/express.rs"]
mod express;
#[path = "cli_iis/handlers.rs"]
mod handlers;

use std::process::Command;

/// triglot with these arguments.
fn triglot(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    command.args(arguments);
    command
}
