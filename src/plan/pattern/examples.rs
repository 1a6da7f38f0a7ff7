//! Texts that tell patterns apart: each alternative, each border, and what just misses.
//!
//! They are candidates: whether one matches is for the pattern itself to say.

use super::{parse, tree::Node};
use crate::ir::{Kind, Pattern};

/// Variants of one node that are followed further.
const VARIANTS: usize = 12;

/// Candidates in all.
const MOST: usize = 64;

/// Longest repetition that is written out.
const LONGEST: u32 = 24;

/// Texts that the pattern is likely to match, the plainest first, and texts that it is likely to miss by little.
pub fn examples(pattern: &Pattern) -> Vec<Vec<u8>> {
    let text = pattern.text.to_vec();
    let mut found: Vec<Vec<u8>> = match pattern.kind {
        Kind::Exact => vec![text],
        Kind::Prefix => vec![text.clone(), [&*text, b"x"].concat(), [&*text, b"x/y.html"].concat()],
        Kind::Suffix => vec![[b"x", &*text].concat(), text],
        Kind::Wildcard => {
            let star = text.iter().position(|byte| *byte == b'*');
            match star {
                Some(at) => [&b"www"[..], b"a.b", b""]
                    .iter()
                    .map(|label| [&text[..at], label, &text[at + 1..]].concat())
                    .collect(),
                None => vec![text],
            }
        }
        Kind::Regex(syntax) => match parse::parse(&text, syntax, pattern.ignore_case) {
            Ok(parsed) => {
                let mut groups = Vec::new();
                variants(&parsed.node, &mut groups)
            }
            Err(_) => Vec::new(),
        },
    };
    let plain = found.clone();
    for text in plain.iter().take(6) {
        found.extend(near(text));
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|text| text.len() <= 2048 && seen.insert(text.clone()));
    found.truncate(MOST);
    found
}

/// Texts that differ from one by little.
fn near(text: &[u8]) -> Vec<Vec<u8>> {
    let mut near = vec![[text, b"x"].concat(), [text, b"/"].concat()];
    if let Some((_, rest)) = text.split_last() {
        near.push(rest.to_vec());
    }
    if let Some((_, rest)) = text.split_first() {
        near.push(rest.to_vec());
        near.push([b"x", text].concat());
    }
    let turned: Vec<u8> =
        text.iter()
            .map(|byte| {
                if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
            })
            .collect();
    if turned != text {
        near.push(turned);
    }
    near
}

/// Ways to match a node, the plainest first.
fn variants(node: &Node, groups: &mut Vec<(u32, Vec<u8>)>) -> Vec<Vec<u8>> {
    match node {
        Node::Char(code) => vec![character(*code)],
        Node::Set(set) => members(set.ranges()),
        Node::Sequence(nodes) => {
            let each: Vec<_> = nodes.iter().map(|node| variants(node, groups)).collect();
            let plainest: Vec<&[u8]> =
                each.iter().map(|of| of.first().map_or(&[][..], Vec::as_slice)).collect();
            let mut all = vec![plainest.concat()];
            for (at, of) in each.iter().enumerate() {
                for other in of.iter().skip(1) {
                    let mut parts = plainest.clone();
                    parts[at] = other;
                    all.push(parts.concat());
                }
            }
            few(all)
        }
        Node::Choice(nodes) => {
            // The plainest of each alternative before the second of any.
            let each: Vec<_> = nodes.iter().map(|node| variants(node, groups)).collect();
            let most = each.iter().map(Vec::len).max().unwrap_or(0);
            let round = |at: usize| each.iter().filter_map(move |of| of.get(at).cloned());
            let all: Vec<_> = (0..most).flat_map(round).collect();
            all.into_iter().take(MOST).collect()
        }
        Node::Group(number, node) => {
            let of = variants(node, groups);
            if let (Some(number), Some(first)) = (number, of.first()) {
                groups.push((*number, first.clone()));
            }
            of
        }
        Node::Atomic(node) => variants(node, groups),
        Node::Repeat { node, min, max, greedy: _ } => {
            let of = variants(node, groups);
            let Some(first) = of.first() else { return vec![Vec::new()] };
            let times = |count: u32| first.repeat(count.min(LONGEST) as usize);
            // One round is plainer than none: `(.*)` is to be seen catching something.
            let usual = (*min).max(1).min(max.unwrap_or(u32::MAX));
            let mut all = vec![times(usual)];
            if *min != usual {
                all.push(times(*min));
            }
            if usual == 1 {
                all.extend(of.iter().skip(1).cloned());
            }
            match max {
                Some(max) if *max != usual => all.push(times(*max)),
                None => all.push(times(usual + 1)),
                Some(_) => {}
            }
            few(all)
        }
        Node::Back { group, fold: _ } => {
            let known = groups.iter().rev().find(|(number, _)| number == group);
            vec![known.map(|(_, text)| text.clone()).unwrap_or_default()]
        }
        Node::If { yes, no, .. } => {
            let mut all = variants(yes, groups);
            all.extend(variants(no, groups));
            few(all)
        }
        // What must not follow is what a request that misses it looks like.
        Node::Look { node, behind: false, negative: true } => {
            let mut all = vec![Vec::new()];
            all.extend(variants(node, groups));
            few(all)
        }
        Node::Look { .. }
        | Node::Empty
        | Node::Start
        | Node::End
        | Node::EndOrFinalNewline
        | Node::LineStart
        | Node::LineEnd
        | Node::WordEdge
        | Node::NotWordEdge => vec![Vec::new()],
    }
}

fn few(mut all: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = std::collections::HashSet::new();
    all.retain(|text| seen.insert(text.clone()));
    all.truncate(VARIANTS);
    all
}

/// Members of a set, those that people would write first.
fn members(ranges: &[(u32, u32)]) -> Vec<Vec<u8>> {
    let holds = |code: u32| ranges.iter().any(|(from, to)| (*from..=*to).contains(&code));
    let usual = "xa0-_./ ~";
    let mut codes: Vec<u32> = usual.chars().map(u32::from).filter(|code| holds(*code)).collect();
    if codes.is_empty() {
        codes.extend(ranges.iter().map(|(from, _)| *from));
    }
    // The borders of a small set are worth a look each.
    if ranges.len() <= 2 && !holds(0) {
        codes.extend(ranges.iter().flat_map(|(from, to)| [*from, *to]));
    }
    few(codes.into_iter().take(6).map(character).collect())
}

fn character(code: u32) -> Vec<u8> {
    match u8::try_from(code) {
        Ok(byte) => vec![byte],
        Err(_) => char::from_u32(code).unwrap_or('x').to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Matcher;

    #[test]
    fn every_alternative_has_an_example_and_a_near_miss() {
        let table: [(&str, &[&str]); 7] = [
            ("^/api/(v1|v2)/", &["/api/v1/", "/api/v2/"]),
            (r"\.(gif|jpe?g)$", &[".gif", ".jpeg", ".jpg"]),
            ("^/ws(/.*)?$", &["/ws", "/ws/x"]),
            ("^/user/([0-9]{2,3})$", &["/user/00", "/user/000"]),
            (r"^(.)\1$", &["xx"]),
            ("^/(?!admin)", &["/"]),
            ("^[^/]+$", &["x"]),
        ];
        for (text, wanted) in table {
            let pattern = Pattern::regex(text, false);
            let matcher = Matcher::new(&pattern).unwrap();
            let found = examples(&pattern);
            for one in wanted {
                assert!(found.iter().any(|text| text == one.as_bytes()), "{text}: no {one} in {found:?}");
                assert_eq!(matcher.is_match(one.as_bytes()), Ok(true), "{text} {one}");
            }
            let misses = found.iter().any(|text| matcher.is_match(text) == Ok(false));
            assert!(misses, "{text}: no near miss in {found:?}");
        }
    }
}
