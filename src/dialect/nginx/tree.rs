//! What was written in an nginx.conf, with spans and no meaning.
//!
//! Lossless: comments, order and the exact text (through spans) are kept, so
//! that a translation can carry them over. An `include` keeps its place and
//! holds the trees of the files it named.

use crate::source::{FileId, Span};

/// The items of one file or one block, in order.
pub type Items = Vec<Item>;

/// One thing in a file or a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A directive, simple or with a block.
    Directive(Directive),
    /// A comment from `#` to the end of its line, without the line end.
    Comment(Span),
}

/// A word: the name of a directive or an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands, quotes included.
    pub span: Span,
    /// Its text after the escapes are decoded, quotes taken off.
    pub value: Vec<u8>,
    /// How it was quoted.
    pub quote: Option<Quote>,
}

/// The two kinds of quotes, which mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// `'`
    Single,
    /// `"`
    Double,
}

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name.
    pub name: Word,
    /// What follows the name.
    pub args: Vec<Word>,
    /// How it ends.
    pub body: Body,
    /// From the name to the `;` or the closing brace.
    pub span: Span,
}

/// How a directive ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `;`
    None,
    /// `{ ... }`
    Block(Items),
    /// `{ ... }` of another language, as one opaque text: the span between the braces.
    Opaque(Span),
    /// An `include ...;` and the files it brought, in order. Empty when the pattern matched nothing.
    Included(Vec<Included>),
}

/// A file brought by an `include`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// The file.
    pub file: FileId,
    /// Its items.
    pub items: Items,
}

impl Word {
    /// The text when it is UTF-8, else the text with replacement characters; for messages and comparisons.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }

    /// Whether the text is exactly `text`.
    pub fn is(&self, text: &str) -> bool {
        self.value == text.as_bytes()
    }
}

impl Directive {
    /// The name as text.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name.value).unwrap_or("\u{fffd}")
    }

    /// The block's items; none for a simple directive.
    pub fn block(&self) -> &[Item] {
        match &self.body {
            Body::Block(items) => items,
            Body::None | Body::Opaque(_) | Body::Included(_) => &[],
        }
    }

    /// From the name to the last argument: what a message about the directive points at.
    pub fn head(&self) -> Span {
        self.args.last().map_or(self.name.span, |last| self.name.span.to(last.span))
    }
}

/// The directives of a block in the order they take effect: included files are walked in place.
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
                Some(Item::Comment(_)) => {}
                Some(Item::Directive(directive)) => match &directive.body {
                    Body::Included(files) => {
                        self.stack.extend(files.iter().rev().map(|file| file.items.iter()));
                    }
                    Body::None | Body::Block(_) | Body::Opaque(_) => return Some(directive),
                },
            }
        }
    }
}
