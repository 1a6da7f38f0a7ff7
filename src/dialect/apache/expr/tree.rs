//! What an expression says.

/// Something that holds or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `true`, `false`
    Constant(bool),
    /// `!c`, `not c`
    Not(Box<Self>),
    /// `c && c`, `c and c`
    All(Vec<Self>),
    /// `c || c`, `c or c`
    Any(Vec<Self>),
    /// `w == w`, `w -eq w`, ...
    Compare(Comparison, Word, Word),
    /// `w =~ regex`; negated for `!~`.
    Match {
        /// What is matched.
        word: Word,
        /// Against what.
        regex: Regex,
        /// Whether it must not match.
        negated: bool,
    },
    /// `w in list`
    In(Word, List),
    /// `-x w`, and where the operator stands.
    Unary(u8, Word, usize),
    /// `w -name w`, and where the operator stands.
    Binary(Vec<u8>, Word, Word, usize),
}

/// How two words compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Which relation.
    pub relation: crate::ir::Relation,
    /// Whether as integers.
    pub integer: bool,
}

/// A text put together when it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Piece>);

/// A piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(Vec<u8>),
    /// `%{NAME}`, and where the name stands.
    Variable(Vec<u8>, usize),
    /// `%{name:arg}` or `name(arg)`, and where the name stands.
    Call(Vec<u8>, Word, usize),
    /// `$n`
    Group(u8),
}

/// What `in` looks in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// `{w, w}`
    Words(Vec<Word>),
    /// `name(w)`, and where the name stands.
    Call(Vec<u8>, Word, usize),
}

/// `/text/i`, and where the text stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    /// The pattern.
    pub text: Vec<u8>,
    /// Whether case matters not.
    pub ignore_case: bool,
    /// Where it stands in the expression.
    pub at: usize,
}

impl Word {
    /// The text when there is nothing to evaluate.
    pub fn constant(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(&[]),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Adds a piece; text joins the text before it.
    pub(super) fn push(&mut self, piece: Piece) {
        match (self.0.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(last)), Piece::Text(text)) => last.extend_from_slice(&text),
            (_, piece) => self.0.push(piece),
        }
    }
}
