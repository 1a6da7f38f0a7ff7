//! `mod_proxy_hcheck`: looking at members without requests.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_proxy_hcheck.html>. Observed (2.4.71): templates and conditions
//! are known from where they are written on, and to the server that they are written in alone; a member is looked at
//! only where a method is given.

use std::time::Duration;

use super::{
    super::{Cx, Lower, Section},
    choice,
    parameter::{self, atoi, seconds},
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::{
        expr::lower::{CHECKED_CONTENT, MATCH, test_into},
        tree::{Directive, Word, Written},
    },
    ir::{Check, Member, Template, Text},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("ProxyHCExpr", condition), ("ProxyHCTemplate", template)];

/// The longest name of a condition.
const LONGEST_NAME: usize = 15;

/// What is said of looking at a member.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Whether a method was given: else nobody looks.
    on: bool,
    check: Check,
}

impl Draft {
    /// What was said of a member so far.
    pub(super) fn of(member: &Member) -> Self {
        let check = member.check.clone();
        Self { on: check.is_some(), check: check.unwrap_or_else(nothing_said) }
    }

    /// The check, if there is to be one.
    pub(super) fn check(self) -> Option<Check> {
        self.on.then_some(self.check)
    }
}

fn nothing_said() -> Check {
    Check {
        method: None,
        modern: false,
        target: Text::new(),
        interval: Duration::from_secs(30),
        passes: 1,
        fails: 1,
        good: None,
        content: None,
        timeout: Duration::ZERO,
        statuses: Vec::new(),
        contains: Text::new(),
    }
}

/// A condition of `ProxyHCExpr`.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    server: u32,
    name: String,
    good: Template,
    /// Whether it reads the content.
    reads: bool,
}

/// What `ProxyHCTemplate` gives a name to.
#[derive(Clone, Debug)]
pub(super) struct Named {
    server: u32,
    name: String,
    draft: Draft,
}

/// `ProxyHCExpr name {expression}`
fn condition(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let line = directive.raw.trimmed();
    let (name, rest) = word(&line);
    let name = String::from_utf8_lossy(name.bytes()).to_ascii_lowercase();
    if name.is_empty() {
        return cx.error("arguments", directive.head(), "Missing expression name for ProxyHCExpr");
    }
    if name.len() > LONGEST_NAME {
        let message = format!("Expression name limited to {LONGEST_NAME} characters");
        return cx.error("arguments", directive.head(), message);
    }
    let (text, rest) = braced(&rest).unwrap_or_else(|| word(&rest));
    if text.is_empty() {
        return cx.error("arguments", directive.head(), "Missing expression for ProxyHCExpr");
    }
    if !rest.is_empty() {
        return cx.error("arguments", directive.head(), "error: extra parameter(s)");
    }
    let Some(test) = test_into(cx, &text, MATCH) else { return };
    let lower = text.bytes().to_ascii_lowercase();
    let reads = [&b"hc("[..], b"hc:"].iter().any(|call| memchr::memmem::find(&lower, call).is_some());
    let good = choice(cx, &format!("@check {name}"), vec![(test, "1".into())], Template::default());
    let server = cx.proxy.server;
    cx.proxy.conditions.push(Condition { server, name, good, reads });
}

/// What stands in braces at the beginning of a text, others within it, and what follows.
fn braced(text: &Written) -> Option<(Written, Written)> {
    let bytes = text.bytes();
    let mut depth = 0usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let inner = (at > 0).then(|| text.slice(1..at).trimmed())?;
            return Some((inner, text.slice(at + 1..bytes.len()).trimmed()));
        }
    }
    None
}

/// The first word of a text, without quotation marks, and what follows.
fn word(text: &Written) -> (Written, Written) {
    let bytes = text.bytes();
    let quote = bytes.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let from = usize::from(quote.is_some());
    let is_end = |byte: &u8| quote.map_or(byte.is_ascii_whitespace(), |quote| *byte == quote);
    let end = bytes[from..].iter().position(is_end).map_or(bytes.len(), |at| from + at);
    let after = (end + from).min(bytes.len());
    (text.slice(from..end), text.slice(after..bytes.len()).trimmed())
}

/// `ProxyHCTemplate name key=value ...`
fn template(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let Some((name, parameters)) = directive.args.split_first() else {
        return cx.error("arguments", directive.head(), "Missing template name for ProxyHCTemplate");
    };
    let mut draft = Draft { on: false, check: nothing_said() };
    for word in parameters {
        let Some((key, value)) = parameter::split(cx, word) else { continue };
        if !apply(cx, &mut draft, word, &key, value) {
            parameter::unknown(cx, word, &key);
        }
    }
    let server = cx.proxy.server;
    cx.proxy.templates.push(Named { server, name: name.text().to_ascii_lowercase(), draft });
}

/// Applies a parameter about looking at a member; false when it is none.
pub(super) fn apply(cx: &mut Cx, draft: &mut Draft, word: &Word, key: &str, value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).into_owned();
    match set(cx, draft, key, &text) {
        Ok(known) => known,
        Err(problem) => {
            cx.report(Diagnostic::error("invalid-value", word.span, problem).label(word.span, ""));
            true
        }
    }
}

fn set(cx: &Cx, draft: &mut Draft, key: &str, text: &str) -> Result<bool, String> {
    let name = text.to_ascii_lowercase();
    let server = cx.proxy.server;
    let check = &mut draft.check;
    match key {
        "hctemplate" => {
            let mut known = cx.proxy.templates.iter().rev();
            let known = known.find(|known| known.server == server && known.name == name);
            *draft = known.ok_or_else(|| format!("Unknown ProxyHCTemplate name: {text}"))?.draft.clone();
        }
        "hcexpr" => {
            let mut known = cx.proxy.conditions.iter().rev();
            let known = known.find(|known| known.server == server && known.name == name);
            let known = known.ok_or_else(|| format!("Unknown health check condition expr: {text}"))?;
            check.good = Some(known.good.clone());
            check.content = cx.names.own(CHECKED_CONTENT).filter(|_| known.reads);
        }
        "hcmethod" => {
            let upper = text.to_ascii_uppercase();
            let (method, modern) = match upper.as_str() {
                "NONE" => {
                    draft.on = false;
                    return Ok(true);
                }
                "TCP" => (None, false),
                "OPTIONS" | "HEAD" | "GET" => (Some(upper.as_str()), false),
                "OPTIONS11" | "HEAD11" | "GET11" => (Some(&upper[..upper.len() - 2]), true),
                _ => {
                    let known = "NONE, TCP, OPTIONS, HEAD, GET, and these with 11";
                    return Err(format!("hcmethod must be one of: {known}"));
                }
            };
            draft.on = true;
            (check.method, check.modern) = (method.map(Text::from), modern);
        }
        "hcuri" => check.target = Text::from(text),
        "hcinterval" => {
            check.interval = seconds(text).map_err(|problem| format!("hcinterval {problem}"))?;
            if check.interval < Duration::from_millis(100) {
                return Err("Interval must be a positive value greater than 100ms".to_owned());
            }
        }
        "hcpasses" | "hcfails" => {
            let times = u32::try_from(atoi(text)).map_err(|_| format!("{key} must be a positive value"))?;
            *if key == "hcpasses" { &mut check.passes } else { &mut check.fails } = times.max(1);
        }
        _ => return Ok(false),
    }
    Ok(true)
}
