//! `triglot iis ...`: what IIS Manager does with dialogs.

use std::process::ExitCode;

use clap::Subcommand;

pub mod reverse_proxy;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write what the dialog "Add Reverse Proxy Rules" writes; asks its questions when run without arguments
    ReverseProxy(reverse_proxy::Arguments),
}

impl Command {
    /// Does it.
    pub fn run(self) -> ExitCode {
        match self {
            Self::ReverseProxy(arguments) => reverse_proxy::run(arguments),
        }
    }
}
