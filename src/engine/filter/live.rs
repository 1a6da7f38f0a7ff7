//! Values and tests that depend on what was just found in content. What does not is evaluated when the head of the
//! response is known, so that a stage needs nothing of the exchange any more.

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::exchange::Exchange;
use crate::{
    ir::{Escape, Part, Register, Template, VarId},
    plan::{Given, Matcher, Plan, Spans, UNSET, escape},
};

/// Tables that are looked up in tables: deeper than this there is nothing.
const DEPTH: u8 = 16;

/// A piece of a value.
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Text(Vec<u8>),
    /// What a group matched.
    Group(Register, u8),
    /// A value in another representation.
    Escape(Escape, Vec<Self>),
    /// What a table has for a key.
    Table(Arc<Plan>, VarId, Vec<Self>),
}

/// What has to hold.
#[derive(Debug)]
pub enum Judge {
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A value matches.
    Match {
        /// The value.
        subject: Vec<Piece>,
        /// The pattern.
        matcher: Arc<Matcher>,
        /// How many of its groups are of interest.
        keep: u32,
        /// Where captures go.
        into: Option<Register>,
    },
}

/// What was captured last, by register.
#[derive(Debug, Default)]
pub(super) struct Captures(SmallVec<[(Register, Vec<u8>, Spans); 2]>);

impl Captures {
    /// Forgets all, and remembers this match.
    pub(super) fn begin(&mut self, register: Option<Register>, subject: &[u8], spans: &Spans) {
        for (_, _, spans) in &mut self.0 {
            spans.clear();
        }
        if let Some(register) = register {
            self.set(register, subject, spans);
        }
    }

    fn set(&mut self, register: Register, subject: &[u8], spans: &Spans) {
        let at = self.0.iter().position(|(known, ..)| *known == register).unwrap_or_else(|| {
            self.0.push((register, Vec::new(), Spans::new()));
            self.0.len() - 1
        });
        let (_, text, kept) = &mut self.0[at];
        // Only what a group may show: the subject can be a window of the content.
        let used = || spans.iter().filter(|span| **span != UNSET);
        let start = used().map(|span| span.0).min().unwrap_or(0);
        let end = used().map(|span| span.1).max().unwrap_or(0);
        text.clear();
        text.extend_from_slice(subject.get(start as usize..end as usize).unwrap_or_default());
        kept.clear();
        kept.extend(
            spans.iter().map(|&span| if span == UNSET { UNSET } else { (span.0 - start, span.1 - start) }),
        );
    }

    fn group(&self, register: Register, group: u8) -> &[u8] {
        let found = self.0.iter().find(|(known, ..)| *known == register);
        let span = found.and_then(|(_, text, spans)| Some((text, spans.get(usize::from(group))?)));
        match span {
            Some((text, &span)) if span != UNSET => {
                text.get(span.0 as usize..span.1 as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Appends a value.
    pub(super) fn write(&self, pieces: &[Piece], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Group(register, group) => out.extend_from_slice(self.group(*register, *group)),
                Piece::Escape(how, of) => {
                    let mut value = Vec::new();
                    self.write(of, &mut value);
                    escape(*how, &value, true, out);
                }
                Piece::Table(plan, var, key) => {
                    let mut value = Vec::new();
                    self.write(key, &mut value);
                    let text = plan.table_value(*var, &value).and_then(Template::as_text);
                    out.extend_from_slice(text.unwrap_or_default());
                }
            }
        }
    }

    /// Whether it holds. What takes too long does not match.
    pub(super) fn holds(&mut self, judge: &Judge) -> bool {
        match judge {
            Judge::All(all) => all.iter().all(|one| self.holds(one)),
            Judge::Any(any) => any.iter().any(|one| self.holds(one)),
            Judge::Not(one) => !self.holds(one),
            Judge::Match { subject, matcher, keep, into } => {
                let mut value = Vec::new();
                self.write(subject, &mut value);
                let Some(into) = into else { return matcher.is_match(&value).unwrap_or(false) };
                let mut spans = Spans::new();
                let found = matcher.find(&value, (*keep).max(1), &mut spans).unwrap_or(false);
                if found {
                    self.set(*into, &value, &spans);
                }
                found
            }
        }
    }
}

/// Evaluates all of a template but what depends on these registers.
pub(super) fn pieces(exchange: &mut Exchange, template: &Template, live: &[Register]) -> Vec<Piece> {
    reading(exchange, template, live, 0)
}

fn reading(exchange: &mut Exchange, template: &Template, live: &[Register], depth: u8) -> Vec<Piece> {
    let plan = Arc::clone(&exchange.serving.plan);
    let mut out = Vec::new();
    for part in &template.0 {
        if depth > DEPTH || !depends(&plan, part, live, 0) {
            out.push(Piece::Text(exchange.value(&Template(vec![part.clone()]))));
            continue;
        }
        match part {
            Part::Capture(register, group) => out.push(Piece::Group(*register, *group)),
            Part::Escape(how, of) => {
                out.push(Piece::Escape(*how, reading(exchange, of, live, depth + 1)));
            }
            Part::Var(var) => {
                if let Some(key) = plan.table_key(*var) {
                    out.push(Piece::Table(Arc::clone(&plan), *var, reading(exchange, key, live, depth + 1)));
                }
            }
            Part::Text(_) | Part::Attr(_) | Part::Start { .. } | Part::Rest { .. } => {}
        }
    }
    out
}

fn depends(plan: &Plan, part: &Part, live: &[Register], depth: u8) -> bool {
    let any = |template: &Template| template.0.iter().any(|part| depends(plan, part, live, depth + 1));
    match part {
        _ if depth > DEPTH => false,
        Part::Capture(register, _) => live.contains(register),
        Part::Escape(_, of) => any(of),
        Part::Var(var) => plan.table_key(*var).is_some_and(any),
        Part::Start { of, before: other } | Part::Rest { of, after: other } => any(of) || any(other),
        Part::Text(_) | Part::Attr(_) => false,
    }
}

/// The registers that a test writes.
pub(super) fn written(given: &Given, live: &mut Vec<Register>) {
    match given {
        Given::All(all) | Given::Any(all) => all.iter().for_each(|one| written(one, live)),
        Given::Not(one) => written(one, live),
        Given::Match { into, .. } => live.extend(*into),
    }
}

/// Evaluates all of a test but what depends on these registers.
pub(super) fn judge(exchange: &mut Exchange, given: &Given, live: &[Register]) -> Judge {
    match given {
        Given::All(all) => Judge::All(all.iter().map(|one| judge(exchange, one, live)).collect()),
        Given::Any(any) => Judge::Any(any.iter().map(|one| judge(exchange, one, live)).collect()),
        Given::Not(one) => Judge::Not(Box::new(judge(exchange, one, live))),
        Given::Match { subject, find, into } => Judge::Match {
            subject: pieces(exchange, subject, live),
            matcher: Arc::clone(&find.matcher),
            keep: find.keep,
            into: *into,
        },
    }
}
