//! Values and conditions in Apache's words: `%{NAME}`, `$1`, `RewriteCond`.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_rewrite.html#rewritecond>, <https://httpd.apache.org/docs/2.4/expr.html>.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ir::AddressRange,
    ir::{Attr, Config, FileKind, Kind, Part, Pattern, Register, Template, Test, TlsAttr, VarId, VarKind},
    raise::{Match, network},
};

/// What names mean where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Names<'a> {
    pub(super) config: &'a Config,
    /// The variables that something assigns.
    pub(super) assigned: &'a BTreeSet<VarId>,
    /// The register of the rule's own pattern.
    pub(super) own: Option<Register>,
    /// Named groups, as captures of that pattern.
    pub(super) groups: BTreeMap<VarId, u8>,
    /// Whether in an expression; else in a rule.
    pub(super) expression: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(config: &'a Config, assigned: &'a BTreeSet<VarId>) -> Self {
        Self { config, assigned, own: None, groups: BTreeMap::new(), expression: false }
    }

    /// Those of a pattern.
    pub(super) fn of(config: &'a Config, assigned: &'a BTreeSet<VarId>, at: Option<&Match>) -> Self {
        let mut names = Self::new(config, assigned);
        if let Some(at) = at {
            names.own = at.register;
            for (name, var) in &at.groups {
                if let Some(number) = group_number(&at.text, &name.lossy()) {
                    names.groups.insert(*var, number);
                }
            }
        }
        names
    }

    pub(super) fn expression(config: &'a Config, assigned: &'a BTreeSet<VarId>) -> Self {
        Self { expression: true, ..Self::new(config, assigned) }
    }

    /// A value; `Err` is what cannot be said of it.
    pub(super) fn value(&self, template: &Template) -> Result<String, String> {
        let mut out = String::new();
        for part in &template.0 {
            match part {
                Part::Text(text) => {
                    let text = text.lossy();
                    if self.expression {
                        out.push_str(&text);
                    } else {
                        out.push_str(&text.replace('%', "\\%").replace('$', "\\$"));
                    }
                }
                Part::Attr(found) => out.push_str(&self.attr(found)?),
                Part::Var(var) => match self.groups.get(var) {
                    Some(number) => out.push_str(&format!("${number}")),
                    None => out.push_str(&self.var(*var)?),
                },
                Part::Capture(register, number) => {
                    let mark = if self.own == Some(*register) { '$' } else { '%' };
                    out.push(mark);
                    out.push_str(&number.to_string());
                }
                Part::Escape(..) | Part::Start { .. } | Part::Rest { .. } => {
                    return Err("a value that is changed as it is read".to_owned());
                }
            }
        }
        Ok(out)
    }

    fn var(&self, var: VarId) -> Result<String, String> {
        let known = self.config.var(var);
        if let VarKind::Choice { choices, default } = &known.kind
            && let [choice] = choices.as_slice()
            && choice.test == Test::Truthy(Template::attr(Attr::Https))
            && choice.value.as_text() == Some(b"on")
            && default.as_text() == Some(b"off")
        {
            return Ok("%{HTTPS}".to_owned());
        }
        if matches!(known.kind, VarKind::Assigned | VarKind::Optional) && !self.assigned.contains(&var) {
            return Err(format!(
                "`{}`, which the original keeps for itself",
                known.name.lossy().trim_start_matches('@')
            ));
        }
        let name = unique(self.config, var);
        Ok(if self.expression { format!("%{{reqenv:{name}}}") } else { format!("%{{ENV:{name}}}") })
    }

    /// A property of the exchange.
    pub(super) fn attr(&self, attr: &Attr) -> Result<String, String> {
        let name = match attr {
            Attr::Method => "REQUEST_METHOD",
            Attr::Scheme => "REQUEST_SCHEME",
            Attr::Protocol => "SERVER_PROTOCOL",
            Attr::RequestLine => "THE_REQUEST",
            Attr::Path => "REQUEST_URI",
            Attr::Query => "QUERY_STRING",
            Attr::Host | Attr::HostName => "SERVER_NAME",
            Attr::Authority => "HTTP_HOST",
            Attr::ClientAddr => "REMOTE_ADDR",
            Attr::ClientPort => "REMOTE_PORT",
            Attr::PeerAddr => "CONN_REMOTE_ADDR",
            Attr::ServerAddr if self.expression => {
                return Err("no variable of expressions is the address that was connected to".to_owned());
            }
            Attr::ServerAddr => "SERVER_ADDR",
            Attr::ServerPort => "SERVER_PORT",
            Attr::User | Attr::KnownUser | Attr::ClaimedUser => "REMOTE_USER",
            Attr::DocumentRoot | Attr::Root | Attr::DocumentRootReal => "DOCUMENT_ROOT",
            Attr::FilePath => "REQUEST_FILENAME",
            Attr::Status if self.expression => "REQUEST_STATUS",
            Attr::Tls(TlsAttr::Version) => "SSL:SSL_PROTOCOL",
            Attr::Tls(TlsAttr::Cipher) => "SSL:SSL_CIPHER",
            Attr::Tls(TlsAttr::ServerName) => "SSL:SSL_TLS_SNI",
            Attr::Field(name) | Attr::FieldList(name) => {
                let name = field_name(&name.lossy());
                let own = match name.to_ascii_lowercase().as_str() {
                    "host" => Some("HTTP_HOST"),
                    "user-agent" => Some("HTTP_USER_AGENT"),
                    "referer" => Some("HTTP_REFERER"),
                    "cookie" => Some("HTTP_COOKIE"),
                    "accept" => Some("HTTP_ACCEPT"),
                    _ => None,
                };
                return Ok(match own {
                    Some(own) => format!("%{{{own}}}"),
                    None if self.expression => format!("%{{req:{name}}}"),
                    None => format!("%{{HTTP:{name}}}"),
                });
            }
            Attr::SentField(name) | Attr::UpstreamField(name) if self.expression => {
                return Ok(format!("%{{resp:{}}}", field_name(&name.lossy())));
            }
            Attr::Content
            | Attr::ContentFile
            | Attr::ContentLength
            | Attr::Https
            | Attr::Target
            | Attr::PathRest
            | Attr::QueryMark
            | Attr::MachineName
            | Attr::AuthorityPort
            | Attr::AuthorityPortMark
            | Attr::Param(_)
            | Attr::Cookie(_)
            | Attr::RequestLength
            | Attr::RequestId
            | Attr::Pipelined
            | Attr::ClientAddrBinary
            | Attr::PeerPort
            | Attr::Connection
            | Attr::ConnectionRequests
            | Attr::ConnectionReuses
            | Attr::NotedId
            | Attr::ConnectionFate
            | Attr::RequestHead
            | Attr::RequestFields
            | Attr::RequestVariables
            | Attr::ConnectionTime
            | Attr::Tcp(_)
            | Attr::Tls(_)
            | Attr::ScriptName
            | Attr::ScriptRest
            | Attr::Status
            | Attr::OwnStatus
            | Attr::BytesSent
            | Attr::ContentBytesSent
            | Attr::SentField(_)
            | Attr::SentTrailer(_)
            | Attr::RateLimited
            | Attr::ConcurrencyLimited
            | Attr::CodingRatio
            | Attr::Completion
            | Attr::ContentSent
            | Attr::RequestTime
            | Attr::Took(_)
            | Attr::OwnHost
            | Attr::OwnPort
            | Attr::Contact
            | Attr::FurtherError
            | Attr::Signature
            | Attr::ServerToken
            | Attr::LimitRate
            | Attr::UpstreamAuthority
            | Attr::UpstreamPort
            | Attr::ForwardedFor
            | Attr::Group(_)
            | Attr::UpstreamAddr
            | Attr::UpstreamStatus
            | Attr::UpstreamResponseTime
            | Attr::UpstreamQueueTime
            | Attr::UpstreamConnectTime
            | Attr::UpstreamHeaderTime
            | Attr::UpstreamResponseLength
            | Attr::UpstreamBytesReceived
            | Attr::UpstreamBytesSent
            | Attr::UpstreamField(_)
            | Attr::UpstreamTrailer(_)
            | Attr::UpstreamCookie(_)
            | Attr::ProcessId
            | Attr::Now
            | Attr::TimeLocal
            | Attr::TimeIso8601
            | Attr::TimeNamed
            | Attr::TimeUniversal
            | Attr::Time(..)
            | Attr::Load(_)
            | Attr::Stat(_)
            | Attr::Announced(_)
            | Attr::SignedLink
            | Attr::SignedLinkExpires
            | Attr::IdentifierGot
            | Attr::IdentifierSet
            | Attr::PathWithout(_)
            | Attr::UpstreamPath
            | Attr::CacheStatus
            | Attr::PartRange
            | Attr::Http2
            | Attr::Missing => return Err(format!("no variable holds {}", said(attr))),
        };
        Ok(format!("%{{{name}}}"))
    }

    /// `RewriteCond` lines for a test; all of the lines of several tests have to hold.
    pub(super) fn conditions(&self, test: &Test) -> Result<Vec<String>, String> {
        match test {
            Test::All(tests) => {
                let mut out = Vec::new();
                for test in tests {
                    out.extend(self.conditions(test)?);
                }
                Ok(out)
            }
            Test::Any(tests) => {
                let mut out = Vec::new();
                for (at, test) in tests.iter().enumerate() {
                    let line = match self.conditions(test)?.as_slice() {
                        [line] => line.clone(),
                        _ => return Err("alternatives that each ask for several things".to_owned()),
                    };
                    out.push(if at + 1 < tests.len() { flagged(&line, "OR") } else { line });
                }
                Ok(out)
            }
            Test::Not(inner) => match self.conditions(inner)?.as_slice() {
                [line] => Ok(vec![negated(line)]),
                lines if matches!(**inner, Test::Any(_)) => Ok(lines
                    .iter()
                    .map(|line| negated(&line.replace(",OR]", "]").replace(" [OR]", "")))
                    .collect()),
                lines if matches!(**inner, Test::All(_)) && !lines.is_empty() => {
                    let last = lines.len() - 1;
                    let line = |(at, line): (usize, &String)| {
                        if at < last { flagged(&negated(line), "OR") } else { negated(line) }
                    };
                    Ok(lines.iter().enumerate().map(line).collect())
                }
                _ => Err("the opposite of several conditions".to_owned()),
            },
            Test::Match { subject, pattern, .. } => self.matched(subject, pattern).map(|line| vec![line]),
            Test::Equal(one, other) => {
                let line =
                    format!("RewriteCond expr \"'{}' == '{}'\"", self.quoted(one)?, self.quoted(other)?);
                Ok(vec![line])
            }
            Test::InNetwork(subject, networks) if *subject == Template::attr(Attr::ClientAddr) => {
                let one = |(address, bits): &(std::net::IpAddr, u8)| {
                    format!("-R '{}'", network(AddressRange::Network(*address, *bits)))
                };
                let all: Vec<_> = networks.iter().map(one).collect();
                Ok(vec![format!("RewriteCond expr \"{}\"", all.join(" || "))])
            }
            Test::Truthy(template) => {
                if let [Part::Attr(Attr::Https)] = template.0.as_slice() {
                    return Ok(vec!["RewriteCond %{HTTPS} =on".to_owned()]);
                }
                Ok(vec![format!("RewriteCond {} !^0?$", quote(&self.value(template)?))])
            }
            Test::Present(template) => Ok(vec![format!("RewriteCond {} .", quote(&self.value(template)?))]),
            Test::File(name, kind) => {
                let flag = match kind {
                    FileKind::File => "-f",
                    FileKind::Directory => "-d",
                    FileKind::NonEmpty => "-s",
                    FileKind::Link => "-l",
                    FileKind::Executable => "-x",
                    // Whatever is there can be asked about.
                    FileKind::Any => {
                        return Ok(vec![flagged(&self.exists(name, "-f")?, "OR"), self.exists(name, "-d")?]);
                    }
                };
                Ok(vec![self.exists(name, flag)?])
            }
            Test::Method(names) => {
                let all: Vec<_> = names.iter().map(|name| name.lossy().into_owned()).collect();
                Ok(vec![match all.as_slice() {
                    [one] => format!("RewriteCond %{{REQUEST_METHOD}} ={one}"),
                    all => format!("RewriteCond %{{REQUEST_METHOD}} ^(?:{})$", all.join("|")),
                }])
            }
            Test::Depends(_) => Ok(Vec::new()),
            Test::InNetwork(..) => Err("an address that is not the client's".to_owned()),
            Test::Compare { .. } => Err("a comparison of values".to_owned()),
            Test::Longer(..) => Err("the length of a value".to_owned()),
            Test::Status(_) => Err("the status".to_owned()),
            Test::Internal => Ok(vec!["RewriteCond %{ENV:REDIRECT_STATUS} .".to_owned()]),
        }
    }

    fn exists(&self, name: &Template, flag: &str) -> Result<String, String> {
        let name = match name.0.as_slice() {
            // Before a path is mapped there is no name of a file.
            [Part::Attr(Attr::FilePath)] => "%{DOCUMENT_ROOT}%{REQUEST_URI}".to_owned(),
            _ => self.value(name)?,
        };
        Ok(format!("RewriteCond {} {flag}", quote(&name)))
    }

    fn quoted(&self, template: &Template) -> Result<String, String> {
        Ok(self.value(template)?.replace('\'', "\\'"))
    }

    fn matched(&self, subject: &Template, pattern: &Pattern) -> Result<String, String> {
        let (no_case, text) = (pattern.ignore_case, pattern.text.lossy().into_owned());
        if let [Part::Attr(Attr::Scheme)] = subject.0.as_slice()
            && pattern.kind == Kind::Exact
        {
            let state = if text == "https" { "on" } else { "off" };
            return Ok(format!("RewriteCond %{{HTTPS}} ={state}"));
        }
        // A cookie, or a parameter, is a part of another value.
        if let [Part::Attr(part @ (Attr::Cookie(name) | Attr::Param(name)))] = subject.0.as_slice() {
            let (variable, between, end) = match part {
                Attr::Cookie(_) => ("%{HTTP_COOKIE}", "(?:^|;\\s*)", "(?:;|$)"),
                _ => ("%{QUERY_STRING}", "(?:^|&)", "(?:&|$)"),
            };
            let inner = inner_regex(pattern, if matches!(part, Attr::Cookie(_)) { ';' } else { '&' });
            let (not, inner) = if pattern.kind == Kind::Exact && text.is_empty() {
                ("!", ".+".to_owned())
            } else {
                ("", inner)
            };
            let regex = format!("{not}{between}{}={inner}{end}", name.lossy());
            return Ok(format!("RewriteCond {variable} {} [NC]", quote(&regex)));
        }
        let subject = quote(&self.value(subject)?);
        let regex = match pattern.kind {
            Kind::Exact if text.is_empty() => "^$".to_owned(),
            Kind::Exact => format!("={text}"),
            Kind::Prefix => format!("^{}", escape(&text)),
            Kind::Suffix => format!("{}$", escape(&text)),
            Kind::Wildcard => format!("^{}$", escape(&text).replace("\\*", ".*")),
            Kind::Regex(_) => text,
        };
        let line = format!("RewriteCond {subject} {}", quote(&regex));
        Ok(if no_case { flagged(&line, "NC") } else { line })
    }
}

/// A pattern on a value as a part of an expression on what holds it.
pub(super) fn inner_regex(pattern: &Pattern, end: char) -> String {
    let text = pattern.text.lossy();
    match pattern.kind {
        Kind::Exact => escape(&text),
        Kind::Prefix => format!("{}[^{end}]*", escape(&text)),
        Kind::Suffix => format!("[^{end}]*{}", escape(&text)),
        Kind::Wildcard => escape(&text).replace("\\*", &format!("[^{end}]*")),
        Kind::Regex(_) => {
            let (from, text) = match text.strip_prefix('^') {
                Some(rest) => (String::new(), rest.to_owned()),
                None => (format!("[^{end}]*"), text.to_string()),
            };
            let (text, to) = match text.strip_suffix('$') {
                Some(rest) => (rest.to_owned(), String::new()),
                None => (text, format!("[^{end}]*")),
            };
            format!("{from}(?:{text}){to}")
        }
    }
}

/// Adds a flag to a line.
pub(super) fn flagged(line: &str, flag: &str) -> String {
    match line.strip_suffix(']') {
        Some(rest) if line.contains(" [") => format!("{rest},{flag}]"),
        _ => format!("{line} [{flag}]"),
    }
}

/// The opposite of a `RewriteCond` line.
fn negated(line: &str) -> String {
    let words = "RewriteCond ".len();
    let rest = &line[words..];
    if let Some(expression) = rest.strip_prefix("expr \"") {
        let inner = expression.trim_end_matches('"');
        return format!("RewriteCond expr \"!({inner})\"");
    }
    // The subject may be quoted.
    let end = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find("\" ").map(|at| at + 2),
        None => rest.find(' '),
    };
    let Some(end) = end else { return line.to_owned() };
    let (subject, pattern) = rest.split_at(end + 1);
    let pattern = match pattern.strip_prefix('"') {
        Some(inner) => match inner.strip_prefix('!') {
            Some(inner) => format!("\"{inner}"),
            None => format!("\"!{inner}"),
        },
        None => match pattern.strip_prefix('!') {
            Some(inner) => inner.to_owned(),
            None => format!("!{pattern}"),
        },
    };
    format!("RewriteCond {subject}{pattern}")
}

/// What a property is, in words.
pub(super) fn said(attr: &Attr) -> String {
    let name = format!("{attr:?}");
    let mut out = String::new();
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
    format!("the {out}")
}

/// The name of a variable that no other one has.
pub(super) fn unique(config: &Config, var: VarId) -> String {
    let name = env_name(&config.var(var).name.lossy());
    let before =
        config.vars[..var.0 as usize].iter().filter(|one| env_name(&one.name.lossy()) == name).count();
    if before == 0 { name } else { format!("{name}_{}", before + 1) }
}

/// The name of a variable of the environment.
pub(super) fn env_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .collect();
    name.trim_start_matches('_').to_owned()
}

/// The name of a field as people write it.
pub(super) fn field_name(name: &str) -> String {
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return name.to_owned();
    }
    let parts: Vec<String> = name
        .split(['-', '_'])
        .map(|part| {
            let mut chars = part.chars();
            chars
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
                .unwrap_or_default()
        })
        .collect();
    parts.join("-")
}

/// The number of a named group.
fn group_number(regex: &str, name: &str) -> Option<u8> {
    let bytes = regex.as_bytes();
    let (mut number, mut at, mut class) = (0_u8, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => {
                let rest = &regex[at + 1..];
                let named = ["?<", "?P<", "?'"].iter().find_map(|mark| rest.strip_prefix(mark));
                match named {
                    Some(rest) if !rest.starts_with(['=', '!']) => {
                        number = number.checked_add(1)?;
                        if rest.starts_with(name) && rest[name.len()..].starts_with(['>', '\'']) {
                            return Some(number);
                        }
                    }
                    _ if !rest.starts_with('?') => number = number.checked_add(1)?,
                    _ => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
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

/// An argument of `RewriteRule` and `RewriteCond`, which know no escapes: it ends where its quote comes again. Where
/// both quotes are in it, `other` stands for one.
pub(super) fn quote_raw(text: &str, other: &str) -> String {
    let text = text.replace('\n', " ");
    let plain = !text.is_empty() && !text.contains(char::is_whitespace) && !text.starts_with(['"', '\'']);
    match (plain, text.contains('"'), text.contains('\'')) {
        (true, ..) => text,
        (_, false, _) => format!("\"{text}\""),
        (_, _, false) => format!("'{text}'"),
        _ => format!("\"{}\"", text.replace('"', other)),
    }
}

/// An argument, in quotes where it needs them.
pub(super) fn quote(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    if plain && !text.ends_with('\\') {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' if chars.peek().is_none_or(|next| *next == '"' || *next == '\\') => out.push_str("\\\\"),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_without_escapes_end_where_their_quote_comes_again() {
        for (text, expected) in [
            ("/a?x=\"y\"", "/a?x=\"y\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a \"b\"", "'a \"b\"'"),
            ("\"b", "'\"b'"),
            ("it's \"b\"", "\"it's %22b%22\""),
            ("\\ a\\", "\"\\ a\\\""),
        ] {
            assert_eq!(quote_raw(text, "%22"), expected, "{text}");
        }
    }
}
