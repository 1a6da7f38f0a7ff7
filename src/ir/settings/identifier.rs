//! The cookie that clients are told apart by.

use std::time::Duration;

use serde::Serialize;

use super::{Template, Text};

/// A cookie of 16 bytes in Base64 that clients are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// Its name.
    pub cookie: Text,
    /// How clients that have none get one; `None` gives none.
    pub issue: Option<Issue>,
    /// The first four bytes of those made here; `None` is the local address of the connection.
    pub service: Option<u32>,
    /// A character in place of the first one that fills up the Base64; a cookie without it is sent again with it.
    pub mark: Option<u8>,
    /// How long it lasts.
    pub lasts: Lifetime,
    /// Its `Domain`; empty for none.
    pub domain: Text,
    /// Its `Path`.
    pub path: Text,
    /// Further attributes, in order.
    pub flags: Vec<Text>,
    /// What `P3P` says beside it; empty for no such field.
    pub policy: Text,
    /// Where this is neither empty nor `0`, what the client has is replaced; for `log` a line in the log says so.
    pub reset: Option<Template>,
}

/// How identifiers are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Issue {
    /// Of numbers with the least byte first, the last of which counts from 1.
    LeastFirst,
    /// Of numbers with the greatest byte first.
    GreatestFirst,
}

/// How long a cookie lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Lifetime {
    /// As long as the browser runs.
    Session,
    /// As long as there is.
    Longest,
    /// So long.
    For(Duration),
}
