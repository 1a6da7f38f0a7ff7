//! Settings of answers of our own, and of what is added to every response.

use serde::Serialize;

use super::{Identifier, Setting, Template, Text, Value};
use crate::ir::{Block, Recovery};

settings! {
    /// Answers of our own, and what is added to every response.
    Answer, AnswerInForce {
        /// What `Server` says where the response brings none; empty for no such field.
        server: Text,
        /// Edits of the response when its head is known; only response steps may occur.
        on_response: Vec<Block>,
        /// What becomes of a status about to be answered.
        errors: Vec<Recovery>,
        /// Whether recoveries apply to recovered answers too.
        recursive_errors: bool,
        /// Whether an error met on the way to what is sent in place of another leaves the answer that of the first.
        first_error: bool,
        /// Whether a `Location` that begins with `/` gets scheme and authority in front.
        absolute_redirect: bool,
        /// What that authority is; `None` is what the next two say.
        own_authority: Option<Template>,
        /// Whom our own pages name to write to.
        contact: Text,
        /// What our own pages are signed with.
        signature: Template,
        /// Whether answers to ranges, and that nothing was modified, say that ranges are taken.
        announce_ranges: bool,
        /// Whether the port is part of that.
        port_in_redirect: bool,
        /// Whether the host's name, not the request's, is part of that.
        host_name_in_redirect: bool,
        /// Whether `Date` and `Server` come first in a head, then the fields in the order in which they were set;
        /// a connection that stays is spoken of only to clients that asked for it.
        in_order: bool,
        /// Whether content of unknown length goes in chunks to HTTP/1.1 clients.
        chunked: bool,
        /// Types by file name extension (lower case).
        types: Vec<(Text, Text)>,
        /// Content codings by file name extension, likewise.
        encodings: Vec<(Text, Text)>,
        /// Languages by file name extension, likewise.
        languages: Vec<(Text, Text)>,
        /// The language where no extension says any.
        default_language: Text,
        /// Character sets by file name extension, likewise.
        charsets: Vec<(Text, Text)>,
        /// The type whatever the extension.
        forced_type: Option<Text>,
        /// The type where no extension is known.
        default_type: Template,
        /// Character set added to `Content-Type`; empty or `off` adds none.
        charset: Template,
        /// Types that a character set is added to; `*` for all.
        charset_types: Vec<Text>,
        /// Whether it replaces the one an upstream gave.
        override_charset: bool,
        /// The character set that content is in where its type names none; it is recoded to the one added where both are
        /// known (`Config.recodings`). Empty is not known.
        source_charset: Template,
        /// The cookie that clients are told apart by; `None` is none.
        identifier: Option<Identifier>,
        /// Whether to answer with an entity tag made of time and size.
        etag: bool,
        /// What that tag is made of; `None` is time and size in seconds and bytes, in this order.
        tag: Option<TagForm>,
        /// What goes into the tag of a file behind that, in place of its closing quote; `W/` before it makes it weak.
        tag_more: Template,
        /// The type of pages of our own.
        page_type: Text,
        /// Whether `HEAD` learns the length of pages of our own.
        head_pages_have_length: bool,
        /// Whether what cannot have content passes on the length that an upstream says: 204, 304, and nothing to `HEAD`.
        empty_lengths: bool,
        /// Whether pages of our own go to clients as they are, whatever else changes content on its way.
        raw_pages: bool,
        /// Whether all `Vary` fields are sent as one, each name once.
        join_vary: bool,
        /// Whether a file that is sent in place of an error tells when it was last modified.
        dated_errors: bool,
        /// `If-Modified-Since`: 0 ignored, 1 exact, 2 before, 3 before and not in the future.
        if_modified_since: u8,
        /// Whether conditions of requests apply to content of our own that has neither tag nor time.
        conditional_text: bool,
        /// Ranges answered in one response; `None` is no limit, 0 ignores `Range`.
        max_ranges: Option<u32>,
        /// Whether ranges that overlap or touch the one before are sent as one. Then a set asks for nothing that has a range
        /// which is none.
        join_ranges: bool,
        /// How many ranges may be joined to the one before; `None` is no limit. Where there are more, all is sent.
        max_joined_ranges: Option<u32>,
        /// How many of these may begin before that.
        max_reversed_ranges: Option<u32>,
        /// Bytes of a part where an upstream is asked for one part after another; 0 asks for all at once.
        part_size: u64,
        /// When content of our own was last modified, seconds since the epoch: conditions of requests apply to it.
        modified: Option<i64>,
        /// When interim answers are passed on: where one of these is neither empty nor `0`; without any, always.
        hints: Vec<Template>,
        /// Whether old browsers get padded error pages.
        msie_padding: bool,
        /// Whether old browsers get a refresh instead of a redirect.
        msie_refresh: bool,
    }
}

/// What an entity tag is made of, in hexadecimal digits: number of the file, size, time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TagForm {
    /// The file's number.
    pub inode: bool,
    /// Its size.
    pub size: bool,
    /// Its time of modification.
    pub modified: bool,
}
