//! Tests that are answered at once: those in the choices of a value, and those that need no operation of their own.

use std::{cmp::Ordering, net::IpAddr};

use super::{Plan, Run, View, pattern::Find, var};
use crate::ir::{By, FileKind, Name, Register, Relation, Template};

/// A test, its patterns compiled.
#[derive(Debug)]
pub(super) enum Question {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Match { subject: Template, find: Find, into: Option<Register> },
    Equal(Template, Template),
    Compare { left: Template, right: Template, relation: Relation, by: By },
    Present(Template),
    Longer(Template, u64),
    InNetwork(Template, Vec<(IpAddr, u8)>),
    Truthy(Template),
    File(Template, FileKind),
    Method(Vec<Name>),
    Status(Vec<u16>),
    Internal,
}

impl Run {
    /// Whether a test holds. A pattern that comes to no answer is noted, and does not match.
    pub(super) fn holds(&mut self, plan: &Plan, view: &impl View, question: &Question) -> bool {
        match question {
            Question::All(all) => all.iter().all(|one| self.holds(plan, view, one)),
            Question::Any(any) => any.iter().any(|one| self.holds(plan, view, one)),
            Question::Not(one) => !self.holds(plan, view, one),
            Question::Match { subject, find, into } => {
                let outcome = self.compare(plan, view, subject, find, *into, |_, _| {});
                outcome.unwrap_or_else(|failure| {
                    self.failure = Some(failure);
                    false
                })
            }
            Question::Equal(left, right) => self.stands(plan, view, left, right, |left, right| left == right),
            Question::Compare { left, right, relation, by } => {
                self.stands(plan, view, left, right, |left, right| relation.holds(by.compare(left, right)))
            }
            Question::Present(template) => {
                let mut value = self.take();
                let present = self.eval(plan, view, template, &mut value);
                self.give_back(value);
                present
            }
            Question::Longer(template, bytes) => {
                self.read(plan, view, template, |value| value.len() as u64 > *bytes)
            }
            Question::InNetwork(template, networks) => self.read(plan, view, template, |value| {
                let address = std::str::from_utf8(value).ok().and_then(|text| text.parse::<IpAddr>().ok());
                address.is_some_and(|address| {
                    networks.iter().any(|(network, prefix)| var::contains(*network, *prefix, address))
                })
            }),
            Question::Truthy(template) => {
                self.read(plan, view, template, |value| !value.is_empty() && value != b"0")
            }
            Question::File(template, kind) => {
                self.read(plan, view, template, |name| view.is_file(name, *kind))
            }
            Question::Method(methods) => methods.iter().any(|method| **method == *view.method()),
            Question::Status(statuses) => statuses.contains(&view.status()),
            Question::Internal => self.internal,
        }
    }

    /// Reads one value.
    fn read(
        &mut self,
        plan: &Plan,
        view: &impl View,
        template: &Template,
        ask: impl Fn(&[u8]) -> bool,
    ) -> bool {
        let mut value = self.take();
        self.eval(plan, view, template, &mut value);
        let answer = ask(&value);
        self.give_back(value);
        answer
    }

    /// Reads two.
    fn stands(
        &mut self,
        plan: &Plan,
        view: &impl View,
        left: &Template,
        right: &Template,
        ask: impl Fn(&[u8], &[u8]) -> bool,
    ) -> bool {
        let mut value = self.take();
        self.eval(plan, view, left, &mut value);
        let answer = self.read(plan, view, right, |right| ask(&value, right));
        self.give_back(value);
        answer
    }
}

impl Relation {
    /// Whether values that compare so stand in it.
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl By {
    fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Self::Bytes => left.cmp(right),
            Self::Letters => {
                left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
            }
            Self::LengthThenBytes => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
            Self::Integer => integer(left).cmp(&integer(right)),
        }
    }
}

/// The integer that a text begins with, as near as 64 bits come to it.
fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let add = |sum: i64, digit: &u8| {
        let digit = i64::from(digit - b'0');
        sum.saturating_mul(10).saturating_add(if negative { -digit } else { digit })
    };
    digits.fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared() {
        for (left, right, by, expected) in [
            ("10", "9", By::Bytes, Ordering::Less),
            ("10", "9", By::Integer, Ordering::Greater),
            ("x", "a", By::Integer, Ordering::Equal),
            (" 10x", "10", By::Integer, Ordering::Equal),
            ("-5", "0", By::Integer, Ordering::Less),
            ("99999999999999999999", "1", By::Integer, Ordering::Greater),
            ("-99999999999999999999", "1", By::Integer, Ordering::Less),
            ("aaa", "m", By::LengthThenBytes, Ordering::Greater),
            ("b", "a", By::LengthThenBytes, Ordering::Greater),
            ("A", "a", By::Letters, Ordering::Equal),
        ] {
            assert_eq!(by.compare(left.as_bytes(), right.as_bytes()), expected, "{left} {right} {by:?}");
        }
    }
}
