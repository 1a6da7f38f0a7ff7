//! What was written in an httpd.conf or .htaccess, with spans and no meaning.
//!
//! Lossless: comments, blank lines, order and the exact text (through spans) are kept, so that a translation can
//! carry them over. What is decided while a configuration is read (`<IfModule>`, `Include`, `Use`, ...) keeps its
//! place and holds what it brought; [`directives`] walks over that as if it stood there directly.

use std::{borrow::Cow, ops::Range, sync::Arc};

use crate::source::{FileId, Span};

/// The items of one file or one section, in order.
pub type Items = Vec<Item>;

/// One thing in a file or a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A directive, simple or a section.
    Directive(Directive),
    /// A comment from `#` to the end of its last line, without the line end.
    Comment(Span),
    /// An empty line.
    Blank(Span),
}

/// A word: the name of a directive or an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands, quotes included.
    pub span: Span,
    /// Its text after `${}` is replaced, quotes taken off and escapes decoded.
    pub value: Vec<u8>,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name as written; that of a section starts with `<`.
    pub name: Word,
    /// Its name in the usual spelling.
    pub usual: Cow<'static, str>,
    /// What follows the name, split as most directives split it.
    pub args: Vec<Word>,
    /// What follows the name, unsplit; of a section, up to its `>`.
    pub raw: Written,
    /// What it holds.
    pub body: Body,
    /// From the name to the last byte of its last line; of a section, that of its first line.
    pub span: Span,
    /// The `Use` of a macro that brought it.
    pub used: Option<Arc<Use>>,
}

/// What a directive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// `<Section> ... </Section>`
    Section(Section),
    /// A section that only says whether its content counts, and it does.
    Taken(Section),
    /// A section that only says whether its content counts, and it does not; or the text of a macro.
    Text(Span),
    /// An `Include` and the files it brought, in order. Empty when the pattern matched nothing.
    Included(Vec<Included>),
    /// A simple directive that has done its work when it was read: `Define`, `Use`, ...
    Done,
}

/// What a section holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What stands in it.
    pub items: Items,
    /// Its `</Section>`; without width at the end of the text when there is none.
    pub close: Span,
}

/// A file brought by an `Include`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// The file.
    pub file: FileId,
    /// Its items.
    pub items: Items,
}

/// A `Use` of a macro.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The `Use`.
    pub span: Span,
    /// The macro's name.
    pub name: Vec<u8>,
    /// The `<Macro>`.
    pub defined: Span,
    /// The `Use` that this one stands in the text of.
    pub within: Option<Arc<Self>>,
}

impl Word {
    /// The text when it is UTF-8, else the text with replacement characters; for messages and comparisons.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }

    /// Whether the text is `text` in any case of letters: how keywords are compared.
    pub fn is(&self, text: &str) -> bool {
        self.value.eq_ignore_ascii_case(text.as_bytes())
    }
}

impl Directive {
    /// The name in its usual spelling, `ProxyPass` or `<VirtualHost>`; an unknown one as it was written, lossily.
    pub fn name(&self) -> &str {
        &self.usual
    }

    /// Whether it is written as a section.
    pub fn is_section(&self) -> bool {
        self.name.value.first() == Some(&b'<')
    }

    /// What follows the name as one text, after continued lines are joined and `${}` is replaced; without white
    /// space around it and, of a section, without its `>`.
    pub fn raw(&self) -> &[u8] {
        self.raw.bytes()
    }

    /// The section's items; none for a simple directive, and for what is decided while the file is read.
    pub fn block(&self) -> &[Item] {
        match &self.body {
            Body::Section(section) => &section.items,
            Body::None | Body::Taken(_) | Body::Text(_) | Body::Included(_) | Body::Done => &[],
        }
    }

    /// The first line: what a message about the directive points at.
    pub fn head(&self) -> Span {
        self.span
    }
}

/// A text and where each byte of it was written.
///
/// It differs from the file where lines were joined, and where a variable or the parameter of a macro was replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// A part of a [`Written`], up to the next part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// Where it starts in the text.
    at: usize,
    /// Where it was written.
    span: Span,
    /// Whether it is the bytes of the span, and not what they stand for.
    verbatim: bool,
}

impl Written {
    /// The text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds bytes as they stand in a file at `span`.
    pub fn push(&mut self, bytes: &[u8], span: Span) {
        self.add(bytes, span, true);
    }

    /// Adds bytes that what stands at `span` is replaced by.
    pub fn push_for(&mut self, bytes: &[u8], span: Span) {
        self.add(bytes, span, false);
    }

    /// Adds another text.
    pub fn append(&mut self, other: &Self) {
        let at = self.bytes.len();
        self.pieces.extend(other.pieces.iter().map(|piece| Piece { at: piece.at + at, ..*piece }));
        self.bytes.extend_from_slice(&other.bytes);
    }

    fn add(&mut self, bytes: &[u8], span: Span, verbatim: bool) {
        self.pieces.push(Piece { at: self.bytes.len(), span, verbatim });
        self.bytes.extend_from_slice(bytes);
    }

    /// A part of the text.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        // From the last piece that begins before the part: an empty one may stand where it ends.
        let before = self.pieces.partition_point(|piece| piece.at < range.start).saturating_sub(1);
        for (at, piece) in self.pieces.iter().enumerate().skip(before) {
            if piece.at > range.end {
                break;
            }
            let end = self.pieces.get(at + 1).map_or(self.bytes.len(), |next| next.at);
            let (from, to) = (range.start.max(piece.at), range.end.min(end));
            // An empty text keeps the place where it would stand.
            let kept = from < to || (from == to && range.is_empty() && part.pieces.is_empty());
            if kept {
                let span = if piece.verbatim { narrowed(*piece, from, to) } else { piece.span };
                part.add(&self.bytes[from..to], span, piece.verbatim);
            }
        }
        part
    }

    /// The text without white space around it.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let start = self.bytes.iter().take_while(|byte| is_space(**byte)).count();
        let end = self.bytes.iter().rev().take_while(|byte| is_space(**byte)).count();
        self.slice(start..(self.bytes.len() - end).max(start))
    }

    /// Where a part of the text was written; what was replaced counts as a whole.
    pub fn span(&self, range: Range<usize>) -> Span {
        let first = self.place(range.start, range.start);
        if range.is_empty() {
            return first;
        }
        let last = self.place(range.end - 1, range.end);
        let first = self.place(range.start, range.start + 1);
        if first.file == last.file && first.start <= last.end { first.to(last) } else { first }
    }

    /// Where all of it was written.
    pub fn whole(&self) -> Span {
        self.span(0..self.bytes.len())
    }

    /// The place of bytes that lie in one piece.
    fn place(&self, from: usize, to: usize) -> Span {
        let after = self.pieces.partition_point(|piece| piece.at <= from);
        let Some(piece) = after.checked_sub(1).and_then(|at| self.pieces.get(at)) else { return Span::NONE };
        if piece.verbatim { narrowed(*piece, from, to) } else { piece.span }
    }
}

fn narrowed(piece: Piece, from: usize, to: usize) -> Span {
    let start = piece.span.start + (from - piece.at) as u32;
    let end = piece.span.start + (to - piece.at) as u32;
    Span::new(piece.span.file, start.min(piece.span.end), end.min(piece.span.end))
}

/// C's `isspace`, which is what separates words.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The directives of a section in the order they take effect: included files and conditional sections that count
/// are walked in place, and what has done its work already is left out.
pub fn directives(items: &[Item]) -> Directives<'_> {
    Directives { stack: vec![items.iter()] }
}

/// Iterator of [`directives`].
#[derive(Debug)]
pub struct Directives<'a> {
    stack: Vec<std::slice::Iter<'a, Item>>,
}

impl<'a> Iterator for Directives<'a> {
    type Item = &'a Directive;

    fn next(&mut self) -> Option<&'a Directive> {
        loop {
            match self.stack.last_mut()?.next() {
                None => {
                    self.stack.pop();
                }
                Some(Item::Comment(_) | Item::Blank(_)) => {}
                Some(Item::Directive(directive)) => match &directive.body {
                    Body::Included(files) => {
                        self.stack.extend(files.iter().rev().map(|file| file.items.iter()));
                    }
                    Body::Taken(section) => self.stack.push(section.items.iter()),
                    Body::Text(_) | Body::Done => {}
                    Body::None | Body::Section(_) => return Some(directive),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_through_joined_lines_and_variables() {
        let file = FileId(0);
        let mut text = Written::default();
        text.push(b"abc ", Span::new(file, 10, 14));
        text.push(b"  def", Span::new(file, 16, 21));
        text.push_for(b"value", Span::new(file, 21, 25));
        text.push(b"!", Span::new(file, 25, 26));
        let at = |range| {
            let span = text.span(range);
            (span.start, span.end)
        };
        assert_eq!(at(0..3), (10, 13));
        assert_eq!(at(2..8), (12, 20));
        assert_eq!(at(6..9), (18, 21));
        assert_eq!(at(10..12), (21, 25));
        assert_eq!(at(8..15), (20, 26));
        assert_eq!(at(15..15), (26, 26));
        let part = text.slice(3..7).trimmed();
        assert_eq!(part.bytes(), b"d");
        assert_eq!((part.whole().start, part.whole().end), (18, 19));
        assert_eq!(text.slice(7..12).bytes(), b"efval");
        assert!(!Written::default().whole().is_known());
        assert_eq!(text.slice(15..15).whole().start, 26);
    }
}
