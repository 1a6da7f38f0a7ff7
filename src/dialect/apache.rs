//! httpd.conf and .htaccess: reading, checking and lowering them.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/>; model 2.4.71.

pub mod alone;
pub mod catalogue;
pub mod check;
pub mod envvars;
pub mod expr;
pub mod glob;
pub mod lex;
mod lint;
pub mod load;
#[allow(dead_code, reason = "the seam is whole before all topics use it")]
pub mod lower;
pub mod modules;
pub mod parse;
pub mod render;
mod rewrite;
pub mod tree;
pub mod variables;
pub mod vars;

use std::{os::unix::ffi::OsStrExt as _, os::unix::ffi::OsStringExt as _, path::Path};

use super::{Meaning, Options, OwnFiles};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{self, Protocol, Template, Text, settings::LogTarget},
    source::{SourceMap, Span},
};

/// The version whose behaviour is the model.
pub const VERSION: &str = "2.4.71";

/// Reads, checks and lowers the file at `path` with all that it includes.
pub fn read(sources: &mut SourceMap, path: &Path, options: &Options) -> Meaning {
    let load::Loaded { mut items, mut found, surroundings, included: _ } = load(sources, path, options);
    if found.iter().any(|found| found.code == "unreadable-file") {
        return Meaning { found, ..Meaning::default() };
    }
    if options.offline || options.parts {
        let part;
        (items, part) = alone::within_section(items, path);
        found.extend(part.filter(|_| !options.offline).map(|section| part_of(path, section)));
    }
    let allowed = alone::is_htaccess(path).then(check::Allowed::all);
    let modules = &surroundings.modules;
    let checking = check::Options { offline: options.offline, modules, allowed: allowed.as_ref() };
    let wrong = check::check(&items, checking);
    check::prune(&mut items, &wrong);
    found.extend(wrong);
    let (items, word) = alone::complete(items, path);
    // Away from its machine a file is often one of several.
    found.extend(word.filter(|word| word.code != "no-listen" || !options.offline));
    let root = surroundings.server_root.clone();
    let lowering = lower::Options {
        root: root.clone(),
        surroundings,
        offline: options.offline,
        token: format!("Apache/{VERSION} (Unix)"),
        machine: String::new(),
    };
    let lower::Lowered { mut config, provider, errors, found: of_meaning } =
        lower::lower(&items, sources, &lowering);
    found.extend(of_meaning);
    let linted = lint::look(&items, sources);
    // What a lint says with a correction is said once.
    let place = |one: &Diagnostic| one.labels.first().map(|label| (label.span.file, label.span.start));
    found.retain(|one| !linted.iter().any(|other| other.code == one.code && place(other) == place(one)));
    found.extend(linted);
    own_files(&mut config, &options.files, errors.as_ref(), &root);
    Meaning { config, provider, found }
}

/// Reads the file at `path` with all that it includes.
pub fn load(sources: &mut SourceMap, path: &Path, options: &Options) -> load::Loaded {
    let loading = load::Options {
        server_root: options.prefix.clone(),
        defines: options.defines.iter().map(|name| name.as_bytes().to_vec()).collect(),
        before: options.directives.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default(),
        after: options.directives_after.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default(),
        environment: std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect(),
        offline: options.offline,
    };
    load::load(sources, path, &loading)
}

/// What is a part of a configuration cannot be run.
fn part_of(path: &Path, section: &str) -> Diagnostic {
    let message = format!("{} is a part of a configuration: it belongs into {section}", path.display());
    Diagnostic::new(Severity::Error, "part", message).help(
        "to run it, `Include` it there from a whole configuration; `triglot check --offline` checks it as it is",
    )
}

/// Puts the server's own files where the command line wants them unless the configuration names them.
fn own_files(config: &mut ir::Config, files: &OwnFiles, errors: Option<&LogTarget>, root: &Path) {
    let OwnFiles {
        pid,
        error_log,
        access_log: _,
        content_temp,
        http_temp,
        uwsgi_temp,
        fastcgi_temp,
        scgi_temp,
    } = files;
    let process = &mut config.process;
    process.pid_file = process.pid_file.take().or_else(|| pid.clone());
    let base = &mut config.base;
    // Observed: without that folder Apache does not start, and it is rarely there. Errors are seen, too, if nobody
    // said where they are to go.
    let place = error_log.as_ref().map(|path| root.join(path));
    let place = place.filter(|path| path.parent().is_some_and(Path::is_dir)).map(|path| {
        let text = Text::from(path.as_os_str().as_bytes());
        LogTarget::File(Template::text(text), Span::NONE)
    });
    // The main server's log is the server's own; no other is opened beside it.
    let own = errors.or(place.as_ref());
    for log in base.logs.errors.iter_mut().flatten() {
        log.to = own.unwrap_or(&log.to).clone();
    }
    // Hosts that say a level alone write there, too.
    if let (None, Some(own)) = (errors, own) {
        let scopes = config.hosts.iter_mut().filter_map(|host| host.request.scope.as_mut());
        let logs = scopes.flat_map(|scope| scope.set.logs.errors.iter_mut().flatten());
        for log in logs.filter(|log| log.to == LogTarget::Stderr) {
            log.to = own.clone();
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

/// The innermost section around a place of a file that is for some requests only.
pub fn around(sources: &SourceMap, at: Span) -> Option<Span> {
    fn find(items: &tree::Items, at: Span) -> Option<Span> {
        items.iter().find_map(|item| {
            let tree::Item::Directive(directive) = item else { return None };
            let tree::Body::Section(section) = &directive.body else { return None };
            let span = directive.span.to(section.close);
            if span.start > at.start || span.end < at.end {
                return None;
            }
            let of_some = !directive.usual.starts_with("<If");
            find(&section.items, at).or(of_some.then_some(span))
        })
    }
    find(&parse::parse(sources, at.file).0, at)
}
