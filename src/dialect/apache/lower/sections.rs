//! The sections themselves: what they are compared with, in which order they apply.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/sections.html>

use super::{
    super::{glob, tree::Directive, tree::Word},
    Cx, Kind, Lower, Phase, Section,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{self, Attr, Kind as PatternKind, Name, Pattern, Syntax, Template, Test, VarId},
};

/// The sections of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("<Directory>", directory),
    ("<DirectoryMatch>", directory),
    ("<Else>", conditional),
    ("<ElseIf>", conditional),
    ("<Files>", files),
    ("<FilesMatch>", files),
    ("<If>", conditional),
    ("<Limit>", limit),
    ("<LimitExcept>", limit),
    ("<Location>", location),
    ("<LocationMatch>", location),
    ("<Proxy>", proxy),
    ("<ProxyMatch>", proxy),
];

/// How a section's argument is meant.
enum Argument<'d> {
    Plain(&'d Word),
    Regex(&'d Word),
}

/// `<X arg>`, `<X ~ regex>`, `<XMatch regex>`.
fn argument<'d>(cx: &mut Cx, directive: &'d Directive) -> Option<Argument<'d>> {
    let found = match directive.args.as_slice() {
        [word] if directive.name().ends_with("Match>") => Argument::Regex(word),
        [word] => Argument::Plain(word),
        [tilde, word] if tilde.value == b"~" => Argument::Regex(word),
        _ => {
            let message = format!("{} takes one argument", directive.name());
            cx.error("arguments", directive.head(), message);
            return None;
        }
    };
    Some(found)
}

/// The sections for the directories that a folder is in, outermost first.
pub(super) fn around<'s>(sections: &'s [Section], folder: &[u8]) -> Vec<&'s Section> {
    let mut all: Vec<&Section> = sections
        .iter()
        .filter(|section| matches!(section.kind, Kind::Directory | Kind::Htaccess))
        .filter(|section| super::local::applies(&section.path, folder))
        .collect();
    all.sort_by_key(|section| (section.depth, section.kind == Kind::Htaccess));
    all
}

/// Reads what stands in a section and adds that to the section around it.
fn add(cx: &mut Cx, outer: &mut Section, mut section: Section, directive: &Directive) {
    let items = directive.block().to_vec();
    if section.kind == Kind::Directory && outer.is_server() {
        let folder = section.path.clone();
        crate::dialect::apache::rewrite::inherit(&mut section, around(&outer.sections, &folder).into_iter());
    }
    section.fill(cx, &items);
    if outer.is_server() {
        return outer.sections.push(section);
    }
    if (section.kind, outer.kind) == (Kind::Files, Kind::Files) {
        // The file's name is looked at once, with the sections that are known by then (observed).
        let message = "a section for files inside another one never applies";
        return cx.warn("no-effect", directive.head(), message);
    }
    let phase = match (section.kind, outer.kind) {
        (Kind::If, Kind::If) => Phase::InnerIf,
        (Kind::If, _) => Phase::If,
        _ => Phase::Files,
    };
    let (step, span) = section.step();
    outer.hook(phase, step, span);
}

/// `<Directory path>`: each directory on the way to the file.
fn directory(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let Some(argument) = argument(cx, directive) else { return };
    let mut section;
    match argument {
        Argument::Regex(word) => {
            section = Section::new(Kind::DirectoryMatch, directive.head());
            let file = cx.own(super::walk::WALKED_FILE);
            section.test = Some(matches(file, pattern(cx, word)));
            section.path.clone_from(&word.value);
        }
        Argument::Plain(word) => {
            section = Section::new(Kind::Directory, directive.head());
            let path = canonical(cx, &word.value);
            section.depth = memchr::memchr_iter(b'/', &path).count();
            let folder = cx.folder();
            // The walk goes on to the file itself (observed): a section may name that, too. What is not there, or lies
            // below a file, is not walked to: 404, whatever the section refuses (observed).
            let file = cx.file();
            let alone = path.strip_suffix(b"/").unwrap_or(&path).to_vec();
            section.test = if path == b"/" {
                None
            } else if glob::is_glob(&path) {
                let above = glob::regex(&path, glob::Slash::Apart);
                let itself = format!("{}$", glob::regex(&alone, glob::Slash::Apart));
                let walked = cx.own(super::walk::WALKED_FILE);
                let is_file = Test::Truthy(Template::var(cx.own(super::walk::WALKED_TO_FILE)));
                let itself = Test::All(vec![is_file, matches(walked, whole(&itself))]);
                Some(Test::Any(vec![matches(folder, whole(&above)), itself]))
            } else {
                let above = equals(folder, Pattern::prefix(path.as_slice()));
                let is_file = Test::Equal(Template::var(cx.kind()), "file".into());
                let goes_on = Test::Not(Box::new(Test::Truthy(Template::var(cx.path_info()))));
                let itself = Test::All(vec![equals(file, Pattern::exact(alone)), is_file, goes_on]);
                Some(Test::Any(vec![above, itself]))
            };
            section.path = path;
        }
    }
    add(cx, outer, section, directive);
}

/// A directory's name relative to the server's root, without doubled slashes, with one at the end.
fn canonical(cx: &Cx, path: &[u8]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = cx.path(path);
    let mut out = Vec::new();
    for part in path.as_os_str().as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let at = memchr::memrchr(b'/', &out).unwrap_or(0);
                out.truncate(at);
            }
            part => {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
    }
    out.push(b'/');
    out
}

/// `<Files name>`: the last component.
fn files(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let Some(argument) = argument(cx, directive) else { return };
    let mut section = Section::new(Kind::Files, directive.head());
    let name = cx.name();
    let (word, test) = match argument {
        Argument::Regex(word) => (word, matches(name, pattern(cx, word))),
        Argument::Plain(word) if glob::is_glob(&word.value) => {
            let text = glob::regex(&word.value, glob::Slash::Like);
            (word, matches(name, whole(&format!("{text}$"))))
        }
        Argument::Plain(word) => (word, equals(name, Pattern::exact(word.value.as_slice()))),
    };
    section.path.clone_from(&word.value);
    section.test = Some(test);
    add(cx, outer, section, directive);
}

/// `<Location path>`: the path of the URL.
fn location(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let Some(argument) = argument(cx, directive) else { return };
    let mut section = Section::new(Kind::Location, directive.head());
    let subject = Template::attr(Attr::Path);
    let test = |pattern| Test::Match { subject: subject.clone(), pattern, into: None };
    let (word, test) = match argument {
        Argument::Regex(word) => {
            let pattern = pattern(cx, word);
            (word, Some(Test::Match { subject, pattern, into: Some(super::RULE) }))
        }
        Argument::Plain(word) if glob::is_glob(&word.value) => {
            let text = glob::regex(&word.value, glob::Slash::Apart);
            (word, Some(test(whole(&format!("{text}$")))))
        }
        Argument::Plain(word) => (word, within(&word.value, test)),
    };
    section.path.clone_from(&word.value);
    section.test = test;
    add(cx, outer, section, directive);
}

/// Whether the path is this one or below; `None` is always.
fn within(path: &[u8], test: impl Fn(Pattern) -> Test) -> Option<Test> {
    if path == b"/" || path.is_empty() {
        return None;
    }
    if path.ends_with(b"/") {
        return Some(test(Pattern::prefix(path)));
    }
    let below = [path, b"/"].concat();
    Some(Test::Any(vec![test(Pattern::exact(path)), test(Pattern::prefix(below))]))
}

/// `<Proxy url>`: the URL that the request is sent to.
fn proxy(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let mut first = directive.clone();
    if directive.name() == "<Proxy>" && directive.args.first().is_some_and(|word| word.value != b"~") {
        // What follows the URL are parameters.
        first.args.truncate(1);
        if let [word, parameters @ ..] = directive.args.as_slice()
            && !parameters.is_empty()
        {
            super::proxy::set_for(cx, &word.value, parameters, directive.head());
        }
    }
    let Some(argument) = argument(cx, &first) else { return };
    let mut section = Section::new(Kind::Proxy, directive.head());
    let url = cx.url();
    let (word, test) = match argument {
        Argument::Regex(word) => (word, Some(matches(url, pattern(cx, word)))),
        Argument::Plain(word) if word.value == b"*" => (word, None),
        Argument::Plain(word) if glob::is_glob(&word.value) => {
            let text = glob::regex(&word.value, glob::Slash::Like);
            (word, Some(matches(url, whole(&format!("{text}$")))))
        }
        Argument::Plain(word) => (word, Some(equals(url, Pattern::prefix(word.value.as_slice())))),
    };
    section.path.clone_from(&word.value);
    section.test = test;
    add(cx, outer, section, directive);
}

/// `<If expr>`, `<ElseIf expr>`, `<Else>`.
fn conditional(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let mut section = Section::new(Kind::If, directive.head());
    let own = if directive.name() == "<Else>" {
        None
    } else {
        let Some(test) = condition(cx, directive) else { return };
        Some(test)
    };
    let chain = &mut outer.own.chain;
    if directive.name() == "<If>" {
        chain.clear();
    } else if chain.is_empty() {
        let message = format!("{} without an <If> just before it", directive.name());
        return cx.report(Diagnostic::error("misplaced-else", directive.head(), message));
    }
    let before = chain.iter().map(|test| Test::Not(Box::new(test.clone())));
    let tests: Vec<_> = before.chain(own.clone()).collect();
    chain.extend(own);
    section.test = Some(if let [test] = tests.as_slice() { test.clone() } else { Test::All(tests) });
    add(cx, outer, section, directive);
}

/// The expression of a `Require`, behind its first words: in quotation marks, or all of the rest.
pub(super) fn expression(cx: &mut Cx, directive: &Directive, words: &[Word]) -> Option<Test> {
    if let [word] = words {
        return super::super::expr::lower::test(cx, word);
    }
    let first = directive.args.len().saturating_sub(words.len());
    let bytes = directive.raw();
    let mut at = 0;
    for _ in 0..first {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at += bytes[at..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
    }
    let rest = directive.raw.slice(at..bytes.len()).trimmed();
    super::super::expr::lower::test_into(cx, &rest, super::super::expr::lower::MATCH)
}

/// The expression of a section.
fn condition(cx: &mut Cx, directive: &Directive) -> Option<Test> {
    if cx.options.offline && memchr::memmem::find(directive.raw(), b"${").is_some() {
        let message = "what a variable stands for is not known: the condition is not looked at";
        cx.report(Diagnostic::new(Severity::Note, "undefined-variable", message).label(directive.head(), ""));
        return None;
    }
    if directive.args.is_empty() {
        let message = format!("{} takes one argument", directive.name());
        let help = "put the expression in quotation marks";
        cx.report(Diagnostic::error("arguments", directive.head(), message).help(help));
        return None;
    }
    expression(cx, directive, &directive.args)
}

/// `<Limit METHOD ...>`, `<LimitExcept METHOD ...>`: only access control inside them is limited.
fn limit(cx: &mut Cx, outer: &mut Section, directive: &Directive) {
    let mut methods: Vec<Name> =
        directive.args.iter().map(|word| Name::from(word.value.as_slice())).collect();
    // HEAD is a GET.
    if methods.iter().any(|method| **method == *b"GET") {
        methods.push("HEAD".into());
    }
    let around = outer.limit.replace((methods, directive.name() == "<LimitExcept>"));
    outer.read(cx, directive.block());
    outer.limit = around;
}

/// A test on a variable.
fn equals(var: VarId, pattern: Pattern) -> Test {
    Test::Match { subject: Template::var(var), pattern, into: None }
}

/// The same with captures of named groups.
fn matches(var: VarId, pattern: Pattern) -> Test {
    let into = (!pattern.groups.is_empty()).then_some(super::RULE);
    Test::Match { subject: Template::var(var), pattern, into }
}

/// A regular expression for the whole of a text.
fn whole(text: &str) -> Pattern {
    let kind = PatternKind::Regex(Syntax::PerlWhole);
    Pattern { kind, text: format!("^{text}").into(), ignore_case: false, groups: Vec::new() }
}

/// A regular expression as written; its named groups become variables `MATCH_NAME`.
pub(crate) fn pattern(cx: &mut Cx, word: &Word) -> Pattern {
    let mut pattern = Pattern::whole(word.value.as_slice(), false);
    for name in glob::groups(&word.value) {
        let var = cx.env(&[b"MATCH_", name.to_ascii_uppercase().as_slice()].concat());
        pattern.groups.push((ir::Text::from(name), var));
    }
    pattern
}
