//! `triglot check FILE...`: everything there is to say about files, without serving them.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use crate::{
    cli::{accept, fix, load, say},
    diagnostic::{
        self, Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect::Dialect,
    engine::{self, Server},
    lint,
    raise::Shape,
    source::SourceMap,
};

/// How to look and what to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// How findings are written.
    pub format: Format,
    /// Whether they are coloured.
    pub colour: Colour,
    /// Whether warnings count as errors.
    pub strict: bool,
    /// Whether to list what is accepted without effect.
    pub list_inert: bool,
    /// What to do with corrections; `None` shows findings.
    pub fix: Option<Fixing>,
    /// A file of findings that are known.
    pub baseline: Option<PathBuf>,
    /// Where to write those that there are.
    pub write_baseline: Option<PathBuf>,
}

/// What to do with corrections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixing {
    /// Write them to the files.
    Write,
    /// Show them.
    Show,
}

/// Checks files, each for itself; one report for all.
pub fn run(requests: &[load::Request], options: &Options) -> ExitCode {
    let mut sources = SourceMap::new();
    let mut found = Vec::new();
    for request in requests {
        found.extend(look(&mut sources, request));
    }
    diagnostic::sort(&mut found);
    found = accept::by_comments(&sources, found);
    diagnostic::sort(&mut found);
    if let Some(path) = &options.write_baseline {
        return match accept::write(&sources, &found, path) {
            Ok(count) => {
                say::remark(format!("{}: {}\n", path.display(), counted(count, "finding")));
                ExitCode::SUCCESS
            }
            Err(error) => unusable("open", path, &error),
        };
    }
    if let Some(path) = &options.baseline {
        found = match accept::by_baseline(&sources, found, path) {
            Ok(left) => left,
            Err(error) => return unusable("read", path, &error),
        };
    }
    if let Some(how) = options.fix {
        return correct(&sources, &found, how);
    }
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

fn unusable(call: &str, path: &std::path::Path, error: &std::io::Error) -> ExitCode {
    say::remark(format!("error: {}\n", crate::cli::report::failed(call, path, error)));
    ExitCode::from(2)
}

/// Says what a code means.
pub fn explain(code: &str) -> ExitCode {
    if let Some(text) = lint::explain(code) {
        say::result(text);
        ExitCode::SUCCESS
    } else {
        let known = lint::ALL.iter().chain(lint::OWN).map(|lint| lint.code);
        let near = diagnostic::suggest::nearest(code, known);
        let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        say::remark(format!("error: there is no page on `{code}`{near}\n"));
        ExitCode::from(2)
    }
}

/// Corrects files, or shows how: success when nothing wrong is left that is known of.
fn correct(sources: &SourceMap, found: &[Diagnostic], how: Fixing) -> ExitCode {
    let mut failed = false;
    let fixed = fix::apply(sources, found);
    for file in &fixed {
        let path = file.path.display();
        match how {
            Fixing::Show => say::result(fix::diff(file)),
            Fixing::Write => match std::fs::write(&file.path, &file.after) {
                Ok(()) => say::remark(format!("{path}: corrected\n")),
                Err(error) => {
                    failed = true;
                    say::remark(format!(
                        "error: {}\n",
                        crate::cli::report::failed("open", &file.path, &error)
                    ));
                }
            },
        }
    }
    if fixed.is_empty() {
        say::remark("nothing to correct\n");
    }
    let left = found.iter().filter(|one| one.fixes.is_empty() && one.severity == Severity::Error).count();
    if left > 0 {
        say::remark(format!("{} left: see `triglot check`\n", counted(left, "error")));
    }
    if failed || left > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What nobody can say of a part of a configuration.
const OF_THE_WHOLE: [&str; 6] = [
    "allow-without-deny",
    "default-host-by-accident",
    "forwards-to-itself",
    "hsts-without-tls",
    "password-without-tls",
    "spoofed-host",
];

/// What something in a block that is not here may put right, or what may be meant by it.
const PUT_RIGHT_ELSEWHERE: [&str; 18] = [
    "administration-open",
    "allow-without-deny",
    "checkout-served",
    "connection-without-upgrade",
    "cookie-not-secure",
    "fields-lost",
    "hsts-without-tls",
    "listing-of-system",
    "password-without-tls",
    "shared-private-answers",
    "status-open",
    "upgrade-in-one-of-two",
    "upgrade-over-old-http",
    "upgrade-without-connection",
    "upstream-not-verified",
    "websocket-host-changed",
    "websocket-idle-timeout",
    "websocket-path-without-upgrade",
];

/// Takes out what files that are not here may put right, and says so where they are included.
fn leave_open(
    sources: &SourceMap,
    request: &load::Request,
    found: &mut [Diagnostic],
    legal: &mut Vec<Diagnostic>,
) {
    let Some((_, file)) = sources.files().next() else { return };
    let dialect = request.dialect.unwrap_or_else(|| Dialect::detect(&request.path, &file.text));
    for missing in found {
        let is_missing = missing.code.starts_with("include-") && missing.severity == Severity::Note;
        let Some(label) = missing.labels.first().filter(|_| is_missing) else { continue };
        let Some(around) = dialect.around(sources, label.span) else { continue };
        let mut open = Vec::new();
        legal.retain(|one| {
            let at = one.labels.first().map(|label| label.span);
            let inside = at.is_some_and(|at| {
                at.file == around.file && around.start <= at.start && at.start < around.end
            });
            let leave = inside && PUT_RIGHT_ELSEWHERE.contains(&one.code);
            if leave && !open.contains(&one.code) {
                open.push(one.code);
            }
            !leave
        });
        if !open.is_empty() {
            missing.notes.push(format!(
                "what is there may put this right around it, so it is not told: {}",
                open.join(", ")
            ));
        }
    }
}

/// Whether a file is a part of a configuration; a site of IIS is whole without its bindings, which are the server's.
fn is_part(sources: &SourceMap, request: &load::Request) -> bool {
    let Some((_, file)) = sources.files().next() else { return false };
    let dialect = request.dialect.unwrap_or_else(|| Dialect::detect(&request.path, &file.text));
    dialect.shape(&request.path, &file.text) != Shape::Whole
}

/// All findings on one file: of reading it and, where it belongs to this machine, of the names, certificates
/// and folders of logs that a start would need. Nothing is written or bound.
fn look(sources: &mut SourceMap, request: &load::Request) -> Vec<Diagnostic> {
    let lowered = load::lower(sources, request);
    let here = !request.options.offline;
    let options = engine::Options { strict_names: request.options.strict_names, ..Default::default() };
    let names = if here && lowered.sound { Server::look_up(&lowered.config, &options) } else { Vec::new() };
    let mut legal = if lowered.sound { lint::look(&lowered.config) } else { Vec::new() };
    if is_part(sources, request) {
        // What stands around it says who answers for other names, and over what.
        legal.retain(|one| !OF_THE_WHOLE.contains(&one.code));
    }
    let (ready, mut found) = load::compile(lowered);
    leave_open(sources, request, &mut found, &mut legal);
    // What cannot be run need not be told that it is odd.
    if !load::has_errors(&found) {
        found.extend(legal);
    }
    if let Some(ready) = ready.filter(|_| here) {
        found.extend(Server::look_over(&Arc::new(ready.plan)));
    }
    found.extend(names);
    found
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
    use crate::{dialect, source::Span};

    fn codes(text: &str, options: dialect::Options) -> Vec<String> {
        let folder = std::env::temp_dir().join(format!("triglot-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("nginx.conf");
        std::fs::write(&path, text).unwrap();
        let options = dialect::Options { prefix: folder.clone(), ..options };
        let request = load::Request { path, dialect: None, options, listen: None };
        let found = look(&mut SourceMap::new(), &request);
        std::fs::remove_dir_all(folder).unwrap();
        found.iter().map(|one| format!("{} {}", one.severity.name(), one.code)).collect()
    }

    #[test]
    fn what_a_start_would_need_is_looked_at() {
        let text = "events { }\nhttp {\n access_log no/such/folder;\n server {\n  listen 80;\n  \
                    location / { proxy_pass http://no-such-host.invalid; }\n }\n}\n";
        let options = dialect::Options::default;
        assert_eq!(codes(text, options()), ["error cannot-open-log", "warning unresolved-host"]);
        let strict = dialect::Options { strict_names: true, ..options() };
        assert_eq!(codes(text, strict), ["error cannot-open-log", "error unresolved-host"]);
        let offline = dialect::Options { offline: true, ..options() };
        assert_eq!(codes(text, offline), [""; 0]);
    }

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
