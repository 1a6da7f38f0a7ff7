//! What the whole lowering works on: the configuration being made, names, findings.

use std::{collections::HashMap, os::unix::ffi::OsStrExt as _, path::PathBuf, sync::Arc};

use super::{
    Lowered, Options, defaults, directory, host::Host, listen::Socket, local::Htaccess, mapping, proxy,
    signature,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{self, Test, Var, VarId, VarKind, local::Provider},
    source::{SourceMap, Span},
};

/// What the whole lowering works on.
pub(crate) struct Cx<'a> {
    /// What comes out.
    pub(crate) config: ir::Config,
    /// The files, for exact places.
    pub(crate) sources: &'a SourceMap,
    /// How to lower.
    pub(crate) options: &'a Options,
    /// What is known by name.
    pub(crate) names: Names,
    /// What is proxied to.
    pub(crate) proxy: proxy::State,
    /// The addresses to listen on.
    pub(crate) sockets: Vec<Socket>,
    /// What relative paths are relative to: `ServerRoot`.
    pub(crate) root: PathBuf,
    /// Whether this is a `.htaccess` read while requests are answered.
    pub(crate) local: bool,
    /// What was found.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What is known by name, kept for `.htaccess` files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Environment variables, in lower case.
    env: HashMap<Vec<u8>, VarId>,
    /// Variables of our own.
    own: HashMap<&'static str, VarId>,
    /// Whether requests may go to gateways, and how many variables there are without `.htaccess` files.
    pub(super) gateways: Option<usize>,
    /// Whether any `Options` allow server-side includes.
    pub(super) includes: bool,
    /// Whether access is asked for anew wherever a redirect inside the server leads to another path.
    pub(super) asks_paths: bool,
    /// Whether steps of rules may be told in the error log.
    pub(crate) traces: bool,
    /// Whether files may list what there is to choose from.
    pub(super) lists: bool,
    /// Whether directories may be listed.
    pub(super) listings: bool,
    /// Whether requests may be answered by programs that are started for them, or files that say what one would.
    pub(crate) programs: bool,
    /// Whether users may be known by answers to challenges.
    pub(crate) digests: bool,
    /// Filters that servers declare: their providers and when these work.
    pub(super) filters: HashMap<Vec<u8>, Vec<(Vec<u8>, Test)>>,
    /// Variables that files speak of and that change how requests are sent on.
    pub(super) notes: Vec<&'static str>,
    /// Maps of rules.
    pub(crate) maps: std::collections::BTreeMap<Vec<u8>, crate::dialect::apache::rewrite::Map>,
}

impl Names {
    /// A variable of our own, if anybody asked for it.
    pub(crate) fn own(&self, name: &str) -> Option<VarId> {
        self.own.get(name).copied()
    }
}

impl<'a> Cx<'a> {
    pub(crate) fn new(sources: &'a SourceMap, options: &'a Options) -> Self {
        let config = ir::Config {
            process: defaults::process(),
            base: defaults::settings(options),
            pages: signature::pages(&defaults::reasons()),
            sent_as: signature::REFUSALS.iter().map(|(own, ..)| (*own, 400)).collect(),
            failures: signature::failures(),
            reasons: [defaults::reasons(), signature::reasons()].concat(),
            ..ir::Config::default()
        };
        let mut cx = Self {
            config,
            sources,
            options,
            names: Names::default(),
            proxy: proxy::State::default(),
            sockets: Vec::new(),
            root: options.root.clone(),
            local: false,
            diagnostics: Vec::new(),
        };
        mapping::defaults(&mut cx);
        super::filters::defaults(&mut cx);
        signature::further(&mut cx);
        super::negotiation::defaults(&mut cx);
        directory::defaults(&mut cx);
        proxy::defaults(&mut cx);
        cx
    }

    /// For a `.htaccess`: with the variables that are known.
    pub(super) fn local(sources: &'a SourceMap, options: &'a Options, names: Names, vars: Vec<Var>) -> Self {
        let mut cx = Self::new(sources, options);
        cx.proxy.gateways = names.gateways.is_some();
        cx.names = names;
        cx.config.vars = vars;
        cx.local = true;
        cx
    }

    /// What is known by name now, and all variables.
    pub(super) fn into_names(self) -> (Names, Vec<Var>) {
        (self.names, self.config.vars)
    }

    /// What was made.
    pub(super) fn finish(mut self, hosts: Vec<Host>) -> Lowered {
        proxy::finish(&mut self);
        let errors = hosts.first().and_then(|main| main.section.own.logs.errors.clone());
        self.names.gateways = self.proxy.gateways.then_some(self.config.vars.len());
        let Self { config, options, names, root, diagnostics, .. } = self;
        let options = Options { root, ..options.clone() };
        let provider =
            Htaccess::new(hosts, names, options).map(|provider| Arc::new(provider) as Arc<dyn Provider>);
        Lowered { config, provider, errors, found: diagnostics }
    }

    /// The environment variable of a name; upper and lower case are the same.
    pub(crate) fn env(&mut self, name: &[u8]) -> VarId {
        let vars = &mut self.config.vars;
        *self.names.env.entry(name.to_ascii_lowercase()).or_insert_with(|| declare(vars, name))
    }

    /// The environment variables known so far, by their names in lower case.
    pub(crate) fn envs(&self) -> impl Iterator<Item = (&[u8], VarId)> {
        self.names.env.iter().map(|(name, var)| (&**name, *var))
    }

    /// A variable of our own.
    pub(crate) fn own(&mut self, name: &'static str) -> VarId {
        let vars = &mut self.config.vars;
        *self.names.own.entry(name).or_insert_with(|| declare(vars, name.as_bytes()))
    }

    /// The file that the path is mapped to (`%{REQUEST_FILENAME}` once that is known); of a proxied request `proxy:`
    /// and the URL.
    pub(crate) fn file(&mut self) -> VarId {
        self.own("@file")
    }

    /// The URL of a proxied request; unset for others.
    pub(crate) fn url(&mut self) -> VarId {
        self.own("@url")
    }

    /// What follows the file in the path (`%{PATH_INFO}`).
    pub(crate) fn path_info(&mut self) -> VarId {
        self.own("@path_info")
    }

    /// The directory that the file is in, or is, with a slash.
    pub(crate) fn folder(&mut self) -> VarId {
        self.own("@folder")
    }

    /// What the file is: see [`ir::Locate`].
    pub(crate) fn kind(&mut self) -> VarId {
        self.own("@kind")
    }

    /// The last component of the file's name.
    pub(crate) fn name(&mut self) -> VarId {
        self.own("@name")
    }

    /// The handler that was set, by its name (`%{HANDLER}`).
    pub(crate) fn handler(&mut self) -> VarId {
        self.own("@handler")
    }

    /// Set while a question of `DirectoryIndex` or `FallbackResource` is asked and answered.
    pub(crate) fn subrequest(&mut self) -> VarId {
        self.own("@subrequest")
    }

    /// Set before a `restart` after which variables keep their names.
    pub(crate) fn keeps_env(&mut self) -> VarId {
        self.own("@keeps_env")
    }

    /// Whether variables got their `REDIRECT_` names after the last `restart`.
    pub(crate) fn renames(&mut self) -> VarId {
        self.own("@renames")
    }

    /// Adds a finding.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// An error at `span`.
    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(code, span, message));
    }

    /// A warning at `span`.
    pub(crate) fn warn(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::warning(code, span, message));
    }

    /// What is an error with the whole configuration at hand and a note without.
    pub(crate) fn missing(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        let severity = if self.options.offline { Severity::Note } else { Severity::Error };
        self.report(Diagnostic::new(severity, code, message).label(span, ""));
    }

    /// Adds a finding about something that is not honoured: a warning when the file will not be run.
    pub(crate) fn refuse(&mut self, mut diagnostic: Diagnostic) {
        if self.options.offline {
            diagnostic.severity = Severity::Warning;
        }
        self.report(diagnostic);
    }

    /// A path as the server takes it: relative to its root.
    pub(crate) fn path(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path))
    }
}

fn declare(vars: &mut Vec<Var>, name: &[u8]) -> VarId {
    let kind = proxy::gateway::known(name).unwrap_or(VarKind::Optional);
    vars.push(Var { name: name.into(), kind, span: Span::NONE });
    VarId(vars.len() as u32 - 1)
}
