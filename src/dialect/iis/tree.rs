//! The elements of a configuration file as they are written, each with its place.

use crate::source::Span;

/// An element with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name without a namespace prefix.
    pub name: String,
    /// Where the name is.
    pub name_span: Span,
    /// The attributes in order, without declarations of namespaces.
    pub attributes: Vec<Attribute>,
    /// What stands between the tags.
    pub children: Vec<Node>,
    /// The start tag.
    pub head: Span,
    /// From the start tag to the end tag.
    pub span: Span,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name as written, with a prefix where it has one.
    pub name: String,
    /// Where the name is.
    pub name_span: Span,
    /// Its value, references resolved and white space normalised (XML 1.0 § 3.3.3).
    pub value: String,
    /// Where the value is, without quotes.
    pub value_span: Span,
    /// Whether the value is byte for byte what is written, so that offsets in it are offsets in the file.
    pub literal: bool,
}

/// What may stand in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Another element.
    Element(Element),
    /// A comment: the text between `<!--` and `-->`.
    Comment(String, Span),
    /// Text that is not only white space: nothing that a configuration has a use for.
    Text(String, Span),
}

impl Element {
    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Comment(..) | Node::Text(..) => None,
        })
    }

    /// The first element of this name in it.
    pub fn element(&self, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.name == name)
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl Attribute {
    /// The place of a part of the value; of all of it where offsets do not agree.
    pub fn part(&self, range: std::ops::Range<usize>) -> Span {
        if !self.literal || range.end > self.value.len() {
            return self.value_span;
        }
        let at = |offset: usize| self.value_span.start + offset as u32;
        Span::new(self.value_span.file, at(range.start), at(range.end))
    }
}
