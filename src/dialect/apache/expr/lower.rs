//! What expressions mean: tests and templates of the IR.

use std::net::IpAddr;

use super::{
    super::{
        glob,
        lower::{Cx, DIGEST},
        tree::{Word as Argument, Written},
        vars::{self, Meaning},
    },
    Comparison, Condition, List, Piece, Word, Wrong, parse,
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    ir::{
        Attr, By, Choice, Escape, FileKind, Kind, Name, Part, Pattern, Register, Relation, Syntax, Template,
        Test, Var, VarId, VarKind,
    },
    source::Span,
};

/// Captures of the last match in an expression: `$1`.
pub(crate) const MATCH: Register = Register('E');

/// The variable that takes the content of an answer to a look at a member: `hc('body')`.
pub(crate) const CHECKED_CONTENT: &str = "@checked_content";

/// Functions and what they do to their argument.
const FUNCTIONS: &[(&str, Function)] = &[
    ("req", Function::Field { varies: true }),
    ("http", Function::Field { varies: true }),
    ("req_novary", Function::Field { varies: false }),
    ("resp", Function::Sent),
    ("reqenv", Function::Env),
    ("osenv", Function::System),
    ("note", Function::Note),
    ("env", Function::Any),
    ("tolower", Function::Of(Escape::Lower)),
    ("toupper", Function::Of(Escape::Upper)),
    ("escape", Function::Of(Escape::UriText)),
    ("unescape", Function::Of(Escape::UriDecode)),
    ("base64", Function::Of(Escape::Base64)),
    ("unbase64", Function::Of(Escape::Unbase64)),
    ("md5", Function::Of(Escape::Md5)),
    ("sha1", Function::Of(Escape::Sha1)),
    ("ldap", Function::Of(Escape::Directory)),
    ("file", Function::Of(Escape::FileText)),
    ("filesize", Function::Of(Escape::FileSize)),
    ("hc", Function::Checked),
];

/// What a function does.
#[derive(Clone, Copy, Debug)]
enum Function {
    /// A field of the request.
    Field { varies: bool },
    /// A field of the response.
    Sent,
    /// A variable of the request's environment.
    Env,
    /// One of the process's.
    System,
    /// A note.
    Note,
    /// A note, else the request's environment, else the process's.
    Any,
    /// What was seen of a member of a balancer.
    Checked,
    /// Its argument in another representation.
    Of(Escape),
}

/// The condition that an argument is.
pub(crate) fn test(cx: &mut Cx, argument: &Argument) -> Option<Test> {
    test_into(cx, &written(argument), MATCH)
}

/// The same, with the register that its captures go to.
pub(crate) fn test_into(cx: &mut Cx, text: &Written, into: Register) -> Option<Test> {
    test_of(cx, text, parse::condition(text.bytes()), into)
}

/// The test of an `SSLRequire`.
pub(crate) fn test_of_words(cx: &mut Cx, text: &Written) -> Option<Test> {
    test_of(cx, text, parse::of_words(text.bytes()), MATCH)
}

fn test_of(cx: &mut Cx, text: &Written, read: Result<Condition, Wrong>, into: Register) -> Option<Test> {
    match read {
        Ok(condition) => {
            let mut lower = Lower { cx, text, into, captured: false, failed: false, varies: Vec::new() };
            let test = lower.condition(&condition);
            (!lower.failed).then_some(test)
        }
        Err(wrong) => {
            report(cx, text, &wrong);
            None
        }
    }
}

/// The text with variables that an argument, or a part of one, is.
pub(crate) fn template_of(cx: &mut Cx, text: &Written) -> Option<Template> {
    template_from(cx, text, MATCH)
}

/// The same, with the register that captures come from where a test went before.
pub(crate) fn template_from(cx: &mut Cx, text: &Written, into: Register) -> Option<Template> {
    match parse::text(text.bytes()) {
        Ok(word) => {
            let mut lower = Lower { cx, text, into, captured: false, failed: false, varies: Vec::new() };
            let template = lower.word(&word);
            (!lower.failed).then_some(template)
        }
        Err(wrong) => {
            report(cx, text, &wrong);
            None
        }
    }
}

/// An argument's text with its place; byte by byte where it is written as it is.
pub(crate) fn written(argument: &Argument) -> Written {
    let mut text = Written::default();
    let Span { file, start, end } = argument.span;
    let inner = u32::from(argument.quoted);
    let plain = end.saturating_sub(start) as usize == argument.value.len() + 2 * inner as usize;
    if plain {
        text.push(&argument.value, Span::new(file, start + inner, end - inner));
    } else {
        text.push_for(&argument.value, argument.span);
    }
    text
}

fn report(cx: &mut Cx, text: &Written, wrong: &Wrong) {
    let at = wrong.at.min(text.bytes().len());
    let end = (at + 1).min(text.bytes().len());
    let span = text.span(at..end);
    let finding = Diagnostic::error("expression", span, "this is no expression");
    cx.report(finding.because(wrong.message.clone()));
}

struct Lower<'l, 'a> {
    cx: &'l mut Cx<'a>,
    text: &'l Written,
    into: Register,
    /// Whether a regular expression with groups came before.
    captured: bool,
    failed: bool,
    /// Request fields that the word at hand reads.
    varies: Vec<Name>,
}

impl Lower<'_, '_> {
    fn span(&self, at: usize, length: usize) -> Span {
        self.text.span(at..(at + length).min(self.text.bytes().len()))
    }

    fn error(&mut self, at: usize, length: usize, message: impl Into<String>) {
        self.failed = true;
        let span = self.span(at, length);
        self.cx.error("expression", span, message);
    }

    fn refuse(&mut self, at: usize, length: usize, message: impl Into<String>, help: &'static str) {
        self.failed = true;
        let span = self.span(at, length);
        self.cx.refuse(Diagnostic::error("refused", span, message).help(help));
    }

    fn condition(&mut self, condition: &Condition) -> Test {
        match condition {
            Condition::Constant(holds) => constant(*holds),
            Condition::Not(inner) => not(self.condition(inner)),
            Condition::All(all) => {
                let mut tests = Vec::new();
                for one in all {
                    match self.condition(one) {
                        Test::All(inner) if !inner.is_empty() => tests.extend(inner),
                        test => tests.push(test),
                    }
                }
                tests.retain(|test| *test != constant(true));
                if tests.first() == Some(&constant(false)) { constant(false) } else { alone(tests) }
            }
            Condition::Any(any) => {
                let mut tests: Vec<_> = any.iter().map(|one| self.condition(one)).collect();
                tests.retain(|test| *test != constant(false));
                match tests.first() {
                    Some(first) if *first == constant(true) => constant(true),
                    _ if tests.len() == 1 => tests.swap_remove(0),
                    _ => Test::Any(tests),
                }
            }
            Condition::Compare(comparison, left, right) => {
                let (left, right) = (self.word(left), self.word(right));
                let test = compare(*comparison, left, right);
                self.noting(test)
            }
            Condition::Match { word, regex, negated } => {
                let subject = self.word(word);
                let pattern = Pattern {
                    kind: Kind::Regex(Syntax::PerlWhole),
                    text: regex.text.as_slice().into(),
                    ignore_case: regex.ignore_case,
                    groups: Vec::new(),
                };
                let groups = has_groups(&regex.text);
                self.captured |= groups;
                let test = Test::Match { subject, pattern, into: groups.then_some(self.into) };
                let test = if *negated { not(test) } else { test };
                self.noting(test)
            }
            Condition::In(word, list) => self.within(word, list),
            Condition::Unary(operator, word, at) => self.unary(*operator, word, *at),
            Condition::Binary(name, left, right, at) => self.binary(name, left, right, *at),
        }
    }

    /// The response depends on what a test reads of the request, whatever its answer.
    fn noting(&mut self, test: Test) -> Test {
        let names = std::mem::take(&mut self.varies);
        if names.is_empty() { test } else { Test::All(vec![Test::Depends(names), test]) }
    }

    fn within(&mut self, word: &Word, list: &List) -> Test {
        let subject = self.word(word);
        match list {
            List::Words(words) => {
                let equal = |word: &Word, lower: &mut Self| {
                    let comparison = Comparison { relation: Relation::Equal, integer: false };
                    compare(comparison, subject.clone(), lower.word(word))
                };
                // The last is looked at first (2.4.71, by what `Vary` says).
                let mut tests: Vec<_> = words
                    .iter()
                    .rev()
                    .map(|word| {
                        let test = equal(word, self);
                        self.noting(test)
                    })
                    .collect();
                tests.retain(|test| *test != constant(false));
                if tests.len() == 1 { tests.swap_remove(0) } else { Test::Any(tests) }
            }
            List::Call(name, _, at) if name.eq_ignore_ascii_case(b"PeerExtList") => {
                self.refuse(
                    *at,
                    name.len(),
                    "extensions of client certificates are not read",
                    "test SSL_CLIENT_VERIFY",
                );
                constant(false)
            }
            List::Call(name, _, at) => {
                let message = format!("there is no function `{}` that gives a list", name.escape_ascii());
                self.error(*at, name.len(), message);
                constant(false)
            }
        }
    }

    fn unary(&mut self, operator: u8, word: &Word, at: usize) -> Test {
        let value = self.word(word);
        let kind = match operator {
            b'n' | b'z' => {
                let comparison = Comparison { relation: Relation::Equal, integer: false };
                let empty = compare(comparison, value, Template::default());
                let test = if operator == b'z' { empty } else { not(empty) };
                return self.noting(test);
            }
            b'T' => {
                let text = "^(?:0|off|false|no|)$";
                let pattern = Pattern { ignore_case: true, ..whole(text) };
                let test = not(Test::Match { subject: value, pattern, into: None });
                return self.noting(test);
            }
            b'R' => {
                let Some(network) = word.constant() else {
                    self.error(at, 2, "`-R` takes a network that is written out");
                    return constant(false);
                };
                let network = self.network(network, at);
                return Test::InNetwork(Template::attr(Attr::ClientAddr), network.into_iter().collect());
            }
            b'd' => FileKind::Directory,
            b'e' => FileKind::Any,
            b'f' => FileKind::File,
            b's' => FileKind::NonEmpty,
            b'L' | b'h' => FileKind::Link,
            b'x' => FileKind::Executable,
            b'F' | b'U' | b'A' => {
                let message =
                    format!("`-{}` asks what another request would be answered", char::from(operator));
                self.refuse(at, 2, message, "ask for the file with `-f` or `-e`");
                return constant(false);
            }
            other => {
                self.error(at, 2, format!("there is no operator `-{}` for one value", char::from(other)));
                return constant(false);
            }
        };
        self.noting(Test::File(value, kind))
    }

    fn binary(&mut self, name: &[u8], left: &Word, right: &Word, at: usize) -> Test {
        let subject = self.word(left);
        let lower = name.to_ascii_lowercase();
        let (slash, ignore_case) = match lower.as_slice() {
            b"ipmatch" => {
                let Some(network) = right.constant() else {
                    self.error(at, 8, "`-ipmatch` takes a network that is written out");
                    return constant(false);
                };
                let network = self.network(network, at);
                return self.noting(Test::InNetwork(subject, network.into_iter().collect()));
            }
            b"strmatch" => (glob::Slash::Like, false),
            b"strcmatch" => (glob::Slash::Like, true),
            b"fnmatch" => (glob::Slash::Apart, false),
            _ => {
                let message = format!("there is no operator `-{}`", name.escape_ascii());
                self.error(at, name.len() + 1, message);
                return constant(false);
            }
        };
        let Some(pattern) = right.constant() else {
            let help = "write the pattern out, or use `=~`";
            self.refuse(at, name.len() + 1, "a pattern that is known only when it is read", help);
            return constant(false);
        };
        let pattern = whole(&format!("^{}$", glob::regex(pattern, slash)));
        self.noting(Test::Match { subject, pattern: Pattern { ignore_case, ..pattern }, into: None })
    }

    /// A network: `10.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`.
    fn network(&mut self, text: &[u8], at: usize) -> Option<(IpAddr, u8)> {
        let found = network(&String::from_utf8_lossy(text));
        if found.is_none() {
            let message = format!("`{}` is no network", text.escape_ascii());
            self.error(at, 2, message);
        }
        found
    }

    fn word(&mut self, word: &Word) -> Template {
        let mut out = Template::default();
        for piece in &word.0 {
            match piece {
                Piece::Text(text) => out.push(Part::Text(text.as_slice().into())),
                Piece::Group(group) if self.captured || self.into != MATCH => {
                    out.push(Part::Capture(self.into, *group));
                }
                Piece::Group(_) => {}
                Piece::Variable(name, at) => {
                    for part in self.variable(name, *at).0 {
                        out.push(part);
                    }
                }
                Piece::Call(name, argument, at) => {
                    for part in self.call(name, argument, *at).0 {
                        out.push(part);
                    }
                }
            }
        }
        out
    }

    fn variable(&mut self, name: &[u8], at: usize) -> Template {
        if let Some(field) = vars::field(name)
            && field != "Host"
        {
            self.varies.push(field.into());
        }
        if let Some(meaning) = vars::in_expression(name) {
            return self.cx.meaning(&meaning);
        }
        let shown = String::from_utf8_lossy(name).into_owned();
        let span = self.span(at, name.len());
        let mut finding =
            Diagnostic::error("unknown-variable", span, format!("unknown variable `%{{{shown}}}`"));
        if let Some(field) = shown.to_ascii_uppercase().strip_prefix("HTTP_") {
            finding = finding.help(format!("write `%{{HTTP:{}}}`", field.replace('_', "-")));
        } else if let Some(meant) = suggest::nearest(&shown.to_ascii_uppercase(), vars::names()) {
            finding = finding.help(format!("did you mean `%{{{meant}}}`?"));
        }
        self.failed = true;
        self.cx.report(finding);
        Template::default()
    }

    fn call(&mut self, name: &[u8], argument: &Word, at: usize) -> Template {
        let lower = name.to_ascii_lowercase();
        if lower == b"ssl"
            && let Some(variable) = argument.constant()
        {
            return vars::tls(variable).map_or_else(Template::default, |meaning| self.cx.meaning(&meaning));
        }
        let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| known.as_bytes() == lower) else {
            let shown = String::from_utf8_lossy(name).into_owned();
            let span = self.span(at, name.len());
            let mut finding =
                Diagnostic::error("unknown-function", span, format!("unknown function `{shown}`"));
            let known = FUNCTIONS.iter().map(|(name, _)| *name);
            if let Some(meant) = suggest::nearest(&shown.to_ascii_lowercase(), known) {
                finding = finding.help(format!("did you mean `{meant}`?"));
            }
            self.failed = true;
            self.cx.report(finding);
            return Template::default();
        };
        if let Function::Of(how) = function {
            let of_file = matches!(how, Escape::FileText | Escape::FileSize);
            if of_file && self.cx.local {
                self.error(at, name.len(), "files cannot be read from a .htaccess file");
            }
            let value = self.word(argument);
            return Template(vec![Part::Escape(*how, value)]);
        }
        let Some(argument) = argument.constant() else {
            self.refuse(at, name.len(), "a name that is known only when it is read", "write the name out");
            return Template::default();
        };
        match function {
            Function::Field { varies } => {
                if *varies && !argument.eq_ignore_ascii_case(b"host") {
                    self.varies.push(argument.into());
                }
                if argument.eq_ignore_ascii_case(b"host") {
                    return Template::attr(Attr::Authority);
                }
                Template::attr(Attr::FieldList(argument.into()))
            }
            Function::Sent => Template::attr(Attr::SentField(argument.into())),
            Function::Env => Template::var(self.cx.env(argument)),
            Function::System => self.cx.process_env(argument),
            Function::Note => Template::var(self.cx.note(argument)),
            Function::Any => {
                let values = [Template::var(self.cx.note(argument)), Template::var(self.cx.env(argument))];
                let otherwise = self.cx.process_env(argument);
                self.cx.first_present(&values, otherwise)
            }
            Function::Checked if argument.eq_ignore_ascii_case(b"body") => {
                Template::var(self.cx.own(CHECKED_CONTENT))
            }
            Function::Checked | Function::Of(_) => Template::default(),
        }
    }
}

impl Cx<'_> {
    /// What a server variable stands for.
    pub(crate) fn meaning(&mut self, meaning: &Meaning) -> Template {
        match meaning {
            Meaning::Attr(attr) => Template::attr(attr.clone()),
            Meaning::Else(attr, otherwise) => {
                self.first_present(&[Template::attr(attr.clone())], (*otherwise).into())
            }
            Meaning::Chosen { of, choices, itself } => {
                const PART: Register = Register('Q');
                let value = Template::attr(of.clone());
                let mut found = Vec::new();
                for (pattern, text) in choices {
                    let pattern = Pattern::whole(pattern.as_str(), false);
                    let (into, shown) = match text {
                        Some(text) => (None, Template::text(*text)),
                        None => (Some(PART), Template(vec![Part::Capture(PART, 1)])),
                    };
                    // What is missing matches nothing, not even the empty pattern.
                    let present = Test::Present(value.clone());
                    let matches = Test::Match { subject: value.clone(), pattern, into };
                    found.push((Test::All(vec![present, matches]), shown));
                }
                let otherwise = if *itself { value } else { Template::attr(Attr::Missing) };
                Template::var(self.choice("", found, otherwise))
            }
            Meaning::Text(text) => Template::text(*text),
            Meaning::File => {
                // A server's rules come before the file is known.
                let file = Template::var(self.file());
                self.first_present(&[file], Template::attr(Attr::Path))
            }
            Meaning::PathInfo => Template::var(self.path_info()),
            Meaning::DocumentRoot => Template::var(self.own("@root")),
            Meaning::ContextPrefix => Template::var(self.own("@context_prefix")),
            Meaning::ContextRoot => {
                let root = Template::var(self.own("@context_root"));
                let document_root = Template::var(self.own("@root"));
                self.first_present(&[root], document_root)
            }
            Meaning::ServerName => Template::attr(Attr::OwnHost),
            Meaning::ServerPort => Template::attr(Attr::OwnPort),
            Meaning::ServerAdmin => Template::attr(Attr::Contact),
            Meaning::ServerSoftware => Template::attr(Attr::ServerToken),
            Meaning::Handler => Template::var(self.own("@handler")),
            Meaning::ContentType => Template::attr(Attr::SentField("Content-Type".into())),
            Meaning::Subrequest => {
                let asked = Test::Truthy(Template::var(self.own("@subrequest")));
                Template::var(self.choice("@is_subrequest", vec![(asked, "true".into())], "false".into()))
            }
            Meaning::User => Template::attr(Attr::KnownUser),
            Meaning::AuthType => {
                let known = Test::Longer(Template::attr(Attr::KnownUser), 0);
                let digest = Test::Truthy(Template::var(self.own(DIGEST)));
                let by_digest = (Test::All(vec![known.clone(), digest]), "Digest".into());
                let none = Template::attr(Attr::Missing);
                Template::var(self.choice("@auth_type", vec![by_digest, (known, "Basic".into())], none))
            }
            Meaning::RemoteHost => Template::attr(Attr::ClientAddr),
            Meaning::Https => {
                Template::var(self.choice("@https", vec![(is_tls(), "on".into())], "off".into()))
            }
            Meaning::Ipv6 => {
                let subject = Template::attr(Attr::PeerAddr);
                let test = Test::Match { subject, pattern: Pattern::whole(":", false), into: None };
                Template::var(self.choice("@ipv6", vec![(test, "on".into())], "off".into()))
            }
            Meaning::Http2 => {
                let subject = Template::attr(Attr::Protocol);
                let test = Test::Match { subject, pattern: Pattern::prefix("HTTP/2"), into: None };
                Template::var(self.choice("@http2", vec![(test, "on".into())], "off".into()))
            }
            Meaning::Status => Template::attr(Attr::Status),
            Meaning::LastModified | Meaning::Owner(_) => Template::attr(Attr::Missing),
        }
    }

    /// A note of the request.
    pub(crate) fn note(&mut self, name: &[u8]) -> VarId {
        self.env(&[b"@note:", name].concat())
    }

    /// A variable of the process's environment, as it is now.
    pub(crate) fn process_env(&self, name: &[u8]) -> Template {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let name = std::ffi::OsStr::from_bytes(name);
        match std::env::var_os(name).filter(|_| !self.options.offline) {
            Some(value) => Template::text(value.into_vec()),
            None => Template::attr(Attr::Missing),
        }
    }

    /// The first of these that is not missing, else the last.
    pub(crate) fn first_present(&mut self, values: &[Template], otherwise: Template) -> Template {
        let choice = |value: &Template| (Test::Present(value.clone()), value.clone());
        let choices = values.iter().map(choice).collect();
        Template::var(self.choice("", choices, otherwise))
    }

    /// A value that depends on tests. What was asked for before is not made again.
    pub(crate) fn choice(
        &mut self,
        name: &'static str,
        choices: Vec<(Test, Template)>,
        default: Template,
    ) -> VarId {
        let choices = choices.into_iter().map(|(test, value)| Choice { test, value }).collect();
        let kind = VarKind::Choice { choices, default };
        let known = self.config.vars.iter().position(|var| var.kind == kind);
        let at = known.unwrap_or_else(|| {
            let shown = if name.is_empty() { "@value" } else { name };
            self.config.vars.push(Var { name: shown.into(), kind, span: Span::NONE });
            self.config.vars.len() - 1
        });
        VarId(at as u32)
    }
}

fn is_tls() -> Test {
    Test::Equal(Template::attr(Attr::Scheme), "https".into())
}

/// A test with this answer.
fn constant(holds: bool) -> Test {
    if holds { Test::All(Vec::new()) } else { Test::Any(Vec::new()) }
}

fn not(test: Test) -> Test {
    match test {
        Test::Not(inner) => *inner,
        Test::All(tests) if tests.is_empty() => constant(false),
        Test::Any(tests) if tests.is_empty() => constant(true),
        test => Test::Not(Box::new(test)),
    }
}

fn alone(mut tests: Vec<Test>) -> Test {
    if tests.len() == 1 { tests.swap_remove(0) } else { Test::All(tests) }
}

/// A comparison, decided at once where both sides are known.
fn compare(comparison: Comparison, left: Template, right: Template) -> Test {
    let Comparison { relation, integer } = comparison;
    let by = if integer { By::Integer } else { By::Bytes };
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        return constant(relation.holds(by.compare(left, right)));
    }
    match (relation, integer) {
        (Relation::Equal, false) => Test::Equal(left, right),
        (Relation::NotEqual, false) => not(Test::Equal(left, right)),
        _ => Test::Compare { left, right, relation, by },
    }
}

/// A regular expression for the whole of a text.
fn whole(text: &str) -> Pattern {
    let kind = Kind::Regex(Syntax::PerlWhole);
    Pattern { kind, text: text.into(), ignore_case: false, groups: Vec::new() }
}

/// Whether a pattern has groups that capture: only then a match is remembered (2.4.71).
fn has_groups(pattern: &[u8]) -> bool {
    let mut escaped = false;
    let mut class = false;
    pattern.iter().enumerate().any(|(at, &byte)| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match byte {
            b'\\' => escaped = true,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => {
                let named = matches!(pattern.get(at + 1..), Some([b'?', b'P' | b'\'', ..]))
                    || matches!(pattern.get(at + 1..), Some([b'?', b'<', next, ..]) if !matches!(next, b'=' | b'!'));
                return named || pattern.get(at + 1) != Some(&b'?');
            }
            _ => {}
        }
        false
    })
}

/// A network as access rules have it; a part of an IPv4 address stands for all that begin with it.
pub(crate) fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    if let Ok(IpAddr::V6(address)) = address.parse() {
        let bits =
            mask.map_or(Some(128), |mask| mask.parse().ok().filter(|bits| *bits <= 128 && *bits > 0))?;
        return Some((address.into(), bits));
    }
    let parts: Vec<u8> =
        address.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let full: [u8; 4] = std::array::from_fn(|at| parts.get(at).copied().unwrap_or(0));
    let bits = match mask {
        _ if parts.len() > 4 => return None,
        None => (parts.len() * 8) as u8,
        Some(mask) => match mask.parse::<u8>() {
            Ok(bits @ 1..=32) => bits,
            Ok(_) => return None,
            Err(_) => {
                let mask = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
                (mask.leading_ones() == mask.count_ones()).then_some(mask.count_ones() as u8)?
            }
        },
    };
    Some((IpAddr::from(full), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        for (text, expected) in [
            ("10.1", Some("10.1.0.0/16")),
            ("10.", Some("10.0.0.0/8")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.0/255.255.0.0", Some("10.0.0.0/16")),
            ("1.2.3.4", Some("1.2.3.4/32")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::1", Some("::1/128")),
            ("::/0", None),
            ("1.2.3.4/33", None),
            ("1.2.3.4.5", None),
            ("bogus", None),
            ("", None),
        ] {
            let shown = network(text).map(|(address, bits)| format!("{address}/{bits}"));
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn groups_that_capture() {
        for (pattern, expected) in [
            ("a", false),
            ("(a)", true),
            ("(?:a)", false),
            ("(?<n>a)", true),
            ("(?<=a)", false),
            (r"\(a", false),
            ("[(]", false),
        ] {
            assert_eq!(has_groups(pattern.as_bytes()), expected, "{pattern}");
        }
    }
}
