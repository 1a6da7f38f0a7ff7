//! Writes a tree in the syntax of the two engines that match.
//!
//! Both get character sets spelled out and no flags, so that neither's idea
//! of case, lines or words plays a part.

use std::fmt::Write;

use super::tree::{Node, Set};

/// For whom it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// `regex-automata` on bytes, Unicode off: `\xHH` is a byte.
    Bytes,
    /// `regex-automata` on UTF-8.
    Utf8,
    /// `fancy-regex` on text, each byte of the subject one character.
    Backtracking,
}

/// The tree as text.
pub(super) fn emit(node: &Node, engine: For) -> String {
    let mut out = String::new();
    write(node, engine, &mut out);
    out
}

fn write(node: &Node, engine: For, out: &mut String) {
    let backtracking = engine == For::Backtracking;
    match node {
        Node::Empty => out.push_str("(?:)"),
        Node::Char(code) => char(*code, engine, out),
        Node::Set(set) => write_set(set, engine, out),
        Node::Start => out.push_str("\\A"),
        // Only subjects without a final line feed come here when it is not backtracking.
        Node::EndOrFinalNewline if backtracking => out.push_str("(?=\\n?\\z)"),
        Node::End | Node::EndOrFinalNewline => out.push_str("\\z"),
        Node::LineStart if backtracking => out.push_str("(?:\\A|(?<=\\n)(?!\\z))"),
        Node::LineStart => out.push_str("(?m:^)"),
        Node::LineEnd if backtracking => out.push_str("(?=\\n|\\z)"),
        Node::LineEnd => out.push_str("(?m:$)"),
        Node::WordEdge if backtracking => {
            out.push_str("(?:(?<=[0-9A-Z_a-z])(?![0-9A-Z_a-z])|(?<![0-9A-Z_a-z])(?=[0-9A-Z_a-z]))");
        }
        Node::NotWordEdge if backtracking => {
            out.push_str("(?:(?<=[0-9A-Z_a-z])(?=[0-9A-Z_a-z])|(?<![0-9A-Z_a-z])(?![0-9A-Z_a-z]))");
        }
        Node::WordEdge => out.push_str("(?-u:\\b)"),
        Node::NotWordEdge => out.push_str("(?-u:\\B)"),
        Node::Sequence(nodes) => {
            for node in nodes {
                if matches!(node, Node::Choice(_)) {
                    enclosed("(?:", node, engine, out);
                } else {
                    write(node, engine, out);
                }
            }
        }
        Node::Choice(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                if at > 0 {
                    out.push('|');
                }
                write(node, engine, out);
            }
        }
        Node::Group(Some(_), node) => enclosed("(", node, engine, out),
        Node::Group(None, node) => enclosed("(?:", node, engine, out),
        Node::Repeat { node, min, max, greedy } => {
            enclosed("(?:", node, engine, out);
            match (min, max) {
                (0, None) => out.push('*'),
                (1, None) => out.push('+'),
                (0, Some(1)) => out.push('?'),
                (min, None) => to(out, format_args!("{{{min},}}")),
                (min, Some(max)) if min == max => to(out, format_args!("{{{min}}}")),
                (min, Some(max)) => to(out, format_args!("{{{min},{max}}}")),
            }
            if !greedy {
                out.push('?');
            }
        }
        Node::Atomic(node) => enclosed("(?>", node, engine, out),
        Node::Look { behind, negative, node } => {
            let open = match (behind, negative) {
                (false, false) => "(?=",
                (false, true) => "(?!",
                (true, false) => "(?<=",
                (true, true) => "(?<!",
            };
            enclosed(open, node, engine, out);
        }
        Node::Back { group, fold: false } => to(out, format_args!("(?:\\{group})")),
        Node::Back { group, fold: true } => to(out, format_args!("(?i:\\{group})")),
        Node::If { group, yes, no } => {
            to(out, format_args!("(?({group})"));
            enclosed("(?:", yes, engine, out);
            out.push('|');
            enclosed("(?:", no, engine, out);
            out.push(')');
        }
    }
}

fn enclosed(open: &str, node: &Node, engine: For, out: &mut String) {
    out.push_str(open);
    write(node, engine, out);
    out.push(')');
}

fn write_set(set: &Set, engine: For, out: &mut String) {
    if set.ranges().is_empty() {
        // Matches nothing. The automata know the empty class; the other has a look ahead that fails.
        out.push_str(if engine == For::Backtracking { "(?!)" } else { "[a&&b]" });
        return;
    }
    out.push('[');
    for &(from, to) in set.ranges() {
        char(from, engine, out);
        if to > from {
            out.push('-');
            char(to, engine, out);
        }
    }
    out.push(']');
}

fn char(code: u32, engine: For, out: &mut String) {
    match char::from_u32(code) {
        Some(plain) if plain.is_ascii_alphanumeric() || plain == '/' || plain == '_' => out.push(plain),
        _ if engine == For::Bytes => to(out, format_args!("\\x{code:02x}")),
        _ => to(out, format_args!("\\x{{{code:x}}}")),
    }
}

fn to(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
