//! Patterns that can be matched in exponentially many ways.

use super::{parse, tree::Node};
use crate::ir::{Kind, Pattern};

/// Whether a repetition holds a repetition of the same, so that a backtracking matcher can need exponential time.
pub fn blows_up(pattern: &Pattern) -> bool {
    let Kind::Regex(syntax) = pattern.kind else { return false };
    parse::parse(&pattern.text, syntax, pattern.ignore_case).is_ok_and(|parsed| inside(&parsed.node))
}

fn inside(node: &Node) -> bool {
    match node {
        Node::Repeat { node, max, .. } => (is_many(*max) && is_repetition(node)) || inside(node),
        Node::Sequence(nodes) | Node::Choice(nodes) => nodes.iter().any(inside),
        Node::Group(_, node) | Node::Look { node, .. } => inside(node),
        Node::If { yes, no, .. } => inside(yes) || inside(no),
        _ => false,
    }
}

fn is_many(max: Option<u32>) -> bool {
    max.is_none_or(|max| max > 20)
}

/// Whether one round may be any number of rounds of something, with nothing to tell them apart.
fn is_repetition(node: &Node) -> bool {
    match node {
        Node::Repeat { node, max, .. } => is_many(*max) && !is_empty(node),
        Node::Group(_, node) => is_repetition(node),
        Node::Choice(nodes) => nodes.iter().any(is_repetition),
        Node::Sequence(nodes) => nodes.iter().enumerate().any(|(at, node)| {
            is_repetition(node)
                && nodes.iter().enumerate().all(|(other, node)| other == at || may_be_empty(node))
        }),
        _ => false,
    }
}

fn is_empty(node: &Node) -> bool {
    match node {
        Node::Empty => true,
        Node::Group(_, node) => is_empty(node),
        Node::Sequence(nodes) => nodes.iter().all(is_empty),
        _ => false,
    }
}

fn may_be_empty(node: &Node) -> bool {
    match node {
        Node::Repeat { node, min, .. } => *min == 0 || may_be_empty(node),
        Node::Group(_, node) => may_be_empty(node),
        Node::Sequence(nodes) => nodes.iter().all(may_be_empty),
        Node::Choice(nodes) => nodes.iter().any(may_be_empty),
        Node::Char(_) | Node::Set(_) | Node::Back { .. } | Node::Atomic(_) | Node::If { .. } => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_repetitions_are_told_from_those_with_a_mark_between() {
        for (text, expected) in [
            ("^(a+)+$", true),
            ("(.*)*x", true),
            ("^([a-z]+)*$", true),
            ("((a|b+))+", true),
            ("(a+b?)+", true),
            ("^([a-z]+/)+$", false),
            ("^/a+(/b+)*$", false),
            ("(ab)+", false),
            ("(a{1,3})+", false),
            ("a+b+", false),
        ] {
            assert_eq!(blows_up(&Pattern::regex(text, false)), expected, "{text}");
        }
    }
}
