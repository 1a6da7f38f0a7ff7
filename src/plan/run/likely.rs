//! Which rules in a row can match: see [`super::super::likely`].

use std::sync::Arc;

use super::{super::likely::Likely, Plan, Run, View};

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Of which rules.
    of: usize,
    /// The operation for which it still holds.
    next: u32,
    text: Vec<u8>,
    hits: Vec<u64>,
}

impl Memo {
    /// Forgets it.
    pub(super) fn clear(&mut self) {
        (self.of, self.next) = (0, u32::MAX);
    }
}

impl Run {
    /// Where the run goes on, if the rule that begins `at` cannot match: at the next one that can, or behind the last.
    pub(super) fn unlikely(
        &mut self,
        plan: &Plan,
        view: &impl View,
        set: &Arc<Likely>,
        rule: usize,
        at: u32,
    ) -> Option<u32> {
        let of = Arc::as_ptr(set) as usize;
        if self.likely.of != of || self.likely.next != at {
            let text = self.value(plan, view, &set.subject);
            let memo = &mut self.likely;
            if memo.of != of || memo.text != text {
                set.hits(&text, &mut memo.hits);
                memo.text.clear();
                memo.text.extend_from_slice(&text);
                memo.of = of;
            }
            self.values.give_back(text);
        }
        let next = set.next(&self.likely.hits, rule);
        let place = if next == rule { None } else { set.place(next) };
        self.likely.next = place.unwrap_or(u32::MAX);
        if place.is_some() {
            for register in set.forgotten(rule..next) {
                self.registers.forget(register);
            }
        }
        place
    }
}
