//! Rules in a row that each begin by comparing the same text with a pattern: one pass over the text tells which of them
//! can match at all, and the others are not looked at.
//!
//! What was found holds for as long as nothing but such comparisons came between; after a rule that was looked at the
//! text is compared with the one that is remembered.

use super::pattern::{Find, Several};
use crate::{
    ir::{Kind, Pattern, Step, Template, Test},
    source::Span,
};

/// Patterns of rules in a row, in one.
#[derive(Debug)]
pub(super) struct Likely {
    pub(super) subject: Template,
    count: usize,
    several: Several,
}

impl Likely {
    /// Of patterns for that text; `None` where they cannot be joined.
    pub(super) fn new(subject: &Template, finds: &[Find]) -> Option<Self> {
        let several = Several::new(finds);
        several.is_joined().then(|| Self { subject: subject.clone(), count: finds.len(), several })
    }

    /// A bit for each of the rules that may match.
    pub(super) fn hits(&self, text: &[u8], out: &mut Vec<u64>) {
        self.several.hits(self.count, text, out);
    }
}

/// What a step compares first, where it does nothing if that does not match.
pub(super) fn begins(step: &Step) -> Option<(&Template, &Pattern)> {
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

/// How many of these steps in a row begin by comparing the same text.
pub(super) fn row(steps: &[(Step, Span)]) -> usize {
    let Some((subject, _)) = steps.first().and_then(|(step, _)| begins(step)) else { return 0 };
    let same = |(step, _): &&(Step, Span)| begins(step).is_some_and(|(other, _)| other == subject);
    steps.iter().take_while(same).count()
}
