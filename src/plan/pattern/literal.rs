//! Patterns that come down to comparing bytes.

use super::{Spans, tree::Node};
use crate::ir::Kind;

/// A comparison.
#[derive(Debug)]
pub(super) struct Literal {
    place: Place,
    text: Box<[u8]>,
    ignore_case: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Whole,
    Start,
    End,
    /// At the start; the rest of the line is the first group, up to the end of the subject.
    StartAndRest,
    /// A name under this suffix, which begins with a dot.
    Under,
    /// A name that begins with this and a further label; it ends with a dot.
    Over,
}

/// The outcome of a comparison.
pub(super) enum Found<'s> {
    /// It is known.
    Answer(bool),
    /// The expression itself must be asked.
    Ask(Option<&'s mut Spans>),
}

impl Literal {
    /// Of a pattern that is no regular expression.
    pub(super) fn of(kind: Kind, text: &[u8], ignore_case: bool) -> Self {
        let (place, text, ignore_case) = match kind {
            Kind::Prefix => (Place::Start, text, ignore_case),
            Kind::Suffix => (Place::End, text, ignore_case),
            Kind::Wildcard if text.starts_with(b"*.") => (Place::Under, &text[1..], true),
            Kind::Wildcard if text.ends_with(b".*") => (Place::Over, &text[..text.len() - 1], true),
            Kind::Wildcard => (Place::Whole, text, true),
            Kind::Exact | Kind::Regex(_) => (Place::Whole, text, ignore_case),
        };
        Self { place, text: text.into(), ignore_case }
    }

    /// What a regular expression comes down to, if it does.
    pub(super) fn in_regex(node: &Node) -> Option<Self> {
        let single = std::slice::from_ref(node);
        let mut nodes = if let Node::Sequence(nodes) = node { nodes } else { single };
        let start = nodes.split_first().filter(|(first, _)| **first == Node::Start);
        if let Some((_, rest)) = start {
            nodes = rest;
        }
        let is_end = |last: &Node| matches!(last, Node::End | Node::EndOrFinalNewline);
        let end = nodes.split_last().filter(|(last, _)| is_end(last));
        if let Some((_, rest)) = end {
            nodes = rest;
        }
        let rest = nodes.split_last().filter(|(last, _)| start.is_some() && is_rest_of_line(last));
        if let Some((_, before)) = rest {
            nodes = before;
        }
        let place = match (start, end, rest) {
            (Some(_), _, Some(_)) => Place::StartAndRest,
            (Some(_), Some(_), None) => Place::Whole,
            (Some(_), None, None) => Place::Start,
            (None, Some(_), None) => Place::End,
            _ => return None,
        };
        let (text, cases): (Vec<_>, Vec<_>) =
            nodes.iter().map(letter).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        let folds = |case: &Case| *case == Case::Both;
        let one = |case: &Case| *case == Case::One;
        let ignore_case = cases.iter().any(folds);
        if ignore_case && cases.iter().any(one) {
            return None;
        }
        Some(Self { place, text: text.into(), ignore_case })
    }

    /// Compares, and fills in the spans of a match.
    pub(super) fn find<'s>(&self, subject: &[u8], spans: Option<&'s mut Spans>) -> Found<'s> {
        let whole = (0, subject.len());
        let length = self.text.len();
        let (matches, span) = match self.place {
            Place::Whole => (self.same(subject), whole),
            Place::Start => (self.at_start(subject), (0, length)),
            Place::StartAndRest => (self.at_start(subject), whole),
            Place::End => (self.at_end(subject), (subject.len().saturating_sub(length), subject.len())),
            Place::Under => (subject.len() > length && self.at_end(subject), whole),
            Place::Over => (subject.len() > length && self.at_start(subject), whole),
        };
        if !matches {
            return Found::Answer(false);
        }
        let rest = self.place == Place::StartAndRest;
        // Which of these end a line is for the expression to say.
        if rest && memchr::memchr2(b'\n', b'\r', subject).is_some() {
            return Found::Ask(spans);
        }
        if let Some(spans) = spans {
            let narrow = |(start, end): (usize, usize)| (start as u32, end as u32);
            if let Some(first) = spans.get_mut(0) {
                *first = narrow(span);
            }
            if rest && let Some(second) = spans.get_mut(1) {
                *second = narrow((length, subject.len()));
            }
        }
        Found::Answer(true)
    }

    fn same(&self, part: &[u8]) -> bool {
        if self.ignore_case { self.text.eq_ignore_ascii_case(part) } else { *self.text == *part }
    }

    fn at_start(&self, subject: &[u8]) -> bool {
        subject.get(..self.text.len()).is_some_and(|part| self.same(part))
    }

    fn at_end(&self, subject: &[u8]) -> bool {
        let from = subject.len().checked_sub(self.text.len());
        from.is_some_and(|from| self.same(&subject[from..]))
    }
}

/// `(.*)` as the first group.
fn is_rest_of_line(node: &Node) -> bool {
    let Node::Group(Some(1), inner) = node else { return false };
    let Node::Repeat { node, min: 0, max: None, greedy: true } = &**inner else { return false };
    let Node::Set(set) = &**node else { return false };
    matches!(set.ranges(), [(0, 0x09), (0x0b, 0xff)] | [(0, 0x09), (0x0b, 0x0c), (0x0e, 0xff)] | [(0, 0xff)])
}

/// How many cases of a letter match.
#[derive(PartialEq, Eq)]
enum Case {
    /// It is no letter.
    None,
    /// As written.
    One,
    /// Upper and lower.
    Both,
}

fn letter(node: &Node) -> Option<(u8, Case)> {
    match node {
        Node::Char(code) => {
            let byte = u8::try_from(*code).ok()?;
            Some((byte, if byte.is_ascii_alphabetic() { Case::One } else { Case::None }))
        }
        Node::Set(set) => match *set.ranges() {
            [(upper, upper_end), (lower, lower_end)]
                if upper == upper_end
                    && lower == lower_end
                    && upper + 0x20 == lower
                    && (0x61..=0x7a).contains(&lower) =>
            {
                Some((lower as u8, Case::Both))
            }
            _ => None,
        },
        _ => None,
    }
}
