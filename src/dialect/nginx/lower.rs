//! From the syntax tree to the IR: what an nginx.conf means.
//!
//! One file per topic, each ending in its `TABLE` of directives. A directive
//! that stands in no table goes by its catalogue row (a plain value to a
//! setting) or has no meaning here (inert or refused, which the check says).
//!
//! Every block of nginx that has settings of its own is a [`Level`]: `http`,
//! `server`, `location`, `if`, `limit_except`. A level holds only what is
//! written in it; the IR's scopes lie over each other as the levels do. Within
//! a level nginx takes directives in this order, whatever their order in the
//! file, and so do we:
//!
//! 1. everything in [`TABLES`] and the catalogue: settings, and at `http`
//!    also `upstream`, `map`, `log_format`;
//! 2. [`SETTLE`]: what becomes a setting only when the whole level is known,
//!    from the level's own lists and those in [`Inherited`];
//! 3. the rewrite module's program in file order, with `if` levels inside;
//! 4. nested levels: `server`, `location`, `limit_except`.
//!
//! [`Inherited`] is what a level hands down beside its settings: a nested
//! level starts with a clone of its parent's, made after step 2. What a
//! lowering function wants to remember about its level goes there or, if it is
//! not handed down, into [`Own`].
//!
//! Words become values by [`text`], [`template`], [`regex`] and
//! `super::values`. Findings go to [`Cx::report`]; a function that finds
//! something wrong reports it and leaves the setting alone.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::OnceLock,
};

use super::{
    tree::{Directive, Item, Items, Word, directives},
    values,
    vars::{self, Builtin, Definable, Vars},
};
pub use crate::catalogue::Level as Kind;
use crate::{
    catalogue::{self, Alt, Found},
    diagnostic::{Diagnostic, Severity, suggest},
    ir::{
        self, ClusterId, Part, Register, Text, Var, VarId, VarKind,
        settings::{LogFormat, Value},
    },
    source::{SourceMap, Span},
};

mod access;
mod client;
mod declare;
pub(super) mod defaults;
mod errors;
mod geo;
mod headers;
mod listen;
mod location;
mod logs;
mod map;
mod names;
mod pages;
mod process;
mod proxy;
mod rewrite;
mod server;
mod split_clients;
mod static_files;
mod status;
mod tls;
mod try_files;
mod upstream;
mod uwsgi;
mod word;

pub(super) use word::{regex, template, template_part, text};

/// A directive's meaning: changes the level or the configuration.
type Lower = fn(&mut Cx, &mut Level, &Directive);

/// What is done when all settings of a level are read.
type Settle = fn(&mut Cx, &mut Level);

/// The directives of step 1, by topic.
const TABLES: &[&[(&str, Lower)]] = &[
    access::TABLE,
    client::TABLE,
    errors::TABLE,
    geo::TABLE,
    headers::TABLE,
    listen::TABLE,
    location::TABLE,
    logs::TABLE,
    map::TABLE,
    names::TABLE,
    process::TABLE,
    proxy::TABLE,
    split_clients::TABLE,
    static_files::TABLE,
    status::TABLE,
    tls::TABLE,
    try_files::TABLE,
    upstream::TABLE,
    uwsgi::TABLE,
];

/// Step 2, in order.
const SETTLE: &[Settle] = &[];

/// nginx has one set of captures per request, whoever matched.
pub(super) const CAPTURES: Register = Register('L');

/// How to lower.
#[derive(Clone, Debug)]
pub struct Options {
    /// What relative paths of the server are relative to (`-p`).
    pub prefix: PathBuf,
    /// What relative paths of configuration and key files are relative to: the directory of nginx.conf.
    pub conf_prefix: PathBuf,
    /// Whether only the text counts: no file, name or account is looked up, and what would need one is a note.
    pub offline: bool,
    /// Whether upstream names that do not resolve are errors.
    pub strict_names: bool,
    /// Whether the server runs as root: without `listen` it takes port 80, else 8000.
    pub root: bool,
    /// What `Server` and our own pages say: `nginx/1.22.1`.
    pub token: String,
    /// Where the text stands in a whole configuration; a fragment may begin in `http` or `server`.
    pub level: Kind,
}

/// What the whole lowering works on.
pub(super) struct Cx<'a> {
    /// What comes out.
    pub(super) config: ir::Config,
    /// The files, for exact places.
    pub(super) sources: &'a SourceMap,
    /// How to lower.
    pub(super) options: &'a Options,
    /// Variables by name.
    pub(super) vars: Vars,
    /// Clusters by the name of their `upstream`, or by authority.
    pub(super) clusters: HashMap<Vec<u8>, ClusterId>,
    /// Log formats by name.
    pub(super) formats: HashMap<Vec<u8>, LogFormat>,
    /// The named locations of the server at hand, with the `@`.
    pub(super) named: HashSet<Vec<u8>>,
    /// Whether the server at hand may come to paths that do not begin with a slash.
    odd_paths: bool,
    /// Whether a named location of the server at hand may search a location again.
    enters_locate: bool,
    /// Whether `rewrite_log` is on anywhere.
    traces: bool,
    /// Listeners by address.
    sockets: listen::Sockets,
    /// The names of each host.
    names: Vec<Vec<names::Name>>,
    diagnostics: Vec<Diagnostic>,
}

/// One block with settings of its own.
pub(super) struct Level {
    /// What kind of block.
    pub(super) kind: Kind,
    /// The location it is, or that it stands in.
    pub(super) place: Place,
    /// The settings written in it.
    pub(super) set: ir::Settings,
    /// What it got from the level around it, and hands down.
    pub(super) inherited: Inherited,
    /// What it remembers for itself.
    pub(super) own: Own,
    /// Where it was written: from its name to its last argument.
    pub(super) span: Span,
    seen: HashSet<Vec<u8>>,
}

/// Which location a level is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// None: `http`, `server`.
    #[default]
    Outside,
    /// `location /p` or `location ^~ /p`
    Prefix(Text),
    /// `location = /p`
    Exact(Text),
    /// `location ~ re`, `location ~* re`: the text of the pattern.
    Regex(Text),
    /// `location @name`, the `@` included.
    Named(Text),
}

/// What a level hands down beside its settings. Lists are as nginx inherits them, before defaults are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Inherited {
    /// TLS of the host, as written so far.
    pub(super) tls: ir::HostTls,
    /// Whether the location is closed to requests from outside: nested locations are, too.
    pub(super) internal: bool,
    /// Who answers.
    pub(super) answers: Answers,
    /// Whether the level or one around it has a `try_files`, which is not inherited.
    pub(super) prepares: bool,
    /// The path that the `alias` in force stands for.
    pub(super) cut: Option<Text>,
}

/// Who answers at a level, as far as levels inside it need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answers {
    /// Files.
    #[default]
    Files,
    /// An upstream: inherited by `if` and `limit_except`.
    Upstream,
    /// A handler of our own: inherited by `if`.
    Reply,
}

/// What a level remembers until it is settled.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The rewrite program.
    program: rewrite::Program,
    /// The locations in it.
    locations: location::Locations,
    /// The addresses of a server.
    listens: Vec<listen::Listen>,
    /// The names of a server.
    names: names::Names,
    /// The methods that `limit_except` leaves alone, and the block of all others.
    limited: Option<(Vec<ir::Name>, ir::Block)>,
}

/// Lowers a whole configuration, or a fragment that begins at `options.level`.
///
/// Whatever is wrong is in the diagnostics; what could be understood is in the configuration.
pub fn lower(items: &Items, sources: &SourceMap, options: &Options) -> (ir::Config, Vec<Diagnostic>) {
    let mut cx = Cx::new(sources, options);
    cx.declare(items);
    let root = Level::root();
    match options.level {
        Kind::Main => {
            Level::new(Kind::Main, Span::NONE, &root).fill(&mut cx, items);
            process::require_events(&mut cx, items);
        }
        Kind::Http => http(&mut cx, &root, items, Span::NONE),
        Kind::Server => {
            let http = Level::new(Kind::Http, Span::NONE, &root);
            server::lower(&mut cx, &http, items, Span::NONE);
        }
        Kind::Location | Kind::If | Kind::LimitExcept => {
            let http = Level::new(Kind::Http, Span::NONE, &root);
            server::lower_location_alone(&mut cx, &http, items);
        }
        // What stands in no http block has no part in the configuration.
        _ => {}
    }
    cx.finish();
    (cx.config, cx.diagnostics)
}

/// An `http` block.
fn http(cx: &mut Cx, outer: &Level, items: &[Item], span: Span) {
    let mut level = Level::new(Kind::Http, span, outer);
    level.fill(cx, items);
    cx.config.common = std::mem::take(&mut level.set);
}

/// Whether a directive begins a level.
fn is_nested(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Main => name == "http",
        Kind::Http => name == "server",
        Kind::Server => name == "location",
        Kind::Location => matches!(name, "location" | "limit_except"),
        _ => false,
    }
}

/// Lowers a block that begins a level.
fn nested(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    match (level.kind, directive.name()) {
        (Kind::Main, "http") => http(cx, level, directive.block(), directive.head()),
        (Kind::Http, "server") => server::lower(cx, level, directive.block(), directive.head()),
        (Kind::Server | Kind::Location, "location") => location::lower(cx, level, directive),
        (Kind::Location, "limit_except") => location::limit_except(cx, level, directive),
        _ => {}
    }
}

/// The function for a name.
fn lowering(name: &str) -> Option<Lower> {
    static BY_NAME: OnceLock<HashMap<&'static str, Lower>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| TABLES.iter().flat_map(|table| table.iter().copied()).collect());
    by_name.get(name).copied()
}

/// A directive without a function: its plain value goes to the setting that the catalogue names.
///
/// A value that is none is left alone; the check has spoken of it.
fn scalar(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Found::Row(row) = catalogue::nginx().find(directive.name(), level.kind) else { return };
    let (Some(setting), [word]) = (&row.setting, directive.args.as_slice()) else { return };
    let Some([[Alt::Value(expected)]]) = row.args.places(1).as_deref() else { return };
    if let Some(value) = value(cx, word, *expected) {
        level.set.set(setting, &value);
    }
}

/// A word as the catalogue wants it.
fn value(cx: &mut Cx, word: &Word, expected: catalogue::Value) -> Option<Value> {
    if expected.variables {
        return Some(Value::Template(template(cx, word)));
    }
    let text = word.value.as_slice();
    match expected.kind {
        catalogue::Kind::Flag => values::flag(text).ok().map(Value::Flag),
        catalogue::Kind::Number => values::number(text).ok().map(Value::Count),
        catalogue::Kind::Size => values::size(text).ok().map(Value::Bytes),
        catalogue::Kind::Offset => values::offset(text).ok().map(Value::Bytes),
        catalogue::Kind::Time => values::time(text).ok().map(Value::Time),
        catalogue::Kind::Seconds => values::seconds(text).ok().map(Value::Time),
        catalogue::Kind::String => Some(Value::Text(text.into())),
    }
}

impl<'a> Cx<'a> {
    fn new(sources: &'a SourceMap, options: &'a Options) -> Self {
        let mut config = ir::Config {
            process: defaults::process(options),
            base: defaults::settings(options),
            ..ir::Config::default()
        };
        pages::provide(&mut config);
        Self {
            config,
            sources,
            options,
            vars: Vars::default(),
            clusters: HashMap::new(),
            formats: HashMap::from([(b"combined".to_vec(), defaults::combined())]),
            named: HashSet::new(),
            odd_paths: false,
            enters_locate: false,
            traces: false,
            sockets: listen::Sockets::default(),
            names: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// What can be said only when everything is read.
    fn finish(&mut self) {
        let names = std::mem::take(&mut self.names);
        listen::take_names(self, &names);
        listen::require_certificates(self);
        let undefined: Vec<(String, Vec<Span>)> = self
            .vars
            .undefined()
            .map(|(name, used)| (String::from_utf8_lossy(name).into_owned(), used.to_vec()))
            .collect();
        let defined: Vec<String> =
            self.vars.defined().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let severity = if self.options.offline { Severity::Note } else { Severity::Error };
        for (name, used) in undefined {
            let Some((&first, others)) = used.split_first() else { continue };
            let mut finding =
                Diagnostic::new(severity, "unknown-variable", format!("unknown variable `${name}`"))
                    .label(first, "nothing defines it");
            for other in others {
                finding = finding.label(*other, "used here too");
            }
            let known = defined.iter().map(String::as_str);
            let candidates = known.chain(vars::names());
            if let Some(meant) = suggest::nearest(&name, candidates) {
                finding = finding.help(format!("did you mean `${meant}`?"));
            }
            self.report(finding);
        }
    }

    /// Adds a finding.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// An error at `span`.
    pub(super) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(code, span, message));
    }

    /// A warning at `span`.
    pub(super) fn warn(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::warning(code, span, message));
    }

    /// What is an error with the whole configuration at hand and a note without.
    pub(super) fn missing(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        let severity = if self.options.offline { Severity::Note } else { Severity::Error };
        self.report(Diagnostic::new(severity, code, message).label(span, ""));
    }

    /// What `$name` stands for; `None`, after a report, when it stands for nothing.
    pub(super) fn variable(&mut self, name: &[u8], span: Span) -> Option<Part> {
        let name = name.to_ascii_lowercase();
        if !self.vars.is_shadowed(&name) {
            match vars::builtin(&name, &self.options.token) {
                Some(Builtin::Value(template)) => return template.0.into_iter().next(),
                Some(Builtin::Refused(module)) => {
                    let message = format!("`${}` is not yet honoured", String::from_utf8_lossy(&name));
                    self.report(
                        Diagnostic::error("refused-variable", span, message)
                            .because(format!("a variable of {module}")),
                    );
                    return None;
                }
                None => {}
            }
        }
        let entry = self.entry(name, span);
        entry.used.push(span);
        Some(Part::Var(entry.id))
    }

    /// The variable `name`, which `span` defines; `None`, after a report, when it may not be defined.
    pub(super) fn define(&mut self, name: &[u8], span: Span) -> Option<VarId> {
        let name = name.to_ascii_lowercase();
        match vars::definable(&name) {
            Definable::Free => {}
            Definable::Query | Definable::LimitRate | Definable::Taken => {
                let message = format!("`${}` is the server's own", String::from_utf8_lossy(&name));
                self.report(
                    Diagnostic::error("duplicate-variable", span, message)
                        .because("this name cannot be given another meaning"),
                );
                return None;
            }
        }
        let entry = self.entry(name, span);
        entry.defined = true;
        Some(entry.id)
    }

    fn entry(&mut self, name: Vec<u8>, span: Span) -> &mut vars::Entry {
        if self.vars.get_mut(&name).is_none() {
            let id = VarId(self.config.vars.len() as u32);
            self.config.vars.push(Var { name: name.as_slice().into(), kind: VarKind::Assigned, span });
            self.vars.insert(name.clone(), vars::Entry { id, defined: false, used: Vec::new() });
        }
        self.vars.get_mut(&name).expect("inserted above")
    }

    /// A path as the server takes it: relative to the prefix.
    pub(super) fn path(&self, path: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.options.prefix.join(std::ffi::OsStr::from_bytes(path))
    }

    /// A path of a configuration, certificate or password file: relative to the directory of nginx.conf.
    pub(super) fn conf_path(&self, path: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.options.conf_prefix.join(std::ffi::OsStr::from_bytes(path))
    }
}

impl Level {
    /// A level inside `outer`.
    fn new(kind: Kind, span: Span, outer: &Self) -> Self {
        Self {
            kind,
            place: outer.place.clone(),
            set: ir::Settings::default(),
            inherited: outer.inherited.clone(),
            own: Own::default(),
            span,
            seen: HashSet::new(),
        }
    }

    /// The level around everything.
    fn root() -> Self {
        Self {
            kind: Kind::Main,
            place: Place::default(),
            set: ir::Settings::default(),
            inherited: Inherited::default(),
            own: Own::default(),
            span: Span::NONE,
            seen: HashSet::new(),
        }
    }

    /// Lowers what stands in the level, in the four steps.
    fn fill(&mut self, cx: &mut Cx, items: &[Item]) {
        for directive in directives(items) {
            if rewrite::is_step(self.kind, directive.name()) || is_nested(self.kind, directive.name()) {
                continue;
            }
            match lowering(directive.name()) {
                Some(lower) => lower(cx, self, directive),
                None => scalar(cx, self, directive),
            }
        }
        for settle in SETTLE {
            settle(cx, self);
        }
        try_files::settle(self);
        location::settle_handler(self);
        rewrite::program(cx, self, items);
        for directive in directives(items) {
            nested(cx, self, directive);
        }
    }

    /// Whether this is the first time that `name` is asked for at this level: an array's first entry
    /// throws the inherited array away.
    pub(super) fn first(&mut self, name: &str) -> bool {
        self.seen.insert(name.as_bytes().to_vec())
    }

    /// Whether `first` was asked for `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.seen.contains(name.as_bytes())
    }
}

#[cfg(test)]
mod tests;
