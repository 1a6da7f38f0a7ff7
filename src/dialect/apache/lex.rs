//! Lines and words of an httpd.conf: the lexical part of `grammar/apache.ebnf`, with nom.
//!
//! A line that ends in a backslash goes on in the next one; what separates words is C's `isspace`; a word may stand
//! in quotes. Nothing here fails: every text is a sequence of lines, and every line one of words.
//!
//! Observed throughout: Apache 2.4.71.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_till, take_till1, take_while, take_while_m_n},
    combinator::{map, opt, recognize, verify},
    multi::many0_count,
    sequence::{pair, preceded},
};

use super::tree::{Word, Written, is_space};
use crate::source::{FileId, Span};

/// What a line is, white space around it aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From its first byte that is not white space to its last one, over all lines that were joined.
    pub span: Span,
    /// Its text, joined and without white space around it.
    pub text: Written,
}

/// The lines of one file, in order.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    file: FileId,
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Starts at the first byte of `text`.
    pub fn new(file: FileId, text: &'a [u8]) -> Self {
        Self { file, text, rest: text }
    }

    /// The end of the text, as a span without width.
    pub fn end(&self) -> Span {
        Span::new(self.file, self.text.len() as u32, self.text.len() as u32)
    }

    /// How many bytes have been read.
    pub fn at(&self) -> u32 {
        (self.text.len() - self.rest.len()) as u32
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.rest.is_empty() {
            return None;
        }
        let mut joined = Written::default();
        loop {
            let start = self.at();
            let (rest, Physical { body, continued }) = physical(self.rest).ok()?;
            self.rest = rest;
            joined.push(body, Span::new(self.file, start, start + body.len() as u32));
            if !continued || self.rest.is_empty() {
                break;
            }
        }
        let text = joined.trimmed();
        Some(Line { span: text.whole(), text })
    }
}

/// A production cannot say more than that it does not apply.
type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// A line of the file, without what ends it.
#[derive(Clone, Copy, Debug)]
struct Physical<'a> {
    body: &'a [u8],
    continued: bool,
}

/// A backslash joins lines only directly before the line end; the last line may have no end.
fn physical(input: &[u8]) -> Parsed<'_, Physical<'_>> {
    let end = opt(tag(&b"\n"[..]));
    map(pair(take_till(|byte| byte == b'\n'), end), |(body, end): (&[u8], Option<&[u8]>)| {
        if end.is_none() {
            return Physical { body, continued: false };
        }
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        let joined = body.strip_suffix(b"\\");
        Physical { body: joined.unwrap_or(body), continued: joined.is_some() }
    })
    .parse(input)
}

/// One word of a text, before its escapes are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What stands in it, without quotes.
    pub body: &'a [u8],
    /// The quote it starts with.
    pub quote: Option<u8>,
    /// Whether the same quote ends it.
    pub closed: bool,
}

fn blank(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while(is_space).parse(input)
}

fn unquoted(input: &[u8]) -> Parsed<'_, Piece<'_>> {
    map(take_till1(is_space), |body| Piece { body, quote: None, closed: true }).parse(input)
}

/// Only a backslash and the quote in use can be escaped; any other backslash stands for itself.
fn escape(mark: u8) -> impl FnMut(&[u8]) -> Parsed<'_, &[u8]> {
    move |input| {
        let escaped = verify(take_while_m_n(0, 1, |byte| byte == mark || byte == b'\\'), |_: &[u8]| true);
        recognize(pair(tag(&b"\\"[..]), escaped)).parse(input)
    }
}

fn quoted(mark: u8) -> impl FnMut(&[u8]) -> Parsed<'_, Piece<'_>> {
    move |input| {
        let marks = [mark];
        let plain = take_till1(|byte| byte == mark || byte == b'\\');
        let body = recognize(many0_count(alt((plain, escape(mark)))));
        let (rest, (body, end)) = pair(preceded(tag(&marks[..]), body), opt(tag(&marks[..]))).parse(input)?;
        Ok((rest, Piece { body, quote: Some(mark), closed: end.is_some() }))
    }
}

/// The next word of a text and what follows it; `None` at the end.
pub fn word(input: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let (rest, _) = blank(input).ok()?;
    let (rest, piece) = alt((quoted(b'"'), quoted(b'\''), unquoted)).parse(rest).ok()?;
    Some((piece, rest))
}

/// Takes the escapes off a word: `\\` and, in quotes, the quote in use.
pub fn decode(piece: Piece<'_>) -> Vec<u8> {
    let Piece { body, quote, closed: _ } = piece;
    let mut value = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        value.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1).is_some_and(|&byte| byte == b'\\' || Some(byte) == quote);
        let taken = if escaped { rest[at + 1] } else { b'\\' };
        value.push(taken);
        rest = &rest[at + 1 + usize::from(escaped)..];
    }
    value.extend_from_slice(rest);
    value
}

/// The words of a text, as most directives split theirs.
pub fn words(text: &Written) -> Vec<Word> {
    let mut words = Vec::new();
    let bytes = text.bytes();
    let mut rest = bytes;
    while let Some((piece, after)) = word(rest) {
        let end = bytes.len() - after.len();
        let quotes = usize::from(piece.quote.is_some()) + usize::from(piece.quote.is_some() && piece.closed);
        let start = end - piece.body.len() - quotes;
        words.push(Word { span: text.span(start..end), value: decode(piece), quoted: piece.quote.is_some() });
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let lines = Lines::new(FileId(0), text.as_bytes());
        lines.map(|line| String::from_utf8(line.text.bytes().to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_backslash_joins_lines() {
        let table: [(&str, &[&str]); 9] = [
            ("a b\nc", &["a b", "c"]),
            ("  a \\\n  b  \n\nc\n", &["a   b", "", "c"]),
            ("a\\\r\nb\r\nc\r", &["ab", "c"]),
            ("a\\\\\nb", &["a\\b"]),
            ("a\\ \nb", &["a\\", "b"]),
            ("# text \\\nswallowed\nx", &["# text swallowed", "x"]),
            ("a\\", &["a\\"]),
            ("a\\\n", &["a"]),
            ("", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(lines(text), expected, "{text:?}");
        }
    }

    #[test]
    fn words_are_split_as_most_directives_split_theirs() {
        let table: [(&str, &[&str]); 12] = [
            (r#""dq \"x\" \\ y""#, &[r#"dq "x" \ y"#]),
            (r#"'single "in"'"#, &[r#"single "in""#]),
            (r#"un\"q"#, &[r#"un\"q"#]),
            (r"a\b", &[r"a\b"]),
            (r"a\\b", &[r"a\b"]),
            (r#""open to the end"#, &["open to the end"]),
            (r#"a"b" c"#, &[r#"a"b""#, "c"]),
            (r#""a"b"#, &["a", "b"]),
            (r#""" x"#, &["", "x"]),
            (r#""a\'b" 'a\"b'"#, &[r"a\'b", r#"a\"b"#]),
            (r#""a\"#, &[r"a\"]),
            (" a\tb\u{b}c ", &["a", "b", "c"]),
        ];
        for (text, expected) in table {
            let mut written = Written::default();
            written.push(text.as_bytes(), Span::new(FileId(0), 0, text.len() as u32));
            let found: Vec<_> = words(&written).iter().map(|word| word.text().into_owned()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn spans_lead_back_to_the_file() {
        let text = "ProxyPass / \\\n  \"http://a\" x\n";
        let line = Lines::new(FileId(0), text.as_bytes()).next().unwrap();
        let words = words(&line.text);
        let of = |span: Span| &text[span.start as usize..span.end as usize];
        let found: Vec<_> = words.iter().map(|word| of(word.span)).collect();
        assert_eq!(found, ["ProxyPass", "/", "\"http://a\"", "x"]);
        assert_eq!(of(line.span), "ProxyPass / \\\n  \"http://a\" x");
    }
}
