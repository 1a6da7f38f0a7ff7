//! `.htaccess`: what directories bring, lowered when the first request for them arrives.
//!
//! Seen on 2.4.71: a file is looked for in every directory from the outermost that allows any override down to the
//! one of the file asked for; a directive whose class is not allowed there, an unknown one and a syntax error make
//! the answer 500, a file that cannot be read makes it 403.

use std::{
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    super::{check, glob, load, tree::Directive},
    Cx, Kind, Lower, Options, Section,
    context::Names,
    host::Host,
    mapping::{respond, when},
    proxy, walk,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{
        Block, HostId, Template, Test, Var,
        local::{Loaded, Provider},
    },
    source::{SourceMap, Span},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("AccessFileName", access_file_name)];

/// `AccessFileName name ...`
fn access_file_name(_: &mut Cx, section: &mut Section, directive: &Directive) {
    section.own.access_files = Some(directive.args.iter().map(|word| word.value.clone()).collect());
}

/// A virtual host has the main server's names unless it has its own.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    if host.own.access_files.is_none() {
        host.own.access_files.clone_from(&main.own.access_files);
    }
}

/// Reads `.htaccess` files for the hosts of a configuration.
#[derive(Debug)]
pub(super) struct Htaccess {
    hosts: Vec<Host>,
    names: Mutex<Names>,
    options: Options,
}

impl Htaccess {
    /// `None` where no file can count.
    pub(super) fn new(hosts: Vec<Host>, names: Names, options: Options) -> Option<Self> {
        let any = hosts.iter().any(|host| may_count(&host.section));
        any.then(|| Self { hosts, names: Mutex::new(names), options })
    }

    /// One file as a section, with those of the directories around it; what is wrong with it.
    fn section(
        &self,
        cx: &mut Cx,
        sources: &mut SourceMap,
        host: &Host,
        before: &[Section],
        file: &Path,
    ) -> Result<Section, Fault> {
        let folder = file.parent().map(|folder| folder.as_os_str().as_bytes()).unwrap_or_default();
        let mut folder = folder.to_vec();
        if folder.last() != Some(&b'/') {
            folder.push(b'/');
        }
        let shown = file.display();
        let id = sources.read_plain(file, LARGEST).map_err(|error| {
            let message = format!(
                "{shown} pcfg_openfile: unable to check htaccess file, ensure it is readable and that '{}' is \
                 executable: {error}",
                folder.escape_ascii()
            );
            Fault { status: 403, found: vec![message] }
        })?;
        let load::Loaded { items, mut found, .. } =
            load::load_htaccess(sources, id, &self.options.surroundings);
        let allowed = allowed(&host.section, &folder).unwrap_or_default();
        let modules = &self.options.surroundings.modules;
        found.extend(check::check(
            &items,
            check::Options { offline: false, modules, allowed: Some(&allowed) },
        ));
        let mut section = Section::new(Kind::Htaccess, Span::NONE);
        section.depth = memchr::memchr_iter(b'/', &folder).count();
        section.path = folder;
        let folder = section.path.clone();
        let mut above = super::sections::around(&host.section.sections, &folder);
        above.extend(before);
        above.sort_by_key(|section| (section.depth, section.kind == Kind::Htaccess));
        crate::dialect::apache::rewrite::inherit(&mut section, above.into_iter());
        section.fill(cx, &items);
        found.append(&mut cx.diagnostics);
        let errors = found.iter().filter(|one| one.severity == Severity::Error);
        let found: Vec<_> = errors.map(|one| format!("{shown}: {}", said(sources, one))).collect();
        if found.is_empty() { Ok(section) } else { Err(Fault { status: 500, found }) }
    }
}

/// A finding in one line.
fn said(sources: &SourceMap, found: &Diagnostic) -> String {
    let place = found.labels.first().and_then(|label| sources.position(label.span));
    let place = place.map(|place| format!("line {}: ", place.line)).unwrap_or_default();
    format!("{place}{}", found.message)
}

/// Why a file cannot be used.
struct Fault {
    status: u16,
    found: Vec<String>,
}

/// Whether `.htaccess` files can count for any directory of a host: not where the root says that none do, and nobody
/// else says otherwise.
pub(super) fn may_count(host: &Section) -> bool {
    let says = |section: &Section| section.own.allowed.as_ref().map(is_any);
    let root = host.sections.iter().filter(|section| section.kind == Kind::Directory && section.path == b"/");
    root.filter_map(says).next_back() != Some(false)
        || host.sections.iter().any(|section| says(section) == Some(true))
}

fn is_any(allowed: &check::Allowed) -> bool {
    !allowed.overrides.is_empty() || !allowed.list.is_empty()
}

/// What a directory's `.htaccess` may hold: what the last `<Directory>` that applies to it says. Where none says
/// anything, the file is read and may hold nothing (observed).
fn allowed(host: &Section, folder: &[u8]) -> Option<check::Allowed> {
    let mut sections: Vec<_> = host
        .sections
        .iter()
        .filter(|section| section.kind == Kind::Directory && section.own.allowed.is_some())
        .filter(|section| applies(&section.path, folder))
        .collect();
    sections.sort_by_key(|section| section.depth);
    sections.last().and_then(|section| section.own.allowed.clone())
}

/// The most bytes of a `.htaccess`: lists of addresses are long, but not that long.
const LARGEST: u64 = 16 << 20;

/// Whether a `<Directory>`'s path is a folder or one that it is in.
pub(super) fn applies(path: &[u8], folder: &[u8]) -> bool {
    if !glob::is_glob(path) {
        return folder.starts_with(path);
    }
    let depth = memchr::memchr_iter(b'/', path).count();
    let end = memchr::memchr_iter(b'/', folder).nth(depth - 1);
    end.is_some_and(|end| glob::matches(path, &folder[..=end]))
}

impl Provider for Htaccess {
    fn files(&self, host: HostId, folder: &[u8]) -> Vec<Vec<PathBuf>> {
        let Some(Host { section }) = self.hosts.get(host.0 as usize) else { return Vec::new() };
        let usual = vec![b".htaccess".to_vec()];
        let names = section.own.access_files.as_ref().unwrap_or(&usual);
        let folders = memchr::memchr_iter(b'/', folder).map(|slash| &folder[..=slash]);
        let counting =
            folders.filter(|folder| allowed(section, folder).is_none_or(|allowed| is_any(&allowed)));
        let path =
            |folder: &[u8], name: &[u8]| PathBuf::from(std::ffi::OsString::from_vec([folder, name].concat()));
        counting.map(|folder| names.iter().map(|name| path(folder, name)).collect()).collect()
    }

    fn load(&self, host: HostId, files: &[PathBuf], vars: &mut Vec<Var>) -> Loaded {
        let Some(host) = self.hosts.get(host.0 as usize) else { return Loaded::default() };
        let mut sources = SourceMap::apart();
        let empty = SourceMap::new();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let before = vars.len();
        let mut cx = Cx::local(&empty, &self.options, names.clone(), std::mem::take(vars));
        let mut sections = Vec::new();
        let mut fault = None;
        for file in files {
            match self.section(&mut cx, &mut sources, host, &sections, file) {
                Ok(section) => sections.push(section),
                Err(found) => {
                    fault = Some(found);
                    break;
                }
            }
        }
        let span = Span::NONE;
        let (steps, found) = match fault {
            Some(Fault { status, found }) => (vec![respond(status)], found),
            None => (walk::rest(&mut cx, &host.section, &sections), Vec::new()),
        };
        proxy::gateway::declare_redirected(&mut cx);
        let renamed = rename(&mut cx, before);
        let steps = renamed.into_iter().chain(steps).collect();
        let scope = cx.names.gateways.and_then(|without| proxy::gateway::local(&mut cx, without));
        let (known, all) = cx.into_names();
        *names = known;
        *vars = all;
        Loaded { rest: Block { scope, steps, span, ..Block::default() }, found }
    }
}

/// After an internal redirect the variables that are only known here get their `REDIRECT_` names, too.
fn rename(cx: &mut Cx, before: usize) -> walk::Steps {
    let again = Template::var(cx.renames());
    let new: Vec<_> = cx
        .envs()
        .filter(|(_, var)| var.0 as usize >= before)
        .map(|(name, var)| (name.to_vec(), var))
        .collect();
    let steps = super::host::renaming(cx, &new);
    if steps.is_empty() { Vec::new() } else { vec![when(Test::Present(again), steps)] }
}
