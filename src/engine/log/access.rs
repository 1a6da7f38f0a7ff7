//! Lines of the access log: one for each request, at its end.

use std::sync::Arc;

use super::{
    super::{exchange::Exchange, files, http1::scan, scratch},
    Logs, Sink, error,
    file::{Buffer, LogFile},
};
use crate::{
    ir::{
        FileKind, Part, Template,
        settings::{AccessLog, Level, LogEscape},
    },
    plan::Plan,
};

/// One access log, ready to be written.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) to: To,
    pub(super) escape: LogEscape,
    pub(super) when: Option<Template>,
    pub(super) line: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum To {
    Sink(Sink),
    Buffer(Arc<Buffer>),
    /// A file whose name depends on the request.
    Named(Template),
}

/// A part of a line.
#[derive(Debug)]
pub(super) enum Piece {
    Text(Vec<u8>),
    /// A template of one part, so that a missing value can be told from an empty one.
    Value(Template),
}

/// Writes the lines of an exchange to the access logs in force.
pub fn access(logs: &Logs, exchange: &mut Exchange, plan: &Plan) {
    let table = logs.table(&plan.settings(exchange.run.settings).logs);
    if table.access.is_empty() {
        return;
    }
    let (mut line, mut value) = (scratch::take(), scratch::take());
    for writer in &table.access {
        writer.write(logs, exchange, plan, &mut line, &mut value);
    }
    scratch::give(line);
    scratch::give(value);
}

impl Writer {
    /// A log; `sink` is missing when the name of its file depends on the request.
    pub(super) fn new(logs: &Logs, log: &AccessLog, sink: Option<Sink>) -> Self {
        let AccessLog { to: _, format, when, buffer, flush: _, gzip } = log;
        let buffered = |file: &Arc<LogFile>| To::Buffer(logs.buffer(file, log));
        let to = match (sink, &log.to) {
            (Some(Sink::File(file)), _) if *buffer > 0 || gzip.is_some() => buffered(&file),
            (Some(sink), _) => To::Sink(sink),
            (None, crate::ir::settings::LogTarget::File(name, _)) => To::Named(name.clone()),
            (None, _) => To::Sink(Sink::Stderr),
        };
        let piece = |part: &Part| match part {
            Part::Text(text) => Piece::Text(text.0.clone()),
            part => Piece::Value(Template(vec![part.clone()])),
        };
        let line = format.line.0.iter().map(piece).collect();
        Self { to, escape: format.escape, when: when.clone(), line }
    }

    fn write(
        &self,
        logs: &Logs,
        exchange: &mut Exchange,
        plan: &Plan,
        line: &mut Vec<u8>,
        value: &mut Vec<u8>,
    ) {
        if let Some(when) = &self.when {
            value.clear();
            exchange.run.eval(plan, &exchange.facts, when, value);
            if matches!(value.as_slice(), b"" | b"0") {
                return;
            }
        }
        line.clear();
        for piece in &self.line {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text),
                Piece::Value(template) => {
                    value.clear();
                    let present = exchange.run.eval(plan, &exchange.facts, template, value);
                    escape(self.escape, present.then_some(value.as_slice()), line);
                }
            }
        }
        line.push(b'\n');
        if let To::Named(name) = &self.to {
            value.clear();
            exchange.run.eval(plan, &exchange.facts, name, value);
            write_named(logs, exchange, plan, value, line);
        } else {
            self.put(logs, line);
        }
    }

    /// Writes a line to a log whose name does not depend on the request.
    pub(super) fn put(&self, logs: &Logs, line: &[u8]) {
        match &self.to {
            To::Sink(sink) => {
                if let Err(failure) = sink.write(line, None) {
                    error::complain(logs, sink, &failure);
                }
            }
            To::Buffer(buffer) => {
                if let Err(failure) = buffer.push(line) {
                    error::complain(logs, &Sink::File(Arc::clone(buffer.file())), &failure);
                }
            }
            To::Named(_) => {}
        }
    }
}

/// Writes to a file that the request names: only where the request's document root is, so that clients
/// cannot fill the disk with names of hosts that do not exist.
/// Reference: <https://nginx.org/r/access_log>, of paths with variables.
fn write_named(logs: &Logs, exchange: &mut Exchange, plan: &Plan, name: &[u8], line: &[u8]) {
    let mut root = scratch::take();
    let mapped = exchange.run.document_root(plan, &exchange.facts, &mut root);
    let exists = mapped && files::is(&root, FileKind::Directory);
    scratch::give(root);
    if !exists {
        return;
    }
    if !is_safe(name) {
        let shown = name.escape_ascii();
        exchange.log(Level::Error, format_args!("unsafe access log name \"{shown}\" while logging request"));
        return;
    }
    let done = logs.opened.borrow_mut().write(name, line);
    if let Err(failure) = done {
        let (name, failure) = (name.escape_ascii(), error::system(&failure));
        exchange.log(Level::Crit, format_args!("open() \"{name}\" failed ({failure}) while logging request"));
    }
}

/// Whether a name that a request had a part in stays where the configuration put it.
fn is_safe(name: &[u8]) -> bool {
    let climbs = name.split(|&byte| byte == b'/').any(|segment| segment == b"..");
    !name.is_empty() && !climbs && !name.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

/// Appends a value so that it stays one value of one line.
pub(super) fn escape(how: LogEscape, value: Option<&[u8]>, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    let Some(value) = value else {
        if matches!(how, LogEscape::Hex | LogEscape::C | LogEscape::Plus) {
            out.push(b'-');
        }
        return;
    };
    match how {
        LogEscape::None => out.extend_from_slice(value),
        LogEscape::Plus if value.is_empty() => out.push(b'-'),
        LogEscape::Plus => {
            let shown = |byte: &u8| if matches!(byte, 0..=b' ' | 0x7f) { b'+' } else { *byte };
            out.extend(value.iter().map(shown));
        }
        LogEscape::C => replace(
            value,
            |byte| !(b' '..0x7f).contains(&byte) || byte == b'"' || byte == b'\\',
            |byte| match byte {
                b'"' | b'\\' => out_of(&[b'\\', byte]),
                0x08 => out_of(b"\\b"),
                b'\n' => out_of(b"\\n"),
                b'\r' => out_of(b"\\r"),
                b'\t' => out_of(b"\\t"),
                0x0b => out_of(b"\\v"),
                _ => {
                    let [high, low] = digits(byte).map(|digit| digit.to_ascii_lowercase());
                    out_of(&[b'\\', b'x', high, low])
                }
            },
            out,
        ),
        LogEscape::Hex => replace(
            value,
            |byte| !(b' '..0x7f).contains(&byte) || byte == b'"' || byte == b'\\',
            |byte| {
                let [high, low] = digits(byte);
                out_of(&[b'\\', b'x', high, low])
            },
            out,
        ),
        LogEscape::Json => replace(
            value,
            |byte| byte < b' ' || byte == b'"' || byte == b'\\',
            |byte| match byte {
                b'"' | b'\\' => out_of(&[b'\\', byte]),
                b'\n' => out_of(b"\\n"),
                b'\r' => out_of(b"\\r"),
                b'\t' => out_of(b"\\t"),
                8 => out_of(b"\\b"),
                12 => out_of(b"\\f"),
                _ => {
                    let [high, low] = digits(byte);
                    out_of(&[b'\\', b'u', b'0', b'0', high, low])
                }
            },
            out,
        ),
    }
}

/// What stands for one byte: at most six.
type Escaped = ([u8; 6], usize);

fn out_of(text: &[u8]) -> Escaped {
    let mut bytes = [0; 6];
    bytes[..text.len()].copy_from_slice(text);
    (bytes, text.len())
}

/// Appends a value with something in place of some of its bytes; what stands between goes in one piece.
#[inline]
fn replace(
    mut value: &[u8],
    is: impl Fn(u8) -> bool + Copy,
    escaped: impl Fn(u8) -> Escaped,
    out: &mut Vec<u8>,
) {
    while let Some(at) = scan::first(value, is) {
        out.extend_from_slice(&value[..at]);
        let (bytes, length) = escaped(value[at]);
        out.extend_from_slice(&bytes[..length]);
        value = &value[at + 1..];
    }
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_as_the_format_says() {
        let text: &[u8] = b"a\"\\\n\x01\x7f\xc3\xa9z";
        for (how, value, expected) in [
            (LogEscape::Hex, Some(text), &b"a\\x22\\x5C\\x0A\\x01\\x7F\\xC3\\xA9z"[..]),
            (LogEscape::Json, Some(text), b"a\\\"\\\\\\n\\u0001\x7f\xc3\xa9z"),
            (LogEscape::None, Some(text), text),
            (LogEscape::Hex, None, b"-"),
            (LogEscape::C, None, b"-"),
            (LogEscape::C, Some(b"\"\\\n\x01\xe9a"), b"\\\"\\\\\\n\\x01\\xe9a"),
            (LogEscape::Hex, Some(b""), b""),
            (LogEscape::Json, None, b""),
            (LogEscape::None, None, b""),
            (LogEscape::Json, Some(b"\t\r\x08\x0c\x1f"), b"\\t\\r\\b\\f\\u001F"),
        ] {
            let mut out = Vec::new();
            escape(how, value, &mut out);
            assert_eq!(out, expected, "{how:?} {value:?}");
        }
    }

    #[test]
    fn names_from_requests_stay_in_place() {
        for (name, safe) in [
            ("/var/log/a.example.log", true),
            ("/var/log/a..b.log", true),
            ("/var/log/../passwd", false),
            ("/var/log/a\n", false),
            ("/var/log/\0", false),
            ("", false),
        ] {
            assert_eq!(is_safe(name.as_bytes()), safe, "{name:?}");
        }
    }
}
