//! What the target cannot say.

use std::collections::BTreeSet;

use crate::{
    diagnostic::{Diagnostic, Severity},
    source::Span,
};

/// Something that was written and is not in the output, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it was written.
    pub span: Span,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What comes nearest.
    pub nearest: Option<String>,
}

/// What is lost, in order.
#[derive(Debug, Default)]
pub struct Losses {
    /// What is lost.
    pub all: Vec<Loss>,
    /// What is worth knowing and changes no answer.
    pub remarks: Vec<Loss>,
    /// The settings that one of both speaks of, as `group.field`.
    pub told: BTreeSet<String>,
}

impl Losses {
    /// Adds a loss.
    pub fn lose(&mut self, span: Span, what: impl Into<String>, why: impl Into<String>) {
        self.add(Loss { span, what: what.into(), why: why.into(), nearest: None });
    }

    /// Adds a loss that something comes near.
    pub fn lose_near(
        &mut self,
        span: Span,
        what: impl Into<String>,
        why: impl Into<String>,
        nearest: impl Into<String>,
    ) {
        self.add(Loss { span, what: what.into(), why: why.into(), nearest: Some(nearest.into()) });
    }

    /// Adds a remark.
    pub fn remark(&mut self, span: Span, what: impl Into<String>, why: impl Into<String>) {
        let remark = Loss { span, what: what.into(), why: why.into(), nearest: None };
        // The same is worth knowing once.
        if !self.remarks.iter().any(|known| known.what == remark.what && known.why == remark.why) {
            self.remarks.push(remark);
        }
    }

    /// Notes that a setting is spoken of.
    pub fn tell(&mut self, key: &str) {
        self.told.insert(key.to_owned());
    }

    fn add(&mut self, loss: Loss) {
        if !has(&self.all, &loss) {
            self.all.push(loss);
        }
    }

    /// All as findings.
    pub fn findings(&self) -> Vec<Diagnostic> {
        let lost = self.all.iter().map(|one| finding(one, Severity::Warning, "lost"));
        let remarks = self.remarks.iter().map(|one| finding(one, Severity::Note, "left-out"));
        lost.chain(remarks).collect()
    }
}

/// Spans compare equal, so their parts are looked at.
fn has(all: &[Loss], one: &Loss) -> bool {
    let place = |span: Span| (span.file, span.start);
    all.iter().any(|known| known == one && place(known.span) == place(one.span))
}

fn finding(loss: &Loss, severity: Severity, code: &'static str) -> Diagnostic {
    let Loss { span, what, why, nearest } = loss;
    let mut found = Diagnostic::new(severity, code, what.clone());
    if span.is_known() {
        found = found.label(*span, why.clone());
    } else {
        found = found.note(why.clone());
    }
    if let Some(nearest) = nearest {
        found = found.help(nearest.clone());
    }
    found
}
