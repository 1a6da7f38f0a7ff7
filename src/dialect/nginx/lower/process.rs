//! The main level: the process, its workers, its environment.
//!
//! Reference: <https://nginx.org/en/docs/ngx_core_module.html>

use super::{
    super::{
        tree::{Directive, Item, directives},
        values,
    },
    Cx, Kind, Level, Lower, text,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    source::{FileId, Span},
};

/// Says that there is no `events` block.
pub(super) fn require_events(cx: &mut Cx, items: &[Item]) {
    if directives(items).any(|directive| directive.name() == "events") {
        return;
    }
    let start = directives(items).next().map_or(Span::NONE, |directive| directive.name.span);
    let place = if start.is_known() { start } else { Span::new(FileId(0), 0, 0) };
    let severity = if cx.options.offline { Severity::Note } else { Severity::Error };
    cx.report(
        Diagnostic::new(severity, "missing-events", "no `events` section in the configuration")
            .label(place, "")
            .help("add `events {}`"),
    );
}

fn worker_processes(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    cx.config.process.workers = match values::number(&word.value) {
        _ if word.is("auto") => None,
        Ok(number @ 1..) => Some(u32::try_from(number).unwrap_or(u32::MAX)),
        // The check has spoken of it.
        Err(_) => return,
        Ok(0) => {
            let message = "`worker_processes` takes a number above 0, or `auto`";
            return cx.error("invalid-value", word.span, message);
        }
    };
}

fn worker_connections(cx: &mut Cx, number: u64) {
    cx.config.process.connections = u32::try_from(number).unwrap_or(u32::MAX);
}

/// `events { … }`
fn events(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.kind != Kind::Main {
        return;
    }
    for inside in directives(directive.block()) {
        if let ("worker_connections", [word]) = (inside.name(), inside.args.as_slice())
            && let Ok(number) = values::number(&word.value)
        {
            worker_connections(cx, number);
        }
    }
}

fn descriptors(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let number = directive.args.first().and_then(|word| values::number(&word.value).ok());
    cx.config.process.descriptors = number.or(cx.config.process.descriptors);
}

/// `user name [group]`: the group is by default the one with the user's name.
fn user(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some(name) = directive.args.first() else { return };
    if !cx.options.root {
        let message = "`user` makes sense only if the server is started by the super-user, ignored";
        cx.warn("user-without-root", directive.head(), message);
    }
    let group = directive.args.get(1).unwrap_or(name);
    cx.config.process.user = Some((text(name), Some(text(group))));
}

fn pid(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    cx.config.process.pid_file = (!word.is("off")).then(|| cx.path(&word.value));
}

fn daemon(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if let Ok(on) = values::flag(&word.value) {
        cx.config.process.daemon = on;
    }
}

fn shutdown_timeout(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if let Ok(time) = values::time(&word.value) {
        cx.config.process.shutdown_timeout = (!time.is_zero()).then_some(time);
    }
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("daemon", daemon),
    ("events", events),
    ("pid", pid),
    ("user", user),
    ("worker_processes", worker_processes),
    ("worker_rlimit_nofile", descriptors),
    ("worker_shutdown_timeout", shutdown_timeout),
];
