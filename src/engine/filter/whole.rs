//! An edit by pattern of content as a whole, in a window that moves over it.

use super::edit::{Edit, Found};

/// So much content behind the beginning of a match is looked at, or all of it where it ends before.
const WINDOW: usize = 64 * 1024;

/// So much content before the window stays, for what looks behind.
const BEFORE: usize = 16;

/// Edits content.
#[derive(Debug)]
pub struct Whole {
    edit: Edit,
    found: Found,
    held: Vec<u8>,
    /// So much of it was passed on.
    passed: usize,
}

impl Whole {
    /// With this edit.
    pub fn new(edit: Edit) -> Self {
        Self { edit, found: Found::default(), held: Vec::new(), passed: 0 }
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(data);
        // Twice the window, so that nothing is looked through more than twice.
        if self.held.len() - self.passed >= 2 * WINDOW {
            self.run(self.held.len() - WINDOW, out);
        }
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.run(self.held.len() + 1, out);
    }

    /// Passes on what stands before a place, and what begins before it.
    fn run(&mut self, before: usize, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let (mut at, mut copied) = (self.passed, self.passed);
        while at <= held.len()
            && let Some((start, end)) = self.edit.next(&held, at, &mut self.found)
            && start < before
        {
            out.extend_from_slice(&held[copied..start]);
            self.edit.write(&self.found, out);
            copied = end;
            // A match of nothing is not found again at its place.
            at = if end > start { end } else { end + 1 };
        }
        let stop = before.min(held.len()).max(copied);
        out.extend_from_slice(&held[copied..stop]);
        let kept = stop.saturating_sub(BEFORE);
        self.held = held;
        self.held.drain(..kept);
        self.passed = stop - kept;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{edit::Find, live::Piece},
        *,
    };
    use crate::{
        ir::{Pattern, Register},
        plan::Matcher,
    };

    fn rewritten(find: &str, most: u64, data: &[u8], step: usize) -> (Vec<u8>, usize) {
        let register = Register('R');
        let edit = Edit {
            of: Vec::new(),
            find: Find::Pattern(Matcher::new(&Pattern::regex(find.as_bytes(), false)).unwrap().into()),
            register: Some(register),
            given: None,
            with: vec![Piece::Text(b"<".to_vec()), Piece::Group(register, 1), Piece::Text(b">".to_vec())],
            left: most.into(),
            last: false,
        };
        let (mut whole, mut out, mut most) = (Whole::new(edit), Vec::new(), 0);
        for piece in data.chunks(step) {
            whole.push(piece, &mut out);
            most = most.max(whole.held.len());
        }
        whole.finish(&mut out);
        (out, most)
    }

    #[test]
    fn pieces_make_no_difference() {
        let data = b"one two one\nfour one".to_vec();
        for step in 1..=data.len() {
            assert_eq!(rewritten("o(n)e", u64::MAX, &data, step).0, b"<n> two <n>\nfour <n>", "{step}");
            assert_eq!(rewritten("o(n)e", 2, &data, step).0, b"<n> two <n>\nfour one", "{step}");
        }
        assert_eq!(rewritten("x*", u64::MAX, b"ab", 1).0, b"<>a<>b<>");
    }

    #[test]
    fn a_match_over_the_edge_of_a_window_is_found_in_bounded_memory() {
        let mut data = vec![b'.'; 10 * WINDOW];
        for at in [WINDOW - 2, 2 * WINDOW - 1, 3 * WINDOW - 3, 7 * WINDOW] {
            data[at..at + 5].copy_from_slice(b"a123b");
        }
        for step in [999, WINDOW, data.len()] {
            let (out, most) = rewritten("a([0-9]+)b", u64::MAX, &data, step);
            assert_eq!(out.windows(5).filter(|text| text == b"<123>").count(), 4, "{step}");
            assert_eq!(out.len(), data.len());
            assert!(step == data.len() || most <= 2 * WINDOW + BEFORE + step, "{most}");
        }
    }
}
