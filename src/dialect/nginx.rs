//! nginx.conf: reading, checking and lowering it.
//!
//! Reference: <https://nginx.org/en/docs/>; baseline 1.22, with the newer syntax accepted.

pub mod bundled;
pub mod check;
pub mod level;
pub mod lex;
pub mod load;
pub mod lower;
pub mod mend;
pub mod parse;
pub mod render;
pub mod tree;
pub mod values;
mod vars;

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{Options, OwnFiles};
use crate::{
    catalogue::{self, Level},
    diagnostic::Diagnostic,
    ir::{
        self, Protocol, Template, Text,
        settings::{AccessLog, ErrorLog, LogTarget},
    },
    source::{SourceMap, Span},
};
use tree::{Item, Items, directives};

/// The version whose syntax is read, as `$nginx_version` and `Server` say it.
pub const VERSION: &str = "1.31.5";

/// Reads, checks and lowers the file at `path` with all that it includes.
pub fn read(sources: &mut SourceMap, path: &Path, options: &Options) -> (ir::Config, Vec<Diagnostic>) {
    // The path is that of the caller; the prefix counts for what is written in the file.
    let loading = load::Options { prefix: PathBuf::new(), offline: options.offline };
    let (mut items, mut found) = command_line(sources, path, options, &loading);
    let (file, of_file) = load::load(sources, path, &loading);
    let unread = of_file.iter().any(|found| found.code == "unreadable-file");
    found.extend(of_file);
    if unread {
        return (ir::Config::default(), found);
    }
    items.extend(file);
    found.extend(mend::mend(sources, &mut items, &shape));

    let recognised = level::level(&items);
    // What holds no directive at all is no part either.
    let known = || directives(&items).any(|directive| catalogue::nginx().get(directive.name()).is_some());
    let level = if options.offline || (options.parts && known()) { recognised } else { Level::Main };
    if level != Level::Main && !options.offline {
        found.push(part(path, level, &items));
    }
    found.extend(check::check(&items, level, check::Options { offline: options.offline }));

    let lowering = lower::Options {
        prefix: options.prefix.clone(),
        conf_prefix: path.parent().unwrap_or(Path::new("")).to_path_buf(),
        offline: options.offline,
        strict_names: options.strict_names,
        root: options.root,
        token: format!("nginx/{VERSION}"),
        level,
    };
    let (mut config, of_meaning) = lower::lower(&items, sources, &lowering);
    found.extend(of_meaning);
    own_files(&mut config, &items, &options.files);
    (config, found)
}

/// The directives of `-g`, which count as if they stood before the file.
fn command_line(
    sources: &mut SourceMap,
    path: &Path,
    options: &Options,
    loading: &load::Options,
) -> (Items, Vec<Diagnostic>) {
    let Some(text) = &options.directives else { return (Items::new(), Vec::new()) };
    let (mut items, mut found) = parse::parse_directives(sources, text.as_bytes());
    found.extend(load::load_included(sources, &mut items, path, loading));
    (items, found)
}

/// What the mending has to know of a directive: the widest of its rows.
pub fn shape(name: &str) -> Option<mend::Shape> {
    let of = |row: &catalogue::Directive| mend::Shape { most: row.args.most(), block: row.args.block() };
    catalogue::nginx().rows(name).map(of).reduce(|one, other| mend::Shape {
        most: one.most.zip(other.most).map(|(one, other)| one.max(other)),
        block: one.block || other.block,
    })
}

/// What is wrong with a part of a configuration is said as of a part, and that it is one.
///
/// It stands at the first directive, so that it is read before what is wrong because of it.
fn part(path: &Path, level: Level, items: &[Item]) -> Diagnostic {
    let message =
        format!("{} is a part of a configuration: it belongs into {}", path.display(), level.description());
    let first = directives(items).next().map_or(Span::NONE, |directive| directive.name.span);
    Diagnostic::error("part", first, message)
        .help("to run it, `include` it there from a whole configuration; `triglot check --offline` checks it as it is")
}

/// Puts the server's own files where the command line wants them unless the configuration names them.
fn own_files(config: &mut ir::Config, items: &[Item], files: &OwnFiles) {
    let OwnFiles { pid, error_log, access_log, content_temp, http_temp, uwsgi_temp, fastcgi_temp, scgi_temp } =
        files;
    if !directives(items).any(|directive| directive.name() == "pid") {
        config.process.pid_file.clone_from(pid);
    }
    let target =
        |path: &Path| LogTarget::File(Template::text(Text::from(path.as_os_str().as_bytes())), Span::NONE);
    let base = &mut config.base;
    // One that stands outside of all blocks lies in the base already.
    if !directives(items).any(|directive| directive.name() == "error_log") {
        for log in base.logs.errors.iter_mut().flatten() {
            let ErrorLog { to, level: _ } = log;
            *to = error_log.as_deref().map_or(LogTarget::Stderr, target);
        }
    }
    match access_log {
        None => base.logs.access = Some(Vec::new()),
        Some(path) => {
            for AccessLog { to, .. } in base.logs.access.iter_mut().flatten() {
                *to = target(path);
            }
        }
    }
    base.content.temp_path = Some(content_temp.clone());
    for (protocol, folder) in [
        (Protocol::Http, http_temp),
        (Protocol::Uwsgi, uwsgi_temp),
        (Protocol::FastCgi, fastcgi_temp),
        (Protocol::Scgi, scgi_temp),
        (Protocol::Grpc, http_temp),
    ] {
        base.forwarding_mut(protocol).temp_path = Some(folder.clone());
    }
}

/// The innermost block around a place of a file that is for some requests only.
pub fn around(sources: &SourceMap, at: Span) -> Option<Span> {
    fn find(items: &Items, at: Span) -> Option<Span> {
        items.iter().find_map(|item| {
            let Item::Directive(directive) = item else { return None };
            let tree::Body::Block(inner) = &directive.body else { return None };
            if directive.span.start > at.start || directive.span.end < at.end {
                return None;
            }
            let of_all = directive.name.is("http") || directive.name.is("events");
            find(inner, at).or((!of_all).then_some(directive.span))
        })
    }
    find(&parse::parse(sources, at.file).0, at)
}
