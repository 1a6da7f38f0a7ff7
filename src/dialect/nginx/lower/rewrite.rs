//! The rewrite module's program: `set`, `return`, `break`, and what its two
//! rooms make of `if` and `rewrite`.
//!
//! The directives of a level become steps in the order of the file. A level's
//! steps stand in a block labelled `rules`; a location's lies in the block
//! `locate` of its host, which is run again when the path was changed:
//!
//! | nginx | steps |
//! |---|---|
//! | `break` | the pending jump forgotten; leave `rules` |
//! | `rewrite … last` in a location | run `locate` again |
//! | `rewrite …` in a location, no flag | when `rules` ends, run `locate` again |
//! | `rewrite … last` or no flag in a server | leave `rules` or go on; `locate` follows |
//!
//! A named location is a block of its own and enters a block of the host that
//! is nothing but `locate` (see `server`).
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_rewrite_module.html>;
//! what it leaves open was observed on nginx 1.22.1.

use super::{
    super::{
        tree::{Directive, Item, Word, directives},
        vars::{Definable, definable},
    },
    Answers, Cx, Kind, Level, Place, template,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Block, Escape, Jump, Part, Query, Reply, ReplyContent, Step, Template, VarId},
    source::Span,
};

mod condition;
mod replace;

/// The label of a level's program.
pub(super) const RULES: &str = "rules";
/// The label of the choice of a location, and the named block that is only that.
pub(super) const LOCATE: &str = "locate";

/// The program of a level.
#[derive(Debug, Default)]
pub(super) struct Program {
    steps: Vec<(Step, Span)>,
    /// Whether a step leaves the program or sets what happens at its end.
    jumps: bool,
    /// The `if` levels that are still to come in the block.
    ifs_left: usize,
    /// Whether an `if` has brought settings that another one must drop.
    settings_of_if: bool,
    /// Written when an `if` brought an upstream and the location itself has none.
    upstream_of_if: Option<VarId>,
    /// Whether the captures are those of a `rewrite` of this program: only they are copied as they are.
    captures_of_rewrite: bool,
    /// Whether a `rewrite` of this program leaves it with another path.
    breaks: bool,
}

impl Program {
    /// Whether a `rewrite` of this program leaves it with another path.
    pub(super) fn breaks(&self) -> bool {
        self.breaks
    }

    /// Adds a step.
    pub(super) fn push(&mut self, step: Step, span: Span) {
        self.steps.push((step, span));
    }

    /// The steps, in a labelled block when they jump.
    pub(super) fn into_steps(self, span: Span) -> Vec<(Step, Span)> {
        if !self.jumps {
            return self.steps;
        }
        let block = Block { label: Some(RULES.into()), scope: None, steps: self.steps, span };
        vec![(Step::Do(block), span)]
    }
}

/// Whether a directive is a step of the program at a level.
pub(super) fn is_step(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Server | Kind::Location => {
            matches!(name, "set" | "if" | "rewrite" | "return" | "break")
        }
        Kind::ServerIf | Kind::If => matches!(name, "set" | "rewrite" | "return" | "break"),
        _ => false,
    }
}

/// Lowers the program of a level.
pub(super) fn program(cx: &mut Cx, level: &mut Level, items: &[Item]) {
    let steps = || directives(items).filter(|directive| is_step(level.kind, directive.name()));
    let steps: Vec<&Directive> = steps().collect();
    level.own.program.ifs_left = steps.iter().filter(|step| step.name() == "if").count();
    for directive in steps {
        match directive.name() {
            "set" => set(cx, level, directive),
            "if" => condition::lower(cx, level, directive),
            "rewrite" => replace::lower(cx, level, directive),
            "return" => answer(cx, level, directive),
            _ => {
                let span = directive.head();
                finish(level, span);
            }
        }
    }
}

/// `break`, and what `rewrite … break` does after it changed the path.
fn finish(level: &mut Level, span: Span) {
    if in_location(level) {
        level.own.program.push(Step::AtEnd(None), span);
    } else {
        // Observed: then neither `alias` nor the path of `proxy_pass` stands for that of a location.
        level.own.program.push(Step::Detach, span);
    }
    leave(level, span);
}

/// Leaves the program.
fn leave(level: &mut Level, span: Span) {
    level.own.program.jumps = true;
    level.own.program.push(Step::Jump(Jump::Exit(RULES.into())), span);
}

/// Whether the level's program belongs to a location.
fn in_location(level: &Level) -> bool {
    level.place != Place::Outside
}

/// How a location is searched again from the level.
fn search_again(cx: &mut Cx, level: &Level) -> Jump {
    match level.place {
        Place::Named(_) => {
            cx.enters_locate = true;
            Jump::Enter(LOCATE.into())
        }
        _ => Jump::Repeat(LOCATE.into()),
    }
}

/// `set $name value`
fn set(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [name, value] = directive.args.as_slice() else { return };
    let span = directive.head();
    let Some(bare) = variable_name(cx, name) else { return };
    let step = match definable(&bare.to_ascii_lowercase()) {
        Definable::Query => {
            Step::Rewrite { path: None, query: Query::Replace(quoted(level, template(cx, value))) }
        }
        Definable::LimitRate => Step::LimitRate(quoted(level, template(cx, value))),
        Definable::Free | Definable::Taken => {
            let var = cx.define(bare, name.span);
            let value = quoted(level, template(cx, value));
            let Some(var) = var else { return };
            Step::Assign { var, value }
        }
    };
    level.own.program.push(step, span);
}

/// A value as `set` and `if` read it.
///
/// Observed on nginx 1.22.1: captures in it are escaped as parts of a query if the received path was encoded, those of a
/// location's pattern as well; named groups are not, nor is anything after a `rewrite` that matched and went on.
fn quoted(level: &Level, template: Template) -> Template {
    if level.own.program.captures_of_rewrite {
        return template;
    }
    let quote = |part| match part {
        Part::Capture(..) => Part::Escape(Escape::QueryIfReceivedEncoded, Template(vec![part])),
        part => part,
    };
    Template(template.0.into_iter().map(quote).collect())
}

/// The name in a word that must be `$name`.
pub(super) fn variable_name<'a>(cx: &mut Cx, word: &'a Word) -> Option<&'a [u8]> {
    match word.value.as_slice() {
        [b'$', name @ ..] if !name.is_empty() => Some(name),
        _ => {
            let message = format!("`{}` is not the name of a variable", word.text());
            cx.report(
                Diagnostic::error("invalid-variable", word.span, message)
                    .help("names begin with `$`: `$name`"),
            );
            None
        }
    }
}

/// `return`
///
/// Observed: a status of 400 and above with a text is not recovered by `error_page`, one without is; 444,
/// 499 and 408 without a text close the connection.
fn answer(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(first) = directive.args.first() else { return };
    let (status, text) = match status(&first.value) {
        Some(status) => (status, directive.args.get(1)),
        None if directive.args.len() == 1 && is_url(&first.value) => (302, Some(first)),
        None => {
            let message = format!("invalid return code `{}`", first.text());
            cx.report(
                Diagnostic::error("invalid-status", first.span, message)
                    .help("a status of up to 999, or a URL with `http://`, `https://` or `$scheme`"),
            );
            return;
        }
    };
    let text = text.map(|word| template(cx, word)).unwrap_or_default();
    let content = match status {
        301 | 302 | 303 | 307 | 308 => ReplyContent::Location(text),
        _ if status < 400 || !text.is_empty() => ReplyContent::Text(text),
        408 | 444 | 499 => ReplyContent::Close,
        _ => ReplyContent::Page,
    };
    level.own.program.push(Step::Respond(Reply { status, content }), directive.head());
}

/// A number of up to 999.
pub(super) fn status(word: &[u8]) -> Option<u16> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let number: u16 = std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()?;
    (number <= 999).then_some(number)
}

/// Whether a text is a URL to redirect to, as the rewrite module tells it.
fn is_url(text: &[u8]) -> bool {
    [b"http://".as_slice(), b"https://", b"$scheme"].iter().any(|start| text.starts_with(start))
}

/// A line for the error log where `rewrite_log` is on; nothing where no file has it on.
fn trace(cx: &Cx, steps: &mut Vec<(Step, Span)>, span: Span, parts: &[Part]) {
    if !cx.traces {
        return;
    }
    let mut line = Template::default();
    for part in parts {
        line.push(part.clone());
    }
    steps.push((Step::Trace(line), span));
}

/// What a match, or its absence, says in that log.
fn trace_match(
    cx: &Cx,
    steps: &mut Vec<(Step, Span)>,
    span: Span,
    pattern: &[u8],
    verb: &str,
    subject: &Template,
) {
    let mut parts =
        vec![Part::Text("\"".into()), Part::Text(pattern.into()), Part::Text(format!("\" {verb} \"").into())];
    parts.extend(subject.0.iter().cloned());
    parts.push(Part::Text("\"".into()));
    trace(cx, steps, span, &parts);
}

/// The path and the query as they are now, for that log.
fn trace_result(cx: &Cx, steps: &mut Vec<(Step, Span)>, span: Span) {
    let parts = [
        Part::Text("rewritten data: \"".into()),
        Part::Attr(Attr::Path),
        Part::Text("\", args: \"".into()),
        Part::Attr(Attr::Query),
        Part::Text("\"".into()),
    ];
    trace(cx, steps, span, &parts);
}

/// Whether an `if` of the level may lose the upstream that an earlier one brought.
fn upstream_may_be_lost(level: &Level) -> bool {
    in_location(level) && level.inherited.answers != Answers::Upstream
}
