//! Where settings were written: provenance, and no part of what they mean.

use super::Settings;
use crate::source::Span;

/// Places by group and field. All are equal: provenance is not meaning.
#[derive(Clone, Debug, Default)]
pub struct Places(pub Vec<(&'static str, &'static str, Span)>);

impl Places {
    /// Where a field was written last.
    pub fn find(&self, group: &str, field: &str) -> Option<Span> {
        let mut known = self.0.iter().rev();
        known.find(|(of, name, _)| *of == group && *name == field).map(|(.., span)| *span)
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Settings {
    /// Notes that what was set since this was last called was written here.
    pub fn written_at(&mut self, span: Span) {
        let mut new = Vec::new();
        self.each(&mut |group, field, _| {
            if self.places.find(group, field).is_none() {
                new.push((group, field, span));
            }
        });
        if self.handler.is_some() && self.places.find("", "handler").is_none() {
            new.push(("", "handler", span));
        }
        self.places.0.append(&mut new);
    }
}
