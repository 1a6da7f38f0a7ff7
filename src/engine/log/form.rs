//! Lines of the error log in a form that the configuration gives.
//!
//! A line is made of pieces; where one says nothing, its field is left out, a hyphen takes its place, or there is no
//! line. The message and what peers had a part in are escaped, so that a line stays one.

use std::{fmt, io::Write as _, panic::Location, time::SystemTime};

use super::{
    super::{clock, exchange::Exchange, facts::Facts, scratch},
    access::escape,
    error,
};
use crate::{
    ir::{
        Attr, Part, Template, Text,
        settings::{ErrorForm, ErrorLines, ErrorPiece, ErrorWord, Level, Levels, LogEscape, Missing, Topic},
    },
    plan::{Run, View as _},
};

/// What a line is to say.
#[derive(Clone, Copy)]
pub(super) struct Line<'l> {
    pub(super) level: Level,
    pub(super) topic: Topic,
    /// Where it is said.
    pub(super) at: &'l Location<'l>,
    pub(super) message: fmt::Arguments<'l>,
}

/// The form of lines about no exchange.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) lines: ErrorLines,
    pub(super) levels: Levels,
    /// The name of the first host.
    pub(super) host: Text,
}

/// What is known of an exchange, piece by piece, for lines that are written while its parts are lent.
#[derive(Debug)]
pub(super) struct Kept {
    values: Vec<Option<Vec<u8>>>,
    /// What the message ends in.
    tail: Vec<u8>,
}

/// Writes the line, and before the first one about the request or its connection what tells of these.
pub(super) fn about(
    lines: &ErrorLines,
    line: &Line<'_>,
    exchange: &Exchange,
    request: bool,
    mut emit: impl FnMut(&[u8]),
) {
    let request = request && !exchange.facts.head.line.is_empty();
    let mut text = scratch::take();
    let mut all = |forms: &[ErrorForm], text: &mut Vec<u8>| {
        for form in forms {
            let value = |word: &ErrorWord, out: &mut Vec<u8>| say(word, lines, line, exchange, request, out);
            text.clear();
            if assemble(form, line.level, value, text) {
                emit(text);
            }
        }
    };
    if !exchange.facts.client.told.replace(true) {
        all(&lines.connection, &mut text);
    }
    if request && !exchange.facts.told.replace(true) {
        all(&lines.request, &mut text);
    }
    all(std::slice::from_ref(&lines.line), &mut text);
    scratch::give(text);
}

/// Remembers what lines are to say of an exchange.
pub(super) fn keep(lines: &ErrorLines, exchange: &Exchange) -> Kept {
    let nothing =
        Line { level: Level::Error, topic: Topic::Core, at: Location::caller(), message: format_args!("") };
    let value = |piece: &ErrorPiece| {
        let mut out = Vec::new();
        say(&piece.word, lines, &nothing, exchange, true, &mut out).then_some(out)
    };
    let mut tail = Vec::new();
    error::asked_and_tried(&mut tail, exchange);
    Kept { values: lines.line.0.iter().map(value).collect(), tail }
}

/// Makes a line about what was remembered.
pub(super) fn again(lines: &ErrorLines, line: &Line<'_>, kept: &Kept, out: &mut Vec<u8>) -> bool {
    let mut known = kept.values.iter();
    let value = |word: &ErrorWord, out: &mut Vec<u8>| {
        let known = known.next().and_then(Option::as_ref);
        match word {
            ErrorWord::Message => message(line, &kept.tail, out),
            _ => plain(word, lines, line, out).unwrap_or_else(|| {
                let Some(known) = known else { return false };
                out.extend_from_slice(known);
                true
            }),
        }
    };
    assemble(&lines.line, line.level, value, out)
}

impl Own {
    /// Makes a line about no exchange.
    pub(super) fn write(&self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        let value = |word: &ErrorWord, out: &mut Vec<u8>| match word {
            ErrorWord::Message => message(line, &[], out),
            ErrorWord::Host => put(&self.host, out),
            _ => plain(word, &self.lines, line, out).unwrap_or(false),
        };
        assemble(&self.lines.line, line.level, value, out)
    }
}

/// Puts the pieces together; `false` when there is no line.
fn assemble(
    form: &ErrorForm,
    level: Level,
    mut value: impl FnMut(&ErrorWord, &mut Vec<u8>) -> bool,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let (mut field, mut skipping) = (start, false);
    let mut scratch = scratch::take();
    for ErrorPiece { field: begins, word, missing, worst } in &form.0 {
        if *begins && !std::mem::take(&mut skipping) {
            field = out.len();
        }
        // Each piece is asked, so that who answers may count them.
        scratch.clear();
        let said = value(word, &mut scratch);
        if skipping {
            // The rest of a field that is left out, the message, too (observed).
        } else if matches!(word, ErrorWord::Message) {
            out.extend_from_slice(&scratch);
        } else if level > *worst || !said && *missing == Missing::Field {
            out.truncate(field);
            skipping = true;
        } else if said {
            out.extend_from_slice(&scratch);
        } else if *missing == Missing::Line {
            scratch::give(scratch);
            out.truncate(start);
            return false;
        } else {
            out.push(b'-');
        }
    }
    scratch::give(scratch);
    out.push(b'\n');
    true
}

/// What a word says of an exchange; `false` when it says nothing.
fn say(
    word: &ErrorWord,
    lines: &ErrorLines,
    line: &Line<'_>,
    exchange: &Exchange,
    request: bool,
    out: &mut Vec<u8>,
) -> bool {
    let facts = &exchange.facts;
    match word {
        ErrorWord::Message => {
            let mut tail = Vec::new();
            if request {
                error::asked_and_tried(&mut tail, exchange);
            }
            message(line, &tail, out)
        }
        ErrorWord::Client => address(facts, &exchange.run, &Attr::ClientAddr, &Attr::ClientPort, out),
        ErrorWord::Peer => address(facts, &exchange.run, &Attr::PeerAddr, &Attr::PeerPort, out),
        ErrorWord::Server => address(facts, &exchange.run, &Attr::ServerAddr, &Attr::ServerPort, out),
        ErrorWord::Host => put(&exchange.serving.plan.config.host(exchange.run.host).name, out),
        ErrorWord::Request => request && facts.attr(&exchange.run, &Attr::RequestId, out),
        ErrorWord::Connection(alone) => {
            !(*alone && request) && facts.attr(&exchange.run, &Attr::Connection, out)
        }
        ErrorWord::Of(template) => request && of(template, exchange, out),
        _ => plain(word, lines, line, out).unwrap_or(false),
    }
}

/// What a word says whatever the line is about; `None` when that depends.
fn plain(word: &ErrorWord, lines: &ErrorLines, line: &Line<'_>, out: &mut Vec<u8>) -> Option<bool> {
    Some(match word {
        ErrorWord::Text(text) => put(text, out),
        ErrorWord::Level => put(error::name(line.level).as_bytes(), out),
        ErrorWord::Topic => {
            let name = lines.names.iter().find(|(topic, _)| *topic == line.topic);
            name.is_some_and(|(_, name)| put(name, out))
        }
        ErrorWord::Source => {
            let file = line.at.file();
            let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
            write!(out, "{name}({})", line.at.line()).is_ok()
        }
        ErrorWord::Time { compact, micros } => time(*compact, *micros, out),
        ErrorWord::Process => write!(out, "{}", std::process::id()).is_ok(),
        ErrorWord::Thread => write!(out, "{}", error::thread()).is_ok(),
        _ => return None,
    })
}

/// Now, in local time.
fn time(compact: bool, micros: bool, out: &mut Vec<u8>) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let t = clock::local(now.as_secs());
    let year = t.tm_year + 1900;
    let done = if compact {
        write!(out, "{year}-{:02}-{:02} ", t.tm_mon + 1, t.tm_mday)
    } else {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let day = DAYS.get(t.tm_wday as usize).copied().unwrap_or_default();
        let month = clock::MONTHS.get(t.tm_mon as usize).copied().unwrap_or_default();
        write!(out, "{day} {month} {:02} ", t.tm_mday)
    };
    let _ = write!(out, "{:02}:{:02}:{:02}", t.tm_hour, t.tm_min, t.tm_sec);
    if micros {
        let _ = write!(out, ".{:06}", now.subsec_micros());
    }
    if !compact {
        let _ = write!(out, " {year}");
    }
    done.is_ok()
}

/// The message, and what it is about.
fn message(line: &Line<'_>, tail: &[u8], out: &mut Vec<u8>) -> bool {
    let mut text = scratch::take();
    let _ = text.write_fmt(line.message);
    text.extend_from_slice(tail);
    visible(&text, out);
    let said = !text.is_empty();
    scratch::give(text);
    said
}

/// Properties and variables; `false` when one of them is missing or empty.
fn of(Template(parts): &Template, exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    let mut value = scratch::take();
    let mut said = true;
    for part in parts {
        value.clear();
        said &= match part {
            Part::Text(text) => put(text, &mut value),
            Part::Attr(attr) => exchange.facts.attr(&exchange.run, attr, &mut value) && !value.is_empty(),
            Part::Var(var) => exchange.run.known(*var).is_some_and(|known| put(known, &mut value)),
            _ => false,
        };
        visible(&value, out);
    }
    scratch::give(value);
    said
}

/// An address with its port.
fn address(facts: &Facts, run: &Run, ip: &Attr, port: &Attr, out: &mut Vec<u8>) -> bool {
    let said = facts.attr(run, ip, out) && !out.is_empty();
    if said {
        out.push(b':');
        let before = out.len();
        facts.attr(run, port, out);
        if out.len() == before {
            out.push(b'0');
        }
    }
    said
}

/// Appends with controls and what is not ASCII escaped; quotation marks are left alone.
fn visible(text: &[u8], out: &mut Vec<u8>) {
    for (at, piece) in text.split(|byte| *byte == b'"').enumerate() {
        if at > 0 {
            out.push(b'"');
        }
        escape(LogEscape::C, Some(piece), out);
    }
}

fn put(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(text);
    !text.is_empty()
}
