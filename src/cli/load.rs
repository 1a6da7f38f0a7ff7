//! From a file to a plan: the one way in, for every command.
//!
//! Load, mend, check and lower (`dialect`), validate (`ir`), compile (`plan`).
//! All findings of all steps are collected, so that one run shows everything.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cli::{files::Files, report},
    diagnostic::{self, Diagnostic, Severity},
    dialect::{Dialect, Meaning, Options},
    ir::{self, Address, local::Provider},
    plan::{self, Plan},
    source::SourceMap,
};

/// A configuration to read, and read again at a reload.
#[derive(Clone, Debug)]
pub struct Request {
    /// The main file.
    pub path: PathBuf,
    /// Its language; `None` to recognise it.
    pub dialect: Option<Dialect>,
    /// How to read it.
    pub options: Options,
    /// The address to accept on instead of the one in the file.
    pub listen: Option<Address>,
}

/// What was read.
#[derive(Debug)]
pub struct Lowered {
    /// What it means, as far as it could be understood.
    pub config: ir::Config,
    /// Who reads what directories bring, where any can.
    pub provider: Option<Arc<dyn Provider>>,
    /// What there is to say about it.
    pub found: Vec<Diagnostic>,
    /// Whether it can be compiled.
    pub sound: bool,
}

/// What is ready to be served.
#[derive(Debug)]
pub struct Ready {
    /// The plan.
    pub plan: Plan,
    /// The files that belong to it.
    pub files: Files,
}

/// Reads and lowers a file, and checks the result.
pub fn lower(sources: &mut SourceMap, request: &Request) -> Lowered {
    let Request { path, dialect, options, listen } = request;
    let known = dialect.map_or_else(|| detect(sources, path), |dialect| Ok((dialect, None)));
    let Meaning { mut config, provider, mut found } = match known {
        Ok((dialect, assumed)) => {
            let mut meaning = dialect.read(sources, path, options);
            meaning.found.extend(assumed);
            meaning
        }
        Err(fault) => {
            let config = ir::Config::default();
            return Lowered { config, provider: None, found: vec![fault], sound: false };
        }
    };
    if let Some(address) = listen {
        found.extend(listen_on(&mut config, address));
    }
    let unsound = ir::validate(&config);
    let sound = !has_errors(&unsound);
    if !has_errors(&found) {
        // What is broken only because something else is needs no word of its own.
        found.extend(unsound);
    }
    Lowered { config, provider, found, sound }
}

/// Reads, lowers and compiles a file; there is a plan only when nothing is wrong.
pub fn plan(sources: &mut SourceMap, request: &Request) -> (Option<Ready>, Vec<Diagnostic>) {
    let lowered = lower(sources, request);
    let (mut ready, found) = compile(lowered);
    if let Some(ready) = &mut ready {
        ready.plan.sources = Some(Arc::new(sources.clone()));
    }
    (ready, found)
}

/// Compiles what was read; there is a plan only when nothing is wrong.
pub fn compile(lowered: Lowered) -> (Option<Ready>, Vec<Diagnostic>) {
    let Lowered { config, provider, mut found, sound } = lowered;
    let mut ready = None;
    if sound {
        let files = Files::of(&config);
        // Also when there are errors already: wrong patterns are found only here.
        match plan::compile(config) {
            Ok(mut plan) => {
                plan.provider = provider;
                ready = Some(Ready { plan, files });
            }
            Err(faults) => found.extend(faults),
        }
    }
    diagnostic::sort(&mut found);
    (ready.filter(|_| !has_errors(&found)), found)
}

/// Whether anything stops the configuration from being served.
pub fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|found| found.severity == Severity::Error)
}

/// Puts one address in the place of the configuration's only one.
fn listen_on(config: &mut ir::Config, address: &Address) -> Option<Diagnostic> {
    if let [listener] = config.listeners.as_mut_slice() {
        listener.address.clone_from(address);
        return None;
    }
    let message =
        format!("--listen needs a configuration with one address; this one has {}", config.listeners.len());
    let mut found = Diagnostic::new(Severity::Error, "listen-ambiguous", message);
    for listener in &config.listeners {
        found = found.label(listener.span, "");
    }
    Some(found)
}

/// The note that says which language was assumed, why, and how to name another.
fn assumed(path: &Path, text: &[u8], dialect: Dialect) -> Diagnostic {
    let why = if text.trim_ascii().is_empty() {
        "it is empty"
    } else if text.contains(&0) {
        "it is no text"
    } else {
        "neither its name nor a line of it speaks for a language"
    };
    let message = format!("{} is read as a file of {}: {why}", path.display(), dialect.name());
    let names: Vec<&str> = Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
    Diagnostic::new(Severity::Note, ASSUMED, message)
        .help(format!("`--dialect NAME` says which it is (`translate --from NAME`): {}", names.join(", ")))
}

/// The code of the note that a language was only assumed.
pub const ASSUMED: &str = "language-assumed";

/// The language of a file, with a note where nothing in it speaks for one. It is read into the map, from which reading
/// takes it: a pipe can be read once.
pub fn detect(sources: &mut SourceMap, path: &Path) -> Result<(Dialect, Option<Diagnostic>), Diagnostic> {
    if path.is_dir() {
        let message = || format!("{} is a folder, and none of its files is a main one", path.display());
        let help = "name the file; looked for are apache2.conf, httpd.conf, nginx.conf and web.config";
        return Dialect::of_folder(path)
            .map(|dialect| (dialect, None))
            .ok_or_else(|| Diagnostic::new(Severity::Error, "unreadable-file", message()).help(help));
    }
    match sources.read(path) {
        Ok(file) => {
            let text = &sources.file(file).text;
            let dialect = Dialect::detect(path, text);
            Ok((dialect, (!Dialect::is_recognised(path, text)).then(|| assumed(path, text, dialect))))
        }
        Err(error) => {
            Err(Diagnostic::new(Severity::Error, "unreadable-file", report::failed("open", path, &error)))
        }
    }
}
