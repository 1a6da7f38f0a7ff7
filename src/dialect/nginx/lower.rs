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
    tree::{Directive, Item, Items, directives},
    vars::{self, Builtin, Definable, Vars},
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{self, ClusterId, Part, Register, Step, Text, Var, VarId, VarKind, settings::LogFormat},
    source::{SourceMap, Span},
};

mod access;
mod address;
mod charset;
mod client;
pub(super) mod defaults;
mod errors;
mod gateway;
mod headers;
mod logs;
mod parameter;
mod proxy;
mod resolver;
mod static_files;
mod tls;
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
    charset::TABLE,
    client::TABLE,
    errors::TABLE,
    headers::TABLE,
    logs::TABLE,
    proxy::TABLE,
    resolver::TABLE,
    static_files::TABLE,
    tls::TABLE,
    upstream::TABLE,
    uwsgi::TABLE,
];

/// Step 2, in order.
const SETTLE: &[Settle] = &[headers::settle, gateway::settle, proxy::settle, tls::settle, upstream::settle];

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

/// The kinds of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Outside all blocks.
    Main,
    /// `http`
    Http,
    /// `server`
    Server,
    /// `location`
    Location,
    /// `if`, in a server or a location
    If,
    /// `limit_except`
    LimitExcept,
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
    /// How the lines of log files are collected, by path.
    log_buffers: HashMap<Vec<u8>, logs::Buffered>,
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
    /// The rewrite program.
    pub(super) program: Vec<(Step, Span)>,
    /// The block, from its name to its closing brace.
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
    /// The same in pieces.
    tls_written: tls::Written,
    /// What is added to responses.
    added: headers::Added,
    /// What `proxy_*` and `uwsgi_*` lists are made of.
    http: gateway::Pieces,
    uwsgi: gateway::Pieces,
    /// How fields of an upstream's response are mapped.
    mappings: proxy::Mappings,
    /// What TLS towards upstreams has.
    proxy_keys: proxy::Keys,
}

/// What a level remembers until it is settled.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Its `proxy_pass`.
    pass: Option<proxy::Pass>,
    /// Its `proxy_set_header` fields.
    request_fields: Vec<(ir::Name, ir::Template)>,
}

/// Lowers a whole configuration, or a fragment that begins at `options.level`.
///
/// Whatever is wrong is in the diagnostics; what could be understood is in the configuration.
pub fn lower(items: &Items, sources: &SourceMap, options: &Options) -> (ir::Config, Vec<Diagnostic>) {
    let mut cx = Cx::new(sources, options);
    let mut level = Level::new(options.level, Span::NONE, &Level::root());
    walk(&mut cx, &mut level, items);
    (cx.config, cx.diagnostics)
}

/// Lowers the directives of a level, steps 1 to 4.
fn walk(cx: &mut Cx, level: &mut Level, items: &[Item]) {
    for directive in directives(items) {
        if let Some(lower) = lowering(directive.name()) {
            lower(cx, level, directive);
        }
    }
    for settle in SETTLE {
        settle(cx, level);
    }
}

/// The function for a name.
fn lowering(name: &str) -> Option<Lower> {
    static BY_NAME: OnceLock<HashMap<&'static str, Lower>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| TABLES.iter().flat_map(|table| table.iter().copied()).collect());
    by_name.get(name).copied()
}

impl<'a> Cx<'a> {
    fn new(sources: &'a SourceMap, options: &'a Options) -> Self {
        Self {
            config: ir::Config::default(),
            sources,
            options,
            vars: Vars::default(),
            clusters: HashMap::new(),
            formats: HashMap::new(),
            log_buffers: HashMap::new(),
            diagnostics: Vec::new(),
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
            program: Vec::new(),
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
            program: Vec::new(),
            span: Span::NONE,
            seen: HashSet::new(),
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
