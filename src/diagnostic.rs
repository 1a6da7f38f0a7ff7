//! What we have to say about a configuration, as plain data.
//!
//! A code is kebab-case, names the fault, and is never reused. A message is
//! lower case without a full stop and speaks the user's words; a label sits on
//! the smallest span that is wrong; help says what to type.

pub mod render;
pub mod suggest;

use serde::Serialize;

use crate::source::Span;

/// How bad it is. The order is from harmless to fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing: accepted without effect, supplied from a bundled copy.
    Note,
    /// Legal and probably not meant.
    Warning,
    /// The configuration cannot be served as written.
    Error,
}

/// A remark on a span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// What is remarked on.
    pub span: Span,
    /// The remark; may be empty when the message says it all.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The first is the primary one. Empty when the finding has no place.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub helps: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// Edits of the files after which the finding is gone and the configuration does what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// An edit of a file: a text in place of a span, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// What stands there instead.
    pub text: String,
}

impl Diagnostic {
    /// A finding without a place.
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let (labels, helps, notes, fixes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { code, severity, message, labels, helps, notes, fixes }
    }

    /// An error at `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message).label(span, "")
    }

    /// A warning at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message).label(span, "")
    }

    /// A note at `span`.
    pub fn note_at(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message).label(span, "")
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Gives the primary label its text.
    #[must_use]
    pub fn because(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds help.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds an edit that does away with it.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fixes.push(Fix { span, text: text.into() });
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }
}

/// Puts findings into the order of the files and of the places in them, and drops the repeated ones.
///
/// A file that is included twice is read twice, and says the same thing twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
    diagnostics.dedup_by(|a, b| key(a) == key(b));
}

/// Everything that a reader could tell two findings apart by; spans compare equal, so their parts stand here.
fn key(found: &Diagnostic) -> impl Ord + '_ {
    let Diagnostic { code, severity, message, labels, helps, notes, fixes: _ } = found;
    let place = |label: &Label| (label.span.file, label.span.start, label.span.end);
    // What has no place comes last, as its file does.
    let first = labels.first().map_or((Span::NONE.file, 0, 0), place);
    let labels: Vec<_> = labels.iter().map(|label| (place(label), label.text.as_str())).collect();
    (first, std::cmp::Reverse(severity), code, message, labels, helps, notes)
}
