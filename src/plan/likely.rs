//! Rules in a row that each begin by comparing the same text with a pattern: one pass over the text tells which of them
//! can match at all, and the others are not looked at.
//!
//! What was found holds for as long as nothing but such comparisons came between; after a rule that was looked at the
//! text is compared with the one that is remembered. A rule may empty registers before it compares: for one that is
//! passed over this is made up for.

use std::{ops::Range, sync::OnceLock};

use super::pattern::{Find, Several};
use crate::{
    ir::{Attr, Kind, Part, Pattern, Register, Step, Template, Test},
    source::Span,
};

/// Patterns of rules in a row, in one.
#[derive(Debug)]
pub(super) struct Likely {
    pub(super) subject: Template,
    count: usize,
    several: Several,
    /// Registers that rules empty before they compare, with a bit for each rule that does.
    forgets: Vec<(Register, Vec<u64>)>,
    /// Where the rules begin in the program, and where the last one ends.
    places: OnceLock<Box<[u32]>>,
}

impl Likely {
    /// Of patterns for that text and what each rule empties; `None` where they cannot be joined.
    pub(super) fn new(subject: &Template, finds: &[Find], heads: &[Vec<Register>]) -> Option<Self> {
        let several = Several::new(finds);
        if !several.is_joined() {
            return None;
        }
        let count = finds.len();
        let mut forgets: Vec<(Register, Vec<u64>)> = Vec::new();
        for (at, register) in (0..).zip(heads).flat_map(|(at, head)| head.iter().map(move |one| (at, *one))) {
            let known = forgets.iter().position(|(other, _)| *other == register).unwrap_or_else(|| {
                forgets.push((register, vec![0; count.div_ceil(64)]));
                forgets.len() - 1
            });
            let at: usize = at;
            forgets[known].1[at / 64] |= 1 << (at % 64);
        }
        Some(Self { subject: subject.clone(), count, several, forgets, places: OnceLock::new() })
    }

    /// Says where the rules begin, and where the last one ends.
    pub(super) fn put(&self, places: Vec<u32>) {
        // It is said once, when the rules are compiled.
        let _ = self.places.set(places.into());
    }

    /// Where a rule begins; where the last one ends for the number behind it.
    pub(super) fn place(&self, rule: usize) -> Option<u32> {
        self.places.get()?.get(rule).copied()
    }

    /// A bit for each of the rules that may match.
    pub(super) fn hits(&self, text: &[u8], out: &mut Vec<u64>) {
        self.several.hits(self.count, text, out);
    }

    /// The first rule from `from` on that may match; their number when there is none.
    pub(super) fn next(&self, hits: &[u64], from: usize) -> usize {
        first(hits, from).map_or(self.count, |rule| rule.min(self.count))
    }

    /// The registers that some of these rules empty.
    pub(super) fn forgotten(&self, rules: Range<usize>) -> impl Iterator<Item = Register> {
        let among = move |bits: &[u64]| first(bits, rules.start).is_some_and(|rule| rule < rules.end);
        self.forgets.iter().filter(move |(_, bits)| among(bits)).map(|(register, _)| *register)
    }
}

/// The first bit that is set, from a place on.
fn first(bits: &[u64], from: usize) -> Option<usize> {
    let mut mask = u64::MAX << (from % 64);
    (from / 64..bits.len()).find_map(|word| {
        let found = bits[word] & mask;
        mask = u64::MAX;
        (found != 0).then(|| word * 64 + found.trailing_zeros() as usize)
    })
}

/// What a step compares first, where it does nothing if that does not match.
fn begins(step: &Step) -> Option<(&Template, &Pattern)> {
    let Step::When { test, then: _, otherwise } = step else { return None };
    let mut test = test;
    while let Test::All(tests) = test {
        test = tests.first()?;
    }
    match test {
        Test::Match { subject, pattern, into: _ }
            if matches!(pattern.kind, Kind::Regex(_))
                && otherwise.scope.is_none()
                && otherwise.steps.is_empty() =>
        {
            Some((subject, pattern))
        }
        _ => None,
    }
}

/// A rule: what it empties, what it compares first, and how many steps it takes.
pub(super) struct Rule<'c> {
    pub(super) head: Vec<Register>,
    pub(super) subject: &'c Template,
    pub(super) pattern: &'c Pattern,
    pub(super) length: usize,
    pub(super) span: Span,
}

/// The rules that begin with the first of these steps and compare the same text.
pub(super) fn row(steps: &[(Step, Span)]) -> Vec<Rule<'_>> {
    let mut rules: Vec<Rule<'_>> = Vec::new();
    let mut rest = steps;
    while let Some(rule) = rule(rest) {
        if rules.first().is_some_and(|first| first.subject != rule.subject) {
            break;
        }
        rest = &rest[rule.length..];
        rules.push(rule);
    }
    rules
}

fn rule(steps: &[(Step, Span)]) -> Option<Rule<'_>> {
    let mut head = Vec::new();
    for (step, span) in steps {
        match step {
            Step::Forget(register) => head.push(*register),
            step => {
                let (subject, pattern) = begins(step)?;
                let length = head.len() + 1;
                // What depends on a register is known only when that is emptied.
                let fit = head.is_empty() || subject.0.iter().all(is_apart);
                return fit.then_some(Rule { head, subject, pattern, length, span: *span });
            }
        }
    }
    None
}

/// Whether no register has to do with a part's value.
fn is_apart(part: &Part) -> bool {
    match part {
        Part::Text(_)
        | Part::Attr(Attr::Path | Attr::PathRest | Attr::Query | Attr::Field(_) | Attr::Host) => true,
        Part::Escape(_, inner) => inner.0.iter().all(is_apart),
        Part::Attr(_) | Part::Var(_) | Part::Capture(..) | Part::Start { .. } | Part::Rest { .. } => false,
    }
}
