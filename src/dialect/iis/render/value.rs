//! Values and conditions in the words of rules: `{VARIABLE}`, `{R:1}`, `<add input pattern>`.

use std::collections::{BTreeMap, BTreeSet};

use super::element::Element;
use crate::{
    ir::{Attr, Config, FileKind, Kind, Part, Pattern, Register, Template, Test, VarId, VarKind},
    raise::{How, Match},
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
    /// Whether the scheme is the first capture of the conditions.
    pub(super) scheme: bool,
}

impl<'a> Names<'a> {
    /// What a condition asks of: something, not nothing.
    fn asked(&self, template: &Template) -> Result<String, String> {
        let text = self.value(template)?;
        if text.is_empty() { Err("a question about nothing".to_owned()) } else { Ok(text) }
    }

    pub(super) fn of(config: &'a Config, assigned: &'a BTreeSet<VarId>, at: Option<&Match>) -> Self {
        let mut names = Self { config, assigned, own: None, groups: BTreeMap::new(), scheme: false };
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

    /// A value; `Err` is what cannot be said of it.
    pub(super) fn value(&self, template: &Template) -> Result<String, String> {
        let mut out = String::new();
        for part in &template.0 {
            match part {
                Part::Text(text) => {
                    let text = text.lossy();
                    if text.contains(['{', '}']) {
                        return Err("braces in a value".to_owned());
                    }
                    out.push_str(&text);
                }
                Part::Attr(attr) => out.push_str(&self.attr(attr)?),
                Part::Var(var) => match self.groups.get(var) {
                    Some(number) => out.push_str(&format!("{{R:{number}}}")),
                    None => out.push_str(&self.var(*var)?),
                },
                Part::Capture(register, number) => {
                    let mark = if self.own == Some(*register) { 'R' } else { 'C' };
                    out.push_str(&format!("{{{mark}:{number}}}"));
                }
                Part::Escape(crate::ir::Escape::Lower, inner) => {
                    out.push_str(&format!("{{ToLower:{}}}", self.value(inner)?));
                }
                // A map does so by itself.
                Part::Escape(crate::ir::Escape::Fold, inner) => out.push_str(&self.value(inner)?),
                Part::Escape(..) | Part::Start { .. } | Part::Rest { .. } => {
                    return Err("a value that is changed as it is read".to_owned());
                }
            }
        }
        Ok(out)
    }

    fn var(&self, var: VarId) -> Result<String, String> {
        let known = self.config.var(var);
        if matches!(known.kind, VarKind::Assigned | VarKind::Optional) && !self.assigned.contains(&var) {
            return Err(format!(
                "`{}`, which the original keeps for itself",
                known.name.lossy().trim_start_matches('@')
            ));
        }
        match &known.kind {
            VarKind::Table { key, .. } => {
                Ok(format!("{{{}:{}}}", map_name(&known.name.lossy()), self.value(key)?))
            }
            VarKind::Assigned | VarKind::Optional => {
                Ok(format!("{{{}}}", variable_name(&known.name.lossy())))
            }
            VarKind::Choice { choices, default } => match choices.as_slice() {
                [choice]
                    if choice.test == Test::Truthy(Template::attr(Attr::Https))
                        && choice.value.as_text() == Some(b"on")
                        && default.as_text() == Some(b"off") =>
                {
                    Ok("{HTTPS}".to_owned())
                }
                _ => Err(format!("the value of `{}`", known.name.lossy())),
            },
            VarKind::Network { .. } | VarKind::Split { .. } => {
                Err(format!("the value of `{}`", known.name.lossy()))
            }
        }
    }

    fn attr(&self, attr: &Attr) -> Result<String, String> {
        let name = match attr {
            Attr::Method => "REQUEST_METHOD",
            Attr::Scheme if self.scheme => "C:1",
            Attr::Scheme => "MapProtocol:{HTTPS}",
            Attr::Https => "HTTPS",
            Attr::Protocol => "SERVER_PROTOCOL",
            Attr::Target => "UNENCODED_URL",
            Attr::Path => "URL",
            Attr::PathRest => "R:1",
            Attr::Query => "QUERY_STRING",
            Attr::Host | Attr::HostName => "SERVER_NAME",
            Attr::Authority => "HTTP_HOST",
            Attr::ClientAddr | Attr::PeerAddr => "REMOTE_ADDR",
            Attr::ClientPort => "REMOTE_PORT",
            Attr::ServerAddr => "LOCAL_ADDR",
            Attr::ServerPort => "SERVER_PORT",
            Attr::User | Attr::KnownUser | Attr::ClaimedUser => "REMOTE_USER",
            Attr::DocumentRoot | Attr::Root => "DOCUMENT_ROOT",
            Attr::FilePath => "REQUEST_FILENAME",
            Attr::ContentLength => "CONTENT_LENGTH",
            Attr::RequestFields => "ALL_RAW",
            Attr::RequestVariables => "ALL_HTTP",
            Attr::Status | Attr::OwnStatus => "RESPONSE_STATUS",
            Attr::Field(name) | Attr::FieldList(name) => {
                return Ok(format!("{{HTTP_{}}}", name.lossy().to_ascii_uppercase().replace('-', "_")));
            }
            Attr::SentField(name) | Attr::UpstreamField(name) => {
                return Ok(format!("{{RESPONSE_{}}}", name.lossy().to_ascii_uppercase().replace('-', "_")));
            }
            // What a rule appends by itself.
            Attr::QueryMark => return Ok(String::new()),
            _ => return Err(format!("no server variable holds {}", said(attr))),
        };
        Ok(format!("{{{name}}}"))
    }

    /// Conditions for tests that all have to hold; and whether one is enough instead.
    pub(super) fn conditions(&self, tests: &[Test]) -> Result<(Vec<Element>, bool), String> {
        let mut all = Vec::new();
        let mut any = false;
        for test in tests {
            match test {
                Test::Any(inner) if tests.len() == 1 => {
                    any = true;
                    for one in inner {
                        all.extend(self.condition(one, false)?);
                    }
                }
                Test::Any(inner) if inner.len() == 1 => all.extend(self.condition(&inner[0], false)?),
                Test::Any(_) => return Err("alternatives beside other conditions".to_owned()),
                Test::All(inner) => {
                    for one in inner {
                        all.extend(self.condition(one, false)?);
                    }
                }
                test => all.extend(self.condition(test, false)?),
            }
        }
        Ok((all, any))
    }

    fn condition(&self, test: &Test, not: bool) -> Result<Vec<Element>, String> {
        let negated =
            |element: Element, not: bool| if not { element.with("negate", "true") } else { element };
        Ok(vec![match test {
            Test::Not(inner) => return self.condition(inner, !not),
            Test::Depends(_) => return Ok(Vec::new()),
            Test::Match { subject, pattern, .. } => {
                let Pattern { kind, text, ignore_case, groups: _ } = pattern;
                let text = text.lossy();
                if let ([Part::Attr(Attr::Scheme)], Kind::Exact) = (subject.0.as_slice(), kind) {
                    let state = if (text == "https") == not { "off" } else { "on" };
                    return Ok(vec![add("{HTTPS}", &format!("^{state}$"))]);
                }
                let (input, regex) = match subject.0.as_slice() {
                    [Part::Attr(Attr::Cookie(name))] => (
                        "{HTTP_COOKIE}".to_owned(),
                        format!("(?:^|;\\s*){}={}(?:;|$)", name.lossy(), inner(pattern, ';')),
                    ),
                    [Part::Attr(Attr::Param(name))] => (
                        "{QUERY_STRING}".to_owned(),
                        format!("(?:^|&){}={}(?:&|$)", name.lossy(), inner(pattern, '&')),
                    ),
                    _ => (self.value(subject)?, regex_of(pattern)),
                };
                if input.is_empty() {
                    return Err("a condition on nothing".to_owned());
                }
                let regex = expression(&regex)?;
                let element = add(&input, &regex);
                let letters = regex.bytes().any(|byte| byte.is_ascii_alphabetic());
                let element =
                    if *ignore_case || !letters { element } else { element.with("ignoreCase", "false") };
                negated(element, not)
            }
            Test::Truthy(template) => {
                add(&self.asked(template)?, "^0?$").with("negate", if not { "false" } else { "true" })
            }
            Test::Present(template) => negated(add(&self.asked(template)?, ".+"), not),
            Test::File(name, kind) => {
                let kind = match kind {
                    FileKind::File | FileKind::NonEmpty => "IsFile",
                    FileKind::Directory => "IsDirectory",
                    FileKind::Any | FileKind::Executable | FileKind::Link => {
                        return Err("a look at what a file is".to_owned());
                    }
                };
                negated(Element::new("add").with("input", &self.asked(name)?).with("matchType", kind), not)
            }
            Test::Method(names) => {
                let all: Vec<_> = names.iter().map(|name| name.lossy().into_owned()).collect();
                let pattern =
                    if all.len() == 1 { format!("^{}$", all[0]) } else { format!("^(?:{})$", all.join("|")) };
                negated(add("{REQUEST_METHOD}", &pattern), not)
            }
            Test::Equal(one, other) => match other.as_text() {
                Some(text) => negated(
                    add(&self.asked(one)?, &format!("^{}$", escape(&String::from_utf8_lossy(text)))),
                    not,
                ),
                None => return Err("a comparison of values".to_owned()),
            },
            Test::InNetwork(subject, networks) => {
                let mut all = Vec::new();
                for (address, bits) in networks {
                    let std::net::IpAddr::V4(address) = address else {
                        return Err("a network of IPv6 in a condition".to_owned());
                    };
                    if bits % 8 != 0 {
                        return Err("a network that does not end at a point".to_owned());
                    }
                    let octets: Vec<_> =
                        address.octets().iter().take(usize::from(bits / 8)).map(u8::to_string).collect();
                    all.push(if *bits == 32 { octets.join("\\.") + "$" } else { octets.join("\\.") + "\\." });
                }
                let pattern =
                    if all.len() == 1 { format!("^{}", all[0]) } else { format!("^(?:{})", all.join("|")) };
                negated(add(&self.asked(subject)?, &pattern), not)
            }
            Test::All(_) | Test::Any(_) => return Err("conditions within conditions".to_owned()),
            Test::Compare { .. } => return Err("a comparison of values".to_owned()),
            Test::Longer(..) => return Err("the length of a value".to_owned()),
            Test::Status(_) => return Err("the status".to_owned()),
            Test::Internal => return Err("whether it was redirected inside".to_owned()),
        }])
    }
}

/// A pattern in the syntax of rules: groups have no names there.
pub(super) fn expression(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text.strip_prefix("(?i)").unwrap_or(text);
    while let Some(at) = rest.find("(?") {
        let behind = &rest[at + 2..];
        let name = ["P<", "<", "'"]
            .iter()
            .find_map(|mark| behind.strip_prefix(mark))
            .filter(|name| !name.starts_with(['=', '!']));
        out.push_str(&rest[..at]);
        if let Some(inner) = name.and_then(|name| name.find(['>', '\'']).map(|end| &name[end + 1..])) {
            out.push('(');
            rest = inner;
        } else {
            out.push_str("(?");
            rest = behind;
        }
    }
    out.push_str(rest);
    match crate::dialect::iis::lower::pattern::check(&out) {
        Ok(()) => Ok(out),
        Err((_, _, why)) => Err(format!("the expression `{text}`: {why}")),
    }
}

fn add(input: &str, pattern: &str) -> Element {
    Element::new("add").with("input", input).with("pattern", pattern)
}

/// A pattern as a regular expression.
pub(super) fn regex_of(pattern: &Pattern) -> String {
    let text = pattern.text.lossy();
    match pattern.kind {
        Kind::Exact => format!("^{}$", escape(&text)),
        Kind::Prefix => format!("^{}", escape(&text)),
        Kind::Suffix => format!("{}$", escape(&text)),
        Kind::Wildcard => format!("^{}$", escape(&text).replace("\\*", ".*")),
        Kind::Regex(_) => text.into_owned(),
    }
}

fn inner(pattern: &Pattern, end: char) -> String {
    let text = pattern.text.lossy();
    match pattern.kind {
        Kind::Exact => escape(&text),
        Kind::Prefix => format!("{}[^{end}]*", escape(&text)),
        Kind::Suffix | Kind::Wildcard => format!("[^{end}]*{}", escape(text.trim_start_matches('*'))),
        Kind::Regex(_) => {
            let from = if text.starts_with('^') { String::new() } else { format!("[^{end}]*") };
            let to = if text.ends_with('$') { String::new() } else { format!("[^{end}]*") };
            format!("{from}(?:{}){to}", text.trim_start_matches('^').trim_end_matches('$'))
        }
    }
}

/// The pattern of `<match>`: on the path without its slash.
pub(super) fn url(at: &Match) -> String {
    match at.how {
        How::Prefix if at.text.len() <= 1 => "(.*)".to_owned(),
        How::Prefix => format!("^{}(.*)", escape(at.text.trim_start_matches('/'))),
        How::Exact => format!("^{}$", escape(at.text.trim_start_matches('/'))),
        How::Under => format!("^{}(?:/(.*))?$", escape(at.text.trim_matches('/'))),
        How::Regex | How::FileName => {
            let text = at.to_regex();
            if let Some(rest) = text.strip_prefix("^/") {
                return format!("^{rest}");
            }
            if let Some(rest) = text.strip_prefix("^(/") {
                return format!("^({rest}");
            }
            match text.strip_prefix('/') {
                Some(rest) => format!("(?:^|/){rest}"),
                None => text,
            }
        }
    }
}

/// Whether the client's `Host` is sent on.
pub(super) fn keeps_host(host: &Template) -> bool {
    !matches!(host.0.as_slice(), [] | [Part::Attr(Attr::UpstreamAuthority)])
}

/// The name of a table.
pub(super) fn map_name(name: &str) -> String {
    name.trim_start_matches('@').to_owned()
}

/// The name of a server variable that rules set.
pub(super) fn variable_name(name: &str) -> String {
    let name = name.strip_prefix("set ").unwrap_or(name);
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect::<String>()
        .trim_matches('_')
        .to_owned()
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

fn said(attr: &Attr) -> String {
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

/// The number of a named group.
fn group_number(regex: &str, name: &str) -> Option<u8> {
    let mut number = 0_u8;
    let bytes = regex.as_bytes();
    let (mut at, mut class) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => {
                let rest = &regex[at + 1..];
                let named = ["?<", "?P<", "?'"]
                    .iter()
                    .find_map(|mark| rest.strip_prefix(mark))
                    .filter(|rest| !rest.starts_with(['=', '!']));
                if named.is_some() || !rest.starts_with('?') {
                    number = number.checked_add(1)?;
                }
                if named
                    .is_some_and(|rest| rest.starts_with(name) && rest[name.len()..].starts_with(['>', '\'']))
                {
                    return Some(number);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}
