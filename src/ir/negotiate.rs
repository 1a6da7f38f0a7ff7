//! Choosing one of several files that stand for one name.

use serde::Serialize;

use super::{Template, VarId};

/// Variables of [`super::Step::Negotiate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Negotiate {
    /// The name that variants have before their extensions; with `listed`, a file that lists them.
    pub file: VarId,
    /// What follows that name in the path.
    pub rest: VarId,
    /// Whether variants are listed by a file.
    pub listed: bool,
    /// A language to prefer whatever the client says; empty is none.
    pub language: Template,
    /// Which variants in a content coding do not count: `all`, or those `but-html`; empty is none of them.
    pub plain: Template,
    /// What takes what came out. Nothing came out where there is nothing to choose from.
    pub into: Vec<(Noted, VarId)>,
}

/// Something that came out of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Noted {
    /// `choice`; `content` where the list holds it itself; else the status to answer with.
    Outcome,
    /// The name of the file.
    File,
    /// Its last component.
    Name,
    /// The path of the file as one asks for it, without the rest.
    Path,
    /// The same as a request target, with the rest and the query.
    Target,
    /// `Content-Location`.
    Location,
    /// `Alternates` (RFC 2295 § 8.3).
    Alternates,
    /// The fields that the choice depends on.
    Vary,
    /// `TCN` (RFC 2295 § 8.5).
    Manner,
    /// What says whether the list is the same, without quotes; `W/` before it where that is not certain.
    Tag,
    /// The variants, for people.
    List,
    /// The content, where the list holds it.
    Content,
    /// Its type.
    Type,
    /// Its languages.
    Language,
    /// Its coding.
    Coding,
}

impl Noted {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Outcome,
        Self::File,
        Self::Name,
        Self::Path,
        Self::Target,
        Self::Location,
        Self::Alternates,
        Self::Vary,
        Self::Manner,
        Self::Tag,
        Self::List,
        Self::Content,
        Self::Type,
        Self::Language,
        Self::Coding,
    ];
}
