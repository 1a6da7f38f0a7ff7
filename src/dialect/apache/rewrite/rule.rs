//! `RewriteRule` and `RewriteCond` as they are written: typed, with spans, not yet lowered.

use super::{
    expansion::{self, Piece},
    flags::{self, CondFlags, RuleFlags},
    words::{self, Words},
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::tree::{Directive, Written},
    source::Span,
};

/// A rule with its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The pattern without its `!`.
    pub(super) pattern: Written,
    /// Whether it begins with `!`.
    pub(super) negated: bool,
    /// The substitution; `None` is `-`.
    pub(super) substitution: Option<Substitution>,
    pub(super) flags: RuleFlags,
    pub(super) conditions: Vec<Condition>,
    pub(super) span: Span,
}

/// What a rule puts in place of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Substitution {
    pub(super) text: Written,
    pub(super) pieces: Vec<Piece>,
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// What is tested.
    pub(super) input: Vec<Piece>,
    /// The same as written.
    pub(super) written: Written,
    pub(super) negated: bool,
    pub(super) test: Test,
    pub(super) flags: CondFlags,
    pub(super) span: Span,
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Whether a regular expression matches.
    Regex(Written),
    /// Whether the text stands so to another one.
    Text(Relation, Vec<u8>),
    /// Whether the number stands so to another one.
    Number(Relation, Vec<u8>),
    /// Whether there is such a file.
    File(FileTest),
    /// Whether a request for it would pass: `-U`, or `-F` for a file name.
    Passes { file: bool },
    /// An expression, which stands in place of the pattern.
    Expression(Written),
}

/// How two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is asked of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileTest {
    Regular,
    Directory,
    NotEmpty,
    Executable,
    Link,
}

/// Splits what follows the name of a directive.
fn split(directive: &Directive, found: &mut Vec<Diagnostic>) -> Option<Words> {
    let line = directive.raw.trimmed();
    let words = words::split(&line);
    match &words {
        None => {
            let name = directive.name();
            let message = format!("{name}: bad argument line '{}'", String::from_utf8_lossy(line.bytes()));
            let wanted = match name {
                "RewriteRule" => "wanted: `RewriteRule pattern substitution [flags]`",
                _ => "wanted: `RewriteCond test-string pattern [flags]`",
            };
            found.push(Diagnostic::error("bad-arguments", directive.head(), message).because(wanted));
        }
        Some(Words { third: Some(third), rest: Some(rest), .. }) => {
            if third.bytes().starts_with(b"[") && third.bytes().ends_with(b"]") {
                found.push(
                    Diagnostic::warning("ignored-words", *rest, "what follows the flags is not looked at")
                        .because("has no effect"),
                );
            }
        }
        Some(_) => {}
    }
    words
}

/// Reads a `RewriteRule`, which takes the conditions before it.
pub(super) fn rule(
    directive: &Directive,
    conditions: Vec<Condition>,
    found: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let Words { first, second, third, rest: _ } = split(directive, found)?;
    let flags = third.map(|third| flags::of_rule(&third, found)).unwrap_or_default();
    let (negated, pattern) = without_mark(first);
    let dash = second.bytes() == b"-";
    let substitution = (!dash).then(|| Substitution { pieces: expansion::parse(&second), text: second });
    Some(Rule { pattern, negated, substitution, flags, conditions, span: directive.head() })
}

/// Reads a `RewriteCond`.
pub(super) fn condition(directive: &Directive, found: &mut Vec<Diagnostic>) -> Option<Condition> {
    let Words { first, second, third, rest: _ } = split(directive, found)?;
    let mut flags = third.map(|third| flags::of_condition(&third, found)).unwrap_or_default();
    let whole = second.clone();
    let (negated, pattern) = without_mark(second);
    let test =
        if first.bytes().eq_ignore_ascii_case(b"expr") { Test::Expression(pattern) } else { test(&pattern) };
    let takes_case = matches!(test, Test::Regex(_) | Test::Text(..));
    if flags.ignore_case && !takes_case {
        let written = String::from_utf8_lossy(whole.bytes()).into_owned();
        let message = format!("`NC` has no meaning for `{written}`");
        found.push(
            Diagnostic::warning("ignored-flag", whole.whole(), message).because("not a regular expression"),
        );
        flags.ignore_case = false;
    }
    Some(Condition {
        input: expansion::parse(&first),
        written: first,
        negated,
        test,
        flags,
        span: directive.head(),
    })
}

fn without_mark(word: Written) -> (bool, Written) {
    let length = word.bytes().len();
    if word.bytes().starts_with(b"!") { (true, word.slice(1..length)) } else { (false, word) }
}

fn test(pattern: &Written) -> Test {
    let bytes = pattern.bytes();
    let regex = || Test::Regex(pattern.clone());
    let rest = |from: usize| bytes.get(from..).unwrap_or_default().to_vec();
    match bytes {
        [] | [_] => regex(),
        b"-f" => Test::File(FileTest::Regular),
        b"-d" => Test::File(FileTest::Directory),
        b"-s" => Test::File(FileTest::NotEmpty),
        b"-x" => Test::File(FileTest::Executable),
        b"-l" | b"-L" | b"-h" => Test::File(FileTest::Link),
        b"-F" => Test::Passes { file: true },
        b"-U" => Test::Passes { file: false },
        [b'-', first, second, _, ..] => match [*first, *second] {
            [b'e', b'q'] => Test::Number(Relation::Equal, rest(3)),
            [b'n', b'e'] => Test::Number(Relation::NotEqual, rest(3)),
            [b'l', b't'] => Test::Number(Relation::Less, rest(3)),
            [b'l', b'e'] => Test::Number(Relation::LessOrEqual, rest(3)),
            [b'g', b't'] => Test::Number(Relation::Greater, rest(3)),
            [b'g', b'e'] => Test::Number(Relation::GreaterOrEqual, rest(3)),
            _ => regex(),
        },
        [b'<', b'=', ..] => Test::Text(Relation::LessOrEqual, rest(2)),
        [b'<', ..] => Test::Text(Relation::Less, rest(1)),
        [b'>', b'=', ..] => Test::Text(Relation::GreaterOrEqual, rest(2)),
        [b'>', ..] => Test::Text(Relation::Greater, rest(1)),
        b"=\"\"" => Test::Text(Relation::Equal, Vec::new()),
        [b'=', ..] => Test::Text(Relation::Equal, rest(1)),
        _ => regex(),
    }
}
