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

use std::{collections::HashMap, path::PathBuf, sync::OnceLock};

use super::{
    tree::{Directive, Item, Items, Word},
    values,
};
pub use crate::catalogue::Level as Kind;
use crate::{
    catalogue::{self, Alt, Found},
    diagnostic::Diagnostic,
    ir::{self, Register, settings::Value},
    source::{SourceMap, Span},
};

mod access;
mod address;
mod api;
mod auth;
mod cache;
mod charset;
mod client;
mod compose;
mod compress;
mod context;
mod dav;
mod declare;
pub(super) mod defaults;
mod errors;
mod fastcgi;
mod gateway;
mod geo;
mod grpc;
mod headers;
mod level;
mod limits;
mod listen;
mod location;
mod logs;
mod map;
mod memcached;
mod names;
mod pages;
mod parameter;
mod process;
mod proxy;
mod realip;
mod referer;
mod resolver;
mod rewrite;
mod scgi;
mod server;
mod split_clients;
mod static_files;
mod status;
mod store;
mod substitute;
mod tls;
mod try_files;
mod upstream;
mod userid;
mod uwsgi;
mod word;

use context::Cx;
use level::{Answers, Level, Place};
use word::{regex, template, template_part, text};

/// A directive's meaning: changes the level or the configuration.
type Lower = fn(&mut Cx, &mut Level, &Directive);

/// What is done when all settings of a level are read.
type Settle = fn(&mut Cx, &mut Level);

/// The directives of step 1, by topic.
const TABLES: &[&[(&str, Lower)]] = &[
    access::TABLE,
    api::TABLE,
    auth::TABLE,
    cache::TABLE,
    cache::HTTP_TABLE,
    charset::TABLE,
    client::TABLE,
    compose::TABLE,
    compress::TABLE,
    errors::TABLE,
    fastcgi::TABLE,
    geo::TABLE,
    grpc::TABLE,
    headers::TABLE,
    headers::more::TABLE,
    limits::TABLE,
    listen::TABLE,
    location::TABLE,
    logs::TABLE,
    map::TABLE,
    memcached::TABLE,
    names::TABLE,
    process::TABLE,
    proxy::TABLE,
    realip::TABLE,
    referer::TABLE,
    resolver::TABLE,
    scgi::TABLE,
    split_clients::TABLE,
    static_files::TABLE,
    status::TABLE,
    dav::TABLE,
    store::TABLE,
    substitute::TABLE,
    tls::TABLE,
    try_files::TABLE,
    upstream::TABLE,
    userid::TABLE,
    uwsgi::TABLE,
];

/// Step 2, in order.
const SETTLE: &[Settle] = &[
    cache::settle,
    charset::settle,
    headers::settle,
    gateway::settle,
    proxy::settle,
    referer::settle,
    tls::settle,
    upstream::settle,
    userid::settle,
];

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

/// Lowers a whole configuration, or a fragment that begins at `options.level`.
///
/// Whatever is wrong is in the diagnostics; what could be understood is in the configuration.
pub fn lower(items: &Items, sources: &SourceMap, options: &Options) -> (ir::Config, Vec<Diagnostic>) {
    let mut cx = Cx::new(sources, options);
    cx.declare(items);
    let root = Level::root();
    match options.level {
        Kind::Main => {
            let mut main = Level::new(Kind::Main, Span::NONE, &root);
            main.fill(&mut cx, items);
            // `error_log` may stand here: it holds for the process, and where nothing else is written.
            cx.config.base.lay(&main.set, false);
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

#[cfg(test)]
mod level_tests;
#[cfg(test)]
mod tests;
