//! Is every directive known, in its place, and given what it takes?
//!
//! One walk over the tree, before lowering, with the catalogue as the only
//! knowledge. All mistakes of a file come out in one run; after one mistake in a
//! directive, its block is still looked at. The order of the questions is
//! nginx's: name, place, block or none, number of arguments, values.
//!
//! What a value means (is there such an upstream, is the pattern valid) is for
//! the lowering.

mod args;

use std::collections::HashMap;

use super::tree::{Body, Directive, Item, directives};
use crate::{
    catalogue::{self, Catalogue, Found, Level, Status},
    diagnostic::{Diagnostic, Severity, suggest},
    source::Span,
};

/// How to judge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The file is away from its machine and will not be run: what is refused is a warning.
    pub offline: bool,
}

/// Checks the directives of a file or of a block of the given kind.
pub fn check(items: &[Item], level: Level, options: Options) -> Vec<Diagnostic> {
    let mut walk = Walk { catalogue: catalogue::nginx(), options, found: Vec::new() };
    walk.block(items, level, Voice::Full);
    walk.found
}

struct Walk {
    catalogue: &'static Catalogue,
    options: Options,
    found: Vec<Diagnostic>,
}

/// Whether to speak of what is inert or refused: inside of a refused block, nobody needs to hear it again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Full,
    MistakesOnly,
}

impl Walk {
    fn block(&mut self, items: &[Item], level: Level, voice: Voice) {
        let mut seen = HashMap::<&str, Span>::new();
        for directive in directives(items) {
            let Some(row) = self.row(directive, level) else { continue };
            if !row.repeat
                && let Some(first) = seen.insert(directive.name(), directive.name.span)
            {
                self.duplicate(directive, first);
            }
            let voice = self.directive(directive, row, voice);
            if let (Body::Block(inside), Some(level)) = (&directive.body, inner(directive.name(), level)) {
                self.block(inside, level, voice);
            }
        }
    }

    /// The row of a directive that may stand here; otherwise says what is wrong.
    fn row(&mut self, directive: &Directive, level: Level) -> Option<&'static catalogue::Directive> {
        let name = directive.name();
        match self.catalogue.find(name, level) {
            Found::Row(row) => return Some(row),
            Found::Elsewhere(row) => self.misplaced(directive, row, level),
            Found::ThirdParty(module) => {
                let message = format!(
                    "`{name}` belongs to `{}`, a module that nginx does not come with",
                    module.module
                );
                let found = Diagnostic::error("third-party-directive", directive.name.span, message);
                let found = found.because("not honoured").help(module.why.clone());
                self.found.push(self.lenient(found));
            }
            Found::Unknown => {
                let mut found = Diagnostic::error(
                    "unknown-directive",
                    directive.name.span,
                    format!("unknown directive `{name}`"),
                );
                if let Some(meant) = self.meant(name, level) {
                    found = found.help(format!("did you mean `{meant}`?"));
                }
                self.found.push(found);
            }
        }
        None
    }

    /// What was probably meant by an unknown name: first of what may stand here.
    fn meant(&self, name: &str, level: Level) -> Option<&'static str> {
        let here = self.catalogue.iter().filter(|row| row.contexts.contains(level));
        suggest::nearest(name, here.flat_map(|row| row.names.iter().map(String::as_str)))
            .or_else(|| suggest::nearest(name, self.catalogue.names()))
    }

    fn misplaced(&mut self, directive: &Directive, row: &catalogue::Directive, level: Level) {
        let name = directive.name();
        let places: Vec<&str> =
            self.catalogue.rows(name).flat_map(|row| row.contexts.iter()).map(Level::description).collect();
        let message = format!("`{name}` may not stand in {}", level.description());
        let found = Diagnostic::error("wrong-context", directive.name.span, message);
        let found = found.because(format!("allowed in {}", enumerate(&places)));
        self.found.push(match better(name, level) {
            Some(help) => found.help(help),
            None => found,
        });
        if let (Body::Block(inside), Some(home)) = (&directive.body, row.contexts.iter().next())
            && let Some(level) = inner(name, home)
        {
            self.block(inside, level, Voice::Full);
        }
    }

    fn duplicate(&mut self, directive: &Directive, first: Span) {
        let message = format!("`{}` directive is duplicate", directive.name());
        let found = Diagnostic::error("duplicate-directive", directive.name.span, message);
        self.found.push(found.because("again here").label(first, "first here"));
    }

    /// Judges a directive in its place; returns how to speak inside of its block.
    fn directive(&mut self, directive: &Directive, row: &catalogue::Directive, voice: Voice) -> Voice {
        let name = directive.name();
        let has_block = matches!(directive.body, Body::Block(_) | Body::Opaque(_));
        if row.args.block() != has_block {
            let found = if has_block {
                Diagnostic::error("unexpected-block", directive.head(), format!("`{name}` takes no block"))
                    .because("expected `;` after this")
            } else {
                Diagnostic::error("missing-block", directive.head(), format!("`{name}` needs a block"))
                    .because("expected `{` after this")
            };
            self.found.push(found);
            return voice;
        }
        let mistakes = args::check(directive, row);
        let wrong = !mistakes.is_empty();
        self.found.extend(mistakes);
        if wrong || voice == Voice::MistakesOnly {
            return voice;
        }
        self.status(directive, row)
    }

    fn status(&mut self, directive: &Directive, row: &catalogue::Directive) -> Voice {
        let name = directive.name();
        match &row.status {
            Status::Honoured => Voice::Full,
            Status::Inert { why } => {
                let message = format!("`{name}` has no effect here");
                self.found.push(
                    Diagnostic::note_at("inert-directive", directive.head(), message).because(why.clone()),
                );
                Voice::Full
            }
            Status::Refused { why } if row.is_harmless(&written(directive)) => {
                let message = format!("`{name}` is {}", first_part(why));
                let found = Diagnostic::note_at("inert-directive", directive.head(), message);
                self.found.push(found.because("changes nothing with this value"));
                Voice::Full
            }
            Status::Refused { why } if !row.needs.is_empty() => {
                let needs: Vec<String> = row.needs.iter().map(|needed| format!("`{needed}`")).collect();
                let message = format!("`{name}` is {}", first_part(why));
                let found = Diagnostic::note_at("inert-directive", directive.head(), message);
                self.found.push(found.because(format!("changes nothing without {}", enumerate(&needs))));
                Voice::Full
            }
            Status::Refused { why } => {
                let code = if why.starts_with("not yet honoured") {
                    "not-yet-honoured"
                } else {
                    "refused-directive"
                };
                let message = format!("`{name}` is {}", first_part(why));
                let mut found = Diagnostic::error(code, directive.head(), message);
                if let Some((_, help)) = why.split_once("; ") {
                    found = found.help(help);
                }
                self.found.push(self.lenient(found));
                Voice::MistakesOnly
            }
        }
    }

    /// What stops a server from starting is a warning for a file that is only looked at.
    fn lenient(&self, found: Diagnostic) -> Diagnostic {
        let severity = if self.options.offline { Severity::Warning } else { found.severity };
        Diagnostic { severity, ..found }
    }
}

/// The level inside of a block; none when its entries are no directives (`map`, `types`, ...).
fn inner(name: &str, level: Level) -> Option<Level> {
    Some(match (name, level) {
        ("events", _) => Level::Events,
        ("http", _) => Level::Http,
        ("stream", _) => Level::Stream,
        ("mail", _) => Level::Mail,
        ("mgmt", _) => Level::Mgmt,
        ("server", Level::Stream) => Level::StreamServer,
        ("server", Level::Mail) => Level::MailServer,
        ("server", _) => Level::Server,
        ("upstream", Level::Stream) => Level::StreamUpstream,
        ("upstream", _) => Level::Upstream,
        ("location", _) => Level::Location,
        ("if", Level::Server) => Level::ServerIf,
        ("if", _) => Level::If,
        ("limit_except", _) => Level::LimitExcept,
        ("oidc_provider", _) => Level::OidcProvider,
        ("acme_issuer", _) => Level::AcmeIssuer,
        ("otel_exporter", _) => Level::OtelExporter,
        _ => return None,
    })
}

/// What to write instead, where people often err.
fn better(name: &str, level: Level) -> Option<&'static str> {
    match (name, level) {
        ("proxy_pass" | "uwsgi_pass" | "fastcgi_pass", Level::Server) => {
            Some("put it into `location / { ... }`")
        }
        ("proxy_set_header", Level::If) => {
            Some("set a variable in the `if` and use it in a `proxy_set_header` outside")
        }
        ("if", Level::If | Level::ServerIf) => Some("combine the conditions in a `map`"),
        ("server" | "upstream" | "map" | "log_format", Level::Main) => Some("put it into `http { ... }`"),
        ("server", Level::Server) => Some("close the brace of the `server` before it"),
        _ => None,
    }
}

/// The arguments as one text, as the catalogue writes defaults.
fn written(directive: &Directive) -> String {
    let words: Vec<_> = directive.args.iter().map(|word| word.text().to_ascii_lowercase()).collect();
    words.join(" ")
}

fn first_part(why: &str) -> &str {
    why.split_once("; ").map_or(why, |(first, _)| first)
}

fn enumerate<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", most.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests;
