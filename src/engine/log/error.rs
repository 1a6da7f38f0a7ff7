//! Lines of the error log: `time [level] pid#tid: *connection message, client: …`.
//!
//! The parts and their order are what log analysers read, and as
//! `ngx_http_log_error_handler` writes them (observed: nginx 1.22.1).

use std::{cell::Cell, fmt, io::Write as _, panic::Location, rc::Rc, sync::Arc};

use super::{
    super::{
        clock::{Clock, Texts},
        exchange::Exchange,
        facts::Facts,
        http1::field::Known,
        scratch,
        worker::Worker,
    },
    Errors, Logs, Sink, Table,
    form::{self, Line},
    topic,
};
use crate::{
    ir::settings::{Level, LogsInForce, Topic},
    plan::Plan,
};

pub(super) use super::super::forward::system;

/// Writes a line about an exchange to the error logs in force.
#[track_caller]
pub fn error(
    logs: &Logs,
    topic: Option<Topic>,
    level: Level,
    message: fmt::Arguments<'_>,
    exchange: &Exchange,
) {
    if let Some(kept) = &logs.kept {
        kept.borrow_mut().push((level, message.to_string()));
        return;
    }
    let plan = &exchange.serving.plan;
    let settings = &plan.settings(exchange.run.settings).logs;
    let at = Location::caller();
    let topic = topic.unwrap_or_else(|| topic::of(at.file()));
    let least = settings.levels.of(topic);
    if !is_wanted(settings, least, level) {
        return;
    }
    exchange.facts.noted.set(true);
    let table = logs.table(settings);
    if let Some(lines) = &settings.lines {
        let line = Line { level, topic, at, message };
        form::about(lines, &line, exchange, true, |text| emit(&table.errors, least, level, text));
        return;
    }
    let mut line = scratch::take();
    exchange.worker.clock.texts(|texts| begin(&mut line, texts, level));
    let start = line.len();
    let _ = write!(line, "*{} {message}", exchange.facts.client.serial);
    append(&mut line, exchange, plan);
    finish(&mut line, start);
    emit(&table.errors, least, level, &line);
    scratch::give(line);
}

/// Whether any log in force takes a line of a level.
fn is_wanted(settings: &LogsInForce, least: Option<Level>, level: Level) -> bool {
    settings.errors.iter().any(|log| least.unwrap_or(log.level) <= level)
}

/// Writes a line about an exchange that was asked for, to the error logs in force whatever their levels.
pub fn asked(logs: &Logs, message: fmt::Arguments<'_>, exchange: &Exchange) {
    let settings = exchange.serving.plan.settings(exchange.run.settings);
    let table = logs.table(&settings.logs);
    let all: Errors = table.errors.iter().map(|(_, sink)| (Level::Debug, sink.clone())).collect();
    let serial = exchange.facts.client.serial;
    compose(&all, None, &exchange.worker.clock, Level::Notice, format_args!("*{serial} {message}"));
}

/// Writes a line about a client connection on which there is no request.
#[track_caller]
pub fn connection(logs: &Logs, level: Level, message: fmt::Arguments<'_>, exchange: &Exchange) {
    let plan = &exchange.serving.plan;
    let settings = &plan.settings(exchange.run.settings).logs;
    let at = Location::caller();
    let topic = topic::of(at.file());
    let least = settings.levels.of(topic);
    if !is_wanted(settings, least, level) {
        return;
    }
    let table = logs.table(settings);
    if let Some(lines) = &settings.lines {
        let line = Line { level, topic, at, message };
        form::about(lines, &line, exchange, false, |text| emit(&table.errors, least, level, text));
        return;
    }
    let serial = exchange.facts.client.serial;
    compose(&table.errors, least, &exchange.worker.clock, level, format_args!("*{serial} {message}"));
}

/// Writes lines about an exchange while its parts are lent.
#[derive(Debug)]
pub struct Scribe {
    table: Rc<Table>,
    settings: Arc<LogsInForce>,
    worker: Rc<Worker>,
    serial: u64,
    /// What is known of the exchange, as lines end.
    known: Vec<u8>,
    /// The same, where lines have a form.
    kept: Option<form::Kept>,
}

impl Scribe {
    /// For lines about this exchange.
    pub fn of(exchange: &Exchange) -> Self {
        let serving = &exchange.serving;
        let settings = &serving.plan.settings(exchange.run.settings).logs;
        let mut known = Vec::new();
        let kept = settings.lines.as_ref().map(|lines| form::keep(lines, exchange));
        if kept.is_none() {
            append(&mut known, exchange, &serving.plan);
        }
        Self {
            table: serving.logs.table(settings),
            settings: Arc::clone(settings),
            worker: Rc::clone(&exchange.worker),
            serial: exchange.facts.client.serial,
            known,
            kept,
        }
    }

    /// Writes a line.
    #[track_caller]
    pub fn write(&self, level: Level, message: fmt::Arguments<'_>) {
        let at = Location::caller();
        let topic = topic::of(at.file());
        let least = self.settings.levels.of(topic);
        if !is_wanted(&self.settings, least, level) {
            return;
        }
        if let (Some(lines), Some(kept)) = (&self.settings.lines, &self.kept) {
            let line = Line { level, topic, at, message };
            let mut text = scratch::take();
            if form::again(lines, &line, kept, &mut text) {
                emit(&self.table.errors, least, level, &text);
            }
            scratch::give(text);
            return;
        }
        let mut line = scratch::take();
        self.worker.clock.texts(|texts| begin(&mut line, texts, level));
        let start = line.len();
        let _ = write!(line, "*{} {message}", self.serial);
        line.extend_from_slice(&self.known);
        finish(&mut line, start);
        emit(&self.table.errors, least, level, &line);
        scratch::give(line);
    }
}

/// Writes a line about no exchange to the error logs of the process.
#[track_caller]
pub fn event(logs: &Logs, level: Level, message: fmt::Arguments<'_>) {
    let files = &logs.files;
    own(&files.errors, files.own.as_ref(), &logs.clock, level, message);
}

/// Writes a line from wherever no worker's clock is at hand.
#[track_caller]
pub(super) fn process(errors: &Errors, form: Option<&form::Own>, level: Level, message: &str) {
    own(errors, form, &Clock::default(), level, format_args!("{message}"));
}

#[track_caller]
fn own(errors: &Errors, form: Option<&form::Own>, clock: &Clock, level: Level, message: fmt::Arguments<'_>) {
    let at = Location::caller();
    let Some(form) = form else {
        if errors.iter().any(|(least, _)| *least <= level) {
            compose(errors, None, clock, level, message);
        }
        return;
    };
    let topic = topic::of(at.file());
    let least = form.levels.of(topic);
    if !errors.iter().any(|(log, _)| least.unwrap_or(*log) <= level) {
        return;
    }
    let mut text = scratch::take();
    if form.write(&Line { level, topic, at, message }, &mut text) {
        emit(errors, least, level, &text);
    }
    scratch::give(text);
}

/// Says that a log could not be written.
pub(super) fn complain(logs: &Logs, sink: &Sink, error: &std::io::Error) {
    let Some(what) = sink.complaint() else { return };
    let errors = elsewhere(&logs.files.errors);
    let message = format_args!("{what} failed ({})", system(error));
    own(&errors, logs.files.own.as_ref(), &logs.clock, Level::Error, message);
}

fn compose(errors: &Errors, least: Option<Level>, clock: &Clock, level: Level, message: fmt::Arguments<'_>) {
    let mut line = scratch::take();
    clock.texts(|texts| begin(&mut line, texts, level));
    let start = line.len();
    let _ = line.write_fmt(message);
    finish(&mut line, start);
    emit(errors, least, level, &line);
    scratch::give(line);
}

/// Writes a line to the logs that take its level, or `least` in place of each one's own.
fn emit(errors: &Errors, least: Option<Level>, level: Level, line: &[u8]) {
    for (_, sink) in errors.iter().filter(|(log, _)| least.unwrap_or(*log) <= level) {
        if let Err(failure) = sink.write(line, Some(severity(level)))
            && let Some(what) = sink.complaint()
        {
            let clock = Clock::default();
            compose(
                &elsewhere(errors),
                None,
                &clock,
                Level::Error,
                format_args!("{what} failed ({})", system(&failure)),
            );
        }
    }
}

/// Where to say that a log could not be written: not to syslog, of which that may be true as well.
fn elsewhere(errors: &Errors) -> Errors {
    errors.iter().filter(|(_, sink)| !matches!(sink, Sink::Syslog(_))).cloned().collect()
}

/// `2026/11/21 14:00:00 [error] 12#34: `
fn begin(line: &mut Vec<u8>, texts: &Texts, level: Level) {
    let _ = write!(line, "{} [{}] {}#{}: ", texts.error, name(level), std::process::id(), thread());
}

/// Ends the line, with the controls that clients or upstreams may have put in made visible.
fn finish(line: &mut Vec<u8>, start: usize) {
    let is_control = |byte: &u8| *byte < b' ' || *byte == 0x7f;
    if line[start..].iter().any(is_control) {
        let rest = line.split_off(start);
        for byte in rest {
            if is_control(&byte) {
                let _ = write!(line, "\\x{byte:02X}");
            } else {
                line.push(byte);
            }
        }
    }
    line.push(b'\n');
}

/// What is known of the exchange; what is not is left out.
fn append(line: &mut Vec<u8>, exchange: &Exchange, plan: &Arc<Plan>) {
    let facts = &exchange.facts;
    let _ = match facts.client_ip() {
        Some(ip) => write!(line, ", client: {ip}"),
        None => write!(line, ", client: unix:"),
    };
    line.extend_from_slice(b", server: ");
    line.extend_from_slice(&plan.config.host(exchange.run.host).name);
    asked_and_tried(line, exchange);
    let mut part = |before: &[u8], value: &[u8]| {
        line.extend_from_slice(before);
        line.extend_from_slice(value);
        line.push(b'"');
    };
    let value = |known| received(facts, known);
    if let Some(host) = value(Known::Host) {
        part(b", host: \"", host);
    }
    if let Some(referrer) = value(Known::Referer) {
        part(b", referrer: \"", referrer);
    }
}

/// What was asked for, and which upstream was asked.
pub(super) fn asked_and_tried(line: &mut Vec<u8>, exchange: &Exchange) {
    let facts = &exchange.facts;
    let mut part = |before: &[u8], value: &[u8]| {
        line.extend_from_slice(before);
        line.extend_from_slice(value);
        line.push(b'"');
    };
    if !facts.head.line.is_empty() {
        part(b", request: \"", facts.slice(facts.head.line));
    }
    if exchange.is_subrequest() {
        part(b", subrequest: \"", &exchange.run.path);
    }
    if let Some(attempt) = facts.attempts.last() {
        let address = attempt.address.as_bytes();
        let colon: &[u8] = if address.starts_with(b"unix:") { b":" } else { b"" };
        part(b", upstream: \"", &[facts.upstream_scheme, address, colon, &facts.upstream_target].concat());
    }
}

fn received(facts: &Facts, known: Known) -> Option<&[u8]> {
    let field = facts.head.fields.iter().find(|field| field.known == known)?;
    Some(facts.slice(field.value))
}

/// What a level is called.
pub(super) fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Notice => "notice",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Crit => "crit",
        Level::Alert => "alert",
        Level::Emerg => "emerg",
    }
}

/// The severity that syslog knows a level by (RFC 3164 § 4.1.1).
fn severity(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Info => 6,
        Level::Notice => 5,
        Level::Warn => 4,
        Level::Error => 3,
        Level::Crit => 2,
        Level::Alert => 1,
        Level::Emerg => 0,
    }
}

/// The kernel's number of this thread.
#[expect(unsafe_code, reason = "no safe interface to gettid exists in the libraries used")]
pub(super) fn thread() -> i32 {
    thread_local! {
        static NUMBER: Cell<i32> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            // SAFETY: no arguments, cannot fail.
            number.set(unsafe { libc::gettid() });
        }
        number.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_with_time_level_and_process() {
        let mut line = Vec::new();
        begin(&mut line, &Texts { error: "2026/11/21 14:00:00".to_owned(), ..Texts::default() }, Level::Warn);
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text, format!("2026/11/21 14:00:00 [warn] {}#{}: ", std::process::id(), thread()));
    }

    #[test]
    fn controls_do_not_reach_the_log() {
        let mut line = b"12 a\x1bb\nc\xc3\xa9".to_vec();
        finish(&mut line, 3);
        assert_eq!(line, b"12 a\\x1Bb\\x0Ac\xc3\xa9\n");
    }
}
