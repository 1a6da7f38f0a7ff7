//! Settings of choosing one of several files that stand for one name (RFC 9110 § 12.1).

use serde::Serialize;

use super::{Setting, Text, Value};

settings! {
    /// Choosing among the files whose names are the one asked for and extensions.
    Negotiation, NegotiationInForce {
        /// Whether that is done where a name names no file.
        on: bool,
        /// Languages, the best first: which of them is sent where the client has no wish.
        languages: Option<Vec<Text>>,
        /// Whether that order says nothing where several are equally good.
        unordered: bool,
        /// Whether it says what is sent where none is acceptable.
        falls_back: bool,
        /// Whether extensions that say nothing do not keep a file from being chosen.
        any_extension: bool,
        /// Extensions, in lower case, that say who answers.
        handled: Vec<Text>,
        /// Whether these do not keep a file from being chosen either.
        handled_count: bool,
    }
}
