//! Settings of what is rewritten in the content of responses on its way.

use serde::Serialize;

use super::{Setting, Template, Text, Value};
use crate::ir::{Name, Pattern, Register, Test};

settings! {
    /// What is rewritten in the content of responses on its way to the client.
    ///
    /// Content that has a coding is left alone unless the coding is taken off first. `texts` come first, then the
    /// line edits, then the others in their order.
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
        /// Whether only whole content is rewritten, a part (`206`) never, and whether what is said of the content as it
        /// was goes with it: `Accept-Ranges`, `Content-MD5` and other digests.
        whole: bool,
        /// Whether a `204` or `304` tells the same of itself as rewritten content would.
        tells_unmodified: bool,
        /// The target of a request of our own whose answer stands before the content; empty is none.
        before: Text,
        /// Of one whose answer stands behind it.
        after: Text,
        /// Types of content that something stands around; `*` for all.
        around_types: Vec<Text>,
        /// Whether instructions in content are followed: `<!--# include virtual="/part" -->`.
        includes: bool,
        /// Whether texts and edits are for the content alone, and done before it gets parts: what stands around it,
        /// and what its instructions ask for.
        parts_last: bool,
        /// Types of content that may have instructions; `*` for all.
        include_types: Vec<Text>,
        /// Whether nothing is said in place of an instruction that is wrong.
        include_silently: bool,
        /// The longest value in an instruction, bytes.
        include_value_length: u64,
        /// Whether the response keeps `Last-Modified` all the same.
        include_keeps_modified: bool,
        /// Whether includes are forbidden, whoever asks for them.
        includes_forbidden: bool,
        /// Whether instructions are those whose attributes count in turn, with conditions of more than one comparison.
        include_in_turn: bool,
        /// What begins an instruction of these; empty is `<!--#`.
        include_begin: Text,
        /// What ends it; empty is `-->`.
        include_end: Text,
        /// What is said of one that is wrong; empty is the usual sentence.
        include_message: Text,
        /// What is said of a variable that has no value; empty is `(none)`.
        include_undefined: Text,
        /// How times are written; empty is the usual form.
        include_time: Text,
        /// Values that instructions may ask for beside variables, by name.
        include_values: Vec<(Name, Template)>,
        /// Whether content in another character set than UTF-8 (UTF-16, and those of one byte) is read as what it
        /// stands for, and written in the same one.
        charset: bool,
        /// What becomes of content that has a coding.
        coded: Coded,
    }
}

/// What becomes of content that has a coding and would be rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Coded {
    /// It is passed on as it is.
    #[default]
    Pass,
    /// It is edited as it is, bytes that mean something else.
    Edit,
    /// This status is answered instead.
    Refuse(u16),
    /// The coding is taken off; one that cannot be is refused with this status.
    Decode(u16),
}

impl Setting for Coded {
    fn accumulate(&mut self, over: &Self) {
        *self = *over;
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
    /// What has to hold besides wherever the pattern is found: `Match`es, which see captures of the pattern, and of
    /// each other.
    pub given: Option<Test>,
    /// How often it is done in a response; 0 is no limit.
    pub most: u64,
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
    /// The content as a whole: every match in it is replaced, in a window of 64 KiB that moves over it.
    Whole,
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
