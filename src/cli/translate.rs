//! `triglot translate FILE --to DIALECT`: a configuration in the words of another server, and what is lost on the way.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    load::{self, Request},
    say,
};
use crate::{
    diagnostic::{
        self, Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect::Dialect,
    ir,
    raise::{Losses, Notes, Shape, outline},
    source::SourceMap,
};

/// How to translate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The language of the output.
    pub to: Dialect,
    /// Where it is written; standard output when not given.
    pub output: Option<PathBuf>,
    /// How losses are reported.
    pub format: Format,
    /// Whether nothing is written when something is lost.
    pub strict: bool,
}

/// What came of a translation.
#[derive(Debug)]
pub struct Translated {
    /// The files it was read from.
    pub sources: SourceMap,
    /// The text; none when the input cannot be read.
    pub text: Option<String>,
    /// The language of the input.
    pub from: Dialect,
    /// How much of a configuration it is.
    pub shape: Shape,
    /// What is lost, what is worth knowing, and what was wrong with the input.
    pub found: Vec<Diagnostic>,
}

impl Translated {
    /// Whether something is lost.
    pub fn is_lossy(&self) -> bool {
        self.found.iter().any(|one| one.severity == Severity::Warning)
    }

    /// Whether the input is wrong.
    pub fn is_wrong(&self) -> bool {
        self.text.is_none() || load::has_errors(&self.found)
    }
}

/// Translates a file: exit status 0 when nothing is lost, 3 when something is, 1 when the file is wrong.
pub fn run(request: &Request, options: &Options) -> ExitCode {
    let Options { to, output, format, strict } = options;
    let done = translate(request, *to);
    let colour = if *format == Format::Human { say::colour(&std::io::stderr()) } else { Colour::Never };
    say::remark(render(&done.sources, &done.found, *format, colour));
    let wrong = done.is_wrong();
    let lossy = done.is_lossy();
    let Some(text) = done.text.filter(|_| !wrong) else { return ExitCode::FAILURE };
    if lossy && *strict {
        if *format == Format::Human {
            say::remark("nothing is written: something would be lost\n".to_owned());
        }
        return ExitCode::from(3);
    }
    match output {
        None => say::result(text),
        Some(path) => {
            let path =
                if path.is_dir() { path.join(file_name(*to, &text, &request.path)) } else { path.clone() };
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let written =
                parent.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
            if let Err(error) = written {
                say::remark(format!("error: {}\n", super::report::failed("write", &path, &error)));
                return ExitCode::FAILURE;
            }
        }
    }
    if lossy { ExitCode::from(3) } else { ExitCode::SUCCESS }
}

/// The name of an output in a folder.
fn file_name(to: Dialect, text: &str, input: &Path) -> String {
    let stem =
        input.file_stem().map_or_else(|| "site".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let stem = if stem == "-" || stem.starts_with('.') || stem.eq_ignore_ascii_case("web") {
        "site".to_owned()
    } else {
        stem
    };
    match to {
        Dialect::Iis if text.contains("<system.applicationHost>") => "applicationHost.config".to_owned(),
        Dialect::Iis => "web.config".to_owned(),
        Dialect::Nginx | Dialect::Apache => format!("{stem}.conf"),
    }
}

/// Translates a file.
pub fn translate(request: &Request, to: Dialect) -> Translated {
    let mut sources = SourceMap::new();
    let offline = crate::dialect::Options { offline: true, ..request.options.clone() };
    let request = Request { options: offline, ..request.clone() };
    let from = match request.dialect {
        Some(dialect) => dialect,
        None => match load::detect(&mut sources, &request.path) {
            Ok(dialect) => dialect,
            Err(fault) => {
                let found = vec![fault];
                return Translated { sources, text: None, from: to, shape: Shape::Whole, found };
            }
        },
    };
    let request = Request { dialect: Some(from), ..request };
    let lowered = load::lower(&mut sources, &request);
    let wrong = load::has_errors(&lowered.found) || !lowered.sound;
    let shape =
        sources.files().next().map_or(Shape::Whole, |(_, file)| from.shape(&request.path, &file.text));
    let mut found: Vec<Diagnostic> = lowered.found;
    if wrong {
        diagnostic::sort(&mut found);
        return Translated { sources, text: None, from, shape, found };
    }
    let (text, losses) = print(from, to, &lowered.config, &sources, shape, &request);
    // What has no effect here is not in the output either.
    for one in &mut found {
        match one.code {
            "inert-directive" | "listen-added" | "htaccess-alone" => one.severity = Severity::Note,
            "not-yet-honoured" | "not-honoured" => {}
            _ if one.severity == Severity::Warning && !one.code.starts_with("refused") => {
                one.severity = Severity::Note
            }
            _ => {}
        }
    }
    found.extend(losses.findings());
    diagnostic::sort(&mut found);
    Translated { sources, text: Some(text), from, shape, found }
}

/// Raises and prints a configuration.
pub fn print(
    from: Dialect,
    to: Dialect,
    config: &ir::Config,
    sources: &SourceMap,
    shape: Shape,
    request: &Request,
) -> (String, Losses) {
    let plain = plain(from, request);
    let notes = Notes::new(sources).with_names(from.setting_names());
    let mut losses = Losses::default();
    let outline = outline(config, plain.as_ref(), &notes, &mut losses);
    let text = to.render(&outline, &notes, &mut losses, shape);
    (text, losses)
}

/// What an empty configuration means, in languages that write defaults into programs.
fn plain(from: Dialect, request: &Request) -> Option<ir::Config> {
    if from != Dialect::Iis {
        return None;
    }
    let mut sources = SourceMap::new();
    let name = if request.path.is_dir() { request.path.join("web.config") } else { request.path.clone() };
    sources.add(name.clone(), b"<configuration><system.webServer/></configuration>".to_vec());
    Some(from.read(&mut sources, &name, &request.options).config)
}
