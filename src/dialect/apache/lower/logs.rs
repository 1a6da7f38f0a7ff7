//! `LogFormat`, `CustomLog`, `TransferLog`, `GlobalLog`, `ErrorLog`, `ErrorLogFormat`, `LogLevel`.
//!
//! Observed (2.4.71): a virtual host with a `CustomLog` of its own does not write to those of the main server. The
//! name of a format may be given after the log that uses it. A value that is missing is `-`. A log that is a program
//! (`|prog`) is refused: files are opened again at a graceful restart, so that nothing needs to be piped for rotation.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_log_config.html>

use std::{collections::HashMap, os::unix::ffi::OsStrExt as _};

use super::{
    super::{tree::Directive, tree::Word},
    Cx, Lower, Section,
    headers::Condition,
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    ir::{
        Template, Test, Text,
        settings::{AccessLog, ErrorLog, Level, LogEscape, LogFormat, LogTarget, Syslog},
    },
    source::Span,
};

mod error_lines;
mod format;

pub(super) use error_lines::usual;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("CustomLog", custom),
    ("ErrorLog", errors),
    ("ErrorLogFormat", error_lines::format),
    ("GlobalLog", custom),
    ("LogFormat", format),
    ("LogLevel", level),
    ("TransferLog", transfer),
];

/// The common log format, for logs without one.
const COMMON: &[u8] = b"%h %l %u %t \"%r\" %>s %b";

/// What a server logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    formats: HashMap<Vec<u8>, Vec<u8>>,
    /// The format of `TransferLog`.
    transfer: Option<Vec<u8>>,
    access: Vec<Log>,
    /// Logs of the main server that virtual hosts write to as well.
    global: Vec<Log>,
    pub(super) errors: Option<LogTarget>,
    level: Option<Level>,
    lines: error_lines::Own,
}

/// A log whose format may be named later.
#[derive(Clone, Debug)]
struct Log {
    to: LogTarget,
    /// A format or the name of one; `None` is that of `TransferLog`.
    format: Option<Word>,
    when: Option<Template>,
    span: Span,
}

/// `LogFormat format [name]`
fn format(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    match directive.args.as_slice() {
        [format] => section.own.logs.transfer = Some(format.value.clone()),
        [format, name] => {
            section.own.logs.formats.insert(name.value.clone(), format.value.clone());
        }
        _ => return cx.error("arguments", directive.head(), "LogFormat takes a format and perhaps a name"),
    }
    // What is wrong with a format is said where it is written, used or not.
    if let [word, ..] = directive.args.as_slice()
        && (directive.args.len() == 2 || word.value.contains(&b'%'))
    {
        format::read(cx, &super::super::expr::lower::written(word), true);
    }
}

/// `CustomLog file format|name [env=[!]variable|expr=expression]`
fn custom(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (file, format, condition) = match directive.args.as_slice() {
        [file, format] => (file, format, None),
        [file, format, condition] => (file, format, Some(condition)),
        _ => {
            let message = format!("{} takes a file and a format", directive.name());
            return cx.error("arguments", directive.head(), message);
        }
    };
    let when = match condition.map(|word| (cx.env_or_expr(word), word)) {
        None => None,
        Some((Condition::Test(test), _)) => Some(truth(cx, test)),
        Some((Condition::Wrong, _)) => return,
        Some((Condition::None, word)) => {
            let message = "a condition is `env=VARIABLE`, `env=!VARIABLE` or `expr=EXPRESSION`";
            return cx.error("arguments", word.span, message);
        }
    };
    let Some(to) = target(cx, file) else { return };
    let log = Log { to, format: Some(format.clone()), when, span: directive.head() };
    let logs = &mut section.own.logs;
    if directive.name() == "GlobalLog" { logs.global.push(log) } else { logs.access.push(log) }
}

/// `TransferLog file`
fn transfer(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [file] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "TransferLog takes a file");
    };
    let Some(to) = target(cx, file) else { return };
    section.own.logs.access.push(Log { to, format: None, when: None, span: directive.head() });
}

/// A template that is `1` when a test holds, else empty.
fn truth(cx: &mut Cx, test: Test) -> Template {
    Template::var(cx.choice("", vec![(test, "1".into())], Template::default()))
}

/// Where lines go: a file.
fn target(cx: &mut Cx, word: &Word) -> Option<LogTarget> {
    if word.value.starts_with(b"|") {
        let message = "logs are not piped into programs";
        let help =
            "name a file: files are opened again at a graceful restart (USR1), so that they can be rotated";
        cx.refuse(Diagnostic::error("refused", word.span, message).help(help));
        return None;
    }
    let path = cx.path(&word.value);
    Some(LogTarget::File(Template::text(path.as_os_str().as_bytes()), word.span))
}

/// `ErrorLog file|syslog[:facility]`
fn errors(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else {
        return cx.error("arguments", directive.head(), "ErrorLog takes one argument");
    };
    let text = word.text().into_owned();
    if let Some(rest) = text.strip_prefix("syslog").filter(|rest| rest.is_empty() || rest.starts_with(':')) {
        let mut parts = rest.trim_start_matches(':').splitn(2, ':');
        let name = parts.next().unwrap_or_default();
        let Some(facility) = facility(name) else {
            return cx.error("arguments", word.span, format!("`{name}` is no facility of syslog"));
        };
        let tag = parts.next().filter(|tag| !tag.is_empty()).unwrap_or("httpd").into();
        section.own.logs.errors = Some(LogTarget::Syslog(Syslog {
            server: "unix:/dev/log".into(),
            facility,
            severity: 6,
            tag,
            host_name: false,
        }));
        return;
    }
    if matches!(&*text, "/dev/stderr" | "/proc/self/fd/2") {
        section.own.logs.errors = Some(LogTarget::Stderr);
        return;
    }
    section.own.logs.errors = target(cx, word).or(Some(LogTarget::Stderr));
}

/// The number of a facility (RFC 3164 § 4.1.1).
fn facility(name: &str) -> Option<u8> {
    const NAMES: [&str; 12] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    ];
    if name.is_empty() {
        return Some(23);
    }
    if let Some(number) = name.strip_prefix("local") {
        return number.parse::<u8>().ok().filter(|number| *number < 8).map(|number| 16 + number);
    }
    NAMES.iter().position(|known| *known == name).map(|at| at as u8)
}

/// `LogLevel [module:]level ...`
fn level(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for word in &directive.args {
        let text = word.text().to_ascii_lowercase();
        let (module, name) = match text.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, text.as_str()),
        };
        let Some(level) = level_of(name) else {
            let of = module.map(|module| format!("{module}:{name}: ")).unwrap_or_default();
            let message = format!(
                "{of}Log level keyword must be one of emerg/alert/crit/error/warn/notice/info/debug/trace1/.../trace8"
            );
            let mut finding = Diagnostic::error("invalid-level", word.span, message);
            if let Some(meant) = suggest::nearest(name, LEVELS.iter().copied()) {
                finding = finding.help(format!("did you mean `{meant}`?"));
            }
            cx.report(finding);
            continue;
        };
        if let Some(module) = module
            && !error_lines::is_module(cx, module)
        {
            cx.error("unknown-module", word.span, format!("Cannot find module {module}"));
            continue;
        }
        error_lines::level(section, module, name);
        if let Some(told) = tells_rules(&text) {
            section.set.logs.rewrite = Some(told);
        }
        if module.is_none() && section.is_server() {
            section.own.logs.level = Some(level);
        }
    }
}

/// Whether a word of `LogLevel` has steps of rules told; `None` when it says nothing of them.
pub(super) fn tells_rules(word: &str) -> Option<bool> {
    let (module, level) = word.split_once(':').map_or((None, word), |(module, level)| (Some(module), level));
    matches!(module, None | Some("rewrite" | "rewrite_module" | "mod_rewrite.c"))
        .then(|| level.starts_with("trace"))
}

const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace1", "trace2", "trace3",
    "trace4", "trace5", "trace6", "trace7", "trace8",
];

fn level_of(name: &str) -> Option<Level> {
    Some(match name {
        "emerg" => Level::Emerg,
        "alert" => Level::Alert,
        "crit" => Level::Crit,
        "error" => Level::Error,
        "warn" => Level::Warn,
        "notice" => Level::Notice,
        "info" => Level::Info,
        name if LEVELS.contains(&name) => Level::Debug,
        _ => return None,
    })
}

/// What a virtual host has of the main server.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let (main, host) = (&main.own.logs, &mut host.own.logs);
    let mut formats = main.formats.clone();
    formats.extend(std::mem::take(&mut host.formats));
    host.formats = formats;
    host.transfer = host.transfer.take().or_else(|| main.transfer.clone());
    if host.access.is_empty() {
        host.access.clone_from(&main.access);
    }
    host.global.extend(main.global.iter().cloned());
    host.errors = host.errors.take().or_else(|| main.errors.clone());
    host.level = host.level.or(main.level);
    error_lines::join(&main.lines, &mut host.lines);
}

/// Makes settings of what a server logs, once all is read.
pub(super) fn finish(cx: &mut Cx, host: &mut Section) {
    error_lines::finish(host);
    let own = host.own.logs.clone();
    let mut access = Vec::new();
    for log in own.access.iter().chain(&own.global) {
        let named = log.format.as_ref().and_then(|word| own.formats.get(&word.value));
        let line = match (&log.format, named) {
            (_, Some(format)) => format::read(cx, &format::at(format, log.span), false),
            (Some(word), None) => format::read(cx, &super::super::expr::lower::written(word), false),
            (None, None) => {
                let format = own.transfer.as_deref().unwrap_or(COMMON);
                format::read(cx, &format::at(format, log.span), false)
            }
        };
        let name = match (&log.format, named) {
            (Some(word), Some(_)) => Text::from(word.value.as_slice()),
            _ => Text::new(),
        };
        access.push(AccessLog {
            to: log.to.clone(),
            format: LogFormat { name, escape: LogEscape::C, line: line.unwrap_or_default() },
            when: log.when.clone(),
            buffer: 0,
            flush: None,
            gzip: None,
        });
    }
    if !access.is_empty() {
        host.set.logs.access = Some(access);
    }
    if own.errors.is_some() || own.level.is_some() {
        let to = own.errors.unwrap_or(LogTarget::Stderr);
        host.set.logs.errors = Some(vec![ErrorLog { to, level: own.level.unwrap_or(Level::Warn) }]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities() {
        assert_eq!(facility(""), Some(23));
        assert_eq!(facility("local3"), Some(19));
        assert_eq!(facility("daemon"), Some(3));
        assert_eq!(facility("local8"), None);
        assert_eq!(facility("x"), None);
    }
}
