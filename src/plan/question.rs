//! Tests that are answered at once: those in the choices of a value, and those that need no operation of their own.

use std::net::IpAddr;

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
    Depends(Vec<Name>),
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
            Question::Depends(names) => {
                for name in names {
                    if !self.depends.iter().any(|known| known.is_field(name)) {
                        self.depends.push(name.clone());
                    }
                }
                true
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
