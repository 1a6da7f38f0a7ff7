//! `log_format`, `access_log`, `error_log`.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_log_module.html>,
//! <https://nginx.org/r/error_log>, <https://nginx.org/en/docs/syslog.html>

mod format;
mod syslog;

use std::time::Duration;

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, Level, Lower, defaults,
    parameter::{self, named},
    static_files, template_part,
};
use crate::{
    diagnostic::{Diagnostic, Severity, suggest},
    ir::{
        Template,
        settings::{self, AccessLog, ErrorLog, LogFormat, LogTarget},
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("access_log", access_log), ("error_log", error_log), ("log_format", format::log_format)];

/// How the lines of one file are collected, and where that was said: every log of the file says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffered {
    size: u64,
    flush: Option<Duration>,
    gzip: Option<u8>,
    span: Span,
}

/// The buffer of a compressed log that says nothing else.
const GZIP_BUFFER: u64 = 64 * 1024;

/// `access_log path [format [buffer=size] [gzip[=level]] [flush=time] [if=condition]];` or `off`, which
/// silences the level whatever else is written in it.
fn access_log(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some((path, rest)) = directive.args.split_first() else { return };
    if path.is("off") {
        if let Some(word) = rest.first() {
            parameter::invalid(cx, word, "nothing follows `off`");
        }
        level.first("access_log off");
        level.set.logs.access = Some(Vec::new());
        return;
    }
    let Some(to) = target(cx, path, 6, false) else { return };
    let (format, rest) = match rest.split_first() {
        Some((name, rest)) => (format(cx, name), rest),
        None => (Some(defaults::combined()), rest),
    };
    let Some(format) = format else { return };
    let mut log = AccessLog { to, format, when: None, buffer: 0, flush: None, gzip: None };
    for word in rest {
        if !parameter(cx, &mut log, word) {
            return;
        }
    }
    if log.buffer == 0 && log.flush.is_some() {
        let message = "`flush` without a buffer";
        let found = Diagnostic::error("no-log-buffer", directive.head(), message);
        cx.report(found.help("say how large it is: `buffer=32k`"));
        return;
    }
    if log.buffer > 0 && !buffer(cx, &log, path, directive.head()) {
        return;
    }
    if !level.has("access_log off") {
        level.set.logs.access.get_or_insert_default().push(log);
    }
}

/// One parameter of an access log; `false` after a report.
fn parameter(cx: &mut Cx, log: &mut AccessLog, word: &Word) -> bool {
    if let Some(size) = named(word, "buffer") {
        match values::size(size) {
            Ok(size) if size > 0 => log.buffer = size,
            Ok(_) => return wrong(cx, word, "it must be more than zero"),
            Err(fault) => return wrong(cx, word, fault.to_string()),
        }
    } else if let Some(time) = named(word, "flush") {
        match values::time(time) {
            Ok(time) if !time.is_zero() => log.flush = Some(time),
            Ok(_) => return wrong(cx, word, "it must be more than zero"),
            Err(fault) => return wrong(cx, word, fault.to_string()),
        }
    } else if word.is("gzip") || named(word, "gzip").is_some() {
        let level = named(word, "gzip").map_or(Ok(1), values::number);
        let Some(level) =
            level.ok().and_then(|level| u8::try_from(level).ok()).filter(|n| (1..=9).contains(n))
        else {
            return wrong(cx, word, "a level is from 1 (fast) to 9 (small)");
        };
        log.gzip = Some(level);
        if log.buffer == 0 {
            log.buffer = GZIP_BUFFER;
        }
    } else if named(word, "if").is_some() {
        log.when = Some(template_part(cx, word, 3..word.value.len()));
    } else {
        parameter::invalid(cx, word, "expected `buffer=`, `gzip`, `flush=` or `if=`");
        return false;
    }
    true
}

fn wrong(cx: &mut Cx, word: &Word, why: impl Into<String>) -> bool {
    parameter::invalid_value(cx, word, why);
    false
}

/// Whether a log may have a buffer, and one such.
fn buffer(cx: &mut Cx, log: &AccessLog, path: &Word, span: Span) -> bool {
    let message = match &log.to {
        LogTarget::File(file, _) => match file.as_text() {
            Some(file) => {
                let new = Buffered { size: log.buffer, flush: log.flush, gzip: log.gzip, span };
                let old = *cx.log_buffers.entry(file.to_vec()).or_insert(new);
                if old != new {
                    let message = format!("the buffer of `{}` is another one elsewhere", path.text());
                    let found = Diagnostic::error("conflicting-log-buffer", span, message);
                    cx.report(
                        found.because("the same file, not the same parameters").label(old.span, "here"),
                    );
                    return false;
                }
                return true;
            }
            None => "a log with variables in its path cannot be buffered",
        },
        LogTarget::Series(..) => return true,
        LogTarget::Syslog(_) => "a log to syslog cannot be buffered",
        LogTarget::Stderr => return true,
    };
    cx.error("unbufferable-log", span, message);
    false
}

/// A log format by name.
fn format(cx: &mut Cx, name: &Word) -> Option<LogFormat> {
    if name.is("combined") {
        return Some(defaults::combined());
    }
    if let Some(format) = cx.formats.get(&name.value) {
        return Some(format.clone());
    }
    let severity = if cx.options.offline { Severity::Note } else { Severity::Error };
    let message = format!("unknown log format `{}`", name.text());
    let mut found = Diagnostic::new(severity, "unknown-log-format", message).label(name.span, "");
    if name.value.contains(&b'=') {
        found = found.help(format!("a format stands before it: `combined {}`", name.text()));
    } else {
        let mut names: Vec<_> = cx.formats.keys().map(|name| String::from_utf8_lossy(name)).collect();
        names.sort_unstable();
        if let Some(meant) = suggest::nearest(&name.text(), names.iter().map(AsRef::as_ref)) {
            found = found.help(format!("did you mean `{meant}`?"));
        }
    }
    cx.report(found);
    cx.options.offline.then(|| LogFormat { name: name.value.clone().into(), ..defaults::combined() })
}

/// `error_log file|stderr|syslog:... [level];` The first at a level drops those of the outer levels.
fn error_log(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some((path, levels)) = directive.args.split_first() else { return };
    let logs = &mut level.set.logs;
    logs.errors.get_or_insert_default();
    if path.value.starts_with(b"memory:") {
        let message = "a log kept in memory is not honoured";
        let found = Diagnostic::error("refused-log", path.span, message);
        cx.refuse(found.because("only a debugger could read it").help("write to a file"));
        return;
    }
    let mut least: Option<settings::Level> = None;
    for word in levels {
        let Some(one) = severity(&word.value) else { return };
        // The words for parts of the debug log may stand together.
        if least.is_some() && !(word.value.starts_with(b"debug_") && least == Some(settings::Level::Debug)) {
            let message = format!("a second level `{}`", word.text());
            cx.error("duplicate-log-level", word.span, message);
            return;
        }
        least = Some(one);
    }
    let Some(to) = target(cx, path, 3, true) else { return };
    let log = ErrorLog { to, level: least.unwrap_or(settings::Level::Error) };
    level.set.logs.errors.get_or_insert_default().push(log);
}

/// Where lines go. `severity` is what syslog is told of lines that have none of their own.
fn target(cx: &mut Cx, word: &Word, severity: u8, literal: bool) -> Option<LogTarget> {
    if word.value.starts_with(b"syslog:") {
        return syslog::receiver(cx, word, severity).map(LogTarget::Syslog);
    }
    if word.value.is_empty() || (literal && word.is("stderr")) {
        return Some(LogTarget::Stderr);
    }
    if literal {
        return Some(LogTarget::File(defaults::path_template(&cx.path(&word.value)), word.span));
    }
    Some(LogTarget::File(path(cx, word), word.span))
}

/// A path, which is relative to the prefix even where it begins with a variable.
fn path(cx: &mut Cx, word: &Word) -> Template {
    let path = static_files::path(cx, word, word.value.len());
    if word.value.first() != Some(&b'$') {
        return path;
    }
    let mut absolute = defaults::path_template(&cx.path(b""));
    for part in path.0 {
        absolute.push(part);
    }
    absolute
}

fn severity(word: &[u8]) -> Option<settings::Level> {
    use settings::Level;
    Some(match word {
        b"info" => Level::Info,
        b"notice" => Level::Notice,
        b"warn" => Level::Warn,
        b"error" => Level::Error,
        b"crit" => Level::Crit,
        b"alert" => Level::Alert,
        b"emerg" => Level::Emerg,
        debug if debug.starts_with(b"debug") => Level::Debug,
        _ => return None,
    })
}
