//! Patterns compiled for matching bytes.
//!
//! A pattern is tried by the cheapest means that gives the same answer as a
//! backtracking matcher: comparison for literals, a finite automaton for
//! regular expressions, backtracking with a step limit for what only that can.
//! One difference from PCRE2 is known: when the last round of a repeated group
//! matches nothing, as in `(a*)*`, the group keeps what the round before matched.

use std::sync::{Arc, OnceLock};

use regex_automata::{Input, meta, util::syntax};
use smallvec::SmallVec;

use crate::ir::{self, Kind, VarId};

mod blowup;
mod columns;
mod emit;
mod examples;
mod literal;
mod parse;
mod several;
mod tree;

pub use blowup::blows_up;
pub use examples::examples;
pub use parse::PatternError;
pub use several::Several;

use columns::Columns;
use emit::For;
use literal::Literal;

/// Why a match came to no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Backtracking took more steps than allowed.
    #[error("backtracking limit exceeded")]
    Steps,
    /// The pattern wants UTF-8 and the subject is not.
    #[error("invalid UTF-8 in the subject")]
    NotUtf8,
    /// The automaton of the pattern is too large.
    #[error("pattern too large")]
    TooLarge,
    /// What is to be remembered is longer than [`LONGEST_VALUE`].
    #[error("a value takes too much memory")]
    TooLong,
}

/// The longest value of a variable, path or query that a program may make: rules can double one over and over.
pub const LONGEST_VALUE: usize = 4 << 20;

/// Where groups matched: start and end in the subject, [`UNSET`] for those that took no part.
pub type Spans = SmallVec<[(u32, u32); 10]>;

/// A group that took no part in the match.
pub const UNSET: (u32, u32) = (u32::MAX, u32::MAX);

/// Steps that backtracking may take.
const STEPS: usize = 1_000_000;

/// Bytes that an automaton may take.
const SIZE: usize = 64 << 20;

/// A pattern, compiled.
#[derive(Debug)]
pub struct Matcher {
    test: Test,
    /// What the automaton or the backtracker is built from.
    source: Option<Source>,
    names: Vec<(Vec<u8>, u32)>,
    groups: u32,
}

#[derive(Debug)]
enum Test {
    Literal(Literal),
    /// Groups of so many bytes each.
    Columns(Columns),
    Automaton,
    Backtracking,
}

/// A regular expression, with the engines that were needed for it so far.
#[derive(Debug)]
struct Source {
    /// For the automaton; absent when none can do it.
    text: Option<String>,
    /// For backtracking.
    backtracking: String,
    /// Whether subjects that end in a line feed go to the backtracker.
    minds_final_newline: bool,
    utf: bool,
    automaton: OnceLock<Option<meta::Regex>>,
    backtracker: OnceLock<Option<Box<fancy_regex::Regex>>>,
}

/// A pattern in its place: compiled, with the variables that its named groups assign.
#[derive(Clone, Debug)]
pub struct Find {
    /// The pattern.
    pub matcher: Arc<Matcher>,
    /// Groups that are assigned to variables.
    pub assign: Box<[(u32, VarId)]>,
    /// How many groups are recorded, the whole match included; 0 when nobody reads them.
    pub keep: u32,
}

impl Matcher {
    /// Compiles a pattern. Engines are built by [`Self::build`], or when first needed.
    pub fn new(pattern: &ir::Pattern) -> Result<Self, PatternError> {
        let Kind::Regex(syntax) = pattern.kind else {
            let literal = Literal::of(pattern.kind, &pattern.text, pattern.ignore_case);
            return Ok(Self { test: Test::Literal(literal), source: None, names: Vec::new(), groups: 0 });
        };
        let parsed = parse::parse(&pattern.text, syntax, pattern.ignore_case)?;
        let backtracking = parsed.node.needs_backtracking();
        let engine = if parsed.utf { For::Utf8 } else { For::Bytes };
        let source = Source {
            text: (!backtracking).then(|| emit::emit(&parsed.node, engine)),
            backtracking: emit::emit(&parsed.node, For::Backtracking),
            minds_final_newline: parsed.node.minds_final_newline(),
            utf: parsed.utf,
            automaton: OnceLock::new(),
            backtracker: OnceLock::new(),
        };
        let test = match Literal::in_regex(&parsed.node) {
            Some(literal) if !parsed.utf => Test::Literal(literal),
            _ if backtracking => Test::Backtracking,
            _ => match Columns::in_regex(&parsed.node) {
                Some(columns) if !parsed.utf => Test::Columns(columns),
                _ => Test::Automaton,
            },
        };
        Ok(Self { test, source: Some(source), names: parsed.names, groups: parsed.groups })
    }

    /// Builds the engine that it needs.
    pub fn build(&self) -> Result<(), PatternError> {
        let too_large = || PatternError { message: "pattern is too large".to_owned(), offset: 0 };
        match (&self.test, &self.source) {
            (Test::Automaton, Some(source)) => source.automaton().map(drop).ok_or_else(too_large),
            (Test::Backtracking, Some(source)) => source.backtracker().map(drop).ok_or_else(too_large),
            _ => Ok(()),
        }
    }

    /// The number of a named group.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }

    /// The names of the groups that have one, with their numbers.
    pub fn names(&self) -> &[(Vec<u8>, u32)] {
        &self.names
    }

    /// How many groups it has, the whole match not counted.
    pub fn groups(&self) -> u32 {
        self.groups
    }

    /// Whether matching may come to a [`Failure`] for want of steps.
    pub fn backtracks(&self) -> bool {
        matches!(self.test, Test::Backtracking)
    }

    /// Whether it matches.
    pub fn is_match(&self, subject: &[u8]) -> Result<bool, Failure> {
        self.run(subject, None)
    }

    /// Whether it matches, and where: `keep` groups, the whole match included.
    pub fn find(&self, subject: &[u8], keep: u32, spans: &mut Spans) -> Result<bool, Failure> {
        if keep == 0 {
            return self.run(subject, None);
        }
        spans.clear();
        spans.resize(keep.min(self.groups + 1) as usize, UNSET);
        self.run(subject, Some(spans))
    }

    /// Where it matches first from a place on; what stands before the place is seen by anchors and look-behind.
    pub fn find_from(
        &self,
        subject: &[u8],
        at: usize,
        keep: u32,
        spans: &mut Spans,
    ) -> Result<bool, Failure> {
        if at == 0 {
            return self.find(subject, keep, spans);
        }
        spans.clear();
        spans.resize(keep.min(self.groups + 1) as usize, UNSET);
        match &self.source {
            None => Ok(false),
            Some(source) if source.utf && std::str::from_utf8(subject).is_err() => Err(Failure::NotUtf8),
            Some(source) if source.minds_final_newline && subject.last() == Some(&b'\n') => {
                source.backtrack(subject, at, Some(spans))
            }
            Some(source) if self.backtracks() => source.backtrack(subject, at, Some(spans)),
            Some(source) => source.search(subject, at, Some(spans)),
        }
    }

    fn run(&self, subject: &[u8], spans: Option<&mut Spans>) -> Result<bool, Failure> {
        if let Some(source) = &self.source {
            if source.utf && std::str::from_utf8(subject).is_err() {
                return Err(Failure::NotUtf8);
            }
            if source.minds_final_newline && subject.last() == Some(&b'\n') {
                return source.backtrack(subject, 0, spans);
            }
        }
        match (&self.test, &self.source) {
            (Test::Literal(literal), source) => match literal.find(subject, spans) {
                literal::Found::Answer(answer) => Ok(answer),
                literal::Found::Ask(spans) => match source {
                    Some(source) => source.search(subject, 0, spans),
                    None => Ok(false),
                },
            },
            (Test::Columns(columns), _) => Ok(columns.find(subject, spans)),
            (Test::Automaton, Some(source)) => source.search(subject, 0, spans),
            (Test::Backtracking, Some(source)) => source.backtrack(subject, 0, spans),
            (_, None) => Ok(false),
        }
    }
}

impl Source {
    fn automaton(&self) -> Option<&meta::Regex> {
        let build = || {
            let syntax = syntax::Config::new().unicode(self.utf).utf8(false);
            let config = meta::Config::new().nfa_size_limit(Some(SIZE)).utf8_empty(self.utf);
            let text = self.text.as_deref()?;
            meta::Builder::new().syntax(syntax).configure(config).build(text).ok()
        };
        self.automaton.get_or_init(build).as_ref()
    }

    fn backtracker(&self) -> Option<&fancy_regex::Regex> {
        let build = || {
            let built = fancy_regex::RegexBuilder::new(&self.backtracking).backtrack_limit(STEPS).build();
            built.ok().map(Box::new)
        };
        self.backtracker.get_or_init(build).as_deref()
    }

    fn search(&self, subject: &[u8], at: usize, spans: Option<&mut Spans>) -> Result<bool, Failure> {
        let Some(regex) = self.automaton() else { return Err(Failure::TooLarge) };
        let Some(spans) = spans else { return Ok(regex.is_match(subject)) };
        let mut slots: SmallVec<[_; 20]> = SmallVec::from_elem(None, spans.len() * 2);
        if regex.search_slots(&Input::new(subject).range(at..), &mut slots).is_none() {
            return Ok(false);
        }
        for (span, ends) in spans.iter_mut().zip(slots.as_chunks::<2>().0) {
            if let [Some(start), Some(end)] = ends {
                *span = (start.get() as u32, end.get() as u32);
            }
        }
        Ok(true)
    }

    fn backtrack(&self, subject: &[u8], at: usize, spans: Option<&mut Spans>) -> Result<bool, Failure> {
        let Some(regex) = self.backtracker() else { return Err(Failure::TooLarge) };
        let wide;
        let mut narrow = false;
        let text = match std::str::from_utf8(subject) {
            Ok(text) if self.utf || subject.is_ascii() => text,
            // Each byte becomes the character of its number, as in the pattern.
            _ => {
                wide = subject.iter().map(|&byte| char::from(byte)).collect::<String>();
                narrow = true;
                &wide
            }
        };
        let Some(spans) = spans else { return regex.is_match(text).map_err(|_| Failure::Steps) };
        let at =
            if narrow { subject[..at].iter().map(|byte| 1 + usize::from(*byte >= 0x80)).sum() } else { at };
        let captures = if at == 0 { regex.captures(text) } else { regex.captures_from_pos(text, at) };
        let Some(captures) = captures.map_err(|_| Failure::Steps)? else { return Ok(false) };
        // Below U+0100 a character takes one byte or two: those that continue one are not counted.
        let place = |at: usize| {
            let at = if narrow {
                text.as_bytes()[..at].iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
            } else {
                at
            };
            at as u32
        };
        for (at, span) in spans.iter_mut().enumerate() {
            if let Some(group) = captures.get(at) {
                *span = (place(group.start()), place(group.end()));
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescape(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            if let Some(hex) = rest.strip_prefix(b"\\x") {
                let digits = std::str::from_utf8(&hex[..2]).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &hex[2..];
            } else {
                out.push(first);
                rest = after;
            }
        }
        out
    }

    fn answer(matcher: &Matcher, subject: &[u8]) -> String {
        let mut spans = Spans::new();
        let found = match matcher.find(subject, u32::MAX, &mut spans) {
            Ok(true) => {
                let spans = spans.iter().map(|span| match *span {
                    UNSET => "?".to_owned(),
                    (start, end) => format!("{start}..{end}"),
                });
                spans.collect::<Vec<_>>().join(",")
            }
            Ok(false) => "-".to_owned(),
            Err(_) => "!".to_owned(),
        };
        let plain = matcher.is_match(subject);
        assert_eq!(plain.is_err(), found == "!");
        assert_eq!(plain.unwrap_or(false), !matches!(&*found, "-" | "!"));
        found
    }

    #[test]
    fn same_as_pcre() {
        let mut wrong = Vec::new();
        for line in include_str!("pattern/observed.txt").lines().filter(|line| !line.starts_with("# ")) {
            let words: Vec<_> = line.split(' ').collect();
            let matcher = Matcher::new(&ir::Pattern::regex(unescape(words[0]), false)).and_then(|matcher| {
                matcher.build()?;
                Ok(matcher)
            });
            let ours = match (matcher, words.get(2)) {
                (Ok(matcher), Some(_)) => {
                    let subject = if words[1] == "\"\"" { Vec::new() } else { unescape(words[1]) };
                    let slow = matcher.source.as_ref().map(|source| {
                        let mut spans = Spans::from_elem(UNSET, matcher.groups as usize + 1);
                        let found = source.backtrack(&subject, 0, Some(&mut spans));
                        (found, spans)
                    });
                    let ours = answer(&matcher, &subject);
                    // What the automaton can do, the backtracker must do alike: it stands in for it.
                    if let Some((Ok(found), _)) = slow
                        && found != (ours != "-")
                        && ours != "!"
                    {
                        wrong.push(format!("{line}: backtracking says {found}"));
                    }
                    ours
                }
                (Ok(_), None) => "no error".to_owned(),
                (Err(error), None) => {
                    let _ = error;
                    "error".to_owned()
                }
                (Err(error), Some(_)) => format!("{} at {}", error.message, error.offset),
            };
            if ours != *words.last().unwrap() {
                wrong.push(format!("{line}: {ours}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn steps_are_limited() {
        let matcher = Matcher::new(&ir::Pattern::regex("^(?=(a|aa)+$)((a|aa)+)\\2b", false)).unwrap();
        assert_eq!(matcher.is_match(&[b'a'; 400]), Err(Failure::Steps));
    }

    #[test]
    fn dialects_differ() {
        let whole = |text: &str| {
            let kind = Kind::Regex(ir::Syntax::PerlWhole);
            Matcher::new(&ir::Pattern { kind, ..ir::Pattern::regex(text, false) }).unwrap()
        };
        assert_eq!(whole("a$").is_match(b"a\n"), Ok(false));
        assert_eq!(whole("a.b").is_match(b"a\nb"), Ok(true));
        let ecma = |text: &str| {
            let kind = Kind::Regex(ir::Syntax::Ecma);
            Matcher::new(&ir::Pattern { kind, ..ir::Pattern::regex(text, true) }).unwrap()
        };
        assert_eq!(ecma("^[]$").is_match(b"a"), Ok(false));
        assert_eq!(ecma("^a[^]\\u0062$").is_match(b"A\nB"), Ok(true));
    }

    #[test]
    fn several_give_the_first() {
        let texts =
            ["^/a", "b$", r"\.php$", "(?i)x1", "(?!/)z", "^/q(.*)$", "c{2}", "d", "e", "f", "zz", "^/a/long"];
        let find = |text: &&str| Find {
            matcher: Arc::new(Matcher::new(&ir::Pattern::regex(*text, false)).unwrap()),
            assign: Box::default(),
            keep: 0,
        };
        let finds: Vec<_> = texts.iter().map(find).collect();
        let several = Several::new(&finds);
        assert!(several.is_joined());
        for subject in ["/a/long", "zz", "/x.php\n", "/x.phpX1", "nothing!", "/qe", "ccz", "", "-zz"] {
            let alone = finds.iter().position(|find| find.matcher.is_match(subject.as_bytes()).unwrap());
            assert_eq!(several.first(&finds, subject.as_bytes(), usize::MAX), Ok(alone), "{subject:?}");
            let early = alone.filter(|at| *at < 4);
            assert_eq!(several.first(&finds, subject.as_bytes(), 4), Ok(early), "{subject:?}");
        }
    }

    #[test]
    fn columns_are_what_the_automaton_finds() {
        for (text, subjects) in [
            ("^(.{2})(.{3})$", &["abcde", "abcd", "abcdef", "ab\ncd", "abcd\n", "abcde\n", ""][..]),
            ("^([\\s\\S]{1})([\\s\\S]{2})$", &["abc", "a\nc", "ab\n", "abc\n", "\n\n\n"]),
            ("^(.{1})(.{0})(.{2})\\z", &["abc", "ab\n", "abc\n", "\u{e9}a"]),
        ] {
            let matcher = Matcher::new(&ir::Pattern::regex(text, false)).unwrap();
            assert!(matches!(matcher.test, Test::Columns(_)), "{text}");
            for subject in subjects {
                let subject = subject.as_bytes();
                let (mut ours, mut theirs) = (Spans::new(), Spans::from_elem(UNSET, 4));
                theirs.truncate(matcher.groups as usize + 1);
                let found = matcher.find(subject, 4, &mut ours);
                let source = matcher.source.as_ref().unwrap();
                let slow = source.backtrack(subject, 0, Some(&mut theirs));
                assert_eq!((found, found == Ok(true) && ours != theirs), (slow, false), "{text} {subject:?}");
            }
        }
        for text in
            ["^(.{2})(.{1,3})$", "^(.{2})([a-z]{3})$", "^((.{2}))$", "(.{2})$", "^(.{2})", "^(.{2})-$"]
        {
            let matcher = Matcher::new(&ir::Pattern::regex(text, false)).unwrap();
            assert!(!matches!(matcher.test, Test::Columns(_)), "{text}");
        }
    }

    #[test]
    fn the_rest_of_a_line_is_what_the_automaton_finds() {
        for kind in
            [Kind::Regex(ir::Syntax::Ecma), Kind::Regex(ir::Syntax::Perl), Kind::Regex(ir::Syntax::PerlWhole)]
        {
            for text in ["^ab/(.*)$", "^ab/(.*)", "^(.*)$"] {
                let pattern = ir::Pattern { kind, ..ir::Pattern::regex(text, true) };
                let matcher = Matcher::new(&pattern).unwrap();
                assert!(matches!(matcher.test, Test::Literal(_)), "{text}");
                let source = matcher.source.as_ref().unwrap();
                for subject in
                    ["ab/", "AB/cd", "ab/c\rd", "ab/c\nd", "ab/c\r\n", "ab/\n", "a", "ab/\r", "xab/"]
                {
                    let (mut ours, mut theirs) = (Spans::new(), Spans::from_elem(UNSET, 2));
                    let found = matcher.find(subject.as_bytes(), 2, &mut ours);
                    let slow = source.backtrack(subject.as_bytes(), 0, Some(&mut theirs));
                    let same = found == slow && (found != Ok(true) || ours == theirs);
                    assert!(same, "{kind:?} {text} {subject:?}: {found:?} {ours:?}, {slow:?} {theirs:?}");
                }
            }
        }
    }

    #[test]
    fn names_and_literals() {
        let wild = |text: &str| {
            Matcher::new(&ir::Pattern { kind: Kind::Wildcard, ..ir::Pattern::exact(text) }).unwrap()
        };
        assert_eq!(wild("*.ex.com").is_match(b"a.b.EX.com"), Ok(true));
        assert_eq!(wild("*.ex.com").is_match(b"ex.com"), Ok(false));
        assert_eq!(wild("www.*").is_match(b"www.x"), Ok(true));
        assert_eq!(wild("www.*").is_match(b"www."), Ok(false));
        let suffix = ir::Pattern { kind: Kind::Suffix, ignore_case: true, ..ir::Pattern::exact(".JPG") };
        assert_eq!(Matcher::new(&suffix).unwrap().is_match(b"/x.jpg"), Ok(true));
        let regex = Matcher::new(&ir::Pattern::regex(r"\.php$", false)).unwrap();
        assert!(matches!(regex.test, Test::Literal(_)));
        let folded = Matcher::new(&ir::Pattern::regex(r"^/a-b$", true)).unwrap();
        assert!(matches!(folded.test, Test::Literal(_)));
        assert_eq!(folded.is_match(b"/A-B"), Ok(true));
    }
}
