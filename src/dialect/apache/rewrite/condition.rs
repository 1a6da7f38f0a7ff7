//! Conditions of rules as tests.
//!
//! Observed (2.4.71): `[OR]` binds tighter than what follows; a last condition with `[OR]` makes the rule match
//! whatever it says; `%n` are captures of the last condition that matched and is not negated; what a text is compared
//! with is not expanded. Request fields that a condition which holds has read are members of `Vary`.

use super::{
    Cx, Scene, Steps, does,
    expansion::Piece,
    rule::{Condition, FileTest, Relation as Stands, Test as Asked},
    value, when,
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::{expr, lower::CONDITION, tree::Written, vars},
    ir::{
        self, Attr, Block, By, FileKind, Jump, Kind, Pattern, Probe, Relation, Step, Syntax, Template, Test,
        Text,
    },
    source::Span,
};

/// A regular expression as rules read them.
pub(super) fn regex(text: &[u8], ignore_case: bool) -> Pattern {
    Pattern { kind: Kind::Regex(Syntax::PerlWhole), text: text.into(), ignore_case, groups: Vec::new() }
}

/// What a rule asks besides its pattern: steps that leave by `no` when a condition does not hold, or one test.
pub(super) enum Asks {
    /// Everything can be asked at once.
    Tests(Vec<Test>),
    /// Something has to be looked up on the way; `no` is jumped to when the conditions do not hold.
    Steps(Steps),
}

/// The conditions of a rule. `no` is where to go from steps, when they do not hold.
pub(super) fn all(cx: &mut Cx, scene: &Scene, conditions: &[Condition], no: &Jump) -> Asks {
    let mut groups = Vec::new();
    let mut group = Vec::new();
    for condition in conditions {
        group.push(one(cx, scene, condition));
        if !condition.flags.or_next {
            groups.push((std::mem::take(&mut group), true));
        }
    }
    // Nothing comes after the last `[OR]`: whether one of them held is not asked.
    if !group.is_empty() {
        groups.push((group, false));
    }
    if groups.iter().all(|(group, _)| group.iter().all(|(before, ..)| before.is_empty())) {
        let tests = groups.into_iter().map(|(group, counts)| {
            let mut tests: Vec<_> = group.into_iter().map(|(_, test, _)| test).collect();
            match (tests.pop(), counts) {
                (Some(only), true) if tests.is_empty() => only,
                (last, true) => Test::Any(tests.into_iter().chain(last).collect()),
                // Captures may be read.
                (last, false) => {
                    let always = Test::All(Vec::new());
                    Test::Any(tests.into_iter().chain(last).chain([always]).collect())
                }
            }
        });
        return Asks::Tests(tests.collect());
    }
    let mut steps = Steps::new();
    for (at, (mut group, counts)) in groups.into_iter().enumerate() {
        let leave = |span| (Step::Jump(no.clone()), span);
        if group.len() == 1 && counts {
            let Some((before, test, span)) = group.pop() else { continue };
            steps.extend(before);
            steps.push(when(Test::Not(Box::new(test)), vec![leave(span)], span));
            continue;
        }
        let label: ir::Name = format!("or{at}").as_str().into();
        let mut inner = Steps::new();
        let mut last = Span::NONE;
        for (before, test, span) in group {
            inner.extend(before);
            inner.push(when(test, vec![(Step::Jump(Jump::Exit(label.clone())), span)], span));
            last = span;
        }
        if counts {
            inner.push(leave(last));
        }
        steps.push(does(Some(label), inner, last));
    }
    Asks::Steps(steps)
}

/// A condition: what is looked up before, the test.
fn one(cx: &mut Cx, scene: &Scene, condition: &Condition) -> (Steps, Test, Span) {
    let span = condition.span;
    let mut before = Steps::new();
    let test = question(cx, scene, condition, &mut before, true);
    (before, test, span)
}

fn question(cx: &mut Cx, scene: &Scene, condition: &Condition, before: &mut Steps, captures: bool) -> Test {
    let test = match &condition.test {
        Asked::Expression(text) => expression(cx, text),
        asked => {
            let subject = value::template(cx, scene, &condition.input, None, before);
            if let Asked::Passes { file: false } = asked {
                let status = cx.own("@passes");
                // What only the file's absence would refuse passes (observed).
                let (answering, reached) = (cx.own("@answering"), cx.own("@passes_answering"));
                let probe = Probe { target: subject, status, take: vec![(answering, reached)] };
                before.push((Step::Probe(Box::new(probe)), condition.span));
                let passes = regex(b"^[123]", false);
                let passes = Test::Match { subject: Template::var(status), pattern: passes, into: None };
                let test = Test::Any(vec![passes, Test::Present(Template::var(reached))]);
                return if condition.negated { Test::Not(Box::new(test)) } else { test };
            }
            about(cx, condition, asked, subject, captures)
        }
    };
    if condition.negated { Test::Not(Box::new(test)) } else { test }
}

fn about(cx: &mut Cx, condition: &Condition, asked: &Asked, subject: Template, captures: bool) -> Test {
    let relation = |stands: Stands| match stands {
        Stands::Equal => Relation::Equal,
        Stands::NotEqual => Relation::NotEqual,
        Stands::Less => Relation::Less,
        Stands::LessOrEqual => Relation::AtMost,
        Stands::Greater => Relation::Greater,
        Stands::GreaterOrEqual => Relation::AtLeast,
    };
    match asked {
        Asked::Regex(text) => {
            let pattern = regex(text.bytes(), condition.flags.ignore_case);
            let into = (captures && !condition.negated).then_some(CONDITION);
            Test::Match { subject, pattern, into }
        }
        Asked::Text(Stands::Equal, text) if !condition.flags.ignore_case => {
            Test::Equal(subject, Template::text(Text::from(text.as_slice())))
        }
        Asked::Text(stands, text) => {
            let by = if condition.flags.ignore_case { By::Letters } else { By::LengthThenBytes };
            let right = Template::text(Text::from(text.as_slice()));
            Test::Compare { left: subject, right, relation: relation(*stands), by }
        }
        Asked::Number(stands, text) => {
            let right = Template::text(Text::from(text.as_slice()));
            Test::Compare { left: subject, right, relation: relation(*stands), by: By::Integer }
        }
        Asked::File(kind) => {
            let kind = match kind {
                FileTest::Regular => FileKind::File,
                FileTest::Directory => FileKind::Directory,
                FileTest::NotEmpty => FileKind::NonEmpty,
                FileTest::Executable => FileKind::Executable,
                FileTest::Link => FileKind::Link,
            };
            Test::File(subject, kind)
        }
        Asked::Passes { file } => {
            cx.report(
                Diagnostic::warning("look-ahead", condition.span, "`-F` asks only whether the file is there")
                    .because("no request is made inside the server to find out whether it would be answered")
                    .help("`-U` with the path, or `-f`"),
            );
            if *file {
                Test::File(subject, FileKind::File)
            } else {
                Test::Match { subject, pattern: Pattern::prefix("/"), into: None }
            }
        }
        Asked::Expression(text) => expression(cx, text),
    }
}

/// `RewriteCond expr "..."`: its captures are `%n`. One that cannot be read was reported, and never holds.
fn expression(cx: &mut Cx, text: &Written) -> Test {
    expr::lower::test_into(cx, text, CONDITION).unwrap_or(Test::Any(Vec::new()))
}

/// Steps that promise `Vary` for the fields that conditions which hold have read.
pub(super) fn vary(cx: &mut Cx, scene: &Scene, conditions: &[Condition]) -> Steps {
    let mut steps = Steps::new();
    let mut group: Vec<&Condition> = Vec::new();
    for condition in conditions {
        group.push(condition);
        if condition.flags.or_next {
            continue;
        }
        let members = std::mem::take(&mut group);
        if members.iter().all(|member| fields(member).is_empty()) {
            continue;
        }
        // Of several, the first that holds has read what counts.
        let mut otherwise = Steps::new();
        for (at, member) in members.iter().enumerate().rev() {
            let promised = promises(member);
            let is_last = at + 1 == members.len();
            if is_last {
                otherwise = promised;
                continue;
            }
            let mut before = Steps::new();
            let test = question(cx, scene, member, &mut before, false);
            if !before.is_empty() {
                continue;
            }
            let block = |steps| Block { steps, span: member.span, ..Block::default() };
            let step = Step::When { test, then: block(promised), otherwise: block(otherwise) };
            otherwise = vec![(step, member.span)];
        }
        steps.extend(otherwise);
    }
    steps
}

fn promises(condition: &Condition) -> Steps {
    let each = fields(condition).into_iter().map(|(name, field)| {
        let promise =
            Step::Promise { field: "Vary".into(), value: Template::text(name), always: false, member: true };
        let present = Test::Present(Template::attr(Attr::FieldList(field)));
        when(present, vec![(promise, condition.span)], condition.span)
    });
    each.collect()
}

/// The request fields that a condition reads: as `Vary` names them, and to read them by.
fn fields(condition: &Condition) -> Vec<(Text, Text)> {
    if condition.flags.no_vary {
        return Vec::new();
    }
    let mut found = Vec::new();
    read(&condition.input, &mut found);
    found
}

fn read(pieces: &[Piece], found: &mut Vec<(Text, Text)>) {
    for piece in pieces {
        match piece {
            Piece::Variable(name) => {
                let bytes = name.bytes();
                let field = match bytes.split_at_checked(5) {
                    Some((prefix, field)) if prefix.eq_ignore_ascii_case(b"HTTP:") => Some(Text::from(field)),
                    _ => vars::field(bytes).map(Text::from),
                };
                if let Some(field) = field.filter(|field| !field.eq_ignore_ascii_case(b"host")) {
                    found.push((field.clone(), field));
                }
            }
            Piece::Map(lookup) => {
                read(&lookup.key, found);
                read(&lookup.default, found);
            }
            Piece::Text(_) | Piece::Rule(_) | Piece::Condition(_) => {}
        }
    }
}
