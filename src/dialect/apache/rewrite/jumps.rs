//! The jumps of a list of rules, as labelled blocks: what `[C]` and `[S]` skip.
//!
//! A rule may go on behind a later one. Each place gone to ends a block that begins with the first rule that goes
//! there, or earlier, so that blocks lie inside of each other and never overlap.

/// A block: from the rule it begins with to the one it ends before, which is where exits from it go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Blocks for jumps from rules to places behind them.
pub(super) fn blocks(jumps: &[(usize, usize)]) -> Vec<Span> {
    let mut blocks: Vec<Span> = Vec::new();
    for &(from, to) in jumps {
        match blocks.iter_mut().find(|block| block.end == to) {
            Some(block) => block.start = block.start.min(from),
            None => blocks.push(Span { start: from, end: to }),
        }
    }
    blocks.sort_by_key(|block| block.end);
    // A block that another one begins before and ends in begins with that.
    for at in 0..blocks.len() {
        for earlier in (0..at).rev() {
            let inner = blocks[earlier];
            if inner.start < blocks[at].start && blocks[at].start < inner.end {
                blocks[at].start = inner.start;
            }
        }
    }
    blocks
}

/// What a list is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Rule(usize),
    /// A block that ends before this rule.
    Block(usize, Vec<Self>),
}

/// Rules in their blocks.
pub(super) fn nest(blocks: &[Span], start: usize, end: usize) -> Vec<Part> {
    within(blocks, start, end, usize::MAX)
}

fn within(blocks: &[Span], start: usize, end: usize, inside: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let begins =
            |block: &&Span| block.start == at && block.end <= end && (at != start || block.end < inside);
        if let Some(block) = blocks.iter().filter(begins).max_by_key(|block| block.end) {
            parts.push(Part::Block(block.end, within(blocks, at, block.end, block.end)));
            at = block.end;
        } else {
            parts.push(Part::Rule(at));
            at += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[Part]) -> String {
        let each = parts.iter().map(|part| match part {
            Part::Rule(at) => at.to_string(),
            Part::Block(end, parts) => format!("({})>{end}", shown(parts)),
        });
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn blocks_lie_inside_of_each_other() {
        for (jumps, rules, expected) in [
            (&[][..], 2, "0 1"),
            (&[(0, 2)], 3, "(0 1)>2 2"),
            (&[(0, 2), (1, 3)], 4, "((0 1)>2 2)>3 3"),
            (&[(0, 3), (1, 2)], 3, "(0 (1)>2 2)>3"),
            (&[(0, 2), (0, 4), (2, 4), (3, 5)], 5, "(((0 1)>2 2 3)>4 4)>5"),
            (&[(2, 4), (3, 6), (1, 3)], 6, "0 (((1 2)>3 3)>4 4 5)>6"),
        ] {
            let blocks = blocks(jumps);
            assert_eq!(shown(&nest(&blocks, 0, rules)), expected, "{jumps:?}");
        }
    }
}
