//! Values built when they are read.

use serde::Serialize;

use super::{Encoding, Name, Register, Text, VarId};

/// Concatenated parts, evaluated when read. Text parts are neither empty nor adjacent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Template(pub Vec<Part>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Part {
    /// These bytes.
    Text(Text),
    /// A property of the exchange.
    Attr(Attr),
    /// A named value.
    Var(VarId),
    /// A group of the last match written to a register; empty when there was none.
    Capture(Register, u8),
    /// A value in another representation.
    Escape(Escape, Template),
    /// What precedes the ending `before` of a value, or all of a value that does not end so.
    Start {
        /// The value.
        of: Template,
        /// Its ending.
        before: Template,
    },
    /// What follows the beginning `after` of a value, or all of a value that does not begin so.
    Rest {
        /// The value.
        of: Template,
        /// Its beginning.
        after: Template,
    },
}

/// Representations of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Escape {
    /// Percent-encoded as a part of a query, but only if the received target held a `%` or a `+`.
    QueryIfReceivedEncoded,
    /// Percent-encoded as a path.
    Path,
    /// Percent-decoded up to the first `?`, for bytes from `'` to `}` other than those that would read
    /// differently; what a redirect's target goes through.
    RedirectDecode,
    /// Lower case.
    Lower,
    /// A path, decoded, as that of a request target is normalized: it begins with a slash, a backslash is one, several count as
    /// one, `.` and `..` are resolved. Nothing when it climbs above the root.
    Tidy,
    /// With one character in the place of all that differ by case alone (`ir::case`).
    Fold,
    /// Without its first bytes, so many.
    Skip(u32),
    /// Percent-encoded what cannot stand in a URL; `%` stays.
    Url,
    /// As text in HTML: `&`, `<`, `>` and `"` as references.
    Html,
    /// Percent-encoded everything but unreserved characters.
    Component,
    /// Percent-decoded.
    Decode,
    /// Percent-encoded as the path of a target that is sent on: all but unreserved characters, `/` and
    /// `$+!*'(),;:@&=`.
    ForwardPath,
    /// Likewise what stands in a URL behind its authority, a `?` too.
    ForwardUrl,
    /// Upper case.
    Upper,
    /// Base64 (RFC 4648 § 4).
    Base64,
    /// What a text in Base64 stands for, up to the first byte that cannot be.
    Unbase64,
    /// MD5 of it (RFC 1321), in hexadecimal digits.
    Md5,
    /// SHA-1 of it (RFC 3174), in hexadecimal digits.
    Sha1,
    /// Percent-encoded, with lower-case digits, everything but letters, digits and `$-_.+!*'(),:@&=/~;`.
    UriText,
    /// Likewise, but from the first `?` on as it is.
    UriTextBeforeQuery,
    /// Percent-decoded but for `/`; nothing when an encoding is broken or stands for NUL.
    UriDecode,
    /// As a value in a filter or a name of a directory service (RFC 4514, RFC 4515).
    Directory,
    /// Percent-encoded as said, with lower-case digits.
    Encode(Encoding),
    /// A URL: scheme and authority as they are, what follows as [`Self::UriText`].
    UrlText,
    /// The whole number that it is in decimal digits, less one; nothing when it is none or nought.
    LessOne,
    /// Without one `&` at its end.
    WithoutFinalAmpersand,
    /// The name of the user who owns the file of this name; nothing when there is none.
    Owner,
    /// The name of the group that owns it.
    OwnerGroup,
    /// So many minutes from now, as a date for cookies: `Wed, 21-Oct-2015 07:28:00 GMT`.
    CookieDate,
    /// What stands in the file of this name, at most 10 MiB; looked at when read. Missing when it cannot be.
    FileText,
    /// The length of the file of this name in bytes; `0` when there is none.
    FileSize,
}

/// A property of the exchange. "Missing" is distinct from empty where a log says `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Attr {
    // The request
    /// The method now in force.
    Method,
    /// `http` or `https`, of the client's connection.
    Scheme,
    /// `on` over TLS, else empty.
    Https,
    /// `HTTP/1.1` and so on, as the request said.
    Protocol,
    /// The request line as received.
    RequestLine,
    /// The request's head as received but for the end of its last line and the line behind it, with CRLF behind each
    /// line: the request line, then the fields, repeated ones joined in the place of the first.
    RequestHead,
    /// The request's fields as received, with CRLF behind each line; repeated ones joined in the place of the first.
    RequestFields,
    /// The same, named as the variables of gateways (RFC 3875): `HTTP_USER_AGENT:` and the value.
    RequestVariables,
    /// The request target as received, without scheme and authority; never rewritten.
    Target,
    /// Decoded, normalized, as last rewritten.
    Path,
    /// What follows the prefix that the route matched.
    PathRest,
    /// The path without as much at its end as the value of a variable is long; all of it where that is longer.
    PathWithout(VarId),
    /// The query as received or last rewritten, without `?`.
    Query,
    /// `:` when the request names a port.
    AuthorityPortMark,
    /// `?` when the query is not empty.
    QueryMark,
    /// The host of the target, else of `Host`, else the host's name; lower case, no port.
    Host,
    /// The name of the virtual host.
    HostName,
    /// The name of this machine.
    MachineName,
    /// All received values of a field, joined as lists are. Names compare without regard to case and
    /// with `_` equal to `-`.
    Field(Name),
    /// All received values of a field of exactly this name, joined by a comma and a space.
    FieldList(Name),
    /// Host and port as the target names them, else as `Host` does; as received.
    Authority,
    /// The port that it names; missing when it names none.
    AuthorityPort,
    /// The first query parameter of this name, undecoded; names compare without regard to case.
    Param(Name),
    /// The first cookie of this name; names compare without regard to case.
    Cookie(Name),
    /// The user of `Basic` credentials (RFC 7617).
    User,
    /// The user whose credentials were checked.
    KnownUser,
    /// The user whose credentials were looked at last, right or wrong.
    ClaimedUser,
    /// The request content, when it was read and is in memory.
    Content,
    /// The temporary file that holds the request content.
    ContentFile,
    /// The length of the content: as announced, or as it was read.
    ContentLength,
    /// Bytes received for this request: line, head and content.
    RequestLength,
    /// 32 random hexadecimal digits, the same throughout the request.
    RequestId,
    /// The same; missing unless the error log has a line about the request.
    NotedId,
    /// `h2` when the request came over HTTP/2 and TLS, `h2c` when without TLS, else empty.
    Http2,
    /// `p` when the request was pipelined, else `.`.
    Pipelined,

    // The connection
    /// The client's IP address, or `unix:`.
    ClientAddr,
    /// The client's IP address as 4 or 16 bytes.
    ClientAddrBinary,
    /// The client's port.
    ClientPort,
    /// The local address of the connection.
    ServerAddr,
    /// The local port of the connection.
    ServerPort,
    /// The IP address at the other end of the connection, whoever the client is.
    PeerAddr,
    /// The port there.
    PeerPort,
    /// What the PROXY protocol's header told of the connection; missing where there was none.
    Announced(AnnouncedAttr),
    /// Serial number of the connection.
    Connection,
    /// How many requests the connection has carried, this one included.
    ConnectionRequests,
    /// How many it carried before this one.
    ConnectionReuses,
    /// What became of the connection: `X` when the response could not be sent whole, `+` when it is kept, else `-`.
    ConnectionFate,
    /// Age of the connection in seconds with milliseconds.
    ConnectionTime,
    /// A reading of the kernel's `TCP_INFO`.
    Tcp(TcpInfo),
    /// A property of the TLS session; missing on plain connections.
    Tls(TlsAttr),

    // Files
    /// The directory that paths are mapped to.
    DocumentRoot,
    /// The root in force, whatever else maps paths.
    Root,
    /// The same with symbolic links resolved.
    DocumentRootReal,
    /// The file that the path maps to.
    FilePath,

    /// The part of the path that names a gateway's program, as the settings for `FastCGI` split it.
    ScriptName,
    /// What follows it in the path.
    ScriptRest,

    /// What a signed link is worth: `1`, `0` when its time is over, or what is behind the signature; missing when it
    /// is not right.
    SignedLink,
    /// Until when it counts, as the request says.
    SignedLinkExpires,

    /// The client's identifier as it came: its name, `=`, 32 digits; missing when it brought none.
    IdentifierGot,
    /// The one that it gets, likewise; missing when it gets none.
    IdentifierSet,

    // The response
    /// Status, three digits; `000` before there is one.
    Status,
    /// The number that the program has for the status, where that is sent as another one; else the status.
    OwnStatus,
    /// Bytes sent to the client.
    BytesSent,
    /// The same without the head.
    ContentBytesSent,
    /// A field of the response to the client.
    SentField(Name),
    /// A trailer field of the response to the client.
    SentTrailer(Name),
    /// What became of the request by the limits on rates; missing when none was looked at.
    RateLimited,
    /// What became of the request by the limits on requests at a time; missing when none was looked at.
    ConcurrencyLimited,
    /// How many times shorter the content became by its coding, with two decimals; missing when it was not coded.
    CodingRatio,
    /// `OK` when the response was sent whole, else empty.
    Completion,
    /// Bytes of content sent to the client, without what frames them.
    ContentSent,
    /// Seconds with milliseconds since the first byte of the request.
    RequestTime,
    /// Whole units of time since the first byte of the request.
    Took(TimeUnit),
    /// The host that this server calls itself when it writes URLs for clients.
    OwnHost,
    /// The port of that.
    OwnPort,
    /// Whom our own pages name to write to.
    Contact,
    /// Status and reason of an error that was met on the way to what is sent in place of another; missing when there
    /// was none.
    FurtherError,
    /// What our own pages are signed with.
    Signature,
    /// What `Server` says and our own pages sign with.
    ServerToken,
    /// The bandwidth limit in force, bytes per second.
    LimitRate,

    // The upstream
    /// The upstream's authority as configured: host and, where written, port; or the cluster's name.
    UpstreamAuthority,
    /// The upstream's port as configured, or its scheme's default.
    UpstreamPort,
    /// The path of the URL that the request is sent to, as it stands there.
    UpstreamPath,
    /// `X-Forwarded-For` as received, joined, with the client's address appended.
    ForwardedFor,
    /// The group that the request went to, and its member.
    Group(GroupAttr),
    /// What a cache had to say: `MISS`, `BYPASS`, `EXPIRED`, `STALE`, `UPDATING`, `REVALIDATED` or `HIT`.
    CacheStatus,
    /// The range of the part of a response that an upstream is asked for: `bytes=first-last`; missing where it is
    /// asked for all of it.
    PartRange,
    /// Addresses tried, joined.
    UpstreamAddr,
    /// Their statuses.
    UpstreamStatus,
    /// Seconds until each answered whole.
    UpstreamResponseTime,
    /// Seconds that each waited for an endpoint to be free.
    UpstreamQueueTime,
    /// Seconds to connect.
    UpstreamConnectTime,
    /// Seconds to the response head.
    UpstreamHeaderTime,
    /// Content bytes received from each.
    UpstreamResponseLength,
    /// Bytes received from each.
    UpstreamBytesReceived,
    /// Bytes sent to each.
    UpstreamBytesSent,
    /// A field of the upstream's response.
    UpstreamField(Name),
    /// A trailer field of the upstream's response.
    UpstreamTrailer(Name),
    /// A cookie that the upstream sets.
    UpstreamCookie(Name),

    // The process
    /// Process id.
    ProcessId,
    /// Seconds since the epoch with milliseconds.
    Now,
    /// Local time as in the common log format.
    TimeLocal,
    /// Local time with the names of day and month: `Saturday, 21-Nov-2026 14:00:00 UTC`.
    TimeNamed,
    /// Universal time in the same form.
    TimeUniversal,
    /// Local time as in ISO 8601.
    TimeIso8601,
    /// A moment.
    Time(Moment, TimeForm),
    /// How busy the machine or the process is.
    Load(Load),
    /// A counter of the process.
    Stat(Stat),

    /// Nothing, and missing: what a feature that is off would have told.
    Missing,
}

/// What the PROXY protocol's header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum AnnouncedAttr {
    ClientAddr,
    ClientPort,
    ServerAddr,
    ServerPort,
    /// An extension of version 2 by its type, or one of those within that of TLS.
    Extension {
        kind: u8,
        secure: bool,
    },
    /// What the extension of TLS says of the client's certificate: 0 is valid.
    SecureVerify,
}

/// Units of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(missing_docs, reason = "the names are those of the units")]
pub enum TimeUnit {
    Seconds,
    Millis,
    Micros,
}

/// A moment of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Moment {
    /// The first byte of the request came.
    Began,
    /// Now.
    Now,
}

/// How a moment is written; times of day are local.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TimeForm {
    /// As in the common log format, in brackets.
    Log,
    /// By a format of `strftime`.
    Format(Text),
    /// The day in UTC: `2015-10-21`.
    UtcDate,
    /// The time of day in UTC: `07:28:00`.
    UtcTime,
    /// Whole units since the epoch.
    Since(TimeUnit),
    /// What goes beyond the whole second, in digits: three of milliseconds or six of microseconds.
    Fraction(TimeUnit),
}

/// How busy the machine or the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Load {
    /// The three averages of runnable processes, joined by slashes.
    Averages,
    /// Percent of connections that could be open and are not in use.
    Idle,
    /// Percent of connections that are.
    Busy,
}

/// Readings of `TCP_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(missing_docs, reason = "the names are the kernel's")]
pub enum TcpInfo {
    Rtt,
    RttVar,
    SendWindow,
    ReceiveSpace,
}

/// Properties of a TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TlsAttr {
    /// `TLSv1.2` or `TLSv1.3`.
    Version,
    /// The cipher suite by its OpenSSL name.
    Cipher,
    /// The name the client asked for.
    ServerName,
    /// `r` when resumed, else `.`.
    Resumed,
    /// The session's identifier, hexadecimal: that of TLS 1.2, and for 1.3 one of the connection's own.
    Session,
    /// The scheme of our signature (RFC 8446 § 4.2.3).
    Signature,
    /// The scheme of the client's.
    ProofSignature,
    /// The application protocol agreed on.
    Alpn,
    /// The group that keys were exchanged by.
    Group,
    /// The cipher suites that the client offers, `:` between them.
    OfferedCiphers,
    /// The groups that it offers, likewise.
    OfferedGroups,
    /// What is known of the client's certificate; missing where it showed none.
    Proof(ProofAttr),
    /// What is known of our own certificate; missing where a session was resumed.
    Own(ProofAttr),
}

/// What is told of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ProofAttr {
    /// `SUCCESS`, `FAILED:` and why, or `NONE`.
    Verdict,
    /// Its subject (RFC 4514).
    Subject,
    /// Its issuer (RFC 4514).
    Issuer,
    /// Its subject as `/C=../CN=..`.
    SubjectLegacy,
    /// Its issuer as `/C=../CN=..`.
    IssuerLegacy,
    /// Its serial number, hexadecimal.
    Serial,
    /// Its SHA-1, hexadecimal.
    Fingerprint,
    /// When it begins to be valid.
    Begins,
    /// When it ends to be.
    Ends,
    /// Days until then.
    DaysLeft,
    /// In DER, as Base64.
    Der,
    /// As PEM.
    Pem,
    /// As PEM, with a tab in front of each line but the first.
    PemFolded,
    /// As PEM, escaped as a part of a URI.
    PemEscaped,
    /// Its version: `3`.
    Version,
    /// What its key is for: `rsaEncryption`.
    KeyAlgorithm,
    /// How it is signed: `sha256WithRSAEncryption`.
    SignatureAlgorithm,
    /// An alternative name that is a host, counted from nought.
    HostName(u8),
    /// One that is an address of mail, likewise.
    MailAddress(u8),
}

/// What is known of the group that a request went to; missing where there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum GroupAttr {
    /// The group's URL.
    Name,
    /// The member's URL.
    Member,
    /// The member's route.
    Route,
    /// By which name the session was found.
    SessionKey,
    /// The route that the session asked for.
    SessionRoute,
    /// `1` when the member is not the one of the session's route, or there was none.
    Changed,
}

/// Counters of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Stat {
    /// Client connections open.
    Active,
    /// Client connections accepted since the start.
    Accepted,
    /// Client connections handled since the start.
    Handled,
    /// Requests since the start.
    Requests,
    /// Connections reading a request head.
    Reading,
    /// Connections writing a response.
    Writing,
    /// Connections idle.
    Waiting,
    /// Connections that are not.
    Busy,
    /// Connections that could be open and are not.
    Free,
    /// Seconds since the process began.
    Uptime,
    /// A letter for each connection: `R` reading, `W` writing, `K` idle; then `_` for those that could be open, as
    /// long as the line is no longer than 256.
    Board,
}

impl Template {
    /// A template of fixed text.
    pub fn text(text: impl Into<Text>) -> Self {
        let text = text.into();
        if text.is_empty() { Self(Vec::new()) } else { Self(vec![Part::Text(text)]) }
    }

    /// A template of one attribute.
    pub fn attr(attr: Attr) -> Self {
        Self(vec![Part::Attr(attr)])
    }

    /// A template of one variable.
    pub fn var(var: VarId) -> Self {
        Self(vec![Part::Var(var)])
    }

    /// The text when there is nothing to evaluate.
    pub fn as_text(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(&[]),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is empty whatever the request.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a part; text joins the text before it.
    pub fn push(&mut self, part: Part) {
        match (self.0.last_mut(), part) {
            (_, Part::Text(text)) if text.is_empty() => {}
            (Some(Part::Text(last)), Part::Text(text)) => last.0.extend_from_slice(&text),
            (_, part) => self.0.push(part),
        }
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
