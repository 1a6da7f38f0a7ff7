//! Lines of an exchange that lasts: what is settled is written when its tunnel begins, the rest when it ends.
//!
//! So a tunnel that is open for hours need not remember its request.

use std::{rc::Rc, time::Instant};

use super::{
    super::{
        exchange::Exchange,
        facts::{Attempt, Client, Facts},
        tunnel::Tunnel,
        worker::{Serving, Worker},
    },
    Table,
    access::{Piece, To, Writer, escape},
};
use crate::{
    ir::{Attr, Part, Template, settings::Level},
    plan::{Plan, Run, View as _},
};

/// The lines that an exchange is to leave when its tunnel ends.
#[derive(Debug)]
pub struct Ahead {
    /// Keeps the logs and the plan.
    serving: Rc<Serving>,
    table: Rc<Table>,
    lines: Box<[Option<Line>]>,
    attempts: Box<[Attempt]>,
    opened: Instant,
    began: Instant,
    sent: u64,
    sent_head: u64,
}

/// A line as far as it is known, and where in it which pieces of the format are missing.
#[derive(Debug)]
struct Line {
    text: Box<[u8]>,
    missing: Box<[(u32, u16)]>,
}

/// Writes ahead; `None` when something that is not settled can only be read from the exchange itself.
pub fn ahead(exchange: &mut Exchange, plan: &Plan) -> Option<Ahead> {
    let serving = Rc::clone(&exchange.serving);
    let settings = &plan.settings(exchange.run.settings).logs;
    if settings.errors.iter().any(|log| log.level <= Level::Info) {
        return None;
    }
    let table = serving.logs.table(settings);
    let lines =
        table.access.iter().map(|writer| begin(writer, exchange, plan)).collect::<Result<_, Unsettled>>();
    let lines = lines.ok()?;
    let facts = &mut exchange.facts;
    let attempts = std::mem::take(&mut facts.attempts).into_boxed_slice();
    let (opened, began, sent, sent_head) = (facts.client.opened, facts.began, facts.sent, facts.sent_head);
    Some(Ahead { serving, table, lines, attempts, opened, began, sent, sent_head })
}

/// Something can only be read from the exchange itself, at its end.
struct Unsettled;

/// The line of one log; none where its condition is not met.
fn begin(writer: &Writer, exchange: &mut Exchange, plan: &Plan) -> Result<Option<Line>, Unsettled> {
    let mut value = Vec::new();
    if matches!(writer.to, To::Named(_)) {
        return Err(Unsettled);
    }
    if let Some(when) = &writer.when {
        if !when.0.iter().all(|part| matches!(part, Part::Text(_)) || is_settled(part)) {
            return Err(Unsettled);
        }
        exchange.eval(when, &mut value);
        if matches!(value.as_slice(), b"" | b"0") {
            return Ok(None);
        }
    }
    let (mut text, mut missing) = (Vec::new(), Vec::new());
    for (at, piece) in (0..).zip(&writer.line) {
        match piece {
            Piece::Text(known) => text.extend_from_slice(known),
            Piece::Value(Template(parts)) => match parts.as_slice() {
                [part] if is_settled(part) => {
                    value.clear();
                    let present =
                        exchange.run.eval(plan, &exchange.facts, &Template(vec![part.clone()]), &mut value);
                    escape(writer.escape, present.then_some(value.as_slice()), &mut text);
                }
                [Part::Attr(attr)] if is_kept(attr) => missing.push((text.len() as u32, at)),
                _ => return Err(Unsettled),
            },
        }
    }
    Ok(Some(Line { text: text.into_boxed_slice(), missing: missing.into_boxed_slice() }))
}

/// Whether a part has the value that it will have at the end. Variables may be made of anything.
fn is_settled(part: &Part) -> bool {
    match part {
        Part::Attr(Attr::Tcp(_) | Attr::Stat(_))
        | Part::Var(_)
        | Part::Escape(..)
        | Part::Rest { .. }
        | Part::Start { .. } => false,
        Part::Attr(attr) => !is_kept(attr),
        Part::Text(_) | Part::Capture(..) => true,
    }
}

/// What changes while a tunnel is open and can be told from what is kept.
fn is_kept(attr: &Attr) -> bool {
    matches!(
        attr,
        Attr::Now
            | Attr::TimeLocal
            | Attr::TimeIso8601
            | Attr::BytesSent
            | Attr::ContentBytesSent
            | Attr::Completion
            | Attr::RequestTime
            | Attr::ConnectionTime
            | Attr::UpstreamResponseTime
            | Attr::UpstreamResponseLength
            | Attr::UpstreamBytesReceived
            | Attr::UpstreamBytesSent
    )
}

impl Ahead {
    /// Writes the lines.
    pub fn end(self, worker: &Rc<Worker>, tunnel: &Tunnel) {
        let Self { serving, table, lines, attempts, opened, began, sent, sent_head } = self;
        let mut facts = Facts::new(worker, Client::unknown(opened));
        (facts.began, facts.sent, facts.sent_head) = (began, sent, sent_head);
        facts.attempts = attempts.into_vec();
        facts.end_tunnel(tunnel);
        let run = Run::default();
        let mut value = Vec::new();
        for (writer, line) in table.access.iter().zip(lines) {
            let Some(Line { text, missing }) = line else { continue };
            let (mut whole, mut at) = (Vec::with_capacity(text.len() + 64), 0);
            for (offset, piece) in missing {
                whole.extend_from_slice(&text[at..offset as usize]);
                at = offset as usize;
                if let Some(Piece::Value(Template(parts))) = writer.line.get(usize::from(piece))
                    && let [Part::Attr(attr)] = parts.as_slice()
                {
                    value.clear();
                    let present = facts.attr(&run, attr, &mut value);
                    escape(writer.escape, present.then_some(value.as_slice()), &mut whole);
                }
            }
            whole.extend_from_slice(&text[at..]);
            whole.push(b'\n');
            writer.put(&serving.logs, &whole);
        }
    }
}
