//! `triglot ir FILE`: what a configuration means, as text or as JSON.

use std::process::ExitCode;

use super::{
    load::{self, Lowered, Request},
    say,
};
use crate::{
    diagnostic::{
        self, Severity,
        render::{Colour, Format, render},
    },
    ir,
    source::SourceMap,
};

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// As JSON.
    pub json: bool,
    /// With the settings in force where nothing is written.
    pub base: bool,
}

/// Prints the configuration; errors are no reason to show nothing, but they are shown and counted.
pub fn run(request: &Request, options: Options) -> ExitCode {
    let mut sources = SourceMap::new();
    let Lowered { mut config, mut found, .. } = load::lower(&mut sources, request);
    diagnostic::sort(&mut found);
    found.retain(|one| one.severity > Severity::Note);
    say::remark(render(&sources, &found, Format::Human, Colour::Never));
    if options.json {
        if !options.base {
            config.base = ir::Settings::default();
            config.reasons.clear();
            config.pages.clear();
        }
        match serde_json::to_string_pretty(&config) {
            Ok(text) => say::result(text + "\n"),
            Err(error) => {
                say::remark(format!("error: {error}\n"));
                return ExitCode::FAILURE;
            }
        }
    } else {
        say::result(if options.base { ir::print_base(&config) } else { ir::print(&config) });
    }
    if load::has_errors(&found) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
