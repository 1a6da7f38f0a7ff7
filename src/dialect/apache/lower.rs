//! From the syntax tree to the IR: what an httpd.conf means.
//!
//! One file per topic, each ending in its `TABLE` of directives. A directive
//! that stands in no table has no meaning here (inert or refused, which the
//! check says).
//!
//! # Sections
//!
//! Everything that holds directives becomes a [`Section`]: the main server, a
//! virtual host, `<Directory>`, `<Files>`, `<Location>`, `<Proxy>`, `<If>`, a
//! `.htaccess`. A function of a `TABLE` reads one directive into the section
//! it stands in. A section holds
//!
//! - `set`: settings, which are laid over those in force when it applies;
//! - `steps`: what is done at a [`Phase`] of the request;
//! - `own`: what a topic remembers until the section is whole;
//! - `sections`: those inside it.
//!
//! When all of its directives are read, the functions in [`SETTLE`] make
//! settings and steps of what topics remembered. `<Limit>` is no section:
//! while its directives are read, `Section::limit` tells the methods.
//!
//! # Joining
//!
//! A virtual host is joined with the main server by [`host::join`]: settings
//! lie over the main server's, and so do steps, each phase in its own order
//! ([`Phase::joins`]). The functions in [`JOIN`] see the main server and the
//! virtual host before that.
//!
//! # The program of a host
//!
//! ```text
//! request                            settings of the server
//!   variables of the redirected request get their names
//!   do 'early                        Phase::Early
//!   when in a <Location> that says how paths are mapped: use current ...
//!   do 'translate
//!     do 'rewrite                    Phase::Rewrite
//!     do 'proxy                      perform proxy (of a <Location>), then Phase::Proxy
//!     do 'alias                      perform alias (of a <Location>), then Phase::Alias
//!     assign file                    the document root and the path
//!   locate file
//!   local folder                     where .htaccess files count
//!   do 'sections                     each: when its test holds, use current ...
//!   perform headers                  Phase::Headers
//!   authorize
//!   perform type, rules, redirect, env, dir, fields
//!   the handler in force
//! ```
//!
//! Steps of a server's phases before `locate` stand in the program, so that they
//! can leave `'translate`: who maps a path assigns [`Cx::file`] and exits it.
//! A proxied request has `proxy:` and the URL there, and that URL in
//! [`Cx::url`]; it has no file, so that `<Proxy>` sections take the place of
//! `<Directory>` and `<Files>`. Who proxies puts the handler in force at once;
//! `SetHandler` leaves it alone.
//!
//! All other steps are *hooks*: blocks among the settings, run by `perform`. So
//! what a section does at a later phase needs no second test, what sections
//! accumulate is put together once, and a topic chooses whether its steps are
//! added to those of the sections before ([`Section::hook`]) or take their
//! place ([`Section::replace`]).
//!
//! A label is known within its block alone: a hook can exit its own blocks, and
//! `restart` (an internal redirect: all of the above again) from everywhere.
//!
//! # .htaccess
//!
//! For a directory with `.htaccess` files that count, everything after `local`
//! is lowered when the first request for it arrives, by the same functions, with
//! the sections of these files at their places ([`local`]). There [`Cx::local`] is
//! true: no cluster, host or listener can be declared any more.
//!
//! # Adding a topic
//!
//! A file with `pub(super) const TABLE: &[(&str, Lower)]`, named in [`TABLES`];
//! names are written in their usual spelling (`ProxyPass`, `<RequireAll>`). A
//! word's text is `word.value`. Findings go to [`Cx::report`]; a function that
//! finds something wrong reports it and leaves the section alone. Environment
//! variables are IR variables: [`Cx::env`].

#![allow(
    clippy::single_match_else,
    reason = "what a word means and that it means nothing stand side by side"
)]

use std::{collections::HashMap, path::PathBuf, sync::Arc, sync::OnceLock};

use super::{
    load::Surroundings,
    rewrite,
    tree::{Directive, Items, directives},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{self, Register, local::Provider},
    source::{SourceMap, Span},
};

mod access;
mod alias;
mod answered;
mod autoindex;
mod computed_handler;
mod context;
mod core;
mod defaults;
mod directory;
mod environment;
mod expires;
mod filters;
mod headers;
mod host;
mod includes;
mod listen;
mod local;
mod logs;
mod manager;
mod mapping;
mod names;
mod negotiation;
mod options;
mod pages;
mod phase;
mod process;
pub(super) mod program;
pub(crate) mod proxy;
mod remoteip;
mod section;
mod sections;
mod signature;
mod status;
mod substitute;
mod tls;
mod tls_variables;
mod trace;
mod types;
mod userdir;
mod vhost_alias;
mod walk;

pub(super) use access::DIGEST;
pub(crate) use context::Cx;
pub(super) use core::AGAIN;
pub(super) use directory::slash_first;
pub(crate) use host::names as host_names;
pub(crate) use mapping::ROOT as DOCUMENT_ROOT;
pub(crate) use phase::Phase;
pub(crate) use section::{Kind, Section};

/// A directive's meaning: changes the section or the configuration.
pub(crate) type Lower = fn(&mut Cx, &mut Section, &Directive);

/// What is done when all directives of a section are read.
type Settle = fn(&mut Cx, &mut Section);

/// What is done with the main server and a virtual host before they are joined.
type Join = fn(&mut Cx, &Section, &mut Section);

/// The directives, by topic.
const TABLES: &[&[(&str, Lower)]] = &[
    access::TABLE,
    alias::TABLE,
    autoindex::TABLE,
    core::TABLE,
    directory::TABLE,
    environment::TABLE,
    expires::TABLE,
    filters::TABLE,
    headers::TABLE,
    host::TABLE,
    includes::TABLE,
    listen::TABLE,
    local::TABLE,
    logs::TABLE,
    mapping::TABLE,
    names::TABLE,
    negotiation::TABLE,
    options::TABLE,
    pages::TABLE,
    process::TABLE,
    program::TABLE,
    remoteip::TABLE,
    rewrite::TABLE,
    sections::TABLE,
    signature::TABLE,
    substitute::TABLE,
    tls::TABLE,
    tls_variables::TABLE,
    trace::TABLE,
    types::TABLE,
    userdir::TABLE,
    vhost_alias::TABLE,
];

/// What is done when a section is whole, in order.
const SETTLE: &[Settle] = &[
    access::settle,
    alias::settle,
    directory::settle,
    expires::settle,
    headers::settle,
    proxy::settle,
    program::settle,
    rewrite::settle,
];

/// What is done before a virtual host is joined with the main server, in order.
const JOIN: &[Join] = &[
    alias::join,
    core::join,
    local::join,
    names::join,
    proxy::join,
    remoteip::join,
    rewrite::join,
    tls::join,
    trace::join,
    userdir::join,
    vhost_alias::join,
    logs::join,
];

/// Captures of the pattern of a rule or section: `$1`.
pub(crate) const RULE: Register = Register('R');

/// Captures of the condition before a rule: `%1`.
pub(crate) const CONDITION: Register = Register('C');

/// How to lower.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What relative paths are relative to: `ServerRoot` unless the file says otherwise.
    pub root: PathBuf,
    /// Whether only the text counts: no file, name or account is looked up, and what would need one is a note.
    pub offline: bool,
    /// What conditions and variables of a `.htaccess` start with.
    pub surroundings: Surroundings,
    /// What `Server` says in full: `Apache/2.4.71 (Unix)`.
    pub token: String,
    /// The name of this machine, for servers without `ServerName`.
    pub machine: String,
}

/// What a configuration means.
#[derive(Debug)]
pub struct Lowered {
    /// The configuration.
    pub config: ir::Config,
    /// Who reads `.htaccess` files, where any can count.
    pub provider: Option<Arc<dyn Provider>>,
    /// Where the main server's errors go, if it says.
    pub errors: Option<ir::settings::LogTarget>,
    /// What there is to say.
    pub found: Vec<Diagnostic>,
}

/// Lowers a whole configuration.
///
/// Whatever is wrong is in the diagnostics; what could be understood is in the configuration.
pub fn lower(items: &Items, sources: &SourceMap, options: &Options) -> Lowered {
    let mut cx = Cx::new(sources, options);
    proxy::survey(&mut cx, items);
    options::survey(&mut cx, items);
    includes::declare(&mut cx);
    let mut main = Section::new(Kind::Server, Span::NONE);
    main.fill(&mut cx, items);
    let hosts = host::lower(&mut cx, main);
    cx.finish(hosts)
}

/// Whether a directive has a meaning here.
pub(super) fn lowers(name: &str) -> bool {
    lowering(name).is_some()
}

/// The names of all directives that have a meaning here.
#[cfg(test)]
pub(super) fn lowered() -> impl Iterator<Item = &'static str> {
    TABLES.iter().chain(proxy::TABLES).flat_map(|table| table.iter().map(|(name, _)| *name))
}

/// The function for a name.
fn lowering(name: &str) -> Option<Lower> {
    static BY_NAME: OnceLock<HashMap<&'static str, Lower>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| {
        let tables = TABLES.iter().chain(proxy::TABLES);
        tables.flat_map(|table| table.iter().copied()).collect()
    });
    by_name.get(name).copied()
}

impl Section {
    /// Lowers what stands in the section.
    pub(super) fn fill(&mut self, cx: &mut Cx, items: &Items) {
        self.read(cx, items);
        for settle in SETTLE {
            settle(cx, self);
        }
    }

    /// Reads directives into the section.
    pub(super) fn read(&mut self, cx: &mut Cx, items: &[super::tree::Item]) {
        for directive in directives(items) {
            if let Some(lower) = lowering(directive.name()) {
                lower(cx, self, directive);
                self.set.written_at(directive.head());
            }
        }
    }
}
