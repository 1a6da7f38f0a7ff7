//! Who answers, and edits of what is sent.

use serde::Serialize;

use super::{ClusterId, Name, Pattern, Register, Template, Text, VarId};

/// Who answers when the program ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Handler {
    /// An upstream.
    Forward(Forward),
    /// Files under the root in force.
    Files,
    /// A listing of the directory that the path maps to.
    Listing,
    /// The file that the path maps to, under that name alone; a directory is none.
    File,
    /// Files likewise, from the byte that `start` of the query names, behind the head of an FLV file.
    Film,
    /// A program that is started for the request, or what one would say.
    Program(Program),
    /// A page on the groups of the host and their members, and changes to these while the server runs.
    Members(Box<Overview>),
    /// A fixed reply.
    Respond(Reply),
    /// Documents about the state of the server.
    Figures(Figures),
    /// There is none although one was expected: 500, with this for the error log.
    Missing(Name),
}

/// A page on groups and members, for people or for programs. What people change with it counts for all workers, and as
/// long as the process lives and the group stays as it is defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// What stands in front of the groups, as HTML.
    pub about: Template,
    /// URLs of groups, and the path below which each is used first.
    pub paths: Vec<(Text, Text)>,
    /// Whether it is for programs: XML, with elements of this prefix and namespace.
    pub lines: bool,
    /// The prefix.
    pub prefix: Text,
    /// The namespace.
    pub namespace: Text,
}

/// Documents about the state of the server: what is below a path, as JSON, by version of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// How much of the path comes before that, in bytes.
    pub cut: u32,
    /// What the document about the server itself is called.
    pub server: Name,
    /// The version that it tells.
    pub version: Text,
    /// Where the interface is described.
    pub reference: Text,
}

/// A program that answers over its standard input and output (RFC 3875). It is told what programs behind `FastCGI` are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// The file.
    pub file: Template,
    /// Whether it is run; else it is what a program would say.
    pub runs: bool,
}

/// Send the request on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forward {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub tls: bool,
    /// To whom.
    pub to: Upstream,
    /// The request target to send.
    pub target: Target,
}

/// Protocols spoken to upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Protocol {
    /// HTTP, of the version that settings say.
    Http,
    /// uwsgi: the request as variables, the response as HTTP or CGI.
    Uwsgi,
    /// `FastCGI`: the request as variables and the response as CGI (RFC 3875), both in records.
    FastCgi,
    /// SCGI: the request as variables, the response as HTTP or CGI.
    Scgi,
    /// memcached: the value of a key.
    Memcached,
    /// gRPC: HTTP/2 whose content and trailers pass as they come.
    Grpc,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Http, Self::Uwsgi, Self::FastCgi, Self::Scgi, Self::Memcached, Self::Grpc];

    /// The group of settings for forwarding over it.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Uwsgi => "uwsgi",
            Self::FastCgi => "fastcgi",
            Self::Scgi => "scgi",
            Self::Memcached => "memcached",
            Self::Grpc => "grpc",
        }
    }

    /// Whether it is HTTP in whatever version.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Grpc)
    }
}

/// To whom a request is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Upstream {
    /// A cluster.
    Cluster(ClusterId),
    /// An authority, or a URL with scheme, known only when read: a cluster's name, else an address, else a
    /// name to resolve. What follows the authority is the target to send, exactly.
    Dynamic(Template),
    /// A whole URL, known when it is read: the group or member whose URL is the longest that it begins with,
    /// else whom its authority names, for this request alone. What follows is the target to send, exactly.
    /// `ws` and `wss` are `http` and `https`; `fcgi`, `scgi` and `uwsgi` are gateways.
    Url(Template),
}

/// The request target to send (RFC 9112 § 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Target {
    /// Byte for byte as received, unless rewritten or redirected since: then path, escaped, and query.
    Received,
    /// `with` in place of the prefix of the path that the route matched (`cut` bytes), the rest of the path
    /// escaped if the received one was, and the query. Once rewritten: path, escaped, and query.
    Replace {
        /// Length of the prefix in bytes.
        cut: u32,
        /// What stands in its place.
        with: Template,
    },
    /// These bytes.
    Exact(Template),
}

/// Which `101 Switching Protocols` answers become tunnels (RFC 9110 § 7.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Upgrade {
    /// None.
    #[default]
    Never,
    /// Those for these protocols.
    Only(Vec<Name>),
    /// Those to requests that asked for any upgrade.
    Any,
}

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// Status code, 0 to 999.
    pub status: u16,
    /// What it carries.
    pub content: ReplyContent,
}

/// What an answer of our own carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ReplyContent {
    /// The page for its status; recoveries in force apply.
    Page,
    /// This text as content, of the type that the path has; recoveries do not apply.
    Text(Template),
    /// This `Location`; one that begins with `/` is made absolute where `answer.absolute_redirect` says so.
    /// Recoveries in force apply, and an answer that they find keeps the field.
    Location(Template),
    /// No content; recoveries do not apply.
    Empty,
    /// Nothing: the connection is closed without an answer.
    Close,
}

/// What becomes of a status about to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The statuses.
    pub statuses: Vec<u16>,
    /// The status of the answer.
    pub status: RecoveryStatus,
    /// Where it comes from. A template that evaluates to a path: internal redirect there, as `GET` unless
    /// `HEAD`; to anything else: a redirect of the client, 302 unless `status` is a redirect's.
    pub to: RecoveryTarget,
}

/// The status of a recovered answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RecoveryStatus {
    /// The one that was about to be answered.
    Keep,
    /// This one.
    Set(u16),
    /// The one of the answer found.
    FromAnswer,
}

/// Where a recovered answer comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum RecoveryTarget {
    /// A path to redirect to internally, query included, or a URL to redirect the client to. A value that
    /// begins with `@` names a block, as in `Enter`.
    Redirect(Template),
    /// A named block; method, path and query stay.
    Enter(Name),
    /// This text, of the type that pages of our own have.
    Text(Template),
    /// The page of our own.
    Page,
}

/// What becomes of the query in a rewrite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Query {
    /// It stays.
    Keep,
    /// It becomes this.
    Replace(Template),
    /// This goes before it, joined by `&`.
    Prepend(Template),
}

/// A change to a head.
///
/// In a request to an upstream, the fields of `Set` and `Add` are sent first, in the order of the edits; then
/// the received fields that no edit replaced or removed. A field whose value comes out empty is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Edit {
    /// This field instead of any of its name.
    Set(Name, Template),
    /// This field beside those of its name; nothing when the value is empty.
    Add(Name, Template),
    /// No field of this name; in a response a name that ends in `*` stands for all that begin so.
    Remove(Name),
    /// Remove the fields that `Connection` names (RFC 9110 § 7.6.1).
    RemoveNominated,
    /// This value behind those received of the field, joined with `, `; the field's place is theirs.
    Append(Name, Template),
    /// Here stand the received fields that no edit replaced or removed (request to an upstream; without it
    /// they come last).
    Received,
    /// Here stands what frames the content (likewise; without it, behind the edits).
    Framing,
    /// `Connection: Upgrade` and `Upgrade` as received where the request asks for a switch that the settings
    /// allow, else `Connection` with this value. The received ones are not sent.
    Switch(Template),
    /// In these fields: a value that begins with `from`, case apart, begins with `to` instead. Of consecutive
    /// edits the first that matches a field counts.
    Reverse {
        /// The fields.
        fields: Vec<Name>,
        /// What the value begins with.
        from: Template,
        /// What that becomes.
        to: Template,
    },
    /// The attribute `Domain` or `Path` of cookies: one that begins with `from` becomes `to` whole. Of
    /// consecutive edits for an attribute the first that matches counts.
    CookieAttribute {
        /// The attribute, lower case.
        attribute: Name,
        /// What it begins with.
        from: Text,
        /// What it becomes.
        to: Text,
        /// Whether case matters not.
        ignore_case: bool,
    },
    /// A trailer field; nothing when the value is empty.
    Trailer(Name, Template),
    /// In these fields: what `from` matches at the start of the URL becomes `to`; for a regex the whole value
    /// becomes `to`. In `Refresh` the URL stands behind `url=`. Of consecutive edits the first that matches counts.
    Url {
        /// The fields.
        fields: Vec<Name>,
        /// Exact prefix (case-sensitive) or regex.
        from: UrlMatch,
        /// What it becomes.
        to: Template,
    },
    /// The `Domain` attribute of cookies; of consecutive edits the first that matches counts.
    CookieDomain {
        /// What it is.
        from: UrlMatch,
        /// What it becomes.
        to: Template,
    },
    /// The `Path` attribute of cookies, likewise.
    CookiePath {
        /// What it begins with.
        from: UrlMatch,
        /// What that becomes.
        to: Template,
    },
    /// Flags of the cookies whose name matches, likewise.
    CookieFlags {
        /// The cookie's name.
        cookie: UrlMatch,
        /// `secure`, `httponly`, `samesite=lax`, or with `no` before to remove.
        flags: Vec<Template>,
    },
    /// `Expires` and `Cache-Control` by time.
    Expires(Expiry),
    /// Unless the response has `Expires`: that, and `max-age` behind what `Cache-Control` says.
    Lifetime {
        /// Seconds it lasts.
        seconds: i64,
        /// Whether from its last modification, where that is known, and not from now; without one it has no lifetime.
        from_modified: bool,
    },
    /// A change to the fields of one name.
    Field {
        /// The name.
        name: Name,
        /// Which fields of a response; a request has but one group.
        standing: Standing,
        /// What becomes of them.
        change: Change,
    },
    /// The received fields whose names match, in the response.
    Echo(Pattern, Standing),
}

/// Fields of a response that stand and fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Standing {
    /// Those of this response. A page or a redirect of our own has none that edits change.
    Own,
    /// Those that any answer to the request has, whatever comes in place of the first. They are sent first.
    Lasting,
}

/// What becomes of fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Change {
    /// There is one, with this value, even if it is empty.
    Set(Template),
    /// The same, unless there is one.
    SetMissing(Template),
    /// One more.
    Add(Template),
    /// This goes behind the value of the first, after a comma; without one it is set.
    Append(Template),
    /// The same, unless a list in one of them has this item.
    Merge(Template),
    /// There is none.
    Remove,
    /// In the value of each.
    Replace {
        /// What is looked for.
        pattern: Pattern,
        /// Where captures go.
        into: Register,
        /// What stands in its place.
        with: Template,
        /// Whether everywhere, and not only where it is found first.
        all: bool,
    },
    /// The value of the first becomes that of a variable.
    Keep(VarId),
}

/// What an edit looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum UrlMatch {
    /// A text, evaluated when needed.
    Text(Template),
    /// A pattern, and the register that its captures go to.
    Pattern(Pattern, Register),
}

/// When a response expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Expiry {
    /// Seconds from now; negative is in the past.
    FromNow(i64),
    /// Seconds from the last modification that the response tells, else from now. Negative is in the past
    /// even if it is not.
    FromModified(i64),
    /// At a time of day, seconds from local midnight.
    Daily(u32),
    /// At the beginning of time.
    Epoch,
    /// Practically never.
    Max,
    /// Unchanged.
    Off,
    /// Written as text in the same words, known only when read: `1h`, `-1`, `epoch`, `max`, `off`,
    /// `@15h30m`; anything else leaves the response unchanged.
    Read(Template),
    /// Likewise, but only a span of time, counted from the file's last modification.
    ReadFromModified(Template),
}

/// What a response field directs the proxy to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Control {
    /// Discard the response and redirect internally to its value.
    Redirect,
    /// `yes` or `no`: whether to buffer this response.
    Buffering,
    /// Bandwidth limit of this response, bytes per second; `off`.
    LimitRate,
    /// Character set of this response.
    Charset,
    /// How long a cache may keep it.
    Expires,
}
