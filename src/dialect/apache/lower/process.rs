//! The process: whom workers run as, the pid file, how long a graceful stop may take.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_unixd.html>,
//! <https://httpd.apache.org/docs/2.4/mod/mpm_common.html>. Only root can become somebody else; for others `User` and
//! `Group` do nothing, as in Apache. A number after `#` is an id.

use std::time::Duration;

use super::{super::tree::Directive, Cx, Lower, Section};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::Text,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("PidFile", pid_file),
    ("User", user),
    ("Group", group),
    ("GracefulShutdownTimeout", graceful_shutdown),
    ("ServerLimit", server_limit),
];

fn pid_file(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    cx.config.process.pid_file = Some(cx.path(&word.value));
}

fn user(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let Some(name) = account(cx, directive, "/etc/passwd") else { return };
    if name.is_empty() || word.is("root") || word.value == b"#0" {
        let message = "Error:\tApache has not been designed to serve pages while running as root";
        return cx.error("user-root", word.span, message);
    }
    let group = cx.config.process.user.take().and_then(|(_, group)| group);
    cx.config.process.user = Some((name, group));
}

fn group(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let Some(name) = account(cx, directive, "/etc/group") else { return };
    // Without a user the group has nobody to belong to; `User` may follow.
    let user = cx.config.process.user.take().map_or_else(|| Text::from(""), |(user, _)| user);
    cx.config.process.user = Some((user, Some(name)));
}

/// The name of an account; a number is looked up.
fn account(cx: &mut Cx, directive: &Directive, file: &str) -> Option<Text> {
    let [word] = directive.args.as_slice() else { return None };
    let Some(number) = word.value.strip_prefix(b"#") else { return Some(Text::from(word.value.as_slice())) };
    let number = String::from_utf8_lossy(number).into_owned();
    let accounts =
        if cx.options.offline { String::new() } else { std::fs::read_to_string(file).unwrap_or_default() };
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| Text::from(name.as_bytes()))
    });
    if found.is_none() {
        let severity = if cx.options.offline { Severity::Note } else { Severity::Error };
        let message = format!("{file} has no account with the number {number}");
        cx.report(Diagnostic::new(severity, "unknown-account", message).label(word.span, ""));
    }
    found
}

/// `ServerLimit number`: one process is one worker; where there may be more, there is one for each processor.
fn server_limit(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    cx.config.process.workers = (word.value == b"1").then_some(1);
}

fn graceful_shutdown(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let seconds = word.text().parse().unwrap_or(0);
    // No limit is written as 0.
    cx.config.process.shutdown_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
}
