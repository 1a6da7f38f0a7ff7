//! What happened to one request, step by step, for those who ask why.

use super::rehearse::{Event, Watcher};
use crate::{
    ir::VarId,
    plan::{Failure, Plan, observe::Observer},
    source::{SourceMap, Span},
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the observer's functions")]
pub enum Step {
    /// An operation that was written here ran.
    At(Span),
    /// A value was compared with a pattern.
    Matched { span: Span, subject: Vec<u8>, outcome: Result<bool, Failure>, captures: Vec<(u32, Vec<u8>)> },
    /// A question of another kind was answered.
    Tested { span: Span, holds: bool },
    /// A variable was written.
    Assigned { span: Span, var: VarId, value: Vec<u8> },
    /// The path was replaced.
    Rewritten { span: Span, path: Vec<u8>, query: Vec<u8> },
    /// A path took a route, or none.
    Routed { span: Span, path: Vec<u8>, found: bool },
    /// Something beside the program.
    Event(Event),
}

/// Steps remembered of one request: a program may repeat itself thousands of times.
const MOST: usize = 50_000;

/// Remembers what happened, in order.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Recorder {
    fn push(&mut self, step: Step) {
        if !self.is_full() {
            self.steps.push(step);
        }
    }

    /// Whether what happened later is not remembered.
    pub fn is_full(&self) -> bool {
        self.steps.len() >= MOST
    }
}

impl Observer for Recorder {
    fn step(&mut self, span: Span) {
        if span.is_known() && self.steps.last().is_none_or(|last| !is_at(last, span)) {
            self.push(Step::At(span));
        }
    }

    fn matched(&mut self, span: Span, subject: &[u8], outcome: Result<bool, Failure>) {
        self.push(Step::Matched { span, subject: subject.to_vec(), outcome, captures: Vec::new() });
    }

    fn captured(&mut self, _: Span, group: u32, value: &[u8]) {
        if let Some(Step::Matched { captures, .. }) = self.steps.last_mut() {
            captures.push((group, value.to_vec()));
        }
    }

    fn tested(&mut self, span: Span, holds: bool) {
        self.push(Step::Tested { span, holds });
    }

    fn assigned(&mut self, span: Span, var: VarId, value: &[u8]) {
        self.push(Step::Assigned { span, var, value: value.to_vec() });
    }

    fn rewritten(&mut self, span: Span, path: &[u8], query: &[u8]) {
        self.push(Step::Rewritten { span, path: path.to_vec(), query: query.to_vec() });
    }

    fn routed(&mut self, span: Span, path: &[u8], found: bool) {
        self.push(Step::Routed { span, path: path.to_vec(), found });
    }
}

impl Watcher for Recorder {
    fn event(&mut self, event: Event) {
        self.push(Step::Event(event));
    }
}

fn is_at(step: &Step, span: Span) -> bool {
    matches!(step, Step::At(known) if (known.file, known.start, known.end) == (span.file, span.start, span.end))
}

impl Step {
    /// Where it was written.
    pub fn span(&self) -> Span {
        match self {
            Self::At(span)
            | Self::Matched { span, .. }
            | Self::Tested { span, .. }
            | Self::Assigned { span, .. }
            | Self::Rewritten { span, .. }
            | Self::Routed { span, .. } => *span,
            Self::Event(_) => Span::NONE,
        }
    }

    /// What happened, in words; `None` where a place is all there is to say.
    pub fn words(&self, plan: &Plan) -> Option<String> {
        let shown = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
        Some(match self {
            Self::At(_) => return None,
            Self::Matched { subject, outcome, captures, .. } => {
                let word = match outcome {
                    Ok(true) => "matches".to_owned(),
                    Ok(false) => "does not match".to_owned(),
                    Err(failure) => failure.to_string(),
                };
                let groups: Vec<String> =
                    captures.iter().map(|(group, value)| format!("${group}={}", shown(value))).collect();
                let groups =
                    if groups.is_empty() { String::new() } else { format!(": {}", groups.join(" ")) };
                format!("{} {word}{groups}", shown(subject))
            }
            Self::Tested { holds, .. } => (if *holds { "holds" } else { "does not hold" }).to_owned(),
            Self::Assigned { var, value, .. } => {
                let name = plan.config.vars.get(var.0 as usize).map(|var| var.name.to_string());
                format!("${} = {}", name.unwrap_or_default(), shown(value))
            }
            Self::Rewritten { path, query, .. } if query.is_empty() => {
                format!("the path is now {}", shown(path))
            }
            Self::Rewritten { path, query, .. } => {
                format!("the path is now {}, the query {}", shown(path), shown(query))
            }
            Self::Routed { path, found: true, .. } => format!("{} takes a route", shown(path)),
            Self::Routed { path, .. } => format!("{} takes no route", shown(path)),
            Self::Event(event) => return event.words(plan),
        })
    }

    /// A line for the error log: where, what was written there, what happened.
    pub fn line(&self, plan: &Plan, sources: &SourceMap) -> Option<String> {
        let words = self.words(plan)?;
        Some(match self.place(sources) {
            None => words,
            Some(place) => format!("{place}: {words}"),
        })
    }

    /// Where, and what was written there.
    pub fn place(&self, sources: &SourceMap) -> Option<String> {
        let position = sources.position(self.span())?;
        let file = sources.file(self.span().file);
        let text = String::from_utf8_lossy(&file.text[file.line(position.line)]).trim().to_owned();
        Some(format!("{}:{}: {text}", file.path.display(), position.line))
    }
}

impl Event {
    /// In words.
    pub fn words(&self, plan: &Plan) -> Option<String> {
        let shown = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
        Some(match self {
            Self::Host(id) => {
                let name = &plan.config.host(*id).name;
                format!(
                    "the host is {}",
                    if name.is_empty() { "one without a name".to_owned() } else { shown(name) }
                )
            }
            Self::File { name, kind, found } => {
                let word = if *found { "there is" } else { "there is not" };
                format!("{word}, as {}: {}", format!("{kind:?}").to_ascii_lowercase(), shown(name))
            }
            Self::Located { name, kind: "" } => format!("there is nothing at {}", shown(name)),
            Self::Located { name, kind } => format!("{} is a {kind}", shown(name)),
            Self::Access(true) => "access is allowed".to_owned(),
            Self::Access(false) => "access is refused".to_owned(),
            Self::Lookup { key, value: Some(value) } => {
                format!("the map has {} for {}", shown(value), shown(key))
            }
            Self::Lookup { key, value: None } => format!("the map has nothing for {}", shown(key)),
            Self::Status(status) => format!("the status is {status}"),
            Self::Sent { to, head } if head.is_empty() => format!("asks {}", to.escape_ascii()),
            Self::Sent { to, head } => {
                format!("asks {}: {}", to.escape_ascii(), String::from_utf8_lossy(head))
            }
            Self::Inside { path, query } if query.is_empty() => {
                format!("goes on inside with {}", shown(path))
            }
            Self::Inside { path, query } => {
                format!("goes on inside with {}", shown(&[path, &b"?"[..], query].concat()))
            }
            Self::Log(level, line) => {
                format!("error log, {}: {line}", format!("{level:?}").to_ascii_lowercase())
            }
        })
    }
}
