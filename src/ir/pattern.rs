//! What text is matched against, and where captures go.

use serde::Serialize;

use super::{Name, Text, VarId};

/// A test on bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pattern {
    /// How `text` is read.
    pub kind: Kind,
    /// The text to compare with, or the regular expression.
    pub text: Text,
    /// Whether ASCII case matters not.
    pub ignore_case: bool,
    /// Named groups of a regular expression and the variables that a match assigns.
    pub groups: Vec<(Name, VarId)>,
}

/// How a pattern's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Kind {
    /// The whole subject.
    Exact,
    /// Its beginning.
    Prefix,
    /// Its end.
    Suffix,
    /// A name with `*` for one or more labels at the start (`*.example.com`) or the end (`www.*`),
    /// compared without regard to case.
    Wildcard,
    /// A regular expression, searched for anywhere.
    Regex(Syntax),
}

/// Dialects of regular expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Syntax {
    /// Perl's, on bytes: `$` also matches before a final line feed, `.` does not match a line feed.
    Perl,
    /// Perl's, but `$` matches at the very end only and `.` matches everything.
    PerlWhole,
    /// ECMAScript's.
    Ecma,
}

/// A place for captures, named by a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Register(pub char);

impl Pattern {
    /// The whole subject, byte for byte.
    pub fn exact(text: impl Into<Text>) -> Self {
        Self { kind: Kind::Exact, text: text.into(), ignore_case: false, groups: Vec::new() }
    }

    /// The beginning of the subject, byte for byte.
    pub fn prefix(text: impl Into<Text>) -> Self {
        Self { kind: Kind::Prefix, text: text.into(), ignore_case: false, groups: Vec::new() }
    }

    /// A regular expression in Perl's syntax.
    pub fn regex(text: impl Into<Text>, ignore_case: bool) -> Self {
        Self { kind: Kind::Regex(Syntax::Perl), text: text.into(), ignore_case, groups: Vec::new() }
    }

    /// The same for texts that may have line feeds.
    pub fn whole(text: impl Into<Text>, ignore_case: bool) -> Self {
        Self { kind: Kind::Regex(Syntax::PerlWhole), ..Self::regex(text, ignore_case) }
    }
}
