//! Settings of one coding of content (RFC 9110 § 8.4.1): which responses are coded on their way, and how.

use serde::Serialize;

use super::{Setting, Template, Text, Value};

settings! {
    /// One coding of the content of responses.
    ///
    /// A response is coded when `on` holds, it has none of these codings yet, and its status, type and length are
    /// among those asked for; and only for a request that names the coding in `Accept-Encoding`, has an HTTP version
    /// of at least `version`, and passes `proxied` and `unless`.
    Compress, CompressInForce {
        /// Whether content is coded on its way.
        on: bool,
        /// Effort, from 1 to what the coding has.
        level: u8,
        /// Types whose content is coded; `*` for all.
        types: Vec<Text>,
        /// Length from which content is coded, where it is known.
        min_length: u64,
        /// Statuses of responses that are coded; none is every status that has content.
        statuses: Vec<u16>,
        /// The least HTTP version, in tenths, of a request whose response is coded.
        version: u8,
        /// Which responses to requests that came through another proxy are coded; none is none.
        proxied: Vec<Proxied>,
        /// Nothing is coded when this is neither empty nor `0`.
        unless: Template,
        /// Whether `Vary` is not said where `unless` holds.
        silent: bool,
        /// Whether a response that is coded for some clients says so in `Vary`, coded or not.
        vary: bool,
        /// Whether `Accept-Ranges` stays.
        keep_ranges: bool,
        /// What becomes of the entity tag of a response that is coded.
        tag: TagChange,
        /// Whether a file that was coded beforehand, with the coding's extension, is sent in place of a file.
        beside: Beside,
        /// Whether content that has the coding already is decoded for clients that do not accept it.
        decode: bool,
        /// Whether it is decoded for all clients.
        decode_all: bool,
    }
}

/// What a response to a request that came through another proxy (it has a `Via`) must be like. One that has neither
/// `Expires` nor `Cache-Control` is coded when any of these is asked for, unless one of those forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Proxied {
    /// Anything.
    Any,
    /// It has expired, by its `Expires`.
    Expired,
    /// `Cache-Control` says `no-cache`.
    NoCache,
    /// `Cache-Control` says `no-store`.
    NoStore,
    /// `Cache-Control` says `private`.
    Private,
    /// With neither `Expires` nor `Cache-Control`, it must have no `Last-Modified`.
    NoLastModified,
    /// With neither `Expires` nor `Cache-Control`, it must have no `ETag`.
    NoETag,
    /// The request has credentials.
    Auth,
}

/// What becomes of the entity tag of a response whose content is changed on its way (RFC 9110 § 8.8.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum TagChange {
    /// A strong one becomes weak.
    #[default]
    Weaken,
    /// This is appended to it, before the closing quote.
    Append(Text),
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Whether files that were coded beforehand are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Beside {
    /// Never.
    #[default]
    Never,
    /// To clients that accept the coding.
    Accepted,
    /// To all.
    Always,
}

impl Setting for TagChange {
    fn accumulate(&mut self, over: &Self) {
        self.clone_from(over);
    }
}

impl Setting for Beside {
    fn accumulate(&mut self, over: &Self) {
        *self = *over;
    }
}
