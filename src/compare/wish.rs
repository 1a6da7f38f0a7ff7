//! What a request has to be for a test to hold, or not to.

use std::{cell::RefCell, collections::HashMap, net::IpAddr, rc::Rc};

use crate::{
    engine::rehearse::World,
    ir::{Attr, Config, Escape, FileKind, Kind, Part, Pattern, Template, Test, VarKind},
    plan::{Matcher, pattern::examples},
};

/// How deep variables and tests are followed.
const DEPTH: u8 = 6;

/// What is asked of a request; what is `None` is free.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// The path, decoded.
    pub path: Option<Vec<u8>>,
    /// Path and query as they are sent, in place of `path` and `query`.
    pub raw: Option<Vec<u8>>,
    /// The query.
    pub query: Option<Vec<u8>>,
    /// The method.
    pub method: Option<Vec<u8>>,
    /// Fields.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where it comes from.
    pub client: Option<IpAddr>,
    /// The host asked for.
    pub host: Option<Vec<u8>>,
    /// Whether over TLS.
    pub tls: Option<bool>,
    /// What the file system holds.
    pub world: Option<World>,
}

impl Wish {
    /// A path.
    pub fn path(path: &[u8]) -> Self {
        Self { path: Some(path.to_vec()), ..Self::default() }
    }

    /// A field.
    pub fn field(name: &[u8], value: &[u8]) -> Self {
        Self { fields: vec![(name.to_vec(), value.to_vec())], ..Self::default() }
    }

    /// Both; what `over` says counts.
    #[must_use]
    pub fn and(&self, over: &Self) -> Self {
        let mut fields = self.fields.clone();
        fields.retain(|(name, _)| !over.fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        fields.extend(over.fields.iter().cloned());
        let raw = if over.path.is_some() { None } else { self.raw.clone() };
        Self {
            path: over.path.clone().or_else(|| self.path.clone()),
            raw: over.raw.clone().or(raw),
            query: over.query.clone().or_else(|| self.query.clone()),
            method: over.method.clone().or_else(|| self.method.clone()),
            fields,
            client: over.client.or(self.client),
            host: over.host.clone().or_else(|| self.host.clone()),
            tls: over.tls.or(self.tls),
            world: over.world.or(self.world),
        }
    }
}

/// What was found out about patterns: sites of one kind have many alike, and compiling one takes long.
#[derive(Debug, Default)]
pub struct Memory(RefCell<HashMap<Known, Rc<Tried>>>);

/// What a pattern is.
type Known = (Kind, bool, Vec<u8>);

#[derive(Debug)]
struct Tried {
    matcher: Matcher,
    examples: Vec<Vec<u8>>,
}

impl Memory {
    fn of(&self, pattern: &Pattern) -> Option<Rc<Tried>> {
        let key = (pattern.kind, pattern.ignore_case, pattern.text.0.clone());
        if let Some(known) = self.0.borrow().get(&key) {
            return Some(Rc::clone(known));
        }
        let matcher = Matcher::new(pattern).ok()?;
        let tried = Rc::new(Tried { matcher, examples: examples(pattern) });
        self.0.borrow_mut().insert(key, Rc::clone(&tried));
        Some(tried)
    }
}

/// Texts that a pattern matches, or misses, the plainest first.
pub fn texts(memory: &Memory, pattern: &Pattern, matching: bool, path: bool) -> Vec<Vec<u8>> {
    let Some(tried) = memory.of(pattern) else { return Vec::new() };
    let Tried { matcher, examples } = &*tried;
    let mut candidates = examples.clone();
    if path {
        // A path begins with a slash, whatever the pattern is about.
        candidates = candidates
            .into_iter()
            .flat_map(|text| {
                if text.first() == Some(&b'/') {
                    vec![text]
                } else {
                    vec![[b"/", &*text].concat(), [b"/x", &*text].concat()]
                }
            })
            .collect();
        if !matching {
            candidates.push(b"/".to_vec());
            candidates.push(b"/zzz/other".to_vec());
        }
    } else if !matching {
        candidates.push(b"zzz".to_vec());
    }
    candidates.retain(|text| !text.contains(&0) && matcher.is_match(text) == Ok(matching));
    candidates
}

/// Solves tests of one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Solver<'c> {
    config: &'c Config,
    memory: &'c Memory,
    depth: u8,
}

impl<'c> Solver<'c> {
    /// For the variables of a configuration.
    pub fn new(config: &'c Config, memory: &'c Memory) -> Self {
        Self { config, memory, depth: 0 }
    }

    /// Ways for a test to hold, or not to.
    pub fn solve(self, test: &Test, want: bool) -> Vec<Wish> {
        if self.depth == DEPTH {
            return Vec::new();
        }
        let inner = Self { depth: self.depth + 1, ..self };
        match test {
            Test::All(all) if want => inner.together(all, true),
            Test::All(all) => inner.each_fails(all),
            Test::Any(any) if want => any.iter().flat_map(|one| inner.solve(one, true)).collect(),
            Test::Any(any) => inner.together(any, false),
            Test::Not(one) => inner.solve(one, !want),
            Test::Match { subject, pattern, into: _ } => inner.matching(subject, pattern, want),
            Test::Equal(left, right) => match (left.as_text(), right.as_text()) {
                (_, Some(text)) => inner.equal(left, text, want),
                (Some(text), _) => inner.equal(right, text, want),
                _ => Vec::new(),
            },
            Test::Compare { left, right, .. } => {
                let (of, text) = match (left.as_text(), right.as_text()) {
                    (_, Some(text)) => (left, text),
                    (Some(text), _) => (right, text),
                    _ => return Vec::new(),
                };
                // Which of them holds is for the program to say.
                let candidates = [text.to_vec(), [text, b"0"].concat(), b"0".to_vec(), b"zzz".to_vec()];
                candidates.iter().filter_map(|value| inner.assign(of, value)).collect()
            }
            Test::Present(of) if want => inner.assign(of, b"1").into_iter().collect(),
            Test::Truthy(of) if want => {
                let mut ways: Vec<_> = inner.assign(of, b"1").into_iter().collect();
                ways.extend(inner.by_variable(of, |value| !value.is_empty() && value != b"0"));
                ways
            }
            Test::Truthy(of) => {
                let mut ways = vec![Wish::default()];
                ways.extend(inner.assign(of, b"0"));
                ways.extend(inner.by_variable(of, |value| value.is_empty() || value == b"0"));
                ways
            }
            Test::InNetwork(of, networks) => {
                let inside = networks.iter().map(|(address, _)| *address);
                let outside =
                    ["198.51.100.9", "2001:db8:ffff::9"].iter().filter_map(|text| text.parse().ok());
                let addresses: Vec<IpAddr> = if want { inside.collect() } else { outside.collect() };
                addresses
                    .iter()
                    .filter_map(|address| inner.assign(of, address.to_string().as_bytes()))
                    .collect()
            }
            Test::Longer(of, bytes) => {
                let length = if want { bytes.saturating_add(1) } else { 1 };
                let value = vec![b'a'; usize::try_from(length).unwrap_or(1).min(4000)];
                inner.assign(of, &value).into_iter().collect()
            }
            Test::File(_, kind) => {
                let world = match (want, kind) {
                    (false, _) => World::Empty,
                    (true, FileKind::Directory) => World::Folders,
                    (true, _) => World::Files,
                };
                vec![Wish { world: Some(world), ..Wish::default() }]
            }
            Test::Method(methods) => {
                let usual: [&[u8]; 4] = [b"GET", b"POST", b"OPTIONS", b"DELETE"];
                let others = usual.into_iter().filter(|method| methods.iter().all(|one| **one != **method));
                let of = |method: &[u8]| Wish { method: Some(method.to_vec()), ..Wish::default() };
                if want {
                    methods.iter().map(|method| of(method)).collect()
                } else {
                    others.map(of).take(1).collect()
                }
            }
            Test::Present(_) => vec![Wish::default()],
            Test::Depends(_) | Test::Status(_) | Test::Internal => Vec::new(),
        }
    }

    /// All of them as wanted: the first way of each, and every other way of each with the first of the rest.
    fn together(self, tests: &[Test], want: bool) -> Vec<Wish> {
        let ways: Vec<Vec<Wish>> = tests.iter().map(|test| self.solve(test, want)).collect();
        let first = |skip: usize| {
            ways.iter()
                .enumerate()
                .filter(|(at, _)| *at != skip)
                .filter_map(|(_, of)| of.first())
                .fold(Wish::default(), |all, one| all.and(one))
        };
        let mut all = vec![first(usize::MAX)];
        for (at, of) in ways.iter().enumerate() {
            let rest = first(at);
            all.extend(of.iter().skip(1).take(6).map(|one| rest.and(one)));
        }
        all
    }

    /// Each fails while the others hold.
    fn each_fails(self, tests: &[Test]) -> Vec<Wish> {
        let hold: Vec<Option<Wish>> =
            tests.iter().map(|test| self.solve(test, true).into_iter().next()).collect();
        let mut all = Vec::new();
        for (at, test) in tests.iter().enumerate() {
            let others = hold.iter().enumerate().filter(|(other, _)| *other != at);
            let rest =
                others.filter_map(|(_, one)| one.as_ref()).fold(Wish::default(), |all, one| all.and(one));
            all.extend(self.solve(test, false).iter().take(4).map(|one| rest.and(one)));
        }
        all
    }

    /// Ways for a value to match a pattern, or not to.
    pub fn matching(self, subject: &Template, pattern: &Pattern, want: bool) -> Vec<Wish> {
        let path = is_path(subject);
        let mut ways: Vec<Wish> = texts(self.memory, pattern, want, path)
            .iter()
            .filter_map(|text| self.assign(subject, text))
            .collect();
        if let Some(tried) = self.memory.of(pattern) {
            let matcher = &tried.matcher;
            ways.extend(self.by_variable(subject, |value| matcher.is_match(value) == Ok(want)));
            if !want && matcher.is_match(b"") == Ok(false) && !path {
                ways.push(Wish::default());
            }
        }
        ways
    }

    fn equal(self, of: &Template, text: &[u8], want: bool) -> Vec<Wish> {
        let mut ways: Vec<Wish> = if want {
            self.assign(of, text).into_iter().collect()
        } else {
            let other = [text, b"x"].concat();
            self.assign(of, &other).into_iter().chain([Wish::default()]).collect()
        };
        ways.extend(self.by_variable(of, |value| (value == text) == want));
        ways
    }

    /// Ways for a variable to have a value that holds.
    fn by_variable(self, of: &Template, holds: impl Fn(&[u8]) -> bool) -> Vec<Wish> {
        let [Part::Var(var)] = &*of.0 else { return Vec::new() };
        if self.depth >= DEPTH {
            return Vec::new();
        }
        let inner = Self { depth: self.depth + 1, ..self };
        match &self.config.var(*var).kind {
            VarKind::Table { key, rows, .. } => {
                let fits = rows.iter().filter(|row| row.value.as_text().is_some_and(&holds)).take(8);
                fits.flat_map(|row| inner.matching(key, &row.pattern, true).into_iter().take(2)).collect()
            }
            VarKind::Choice { choices, .. } => {
                let fits = choices.iter().filter(|choice| choice.value.as_text().is_some_and(&holds)).take(8);
                fits.flat_map(|choice| inner.solve(&choice.test, true).into_iter().take(2)).collect()
            }
            VarKind::Network { rows, key, .. } => {
                let fits = rows.iter().filter(|row| holds(&row.value)).take(8);
                fits.filter_map(|row| inner.assign(key, row.address.to_string().as_bytes())).collect()
            }
            VarKind::Assigned | VarKind::Optional | VarKind::Split { .. } => Vec::new(),
        }
    }

    /// Every row of a table, and a key that is in none.
    pub fn rows(self, kind: &VarKind) -> Vec<Wish> {
        match kind {
            VarKind::Table { key, rows, .. } => {
                let mut ways: Vec<Wish> = rows
                    .iter()
                    .take(64)
                    .flat_map(|row| {
                        let mut ways = self.matching(key, &row.pattern, true);
                        ways.truncate(3);
                        ways.extend(self.matching(key, &row.pattern, false).into_iter().take(1));
                        ways
                    })
                    .collect();
                ways.extend(self.assign(key, b"zzz"));
                ways
            }
            VarKind::Choice { choices, .. } => {
                let both = |test| [self.solve(test, true), self.solve(test, false)].concat();
                choices.iter().take(64).flat_map(|choice| both(&choice.test)).collect()
            }
            VarKind::Network { rows, key, .. } => {
                let inside = rows.iter().take(32).map(|row| row.address.to_string());
                inside
                    .chain(["198.51.100.9".to_owned()])
                    .filter_map(|text| self.assign(key, text.as_bytes()))
                    .collect()
            }
            VarKind::Assigned | VarKind::Optional | VarKind::Split { .. } => Vec::new(),
        }
    }

    /// What a request has to be for a template to have a value.
    pub fn assign(self, of: &Template, value: &[u8]) -> Option<Wish> {
        if self.depth == DEPTH {
            return None;
        }
        let inner = Self { depth: self.depth + 1, ..self };
        match &*of.0 {
            [Part::Attr(attr)] => attribute(attr, value),
            [Part::Escape(Escape::Skip(count), of)] => {
                inner.assign(of, &[&b"/".repeat((*count).min(64) as usize), value].concat())
            }
            [Part::Escape(_, of)] => inner.assign(of, value),
            [Part::Rest { of, after }] => inner.assign(of, &[after.as_text()?, value].concat()),
            [Part::Start { of, before }] => inner.assign(of, &[value, before.as_text()?].concat()),
            [Part::Var(var)] => {
                let ways = match &self.config.var(*var).kind {
                    VarKind::Table { key, rows, .. } => {
                        let row = rows.iter().find(|row| row.value.as_text() == Some(value));
                        match row {
                            Some(row) => inner.matching(key, &row.pattern, true),
                            // A table that passes its key on.
                            None => return inner.assign(key, value),
                        }
                    }
                    VarKind::Choice { choices, .. } => {
                        let choice = choices.iter().find(|one| one.value.as_text() == Some(value))?;
                        inner.solve(&choice.test, true)
                    }
                    _ => Vec::new(),
                };
                ways.into_iter().next()
            }
            [Part::Text(text), rest @ ..] if !rest.is_empty() => {
                inner.assign(&Template(rest.to_vec()), value.strip_prefix(&text[..])?)
            }
            [rest @ .., Part::Text(text)] if !rest.is_empty() => {
                inner.assign(&Template(rest.to_vec()), value.strip_suffix(&text[..])?)
            }
            // `scheme://…`, `host…`: each part takes up to the text behind it.
            [first, Part::Text(text), rest @ ..] if !rest.is_empty() => {
                let at = memchr::memmem::find(value, text)?;
                let one = inner.assign(&Template(vec![first.clone()]), &value[..at])?;
                let other = inner.assign(&Template(rest.to_vec()), &value[at + text.len()..])?;
                Some(one.and(&other))
            }
            [first @ Part::Attr(Attr::Host | Attr::Authority), rest @ ..] if !rest.is_empty() => {
                let at = memchr::memchr(b'/', value).unwrap_or(value.len());
                let one = inner.assign(&Template(vec![first.clone()]), &value[..at])?;
                Some(
                    inner
                        .assign(&Template(rest.to_vec()), &value[at..])
                        .map_or(one.clone(), |other| one.and(&other)),
                )
            }
            // Path and query.
            [Part::Attr(Attr::Path), ..] => {
                Some(Wish { raw: Some(super::probe::encode(value)), ..Wish::default() })
            }
            _ => None,
        }
    }
}

/// Whether a subject is the path, or ends where it does.
fn is_path(subject: &Template) -> bool {
    match &*subject.0 {
        [Part::Attr(attr)] => {
            matches!(attr, Attr::Path | Attr::Target | Attr::PathRest | Attr::FilePath)
        }
        [Part::Escape(Escape::Skip(_), _)] => false,
        [Part::Escape(_, of)] => is_path(of),
        _ => false,
    }
}

/// What a request has to be for an attribute to have a value.
fn attribute(attr: &Attr, value: &[u8]) -> Option<Wish> {
    let none = Wish::default();
    let fits = !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    if !fits {
        return None;
    }
    Some(match attr {
        Attr::Path | Attr::FilePath => Wish::path(value),
        Attr::Target => {
            let clean = value.iter().all(u8::is_ascii_graphic) && value.first() == Some(&b'/');
            Wish { raw: Some(if clean { value.to_vec() } else { super::probe::encode(value) }), ..none }
        }
        Attr::RequestLine => {
            let target = value.split(|byte| *byte == b' ').find(|word| word.first() == Some(&b'/'))?;
            Wish { raw: Some(target.to_vec()), ..none }
        }
        Attr::RequestFields | Attr::RequestVariables => Wish::field(b"X-Fields", value),
        Attr::Query => Wish { query: Some(query(value)), ..none },
        Attr::QueryMark => Wish { query: (!value.is_empty()).then(|| b"q=1".to_vec()), ..none },
        Attr::Param(name) => Wish { query: Some(query(&[&name[..], b"=", value].concat())), ..none },
        Attr::Field(name) | Attr::FieldList(name) if name.eq_ignore_ascii_case(b"host") => {
            Wish { host: Some(value.to_vec()), ..none }
        }
        // How content is framed is not for a request to say that has none.
        Attr::Field(name) | Attr::FieldList(name) if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            return None;
        }
        Attr::Field(name) | Attr::FieldList(name) => Wish::field(&dashed(name), value),
        Attr::Cookie(name) => Wish::field(b"Cookie", &[&name[..], b"=", value].concat()),
        Attr::Host | Attr::HostName | Attr::Authority => Wish { host: Some(value.to_vec()), ..none },
        Attr::Method => Wish { method: value.is_ascii().then(|| value.to_vec()), ..none },
        Attr::Scheme => Wish { tls: Some(value == b"https"), ..none },
        Attr::Https => Wish { tls: Some(value.eq_ignore_ascii_case(b"on")), ..none },
        Attr::ClientAddr | Attr::PeerAddr => {
            Wish { client: Some(std::str::from_utf8(value).ok()?.parse().ok()?), ..none }
        }
        Attr::ContentLength => {
            Wish { method: Some(b"POST".to_vec()), ..Wish::field(b"Content-Length", value) }
        }
        Attr::ForwardedFor => Wish::field(b"X-Forwarded-For", value),
        _ => return None,
    })
}

fn query(text: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    text.iter()
        .flat_map(|byte| if plain(byte) { vec![*byte] } else { format!("%{byte:02X}").into_bytes() })
        .collect()
}

/// A field's name as it is sent.
fn dashed(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect()
}
