//! Server variables: `%{NAME}` in conditions of rules, in expressions, in values of fields.
//!
//! One table for all who read them. Names compare without regard to case. A rule knows a few that an expression does
//! not, and the other way round: a rule reads an unknown one as empty, an expression that names one is refused
//! (2.4.71, every name below in both). Expressions know all of `mod_ssl`'s `SSL_...`, even those that do not exist.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/expr.html#vars>,
//! <https://httpd.apache.org/docs/2.4/mod/mod_rewrite.html#rewritecond>

use crate::ir::{Attr, Moment, ProofAttr, TimeForm, TlsAttr};

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A property of the exchange.
    Attr(Attr),
    /// The first value, or the second where it is missing or empty.
    Else(Attr, &'static str),
    /// What the first pattern that matches a value stands for: a text, or what it captures.
    Chosen {
        /// The value.
        of: Attr,
        /// Patterns, with the text each stands for.
        choices: Vec<(String, Option<&'static str>)>,
        /// Whether without a match it is the value itself, else missing.
        itself: bool,
    },
    /// This text.
    Text(&'static str),
    /// The file that the path is mapped to; before that the path.
    File,
    /// What follows the file in the path.
    PathInfo,
    /// The root in force.
    DocumentRoot,
    /// The prefix of the path that an `Alias` replaced.
    ContextPrefix,
    /// What it replaced it by, or the root.
    ContextRoot,
    /// The server's name as URLs that lead to it have it.
    ServerName,
    /// The port that they have.
    ServerPort,
    /// `ServerAdmin`
    ServerAdmin,
    /// What the server calls itself.
    ServerSoftware,
    /// Who answers the request.
    Handler,
    /// The type of the answer.
    ContentType,
    /// Whether the request was made for another one: never, here.
    Subrequest,
    /// The user that was authenticated.
    User,
    /// How.
    AuthType,
    /// The host name of the client; its address where names are not looked up.
    RemoteHost,
    /// `on` or `off`: whether the connection is TLS.
    Https,
    /// `on` or `off`: whether the connection is IPv6.
    Ipv6,
    /// `on` or `off`: whether the connection is HTTP/2.
    Http2,
    /// The status of the answer.
    Status,
    /// When the file was changed.
    LastModified,
    /// Who owns the file: user, or group.
    Owner(bool),
}

/// Who knows a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    /// Rules and expressions.
    Both,
    /// Conditions and substitutions of rules.
    Rules,
    /// Expressions.
    Expressions,
}

/// What a rule reads under a name; `None` for unknown names, which read as empty.
pub fn in_rule(name: &[u8]) -> Option<Meaning> {
    let (meaning, knows) = find(name)?;
    match (knows, meaning) {
        (Knows::Expressions, _) => None,
        // The module counts changes of its interface in rules alone.
        (_, Meaning::Text("20120211")) => Some(Meaning::Text("20120211:142")),
        (_, meaning) => Some(meaning),
    }
}

/// What an expression reads under a name; `None` for unknown names, which are errors.
pub fn in_expression(name: &[u8]) -> Option<Meaning> {
    match find(name) {
        Some((_, Knows::Rules)) => None,
        Some((meaning, _)) => Some(meaning),
        None => tls(name),
    }
}

/// The variables of `mod_ssl`: `SSL_...`, and what `%{SSL:name}` reads; missing ones read as empty.
pub fn tls(name: &[u8]) -> Option<Meaning> {
    let name = name.to_ascii_uppercase();
    if name == b"HTTPS" {
        return Some(Meaning::Https);
    }
    let rest = name.strip_prefix(b"SSL_")?;
    Some(match rest {
        b"PROTOCOL" => Meaning::Attr(Attr::Tls(TlsAttr::Version)),
        b"CIPHER" => Meaning::Attr(Attr::Tls(TlsAttr::Cipher)),
        b"TLS_SNI" => Meaning::Attr(Attr::Tls(TlsAttr::ServerName)),
        b"SESSION_ID" => Meaning::Attr(Attr::Tls(TlsAttr::Session)),
        b"SESSION_RESUMED" => Meaning::Chosen {
            of: Attr::Tls(TlsAttr::Resumed),
            choices: vec![("r".to_owned(), Some("Resumed")), ("[.]".to_owned(), Some("Initial"))],
            itself: false,
        },
        // Who is not believed and yet served was not asked for more.
        b"CLIENT_VERIFY" => Meaning::Chosen {
            of: proof(ProofAttr::Verdict),
            choices: vec![("^FAILED".to_owned(), Some("GENEROUS"))],
            itself: true,
        },
        b"CIPHER_USEKEYSIZE" | b"CIPHER_ALGKEYSIZE" => Meaning::Chosen {
            of: Attr::Tls(TlsAttr::Cipher),
            choices: vec![
                ("AES_?256|CHACHA20".to_owned(), Some("256")),
                ("AES_?128".to_owned(), Some("128")),
            ],
            itself: false,
        },
        b"CIPHER_EXPORT" => over_tls("false"),
        b"COMPRESS_METHOD" => over_tls("NULL"),
        b"SECURE_RENEG" => over_tls("true"),
        b"VERSION_INTERFACE" => over_tls("mod_ssl/2.4.71"),
        b"VERSION_LIBRARY" => over_tls("rustls"),
        _ => certificate(rest).unwrap_or(Meaning::Attr(Attr::Missing)),
    })
}

fn proof(which: ProofAttr) -> Attr {
    Attr::Tls(TlsAttr::Proof(which))
}

/// `CLIENT_...` and `SERVER_...`: what certificates say.
fn certificate(name: &[u8]) -> Option<Meaning> {
    let (of, rest): (fn(ProofAttr) -> TlsAttr, _) =
        match (name.strip_prefix(b"CLIENT_"), name.strip_prefix(b"SERVER_")) {
            (Some(rest), _) => (TlsAttr::Proof, rest),
            (_, Some(rest)) => (TlsAttr::Own, rest),
            _ => return None,
        };
    let numbered = |prefix: &[u8]| std::str::from_utf8(rest.strip_prefix(prefix)?).ok()?.parse().ok();
    let which = match rest {
        b"S_DN" => ProofAttr::Subject,
        b"I_DN" => ProofAttr::Issuer,
        b"M_SERIAL" => ProofAttr::Serial,
        b"M_VERSION" => ProofAttr::Version,
        b"V_START" => ProofAttr::Begins,
        b"V_END" => ProofAttr::Ends,
        b"V_REMAIN" => ProofAttr::DaysLeft,
        b"A_KEY" => ProofAttr::KeyAlgorithm,
        b"A_SIG" => ProofAttr::SignatureAlgorithm,
        b"CERT" => ProofAttr::Pem,
        _ => match (numbered(b"SAN_DNS_"), numbered(b"SAN_EMAIL_")) {
            (Some(at), _) => ProofAttr::HostName(at),
            (_, Some(at)) => ProofAttr::MailAddress(at),
            _ => return part(rest, of),
        },
    };
    Some(Meaning::Attr(Attr::Tls(of(which))))
}

/// What is always so where there is TLS, and missing without.
fn over_tls(text: &'static str) -> Meaning {
    let choices = vec![("^TLS".to_owned(), Some(text))];
    Meaning::Chosen { of: Attr::Tls(TlsAttr::Version), choices, itself: false }
}

/// `S_DN_CN`: a part of the subject or the issuer.
fn part(name: &[u8], certificate: fn(ProofAttr) -> TlsAttr) -> Option<Meaning> {
    let (of, part) = match (name.strip_prefix(b"S_DN_"), name.strip_prefix(b"I_DN_")) {
        (Some(part), _) => (ProofAttr::Subject, part),
        (_, Some(part)) => (ProofAttr::Issuer, part),
        _ => return None,
    };
    let label = match part {
        b"C" | b"ST" | b"L" | b"O" | b"OU" | b"CN" | b"T" | b"I" | b"G" | b"S" | b"D" | b"UID" | b"DC" => {
            String::from_utf8_lossy(part).into_owned()
        }
        b"EMAIL" => "emailAddress".to_owned(),
        _ => return None,
    };
    let pattern = format!(r"(?:^|[,+]){label}=((?:[^,+\\]|\\.)*)");
    let of = Attr::Tls(certificate(of));
    Some(Meaning::Chosen { of, choices: vec![(pattern, None)], itself: false })
}

/// The names there are, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, ..)| *name)
}

/// The request field that a variable is, whose reading `Vary` tells.
pub fn field(name: &[u8]) -> Option<&'static str> {
    let known = |(variable, _): &&(&str, &str)| variable.as_bytes().eq_ignore_ascii_case(name);
    FIELDS.iter().find(known).map(|(_, field)| *field)
}

fn find(name: &[u8]) -> Option<(Meaning, Knows)> {
    if let Some(field) = field(name) {
        let attr = if field == "Host" { Attr::Authority } else { Attr::FieldList(field.into()) };
        return Some((Meaning::Attr(attr), Knows::Both));
    }
    let upper = name.to_ascii_uppercase();
    let time = |format: &str| {
        let form = TimeForm::Format(format.into());
        Some((Meaning::Attr(Attr::Time(Moment::Now, form)), Knows::Both))
    };
    match upper.as_slice() {
        b"TIME" => return time("%Y%m%d%H%M%S"),
        b"TIME_YEAR" => return time("%Y"),
        b"TIME_MON" => return time("%m"),
        b"TIME_DAY" => return time("%d"),
        b"TIME_HOUR" => return time("%H"),
        b"TIME_MIN" => return time("%M"),
        b"TIME_SEC" => return time("%S"),
        b"TIME_WDAY" => return time("%w"),
        _ => {}
    }
    let found = TABLE.iter().find(|(known, ..)| known.as_bytes() == upper)?;
    Some((found.1.clone(), found.2))
}

/// The seven fields that have a name of their own.
const FIELDS: &[(&str, &str)] = &[
    ("HTTP_ACCEPT", "Accept"),
    ("HTTP_COOKIE", "Cookie"),
    ("HTTP_FORWARDED", "Forwarded"),
    ("HTTP_HOST", "Host"),
    ("HTTP_PROXY_CONNECTION", "Proxy-Connection"),
    ("HTTP_REFERER", "Referer"),
    ("HTTP_USER_AGENT", "User-Agent"),
];

#[rustfmt::skip]
const TABLE: &[(&str, Meaning, Knows)] = &[
    ("API_VERSION", Meaning::Text("20120211"), Knows::Both),
    ("AUTH_TYPE", Meaning::AuthType, Knows::Both),
    ("CONN_LOG_ID", Meaning::Text(""), Knows::Expressions),
    ("CONN_REMOTE_ADDR", Meaning::Attr(Attr::PeerAddr), Knows::Both),
    ("CONTENT_TYPE", Meaning::ContentType, Knows::Expressions),
    ("CONTEXT_DOCUMENT_ROOT", Meaning::ContextRoot, Knows::Both),
    ("CONTEXT_PREFIX", Meaning::ContextPrefix, Knows::Both),
    ("DOCUMENT_ROOT", Meaning::DocumentRoot, Knows::Both),
    ("DOCUMENT_URI", Meaning::Attr(Attr::Path), Knows::Expressions),
    ("HANDLER", Meaning::Handler, Knows::Expressions),
    ("HTTP2", Meaning::Http2, Knows::Expressions),
    ("HTTPS", Meaning::Https, Knows::Both),
    ("IPV6", Meaning::Ipv6, Knows::Both),
    ("IS_SUBREQ", Meaning::Subrequest, Knows::Both),
    ("LAST_MODIFIED", Meaning::LastModified, Knows::Expressions),
    ("PATH_INFO", Meaning::PathInfo, Knows::Both),
    ("QUERY_STRING", Meaning::Attr(Attr::Query), Knows::Both),
    ("REMOTE_ADDR", Meaning::Attr(Attr::ClientAddr), Knows::Both),
    ("REMOTE_HOST", Meaning::RemoteHost, Knows::Both),
    ("REMOTE_IDENT", Meaning::Text(""), Knows::Both),
    ("REMOTE_PORT", Meaning::Attr(Attr::PeerPort), Knows::Both),
    ("REMOTE_USER", Meaning::User, Knows::Both),
    ("REQUEST_FILENAME", Meaning::File, Knows::Both),
    ("REQUEST_LOG_ID", Meaning::Text(""), Knows::Expressions),
    ("REQUEST_METHOD", Meaning::Attr(Attr::Method), Knows::Both),
    ("REQUEST_SCHEME", Meaning::Attr(Attr::Scheme), Knows::Both),
    ("REQUEST_STATUS", Meaning::Status, Knows::Expressions),
    ("REQUEST_URI", Meaning::Attr(Attr::Path), Knows::Both),
    ("SCRIPT_FILENAME", Meaning::File, Knows::Both),
    ("SCRIPT_GROUP", Meaning::Owner(true), Knows::Both),
    ("SCRIPT_USER", Meaning::Owner(false), Knows::Both),
    ("SERVER_ADDR", Meaning::Attr(Attr::ServerAddr), Knows::Rules),
    ("SERVER_ADMIN", Meaning::ServerAdmin, Knows::Both),
    ("SERVER_NAME", Meaning::ServerName, Knows::Both),
    ("SERVER_PORT", Meaning::ServerPort, Knows::Both),
    ("SERVER_PROTOCOL", Meaning::Attr(Attr::Protocol), Knows::Both),
    ("SERVER_SOFTWARE", Meaning::ServerSoftware, Knows::Both),
    ("THE_REQUEST", Meaning::Attr(Attr::RequestLine), Knows::Both),
    ("TIME", Meaning::Text(""), Knows::Both),
    ("TIME_DAY", Meaning::Text(""), Knows::Both),
    ("TIME_HOUR", Meaning::Text(""), Knows::Both),
    ("TIME_MIN", Meaning::Text(""), Knows::Both),
    ("TIME_MON", Meaning::Text(""), Knows::Both),
    ("TIME_SEC", Meaning::Text(""), Knows::Both),
    ("TIME_WDAY", Meaning::Text(""), Knows::Both),
    ("TIME_YEAR", Meaning::Text(""), Knows::Both),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_to_whom_they_are() {
        for (name, _, knows) in TABLE {
            assert_eq!(in_rule(name.as_bytes()).is_some(), *knows != Knows::Expressions, "{name}");
            assert_eq!(in_expression(name.as_bytes()).is_some(), *knows != Knows::Rules, "{name}");
        }
        assert_eq!(in_rule(b"http_x_forwarded_for"), None);
        assert_eq!(in_rule(b"request_uri"), Some(Meaning::Attr(Attr::Path)));
        assert_eq!(in_rule(b"Http_Host"), Some(Meaning::Attr(Attr::Authority)));
        assert_eq!(in_expression(b"SSL_NONSENSE"), Some(Meaning::Attr(Attr::Missing)));
        assert_eq!(in_rule(b"SSL_PROTOCOL"), None);
        assert!(matches!(in_rule(b"TIME_WDAY"), Some(Meaning::Attr(Attr::Time(..)))));
    }
}
