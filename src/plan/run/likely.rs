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
    /// Whether a rule can match; where it cannot, what is known still holds at the operation `otherwise`.
    pub(super) fn is_likely(
        &mut self,
        plan: &Plan,
        view: &impl View,
        set: &Arc<Likely>,
        index: u32,
        (at, otherwise): (u32, u32),
    ) -> bool {
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
        let index = index as usize;
        let hit = self.likely.hits.get(index / 64).is_none_or(|bits| bits >> (index % 64) & 1 == 1);
        self.likely.next = if hit { u32::MAX } else { otherwise };
        hit
    }
}
