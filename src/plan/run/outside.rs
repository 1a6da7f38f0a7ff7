//! What a run has looked up outside of the plan, takes for a request's target, and promises to the response.

use super::{Plan, Run, View};
use crate::ir::{Lookup, Name, Template};

/// A field that the response is to have.
#[derive(Debug)]
pub struct Promised {
    /// Its name.
    pub field: Name,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether answers of our own that are errors or redirects have it, too.
    pub always: bool,
    /// Whether it is a member of a list.
    pub member: bool,
}

impl Run {
    /// Evaluates what a need speaks of.
    pub(super) fn ask_for(&mut self, plan: &Plan, view: &impl View, template: &Template) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        self.eval(plan, view, template, &mut asked);
        self.asked = asked;
    }

    /// The answer to [`super::Need::Lookup`]. Then [`Run::step`].
    pub fn found(&mut self, plan: &Plan, view: &impl View, lookup: &Lookup, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.values.set(lookup.into, value);
        } else {
            let value = self.value(plan, view, &lookup.default);
            self.values.set(lookup.into, &value);
            self.values.give_back(value);
        }
    }

    /// Takes path and query from a target; `false` when it is none.
    pub(super) fn target(&mut self, plan: &Plan, view: &impl View, target: &Template) -> bool {
        let target = self.value(plan, view, target);
        self.path.clear();
        self.query.clear();
        let merge = plan.settings(self.settings).client.merge_slashes;
        let read = view.read_target(&target, merge, &mut self.path, &mut self.query);
        self.values.give_back(target);
        self.path_rest = 0;
        (self.rewritten, self.moved, self.internal) = (true, true, true);
        read
    }

    pub(super) fn promised_value(&mut self, plan: &Plan, view: &impl View, value: &Template) -> Vec<u8> {
        let mut text = Vec::new();
        self.eval(plan, view, value, &mut text);
        text
    }

    /// Notes a field for the response.
    pub(super) fn promise(&mut self, field: &Name, value: Vec<u8>, always: bool, member: bool) {
        if !value.is_empty() {
            self.promised.push(Promised { field: field.clone(), value, always, member });
        }
    }
}
