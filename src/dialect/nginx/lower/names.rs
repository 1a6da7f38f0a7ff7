//! `server_name`: the names of a server.
//!
//! Reference: <https://nginx.org/r/server_name>; what is refused, and when, was
//! observed on nginx 1.22.1.

use super::{super::tree::Directive, Cx, Level, Lower, regex};
use crate::{
    diagnostic::Diagnostic,
    ir::{Kind, Pattern, Text},
    source::Span,
};

/// The names of a server, in order.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The names.
    pub(super) list: Vec<Name>,
}

/// A name.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// As written, in lower case unless it is a regular expression.
    pub(super) text: Vec<u8>,
    /// What it matches: `.name` is two patterns.
    pub(super) patterns: Vec<Pattern>,
    /// Where it was written.
    pub(super) span: Span,
}

impl Names {
    /// What the server is called: its first name.
    pub(super) fn first(&self) -> Text {
        let first = self.list.first().map(|name| name.text.as_slice()).unwrap_or_default();
        first.strip_prefix(b".").unwrap_or(first).into()
    }

    /// The names to match; a server without any has the empty one.
    pub(super) fn into_list(self, span: Span) -> Vec<Name> {
        if self.list.is_empty() {
            return vec![Name { text: Vec::new(), patterns: patterns(b""), span }];
        }
        self.list
    }
}

impl Name {
    fn is_regex(&self) -> bool {
        self.text.first() == Some(&b'~')
    }

    /// What is wrong with it where names are compared.
    pub(super) fn fault(&self) -> Option<String> {
        if self.is_regex() {
            return None;
        }
        let text = &self.text;
        let stars = memchr::memchr_iter(b'*', text).count();
        let at_an_end = text.starts_with(b"*.") || text.ends_with(b".*");
        let wrong = stars > 1
            || stars == 1 && !(at_an_end && text.len() > 2)
            || text.windows(2).any(|two| two == b"..")
            || text.contains(&0);
        wrong.then(|| format!("invalid server name or wildcard `{}`", String::from_utf8_lossy(text)))
    }

    /// What it takes of the names on an address. Patterns take none.
    pub(super) fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        let patterns = self.patterns.iter().filter(|pattern| !matches!(pattern.kind, Kind::Regex(_)));
        patterns.map(|pattern| pattern.text.0.clone())
    }
}

fn server_name(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    for word in &directive.args {
        let mut text = word.value.to_ascii_lowercase();
        if text == b"$hostname" {
            text = machine_name();
        }
        let invalid = match text.as_slice() {
            [b'*' | b'.'] => true,
            [b'*', second, rest @ ..] => *second != b'.' || rest.is_empty(),
            _ => false,
        };
        if invalid {
            let message = format!("server name `{}` is invalid", word.text());
            cx.report(
                Diagnostic::error("invalid-server-name", word.span, message)
                    .help("a wildcard is `*.example.com` or `www.example.*`"),
            );
            continue;
        }
        if text.first() == Some(&b'~') {
            if word.value.len() == 1 {
                cx.error("invalid-server-name", word.span, "empty regex in a server name");
                continue;
            }
            // The host is in lower case: a pattern with capitals is meant without regard to case.
            let ignore_case = word.value.iter().any(u8::is_ascii_uppercase);
            let pattern = regex(cx, word, 1, ignore_case);
            let text = word.value.clone();
            level.own.names.list.push(Name { text, patterns: vec![pattern], span: word.span });
            continue;
        }
        if text.contains(&b'/') {
            let message = format!("server name `{}` has suspicious symbols", word.text());
            cx.warn("suspicious-server-name", word.span, message);
        }
        let patterns = patterns(&text);
        level.own.names.list.push(Name { text, patterns, span: word.span });
    }
}

fn patterns(text: &[u8]) -> Vec<Pattern> {
    let pattern =
        |kind, text: &[u8]| Pattern { kind, text: text.into(), ignore_case: true, groups: Vec::new() };
    match text {
        [b'.', name @ ..] if !name.is_empty() => {
            vec![pattern(Kind::Exact, name), pattern(Kind::Wildcard, &[b"*", text].concat())]
        }
        [b'*', b'.', ..] => vec![pattern(Kind::Wildcard, text)],
        _ if text.ends_with(b".*") => vec![pattern(Kind::Wildcard, text)],
        _ => vec![pattern(Kind::Exact, text)],
    }
}

/// The name of this machine, in lower case.
fn machine_name() -> Vec<u8> {
    std::fs::read("/proc/sys/kernel/hostname")
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .unwrap_or_default()
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("server_name", server_name)];
