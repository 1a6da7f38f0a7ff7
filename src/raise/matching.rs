//! Which paths are meant: regular expressions that are prefixes or whole paths become that.

use crate::ir::{Attr, Kind, Name, Pattern, Register, Syntax, Text, VarId};

/// A set of paths.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// How the text is read.
    pub how: How,
    /// The path, its beginning, or a regular expression on it.
    pub text: String,
    /// Whether case matters not.
    pub ignore_case: bool,
    /// Where captures of a regular expression go.
    pub register: Option<Register>,
    /// Named groups and the variables that they assign.
    pub groups: Vec<(Name, VarId)>,
    /// Whether all paths are meant but these.
    pub negated: bool,
}

/// How a [`Match`] is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The path.
    Exact,
    /// The path, or one below it: what follows begins with a slash.
    Under,
    /// Its beginning.
    Prefix,
    /// A regular expression, found anywhere.
    Regex,
    /// The last part of the name of the file that is answered with, by a regular expression.
    FileName,
}

impl Match {
    /// All paths.
    pub fn any() -> Self {
        Self::of(How::Prefix, "/")
    }

    /// Of a text.
    pub fn of(how: How, text: impl Into<String>) -> Self {
        Self {
            how,
            text: text.into(),
            ignore_case: false,
            register: None,
            groups: Vec::new(),
            negated: false,
        }
    }

    /// Whether every path is meant.
    pub fn is_any(&self) -> bool {
        self.how == How::Prefix && self.text.len() <= 1 && !self.negated
    }

    /// Whether this surely holds wherever `other` does.
    pub fn covers(&self, other: &Self) -> bool {
        if self.negated || other.negated {
            return self == other;
        }
        if self.is_any() {
            return true;
        }
        if self.ignore_case && !other.ignore_case && other.how == How::Exact && self.how != How::Regex {
            return self.text.eq_ignore_ascii_case(&other.text);
        }
        if self.ignore_case != other.ignore_case {
            return false;
        }
        match (self.how, other.how) {
            (How::Prefix, How::Exact | How::Under | How::Prefix) => {
                other.text.starts_with(&self.text)
                    && (other.how != How::Under || other.text.len() >= self.text.len())
            }
            (How::Under, How::Exact | How::Under | How::Prefix) => {
                let below = other.text.strip_prefix(&self.text);
                below.is_some_and(|rest| {
                    rest.starts_with('/')
                        || (rest.is_empty() && other.how != How::Prefix)
                        || self.text.ends_with('/')
                })
            }
            (How::Exact, How::Exact) | (How::Regex, How::Regex) | (How::FileName, How::FileName) => {
                self.text == other.text
            }
            (How::Regex, How::Exact | How::Under | How::Prefix) => {
                prefix_regex(&self.text).is_some_and(|prefix| other.text.starts_with(&prefix))
            }
            _ => false,
        }
    }

    /// Whether a path may be meant by both, as far as can be told.
    pub fn meets(&self, other: &Self) -> bool {
        if self.negated || other.negated || self.covers(other) || other.covers(self) {
            return true;
        }
        let beginning = |one: &Self| match one.how {
            How::Exact | How::Under | How::Prefix => Some(one.text.to_ascii_lowercase()),
            How::Regex => literal_start(&one.text).map(|text| text.to_ascii_lowercase()),
            How::FileName => None,
        };
        let (Some(mine), Some(theirs)) = (beginning(self), beginning(other)) else { return true };
        if self.how <= How::Prefix && other.how <= How::Prefix {
            return false;
        }
        mine.starts_with(&theirs) || theirs.starts_with(&mine)
    }
}

/// What captures of a pattern are, by number.
pub type Known = Vec<(u8, Attr)>;

/// The paths that a pattern on the path means; with `skip`, on the path without its first byte.
pub fn of_pattern(pattern: &Pattern, register: Option<Register>, skip: bool) -> (Match, Known) {
    let Pattern { kind, text, ignore_case, groups } = pattern;
    let text = String::from_utf8_lossy(text).into_owned();
    let slash = if skip { "/" } else { "" };
    let plain = |how: How, text: String| Match {
        ignore_case: *ignore_case && text.bytes().any(|byte| byte.is_ascii_alphabetic()),
        ..Match::of(how, text)
    };
    match kind {
        Kind::Exact => {
            let whole = plain(How::Exact, format!("{slash}{text}"));
            (whole, vec![(0, if skip { Attr::PathRest } else { Attr::Path })])
        }
        Kind::Prefix => (plain(How::Prefix, format!("{slash}{text}")), Vec::new()),
        Kind::Suffix => (plain(How::Regex, format!("{}$", escape(&text))), Vec::new()),
        Kind::Wildcard => {
            (plain(How::Regex, format!("^{}$", escape(&text).replace("\\*", ".*"))), Vec::new())
        }
        Kind::Regex(syntax) => {
            let text = if skip { path_regex(&text) } else { text };
            let (mut found, known) = of_regex(&text, *ignore_case, *syntax, skip);
            if found.how == How::Regex {
                found.register = register;
                found.groups.clone_from(groups);
            } else if !groups.is_empty() {
                let kept = Match {
                    ignore_case: *ignore_case,
                    register,
                    groups: groups.clone(),
                    ..Match::of(How::Regex, text)
                };
                return (kept, Vec::new());
            }
            (found, known)
        }
    }
}

/// A regular expression on a path without its slash, as one on the whole path.
pub fn path_regex(text: &str) -> String {
    let parts = alternatives(text);
    if parts.len() > 1 {
        return parts.iter().map(|part| path_regex(part)).collect::<Vec<_>>().join("|");
    }
    if let Some(rest) = text.strip_prefix('^') {
        return format!("^/{rest}");
    }
    // What takes all from the beginning takes the slash as well, which no capture had.
    for all in ["(.*)", "(.+)", "([\\s\\S]*)"] {
        if let Some(rest) = text.strip_prefix(all) {
            return format!("^/{all}{rest}");
        }
    }
    text.to_owned()
}

/// The alternatives of an expression that are not in a group.
fn alternatives(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut class) = (0_i32, 0, false);
    let mut parts = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth -= 1,
            b'|' if !class && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[from..]);
    parts
}

fn of_regex(text: &str, ignore_case: bool, _syntax: Syntax, skip: bool) -> (Match, Known) {
    let letters = |text: &str| ignore_case && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let whole = if skip { Attr::PathRest } else { Attr::Path };
    match text {
        "" | "^" => return (Match::any(), Vec::new()),
        ".*" | "^.*" | "^.*$" | ".*$" => return (Match::any(), vec![(0, whole)]),
        "(.*)" | "^(.*)$" | "^(.*)" | "(.*)$" => return (Match::any(), vec![(0, whole.clone()), (1, whole)]),
        "^/" | "^/.*" | "^/.*$" => return (Match::any(), vec![(0, Attr::Path)]),
        "^/(.*)" | "^/(.*)$" => return (Match::any(), vec![(0, whole), (1, Attr::PathRest)]),
        _ => {}
    }
    if let Some((start, rest)) = text.strip_prefix('^').map(literal)
        && !start.is_empty()
        && !letters(&start)
    {
        match rest {
            "$" => return (Match::of(How::Exact, start), vec![(0, whole)]),
            "" => return (Match::of(How::Prefix, start), Vec::new()),
            "(.*)" | "(.*)$" => {
                return (Match::of(How::Prefix, start), vec![(0, whole), (1, Attr::PathRest)]);
            }
            ".*" | ".*$" => return (Match::of(How::Prefix, start), vec![(0, whole)]),
            "(?:/|$)" | "(?:/.*)?$" => return (Match::of(How::Under, start), Vec::new()),
            _ => {}
        }
    }
    // Without letters, case is no matter.
    let kept = Match { ignore_case, ..Match::of(How::Regex, text) };
    (kept, Vec::new())
}

/// The literal beginning of an expression behind `^`, and what follows it.
fn literal(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    let mut end = 0;
    while let Some((at, c)) = chars.next() {
        let (piece, next) = match c {
            '\\' => match chars.peek().copied() {
                Some((to, c)) if !c.is_ascii_alphanumeric() => {
                    chars.next();
                    (c, to + c.len_utf8())
                }
                _ => break,
            },
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|' => break,
            c => (c, at + c.len_utf8()),
        };
        // A repetition belongs to what is before it.
        if text[next..].starts_with(['*', '+', '?', '{']) {
            break;
        }
        out.push(piece);
        end = next;
    }
    (out, &text[end..])
}

/// The text that each match of an expression begins with.
pub(super) fn literal_start(text: &str) -> Option<String> {
    if alternatives(text).len() > 1 {
        return None;
    }
    text.strip_prefix('^').map(|text| literal(text).0)
}

/// The prefix that an expression is.
fn prefix_regex(text: &str) -> Option<String> {
    let (start, rest) = literal(text.strip_prefix('^')?);
    matches!(rest, "" | "(.*)" | "(.*)$" | ".*").then_some(start)
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

impl Match {
    /// As a regular expression on the path.
    pub fn to_regex(&self) -> String {
        let text = &self.text;
        match self.how {
            How::Exact => format!("^{}$", escape(text)),
            How::Prefix if text.len() <= 1 => "^".to_owned(),
            How::Prefix => format!("^{}", escape(text)),
            How::Under => format!("^{}(?:/|$)", escape(text.trim_end_matches('/'))),
            How::Regex => text.clone(),
            How::FileName => {
                // On the last part of a path.
                match text.strip_prefix('^') {
                    Some(rest) => format!("/{rest}"),
                    None if text.ends_with('$') => text.clone(),
                    None => format!("{text}[^/]*$"),
                }
            }
        }
    }

    /// The same as text of the IR.
    pub fn bytes(&self) -> Text {
        self.text.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_become_what_they_are() {
        for (text, how, path) in [
            ("^/ws/(.*)", How::Prefix, "/ws/"),
            ("^/a\\.b$", How::Exact, "/a.b"),
            ("(.*)", How::Prefix, "/"),
            ("^/admin(?:/|$)", How::Under, "/admin"),
            ("\\.php$", How::Regex, "\\.php$"),
            ("^/ab?$", How::Regex, "^/ab?$"),
            ("^/a/(\\d+)$", How::Regex, "^/a/(\\d+)$"),
        ] {
            let (found, _) = of_pattern(&Pattern::regex(text, false), None, false);
            assert_eq!((found.how, found.text.as_str()), (how, path), "{text}");
        }
    }

    #[test]
    fn expressions_without_a_slash_get_one() {
        for (text, with) in
            [("^a", "^/a"), ("(.*)", "^/(.*)"), ("^a|^b", "^/a|^/b"), ("^(a|b)", "^/(a|b)"), ("x", "x")]
        {
            assert_eq!(path_regex(text), with);
        }
    }

    #[test]
    fn sets_of_paths_cover_others() {
        let of = Match::of;
        assert!(of(How::Prefix, "/a").covers(&of(How::Exact, "/ab")));
        assert!(of(How::Under, "/a").covers(&of(How::Prefix, "/a/")));
        assert!(!of(How::Under, "/a").covers(&of(How::Prefix, "/ab")));
        assert!(!of(How::Exact, "/a").covers(&of(How::Prefix, "/a")));
        assert!(!of(How::Prefix, "/a/").meets(&of(How::Prefix, "/b/")));
        assert!(of(How::Prefix, "/a/").meets(&of(How::Regex, "\\.css$")));
        assert!(!of(How::Prefix, "/a/").meets(&of(How::Regex, "^/b/.*$")));
    }
}
