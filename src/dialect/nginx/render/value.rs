//! Values and conditions in nginx's words: `$name`, `if`, `map`.
//!
//! Reference: <https://nginx.org/en/docs/varindex.html>, <https://nginx.org/en/docs/http/ngx_http_rewrite_module.html#if>.

use std::collections::BTreeSet;

use crate::ir::{
    Attr, Config, FileKind, Kind, Part, Pattern, Stat, TcpInfo, Template, Test, TlsAttr, VarId, VarKind,
};

/// What names mean where a value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) config: &'a Config,
    /// The variables that something assigns.
    pub(super) assigned: &'a BTreeSet<VarId>,
}

impl Names<'_> {
    /// A value; `Err` is what cannot be said of it.
    pub(super) fn value(&self, template: &Template) -> Result<String, String> {
        let mut out = String::new();
        let mut parts = template.0.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => {
                    let text = text.lossy();
                    if text.contains('$') {
                        return Err("a `$` in a value".to_owned());
                    }
                    out.push_str(&text);
                }
                Part::Attr(attr) => {
                    let name = self.attr(attr)?;
                    push_name(&mut out, &name, parts.peek().copied());
                }
                Part::Var(var) => {
                    let name = self.var(*var)?;
                    push_name(&mut out, &name, parts.peek().copied());
                }
                Part::Capture(_, 0) => return Err("all that an expression matched".to_owned()),
                Part::Capture(_, number) => out.push_str(&format!("${number}")),
                Part::Escape(..) | Part::Start { .. } | Part::Rest { .. } => {
                    return Err("a value that is changed as it is read".to_owned());
                }
            }
        }
        Ok(out)
    }

    /// The name of a variable.
    pub(super) fn var(&self, var: VarId) -> Result<String, String> {
        let known = self.config.var(var);
        if let VarKind::Choice { choices, default } = &known.kind {
            if let [choice] = choices.as_slice()
                && choice.test == Test::Truthy(Template::attr(Attr::Https))
                && choice.value.as_text() == Some(b"on")
                && default.as_text() == Some(b"")
            {
                return Ok("https".to_owned());
            }
            return Err(format!("the value of `{}`", known.name.lossy()));
        }
        if matches!(known.kind, VarKind::Assigned | VarKind::Optional) && !self.assigned.contains(&var) {
            return Err(format!(
                "`{}`, which the original keeps for itself",
                known.name.lossy().trim_start_matches('@')
            ));
        }
        // A table whose key cannot be said is not written.
        if let VarKind::Table { key, .. } = &known.kind {
            self.value(key)?;
        }
        Ok(unique(self.config, var))
    }

    /// The name of a property of the exchange.
    pub(super) fn attr(&self, attr: &Attr) -> Result<String, String> {
        let field = |prefix: &str, name: &crate::ir::Name| {
            format!("{prefix}{}", name.lossy().to_ascii_lowercase().replace('-', "_"))
        };
        Ok(match attr {
            Attr::Method => "request_method",
            Attr::Scheme => "scheme",
            Attr::Https => "https",
            Attr::Protocol => "server_protocol",
            Attr::RequestLine => "request",
            Attr::Target => "request_uri",
            Attr::Path => "uri",
            Attr::Query => "args",
            Attr::QueryMark => "is_args",
            Attr::Host => "host",
            Attr::Authority => "http_host",
            Attr::HostName => "server_name",
            Attr::MachineName => "hostname",
            Attr::Field(name) | Attr::FieldList(name) => return Ok(field("http_", name)),
            Attr::SentField(name) => return Ok(field("sent_http_", name)),
            Attr::SentTrailer(name) => return Ok(field("sent_trailer_", name)),
            Attr::UpstreamField(name) => return Ok(field("upstream_http_", name)),
            Attr::UpstreamTrailer(name) => return Ok(field("upstream_trailer_", name)),
            Attr::UpstreamCookie(name) => return Ok(field("upstream_cookie_", name)),
            Attr::Param(name) => return Ok(field("arg_", name)),
            Attr::Cookie(name) => {
                // One that a rule keeps a capture in has its whole name.
                let name = name.lossy();
                return Ok(name
                    .strip_prefix('\u{0}')
                    .map_or_else(|| format!("cookie_{name}"), str::to_owned));
            }
            Attr::User | Attr::KnownUser | Attr::ClaimedUser => "remote_user",
            Attr::Content => "request_body",
            Attr::ContentFile => "request_body_file",
            Attr::ContentLength => "content_length",
            Attr::RequestLength => "request_length",
            Attr::RequestId => "request_id",
            Attr::Pipelined => "pipe",
            Attr::ClientAddr => "remote_addr",
            Attr::ClientAddrBinary => "binary_remote_addr",
            Attr::ClientPort => "remote_port",
            Attr::PeerAddr => "realip_remote_addr",
            Attr::PeerPort => "realip_remote_port",
            Attr::ServerAddr => "server_addr",
            Attr::ServerPort | Attr::OwnPort => "server_port",
            Attr::OwnHost => "host",
            Attr::Connection => "connection",
            Attr::ConnectionRequests => "connection_requests",
            Attr::ConnectionTime => "connection_time",
            Attr::Tcp(TcpInfo::Rtt) => "tcpinfo_rtt",
            Attr::Tcp(TcpInfo::RttVar) => "tcpinfo_rttvar",
            Attr::Tcp(TcpInfo::SendWindow) => "tcpinfo_snd_cwnd",
            Attr::Tcp(TcpInfo::ReceiveSpace) => "tcpinfo_rcv_space",
            Attr::Tls(TlsAttr::Version) => "ssl_protocol",
            Attr::Tls(TlsAttr::Cipher) => "ssl_cipher",
            Attr::Tls(TlsAttr::ServerName) => "ssl_server_name",
            Attr::Tls(TlsAttr::Resumed) => "ssl_session_reused",
            Attr::Tls(TlsAttr::Session) => "ssl_session_id",
            Attr::Tls(TlsAttr::Signature) => "ssl_sigalg",
            Attr::Tls(TlsAttr::ProofSignature) => "ssl_client_sigalg",
            Attr::Tls(TlsAttr::Alpn) => "ssl_alpn_protocol",
            Attr::DocumentRoot | Attr::Root => "document_root",
            Attr::DocumentRootReal => "realpath_root",
            Attr::FilePath => "request_filename",
            Attr::ScriptName => "fastcgi_script_name",
            Attr::ScriptRest => "fastcgi_path_info",
            Attr::Status | Attr::OwnStatus => "status",
            Attr::BytesSent => "bytes_sent",
            Attr::ContentBytesSent | Attr::ContentSent => "body_bytes_sent",
            Attr::RateLimited => "limit_req_status",
            Attr::ConcurrencyLimited => "limit_conn_status",
            Attr::CodingRatio => "gzip_ratio",
            Attr::Completion => "request_completion",
            Attr::RequestTime => "request_time",
            Attr::LimitRate => "limit_rate",
            Attr::UpstreamAuthority => "proxy_host",
            Attr::UpstreamPort => "proxy_port",
            Attr::ForwardedFor => "proxy_add_x_forwarded_for",
            Attr::UpstreamAddr => "upstream_addr",
            Attr::UpstreamStatus => "upstream_status",
            Attr::UpstreamResponseTime => "upstream_response_time",
            Attr::UpstreamQueueTime => "upstream_queue_time",
            Attr::UpstreamConnectTime => "upstream_connect_time",
            Attr::UpstreamHeaderTime => "upstream_header_time",
            Attr::UpstreamResponseLength => "upstream_response_length",
            Attr::UpstreamBytesReceived => "upstream_bytes_received",
            Attr::UpstreamBytesSent => "upstream_bytes_sent",
            Attr::ProcessId => "pid",
            Attr::Now => "msec",
            Attr::TimeLocal | Attr::Time(..) => "time_local",
            Attr::TimeNamed => "date_local",
            Attr::TimeUniversal => "date_gmt",
            Attr::TimeIso8601 => "time_iso8601",
            Attr::Took(crate::ir::TimeUnit::Seconds) => "request_time",
            Attr::Stat(Stat::Active) => "connections_active",
            Attr::Stat(Stat::Reading) => "connections_reading",
            Attr::Stat(Stat::Writing) => "connections_writing",
            Attr::Stat(Stat::Waiting) => "connections_waiting",
            Attr::PathRest
            | Attr::AuthorityPort
            | Attr::AuthorityPortMark
            | Attr::ConnectionReuses
            | Attr::NotedId
            | Attr::ConnectionFate
            | Attr::RequestHead
            | Attr::RequestFields
            | Attr::RequestVariables
            | Attr::Took(_)
            | Attr::Contact
            | Attr::FurtherError
            | Attr::Signature
            | Attr::ServerToken
            | Attr::Group(_)
            | Attr::Load(_)
            | Attr::Stat(_)
            | Attr::Missing => return Err(format!("no variable holds {}", said(attr))),
            Attr::Announced(_) => return Err("what the PROXY protocol says".to_owned()),
            Attr::Http2 => "http2",
            Attr::Tls(_) | Attr::PathWithout(_) | Attr::UpstreamPath | Attr::CacheStatus => {
                return Err(format!("no variable holds {}", said(attr)));
            }
            Attr::PartRange => "slice_range",
            Attr::SignedLink => "secure_link",
            Attr::SignedLinkExpires => "secure_link_expires",
            Attr::IdentifierGot => "uid_got",
            Attr::IdentifierSet => "uid_set",
        }
        .to_owned())
    }

    /// A condition of `if`; the flag is the opposite.
    pub(super) fn condition(&self, test: &Test, not: bool) -> Result<String, String> {
        let mark = if not { "!" } else { "" };
        match test {
            Test::Not(inner) => self.condition(inner, !not),
            Test::All(tests) | Test::Any(tests) if tests.len() == 1 => self.condition(&tests[0], not),
            Test::Match { subject, pattern, .. } => {
                let Pattern { kind, text, ignore_case, groups: _ } = pattern;
                let [Part::Attr(_) | Part::Var(_)] = subject.0.as_slice() else {
                    return Err("an `if` looks at one variable".to_owned());
                };
                let subject = self.value(subject)?;
                let text = text.lossy();
                let tilde = if *ignore_case { "~*" } else { "~" };
                Ok(match kind {
                    Kind::Exact if !ignore_case => {
                        format!("{subject} {}= {}", if not { "!" } else { "" }, quote(&text))
                    }
                    Kind::Exact => {
                        format!("{subject} {mark}{tilde} {}", regex(&format!("^{}$", escape(&text))))
                    }
                    Kind::Prefix => {
                        format!("{subject} {mark}{tilde} {}", regex(&format!("^{}", escape(&text))))
                    }
                    Kind::Suffix => {
                        format!("{subject} {mark}{tilde} {}", regex(&format!("{}$", escape(&text))))
                    }
                    Kind::Wildcard => format!(
                        "{subject} {mark}~* {}",
                        regex(&format!("^{}$", escape(&text).replace("\\*", ".*")))
                    ),
                    Kind::Regex(_) => format!("{subject} {mark}{tilde} {}", regex(&text)),
                })
            }
            Test::Equal(one, other) => {
                let [Part::Attr(_) | Part::Var(_)] = one.0.as_slice() else {
                    return Err("an `if` looks at one variable".to_owned());
                };
                Ok(format!("{} {mark}= {}", self.value(one)?, quote(&self.value(other)?)))
            }
            Test::Truthy(template) if !not => match template.0.as_slice() {
                [Part::Attr(_) | Part::Var(_)] => self.value(template),
                _ => Err("an `if` looks at one variable".to_owned()),
            },
            Test::Truthy(template) => Ok(format!("{} ~ ^0?$", self.value(template)?)),
            Test::Present(template) => {
                Ok(format!("{} {}= \"\"", self.value(template)?, if not { "" } else { "!" }))
            }
            // No name is no file; that is what the root is, too, and a name has to be written.
            Test::File(name, _) if name.is_empty() => Ok(format!("{mark}-f /")),
            Test::File(name, kind) => {
                let flag = match kind {
                    FileKind::File | FileKind::NonEmpty => "-f",
                    FileKind::Directory => "-d",
                    FileKind::Any | FileKind::Link => "-e",
                    FileKind::Executable => "-x",
                };
                Ok(format!("{mark}{flag} {}", self.value(name)?))
            }
            Test::Method(names) => {
                let all: Vec<_> = names.iter().map(|name| name.lossy().into_owned()).collect();
                Ok(match all.as_slice() {
                    [one] => format!("$request_method {mark}= {one}"),
                    all => format!("$request_method {mark}~ {}", regex(&format!("^(?:{})$", all.join("|")))),
                })
            }
            Test::All(_) | Test::Any(_) => Err("an `if` asks one question".to_owned()),
            Test::Compare { .. } => Err("a comparison of values".to_owned()),
            Test::Depends(_) => Err("what an answer depends on".to_owned()),
            Test::InNetwork(..) => Err("a network in a condition".to_owned()),
            Test::Longer(..) => Err("the length of a value".to_owned()),
            Test::Status(_) => Err("the status".to_owned()),
            Test::Internal => Err("whether it was redirected inside".to_owned()),
        }
    }
}

fn push_name(out: &mut String, name: &str, next: Option<&Part>) {
    let joined = matches!(next, Some(Part::Text(text)) if text.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
    if joined {
        out.push_str(&format!("${{{name}}}"));
    } else {
        out.push('$');
        out.push_str(name);
    }
}

/// The name of a variable that no other one has.
pub(super) fn unique(config: &Config, var: VarId) -> String {
    let name = var_name(&config.var(var).name.lossy());
    let before =
        config.vars[..var.0 as usize].iter().filter(|one| var_name(&one.name.lossy()) == name).count();
    // A name that the server has is no other's.
    let taken = crate::dialect::nginx::vars::definable(name.as_bytes())
        == crate::dialect::nginx::vars::Definable::Taken;
    let name = if taken { format!("{name}_value") } else { name };
    if before == 0 { name } else { format!("{name}_{}", before + 1) }
}

/// The name of a variable of the configuration.
pub(super) fn var_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    name.trim_matches('_').to_owned()
}

/// What a property is, in words.
pub(super) fn said(attr: &Attr) -> String {
    let name = format!("{attr:?}");
    let mut out = String::from("the ");
    for (at, c) in name.char_indices() {
        if c == '(' {
            out.push(' ');
            out.push_str(name[at..].trim_matches(['(', ')']));
            break;
        }
        if c.is_uppercase() && at > 0 {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Text as a regular expression.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if ".*+?()[]{}^$|\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// An argument, in quotes where it needs them.
pub(super) fn quote(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || "{};\"'\\#".contains(c);
    if !text.is_empty() && !text.contains(special) {
        return text.to_owned();
    }
    quote_always(text)
}

/// In quotes.
pub(super) fn quote_always(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A regular expression as an argument: braces and semicolons need quotes, backslashes stay.
pub(super) fn regex(text: &str) -> String {
    if text.contains(['{', '}', ';', ' ', '"', '\'', '#']) || text.is_empty() {
        // In quotes only a quote is behind a backslash; other pairs stay as they are.
        return format!("\"{}\"", text.replace('"', "\\\""));
    }
    text.to_owned()
}
