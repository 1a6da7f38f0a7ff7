//! `triglot check FILE...`: everything there is to say about files, without serving them.

use std::process::ExitCode;

use crate::{
    cli::{load, say},
    diagnostic::{
        self, Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    source::SourceMap,
};

/// How to look and what to show.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How findings are written.
    pub format: Format,
    /// Whether they are coloured.
    pub colour: Colour,
    /// Whether warnings count as errors.
    pub strict: bool,
    /// Whether to list what is accepted without effect.
    pub list_inert: bool,
}

/// Checks files, each for itself; one report for all.
pub fn run(requests: &[load::Request], options: Options) -> ExitCode {
    let mut sources = SourceMap::new();
    let mut found = Vec::new();
    for request in requests {
        found.extend(load::plan(&mut sources, request).1);
    }
    diagnostic::sort(&mut found);
    if options.strict {
        for one in found.iter_mut().filter(|one| one.severity == Severity::Warning) {
            one.severity = Severity::Error;
        }
    }
    let failed = load::has_errors(&found);
    if !options.list_inert {
        found.retain(|one| one.code != "inert-directive");
    }
    say::result(render(&sources, &found, options.format, options.colour));
    if options.format == Format::Human {
        say::remark(summary(&found, requests.len()));
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// How many of each kind, in a sentence.
fn summary(found: &[Diagnostic], files: usize) -> String {
    let checked = counted(files, "file");
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .filter_map(|severity| {
            let number = found.iter().filter(|one| one.severity == severity).count();
            (number > 0).then(|| counted(number, severity.name()))
        })
        .collect();
    if parts.is_empty() {
        format!("{checked} checked: nothing wrong\n")
    } else {
        format!("\n{checked} checked: {}\n", parts.join(", "))
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary(&[], 1), "1 file checked: nothing wrong\n");
        let found = [
            Diagnostic::error("a", Span::NONE, "a"),
            Diagnostic::error("b", Span::NONE, "b"),
            Diagnostic::warning("c", Span::NONE, "c"),
        ];
        assert_eq!(summary(&found, 2), "\n2 files checked: 2 errors, 1 warning\n");
    }
}
