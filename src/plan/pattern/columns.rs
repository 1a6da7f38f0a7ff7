//! Patterns that cut a text of one length into columns: `^(.{8})(.{4})$`.

use super::{Spans, tree::Node};

/// Groups, in order, of so many bytes each.
#[derive(Debug)]
pub(super) struct Columns {
    widths: Box<[u32]>,
    /// All of them together.
    length: usize,
    /// Whether a line feed is none of the bytes.
    of_a_line: bool,
}

impl Columns {
    /// What a regular expression comes down to, if it does.
    pub(super) fn in_regex(node: &Node) -> Option<Self> {
        let Node::Sequence(nodes) = node else { return None };
        let [Node::Start, groups @ .., Node::End | Node::EndOrFinalNewline] = &nodes[..] else { return None };
        let mut lines = None;
        let mut widths = Vec::with_capacity(groups.len());
        for (number, group) in (1..).zip(groups) {
            let Node::Group(Some(of), inner) = group else { return None };
            let Node::Repeat { node, min, max: Some(max), .. } = &**inner else { return None };
            let Node::Set(set) = &**node else { return None };
            let of_a_line = match set.ranges() {
                [(0, 0xff)] => false,
                [(0, 0x09), (0x0b, 0xff)] => true,
                _ => return None,
            };
            if *of != number || min != max || *lines.get_or_insert(of_a_line) != of_a_line {
                return None;
            }
            widths.push(*min);
        }
        let length = widths.iter().map(|width| *width as usize).sum();
        Some(Self { widths: widths.into(), length, of_a_line: lines? })
    }

    /// Compares, and fills in the spans of a match.
    pub(super) fn find(&self, subject: &[u8], spans: Option<&mut Spans>) -> bool {
        if subject.len() != self.length || (self.of_a_line && memchr::memchr(b'\n', subject).is_some()) {
            return false;
        }
        if let Some(spans) = spans {
            let mut end = 0;
            let groups = self.widths.iter().map(|width| {
                end += width;
                (end - width, end)
            });
            let whole = (0, self.length as u32);
            spans.iter_mut().zip([whole].into_iter().chain(groups)).for_each(|(span, found)| *span = found);
        }
        true
    }
}
