//! Settings of what is rewritten in the content of responses on its way.

use serde::Serialize;

use super::{Setting, Template, Text, Value};
use crate::ir::{Name, Pattern, Register};

settings! {
    /// What is rewritten in the content of responses on its way to the client.
    ///
    /// Content that has a coding is left alone unless the coding is taken off first. `texts` come first, then the
    /// line edits, then the attribute edits.
    Rewriting, RewritingInForce {
        /// Texts looked for all at once, without regard to case, and what stands in their place. What was put in is
        /// not looked through. Of texts that begin at the same place the first counts.
        texts: Vec<(Template, Template)>,
        /// Whether each of the texts is replaced only once in a response.
        once: bool,
        /// Other edits, each of what those before it made.
        edits: Vec<ContentEdit>,
        /// Whether the edits written here come before those in force, not after them.
        edits_first: bool,
        /// Read when the head of the response is known: content is only rewritten where it is neither empty nor `0`.
        when: Option<Template>,
        /// The longest line, bytes, that line edits look at; a response with a longer one is broken off.
        max_line: u64,
        /// Types of content that is rewritten; `*` for all.
        types: Vec<Text>,
        /// Whether the response keeps `Last-Modified`, and its entity tag.
        keep_modified: bool,
        /// Whether that tag stays a strong one.
        keep_tag: bool,
        /// The target of a request of our own whose answer stands before the content; empty is none.
        before: Text,
        /// Of one whose answer stands behind it.
        after: Text,
        /// Types of content that something stands around; `*` for all.
        around_types: Vec<Text>,
        /// Whether instructions in content are followed: `<!--# include virtual="/part" -->`.
        includes: bool,
        /// Types of content that may have instructions; `*` for all.
        include_types: Vec<Text>,
        /// Whether nothing is said in place of an instruction that is wrong.
        include_silently: bool,
        /// The longest value in an instruction, bytes.
        include_value_length: u64,
        /// Whether the response keeps `Last-Modified` all the same.
        include_keeps_modified: bool,
        /// Values that instructions may ask for beside variables, by name.
        include_values: Vec<(Name, Template)>,
    }
}

/// A rewrite of what a pattern finds in content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContentEdit {
    /// Where it is looked for.
    pub place: ContentPlace,
    /// What is looked for.
    pub find: ContentMatch,
    /// What stands in its place; captures are those of the register.
    pub with: Template,
    /// Read when the head of the response is known: only where it is neither empty nor `0`.
    pub when: Option<Template>,
    /// Whether edits after it are not tried at a place that it changed.
    pub last: bool,
}

/// Where content is rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ContentPlace {
    /// Each line, its end included: every match in it is replaced, and `^` is its beginning.
    Line,
    /// The values of these attributes of these HTML elements: element and attribute. A value in which the pattern is
    /// found is replaced as a whole.
    Attribute(Vec<(Name, Name)>),
}

/// What is looked for in content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum ContentMatch {
    /// This text; the flag ignores case.
    Text(Text, bool),
    /// A pattern, and the register that captures in the replacement speak of.
    Pattern(Pattern, Register),
    /// Wherever the pattern is not found.
    Not(Pattern),
}
