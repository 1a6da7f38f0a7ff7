//! The words of `RewriteRule` and `RewriteCond`, which have a splitter of their own.
//!
//! Observed (2.4.71): a word may start with `"` or `'` and ends at the next such mark, whatever stands before it;
//! outside of quotes a backslash keeps the white space after it in the word, and both stay. What follows the third
//! word is not looked at.

use crate::{
    dialect::apache::tree::{Written, is_space},
    source::Span,
};

/// The words of a line: two, or three with flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) first: Written,
    pub(super) second: Written,
    pub(super) third: Option<Written>,
    /// What follows the third word and is not looked at.
    pub(super) rest: Option<Span>,
}

/// Splits a line; `None` when it has no two words.
pub(super) fn split(line: &Written) -> Option<Words> {
    let text = line.bytes();
    let (first, at) = word(text, 0)?;
    // The first word must be followed by something, be it the mark that ends it.
    if first.1 >= text.len() {
        return None;
    }
    let (second, at) = word(text, at).unwrap_or(((text.len(), text.len()), text.len()));
    let third = word(text, at);
    let end = third.map_or(at, |(_, at)| at);
    let rest = text.get(end..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| is_space(**byte)).count();
    let slice = |(from, to): (usize, usize)| line.slice(from..to);
    Some(Words {
        first: slice(first),
        second: slice(second),
        third: third.map(|(range, _)| slice(range)),
        rest: (skipped < rest.len()).then(|| line.span(end + skipped..text.len())),
    })
}

/// The next word as start and end, and where to look on; `None` at the end.
fn word(text: &[u8], from: usize) -> Option<((usize, usize), usize)> {
    let skipped = text.get(from..)?.iter().take_while(|byte| is_space(**byte)).count();
    let mut at = from + skipped;
    let quote = text.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    if at >= text.len() {
        return None;
    }
    at += usize::from(quote.is_some());
    let start = at;
    while let Some(&byte) = text.get(at) {
        let ends = match quote {
            Some(quote) => byte == quote,
            None => is_space(byte),
        };
        if ends {
            break;
        }
        let kept = byte == b'\\' && text.get(at + 1).is_some_and(|next| is_space(*next));
        at += if kept { 2 } else { 1 };
    }
    Some(((start, at), (at + 1).min(text.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    fn words(text: &str) -> Option<Vec<String>> {
        let mut written = Written::default();
        written.push(text.as_bytes(), Span::new(FileId(0), 0, text.len() as u32));
        let Words { first, second, third, rest } = split(&written)?;
        let mut words: Vec<_> = [Some(first), Some(second), third]
            .into_iter()
            .flatten()
            .map(|word| String::from_utf8(word.bytes().to_vec()).unwrap())
            .collect();
        words.extend(rest.map(|span| format!("rest at {}", span.start)));
        Some(words)
    }

    #[test]
    fn each_shape() {
        let table: [(&str, Option<&[&str]>); 14] = [
            ("", None),
            ("^a", None),
            ("^a b", Some(&["^a", "b"])),
            ("  ^a\tb  [L]  ", Some(&["^a", "b", "[L]"])),
            (r#""^a b" "c d" "[R=301, L]""#, Some(&["^a b", "c d", "[R=301, L]"])),
            ("'^a b' c", Some(&["^a b", "c"])),
            ("^a b [R=301, L]", Some(&["^a", "b", "[R=301,", "rest at 13"])),
            (r#""a\"b" c d"#, Some(&[r"a\", r#"b""#, "c", "rest at 9"])),
            (r"a\ b c", Some(&[r"a\ b", "c"])),
            (r"a\\ b c", Some(&[r"a\\ b", "c"])),
            (r#""a""b""#, Some(&["a", "b"])),
            (r#""a""#, Some(&["a", ""])),
            (r#"a "" [L]"#, Some(&["a", "", "[L]"])),
            (r#"a b"c" d"#, Some(&["a", r#"b"c""#, "d"])),
        ];
        for (text, expected) in table {
            let expected =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
