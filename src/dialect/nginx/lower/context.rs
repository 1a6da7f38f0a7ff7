//! What the whole lowering works on: the configuration being made, names, findings.

use std::{
    collections::{HashMap, HashSet},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

use super::{
    super::vars::{self, Builtin, Definable, Vars},
    Options, cache, charset, defaults, limits, listen, logs, names, pages, referer, upstream,
};
use crate::{
    diagnostic::{Diagnostic, Severity, suggest},
    ir::{self, ClusterId, Part, Var, VarId, VarKind, settings::LogFormat},
    source::{SourceMap, Span},
};

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
    pub(super) odd_paths: bool,
    /// Whether a named location of the server at hand may search a location again.
    pub(super) enters_locate: bool,
    /// Whether anything so far says that proxies tell whose address is the client's.
    pub(super) identifies: bool,
    /// Whether `rewrite_log` is on anywhere.
    pub(super) traces: bool,
    /// Listeners by address.
    pub(super) sockets: listen::Sockets,
    /// The names of each host.
    pub(super) names: Vec<Vec<names::Name>>,
    /// How the lines of log files are collected, by path.
    pub(super) log_buffers: HashMap<Vec<u8>, logs::Buffered>,
    /// What is said of caches.
    pub(super) caches: cache::Known,
    /// What answers to looks at health have to be, by name, and who asks for it.
    pub(super) health: upstream::health::Known,
    /// Names of character sets, as they were written first.
    pub(super) charset_names: Vec<ir::Text>,
    /// What is recoded wherever: from, to, and where that is written.
    pub(super) recoded: Vec<(ir::Text, ir::Text, Span)>,
    /// What is known of the zones of limits.
    pub(super) zones: limits::Zones,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(sources: &'a SourceMap, options: &'a Options) -> Self {
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
            identifies: false,
            traces: false,
            sockets: listen::Sockets::default(),
            names: Vec::new(),
            log_buffers: HashMap::new(),
            caches: cache::Known::default(),
            health: upstream::health::Known::default(),
            charset_names: Vec::new(),
            recoded: Vec::new(),
            zones: limits::Zones::new(),
            diagnostics: Vec::new(),
        }
    }

    /// What can be said only when everything is read.
    pub(super) fn finish(&mut self) {
        let names = std::mem::take(&mut self.names);
        listen::take_names(self, &names);
        listen::require_certificates(self);
        limits::require_zones(self);
        cache::require_zones(self);
        charset::require_maps(self);
        upstream::health::finish(self);
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

    /// Adds a finding about something that is not honoured: a warning when the file will not be run.
    pub(super) fn refuse(&mut self, mut diagnostic: Diagnostic) {
        if self.options.offline {
            diagnostic.severity = Severity::Warning;
        }
        self.report(diagnostic);
    }

    /// What `$name` stands for; `None`, after a report, when it stands for nothing.
    pub(super) fn variable(&mut self, name: &[u8], span: Span) -> Option<Part> {
        let name = name.to_ascii_lowercase();
        if !self.vars.is_shadowed(&name) {
            match vars::builtin(&name, &self.options.token) {
                Some(Builtin::Value(template)) => return template.0.into_iter().next(),
                Some(Builtin::Refused(module)) => {
                    let message = format!("`${}` is not yet honoured", String::from_utf8_lossy(&name));
                    self.refuse(
                        Diagnostic::error("refused-variable", span, message)
                            .because(format!("a variable of {module}")),
                    );
                    return None;
                }
                None => {}
            }
        }
        let known = name == referer::VARIABLE;
        let entry = self.entry(name, span);
        entry.defined |= known;
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

    pub(super) fn entry(&mut self, name: Vec<u8>, span: Span) -> &mut vars::Entry {
        let id = VarId(self.config.vars.len() as u32);
        let shown = name.clone();
        let entry = self.vars.entry(name, vars::Entry { id, defined: false, used: Vec::new() });
        if entry.id == id {
            self.config.vars.push(Var { name: shown.into(), kind: VarKind::Assigned, span });
        }
        entry
    }

    /// A path as the server takes it: relative to the prefix.
    pub(super) fn path(&self, path: &[u8]) -> PathBuf {
        self.options.prefix.join(std::ffi::OsStr::from_bytes(path))
    }

    /// A path of a configuration, certificate or password file: relative to the directory of nginx.conf.
    pub(super) fn conf_path(&self, path: &[u8]) -> PathBuf {
        self.options.conf_prefix.join(std::ffi::OsStr::from_bytes(path))
    }
}
