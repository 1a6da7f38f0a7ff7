//! Variables: what nginx provides, and what a configuration defines.
//!
//! Names compare without regard to case. A name may be used before it is
//! defined, so an unknown one becomes a variable at once and is reported by
//! [`Vars::undefined`] if nobody defined it by the end.
//!
//! Reference: <https://nginx.org/en/docs/varindex.html>

use std::collections::{BTreeMap, HashSet};

use crate::{
    ir::{AnnouncedAttr, Attr, Name, ProofAttr, Stat, TcpInfo, Template, TlsAttr, VarId},
    source::Span,
};

/// The variables that a configuration defines or uses.
#[derive(Debug, Default)]
pub(super) struct Vars {
    by_name: BTreeMap<Vec<u8>, Entry>,
    /// Built-in names (`http_x`, `ssl_cipher`) that the configuration defines all the same.
    shadowed: HashSet<Vec<u8>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the configuration.
    pub(super) id: VarId,
    /// Whether something defines it.
    pub(super) defined: bool,
    /// Where it was used.
    pub(super) used: Vec<Span>,
}

/// What a built-in name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    /// A value.
    Value(Template),
    /// A value of a module that is not honoured yet.
    Refused(&'static str),
}

/// What defining a name comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Definable {
    /// A variable of the configuration.
    Free,
    /// The request's query: `$args`.
    Query,
    /// The response's bandwidth limit: `$limit_rate`.
    LimitRate,
    /// The server provides it and nobody may define it.
    Taken,
}

impl Vars {
    /// The entry of a name in lower case: the one there is, else this.
    pub(super) fn entry(&mut self, name: Vec<u8>, entry: Entry) -> &mut Entry {
        self.by_name.entry(name).or_insert(entry)
    }

    /// Says beforehand that the configuration defines a name, in lower case.
    pub(super) fn shadow(&mut self, name: Vec<u8>) {
        if definable(&name) == Definable::Free && builtin(&name, "").is_some() {
            self.shadowed.insert(name);
        }
    }

    /// Whether the configuration defines a built-in name itself.
    pub(super) fn is_shadowed(&self, name: &[u8]) -> bool {
        self.shadowed.contains(name)
    }

    /// The names that are defined.
    pub(super) fn defined(&self) -> impl Iterator<Item = &[u8]> {
        self.by_name.iter().filter(|(_, entry)| entry.defined).map(|(name, _)| name.as_slice())
    }

    /// The names that nobody defined, in order, and where they are used.
    pub(super) fn undefined(&self) -> impl Iterator<Item = (&[u8], &[Span])> {
        self.by_name
            .iter()
            .filter(|(_, entry)| !entry.defined)
            .map(|(name, entry)| (name.as_slice(), entry.used.as_slice()))
    }
}

/// Whether a configuration may define a name, in lower case. Observed: `nginx -t` of 1.22.1 for every name.
pub(super) fn definable(name: &[u8]) -> Definable {
    let is = |names: &[&str]| names.iter().any(|one| one.as_bytes() == name);
    match name {
        b"args" => Definable::Query,
        b"limit_rate" => Definable::LimitRate,
        _ if name.starts_with(b"ssl_") || is(REPLACEABLE) => Definable::Free,
        _ if fixed(name).is_some() || is(UNREPLACEABLE) => Definable::Taken,
        _ if STOCK.iter().any(|(stock, _)| stock.as_bytes() == name) => Definable::Taken,
        _ => Definable::Free,
    }
}

/// What the server provides under a name in lower case; `token` is what `$nginx_version` comes from.
pub(super) fn builtin(name: &[u8], token: &str) -> Option<Builtin> {
    if name == b"nginx_version" {
        let version = token.split_once('/').map_or(token, |(_, version)| version);
        return Some(Builtin::Value(version.into()));
    }
    if let Some(attr) = fixed(name).or_else(|| prefixed(name)) {
        return Some(Builtin::Value(Template::attr(attr)));
    }
    let known = |(text, _): &&(&str, &str)| match text.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => text.as_bytes() == name,
    };
    STOCK.iter().chain(OTHER).find(known).map(|(_, module)| Builtin::Refused(module))
}

/// Every built-in name that is no family's, for suggestions.
pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    FIXED.iter().map(|(name, _)| *name)
}

/// Every built-in name that is no family's, and its value.
pub(super) fn fixed_values() -> impl Iterator<Item = (&'static str, Attr)> {
    FIXED.iter().filter(|(_, attr)| *attr != Attr::Missing).map(|(name, attr)| (*name, attr.clone()))
}

fn fixed(name: &[u8]) -> Option<Attr> {
    match name {
        b"content_length" => Some(Attr::ContentLength),
        b"content_type" => Some(Attr::Field(name.into())),
        _ => {
            let found = FIXED.iter().find(|(fixed, _)| fixed.as_bytes() == name);
            found.map(|(_, attr)| attr.clone())
        }
    }
}

/// Names of a family, by prefix.
fn prefixed(name: &[u8]) -> Option<Attr> {
    let rest = |prefix: &str| name.strip_prefix(prefix.as_bytes()).map(Name::from);
    if let Some(name) = name.strip_prefix(b"proxy_protocol_tlv_") {
        return Some(extension(name));
    }
    rest("http_")
        .map(Attr::Field)
        .or_else(|| rest("sent_http_").map(Attr::SentField))
        .or_else(|| rest("sent_trailer_").map(Attr::SentTrailer))
        .or_else(|| rest("upstream_http_").map(Attr::UpstreamField))
        .or_else(|| rest("upstream_trailer_").map(Attr::UpstreamTrailer))
        .or_else(|| rest("upstream_cookie_").map(Attr::UpstreamCookie))
        .or_else(|| rest("cookie_").map(Attr::Cookie))
        .or_else(|| rest("arg_").map(Attr::Param))
}

/// What the PROXY protocol's header has under a name of a type (1.23.2), or its number; a name that nobody knows is
/// missing, as it is in nginx, which says so for each request.
fn extension(name: &[u8]) -> Attr {
    let (name, secure) = match name.strip_prefix(b"ssl_") {
        Some(b"verify") => return Attr::Announced(AnnouncedAttr::SecureVerify),
        Some(name) => (name, true),
        None => (name, false),
    };
    let number = name.strip_prefix(b"0x").and_then(|digits| std::str::from_utf8(digits).ok());
    let kind = match (number, name, secure) {
        (Some(digits), ..) => u8::from_str_radix(digits, 16).ok(),
        (_, b"alpn", false) => Some(0x01),
        (_, b"authority", false) => Some(0x02),
        (_, b"unique_id", false) => Some(0x05),
        (_, b"ssl", false) => Some(0x20),
        (_, b"netns", false) => Some(0x30),
        (_, b"version", true) => Some(0x21),
        (_, b"cn", true) => Some(0x22),
        (_, b"cipher", true) => Some(0x23),
        (_, b"sig_alg", true) => Some(0x24),
        (_, b"key_alg", true) => Some(0x25),
        _ => None,
    };
    kind.map_or(Attr::Missing, |kind| Attr::Announced(AnnouncedAttr::Extension { kind, secure }))
}

/// Names with one meaning.
#[rustfmt::skip]
const FIXED: &[(&str, Attr)] = &[
    ("args", Attr::Query),
    ("binary_remote_addr", Attr::ClientAddrBinary),
    ("body_bytes_sent", Attr::ContentBytesSent),
    ("bytes_sent", Attr::BytesSent),
    ("connection", Attr::Connection),
    ("connection_requests", Attr::ConnectionRequests),
    ("connection_time", Attr::ConnectionTime),
    ("connections_active", Attr::Stat(Stat::Active)),
    ("connections_reading", Attr::Stat(Stat::Reading)),
    ("connections_waiting", Attr::Stat(Stat::Waiting)),
    ("connections_writing", Attr::Stat(Stat::Writing)),
    ("date_local", Attr::TimeNamed),
    ("date_gmt", Attr::TimeUniversal),
    ("document_root", Attr::DocumentRoot),
    ("document_uri", Attr::Path),
    ("fastcgi_path_info", Attr::ScriptRest),
    ("fastcgi_script_name", Attr::ScriptName),
    ("host", Attr::Host),
    ("hostname", Attr::MachineName),
    ("http2", Attr::Http2),
    ("https", Attr::Https),
    ("is_args", Attr::QueryMark),
    ("limit_rate", Attr::LimitRate),
    ("msec", Attr::Now),
    ("pid", Attr::ProcessId),
    ("pipe", Attr::Pipelined),
    ("proxy_add_x_forwarded_for", Attr::ForwardedFor),
    ("proxy_host", Attr::UpstreamAuthority),
    ("proxy_port", Attr::UpstreamPort),
    ("query_string", Attr::Query),
    ("realip_remote_addr", Attr::PeerAddr),
    ("realip_remote_port", Attr::PeerPort),
    ("realpath_root", Attr::DocumentRootReal),
    ("remote_addr", Attr::ClientAddr),
    ("remote_port", Attr::ClientPort),
    ("remote_user", Attr::User),
    ("request", Attr::RequestLine),
    ("request_body", Attr::Content),
    ("request_body_file", Attr::ContentFile),
    ("request_completion", Attr::Completion),
    ("request_filename", Attr::FilePath),
    ("request_id", Attr::RequestId),
    ("request_length", Attr::RequestLength),
    ("request_method", Attr::Method),
    ("request_time", Attr::RequestTime),
    ("request_uri", Attr::Target),
    ("scheme", Attr::Scheme),
    ("secure_link", Attr::SignedLink),
    ("secure_link_expires", Attr::SignedLinkExpires),
    ("server_addr", Attr::ServerAddr),
    ("server_name", Attr::HostName),
    ("server_port", Attr::ServerPort),
    ("server_protocol", Attr::Protocol),
    ("ssl_alpn_protocol", Attr::Tls(TlsAttr::Alpn)),
    ("ssl_cipher", Attr::Tls(TlsAttr::Cipher)),
    ("ssl_ciphers", Attr::Tls(TlsAttr::OfferedCiphers)),
    ("ssl_client_cert", Attr::Tls(TlsAttr::Proof(ProofAttr::PemFolded))),
    ("ssl_client_escaped_cert", Attr::Tls(TlsAttr::Proof(ProofAttr::PemEscaped))),
    ("ssl_client_fingerprint", Attr::Tls(TlsAttr::Proof(ProofAttr::Fingerprint))),
    ("ssl_client_i_dn", Attr::Tls(TlsAttr::Proof(ProofAttr::Issuer))),
    ("ssl_client_i_dn_legacy", Attr::Tls(TlsAttr::Proof(ProofAttr::IssuerLegacy))),
    ("ssl_client_raw_cert", Attr::Tls(TlsAttr::Proof(ProofAttr::Pem))),
    ("ssl_client_s_dn", Attr::Tls(TlsAttr::Proof(ProofAttr::Subject))),
    ("ssl_client_s_dn_legacy", Attr::Tls(TlsAttr::Proof(ProofAttr::SubjectLegacy))),
    ("ssl_client_serial", Attr::Tls(TlsAttr::Proof(ProofAttr::Serial))),
    ("ssl_client_v_end", Attr::Tls(TlsAttr::Proof(ProofAttr::Ends))),
    ("ssl_client_v_remain", Attr::Tls(TlsAttr::Proof(ProofAttr::DaysLeft))),
    ("ssl_client_v_start", Attr::Tls(TlsAttr::Proof(ProofAttr::Begins))),
    ("ssl_client_sigalg", Attr::Tls(TlsAttr::ProofSignature)),
    ("ssl_client_verify", Attr::Tls(TlsAttr::Proof(ProofAttr::Verdict))),
    ("ssl_curve", Attr::Tls(TlsAttr::Group)),
    ("ssl_curves", Attr::Tls(TlsAttr::OfferedGroups)),
    ("ssl_protocol", Attr::Tls(TlsAttr::Version)),
    ("ssl_server_name", Attr::Tls(TlsAttr::ServerName)),
    ("ssl_session_id", Attr::Tls(TlsAttr::Session)),
    ("ssl_session_reused", Attr::Tls(TlsAttr::Resumed)),
    ("ssl_sigalg", Attr::Tls(TlsAttr::Signature)),
    ("status", Attr::Status),
    ("tcpinfo_rcv_space", Attr::Tcp(TcpInfo::ReceiveSpace)),
    ("tcpinfo_rtt", Attr::Tcp(TcpInfo::Rtt)),
    ("tcpinfo_rttvar", Attr::Tcp(TcpInfo::RttVar)),
    ("tcpinfo_snd_cwnd", Attr::Tcp(TcpInfo::SendWindow)),
    ("time_iso8601", Attr::TimeIso8601),
    ("time_local", Attr::TimeLocal),
    ("upstream_addr", Attr::UpstreamAddr),
    ("upstream_bytes_received", Attr::UpstreamBytesReceived),
    ("upstream_bytes_sent", Attr::UpstreamBytesSent),
    ("upstream_connect_time", Attr::UpstreamConnectTime),
    ("upstream_header_time", Attr::UpstreamHeaderTime),
    ("upstream_queue_time", Attr::UpstreamQueueTime),
    ("upstream_response_length", Attr::UpstreamResponseLength),
    ("upstream_response_time", Attr::UpstreamResponseTime),
    ("upstream_status", Attr::UpstreamStatus),
    ("is_request_port", Attr::AuthorityPortMark),
    ("request_port", Attr::AuthorityPort),
    ("uri", Attr::Path),
    // What modules say of features that are off here as long as their directives are refused.
    ("gzip_ratio", Attr::CodingRatio),
    ("http3", Attr::Missing),
    ("limit_conn_status", Attr::ConcurrencyLimited),
    ("limit_req_status", Attr::RateLimited),
    ("proxy_protocol_addr", Attr::Announced(AnnouncedAttr::ClientAddr)),
    ("proxy_protocol_port", Attr::Announced(AnnouncedAttr::ClientPort)),
    ("proxy_protocol_server_addr", Attr::Announced(AnnouncedAttr::ServerAddr)),
    ("proxy_protocol_server_port", Attr::Announced(AnnouncedAttr::ServerPort)),
    ("ssl_early_data", Attr::Missing),
    ("ssl_ech_outer_server_name", Attr::Missing),
    ("ssl_ech_status", Attr::Missing),
    ("uid_got", Attr::IdentifierGot),
    ("uid_reset", Attr::Missing),
    ("uid_set", Attr::IdentifierSet),
    ("upstream_cache_status", Attr::CacheStatus),
    ("slice_range", Attr::PartRange),
];

/// Names with a meaning that a configuration may replace.
const REPLACEABLE: &[&str] = &["http3", "proxy_host", "proxy_port", "uid_reset"];

/// Names of families that it may not.
const UNREPLACEABLE: &[&str] = &[
    "http_cookie",
    "http_host",
    "http_referer",
    "http_user_agent",
    "http_via",
    "http_x_forwarded_for",
    "nginx_version",
    "sent_http_cache_control",
    "sent_http_connection",
    "sent_http_content_length",
    "sent_http_content_type",
    "sent_http_keep_alive",
    "sent_http_last_modified",
    "sent_http_link",
    "sent_http_location",
    "sent_http_transfer_encoding",
];

/// Names of modules that are not honoured yet and that every nginx has.
const STOCK: &[(&str, &str)] = &[
    ("proxy_internal_body_length", "ngx_http_proxy_module"),
    ("proxy_internal_chunked", "ngx_http_proxy_module"),
    ("upstream_cache_etag", "ngx_http_upstream_module"),
    ("upstream_cache_last_modified", "ngx_http_upstream_module"),
];

/// The same, unless the configuration defines the name: not every nginx has it, or lets it be replaced.
const OTHER: &[(&str, &str)] = &[
    ("ancient_browser", "ngx_http_browser_module"),
    ("geoip_*", "ngx_http_geoip_module"),
    ("jwt_*", "ngx_http_auth_jwt_module"),
    ("modern_browser", "ngx_http_browser_module"),
    ("msie", "ngx_http_browser_module"),
    ("session_log_*", "ngx_http_session_log_module"),
    ("ssl_*", "ngx_http_ssl_module"),
    ("upstream_last_server_name", "ngx_http_upstream_module"),
];
