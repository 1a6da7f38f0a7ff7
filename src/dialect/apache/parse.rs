//! Sections and directives of one file: lines become a tree.
//!
//! Knows how sections nest and close, and nothing of what a directive means. Never fails: what is wrong is
//! reported, mended and handed on.

use std::sync::Arc;

use super::{
    catalogue,
    lex::{self, Line, Lines},
    tree::{Body, Directive, Item, Items, Section, Use, Word},
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    source::{FileId, SourceMap, Span},
};

/// How many sections may stand in each other.
pub const DEEPEST_SECTION: usize = 128;

/// Reads one file as it is: nothing is included, decided or replaced.
pub fn parse(sources: &SourceMap, file: FileId) -> (Items, Vec<Diagnostic>) {
    let text = Arc::clone(&sources.file(file).text);
    let mut lines = Lines::new(file, &text);
    let mut builder = Builder::default();
    for line in lines.by_ref() {
        match line.text.bytes().first() {
            None => builder.push(Item::Blank(line.span)),
            Some(b'#') => builder.push(Item::Comment(line.span)),
            Some(_) => {
                if let Some(directive) = builder.directive(line, None) {
                    builder.take(directive);
                }
            }
        }
    }
    builder.finish(lines.end())
}

/// Puts lines together to a tree.
#[derive(Debug, Default)]
pub struct Builder {
    /// What stands outside of all open sections.
    items: Items,
    /// The sections that are open, the innermost last.
    open: Vec<Open>,
    found: Vec<Diagnostic>,
}

#[derive(Debug)]
struct Open {
    directive: Directive,
    /// Whether it only said whether its content counts.
    taken: bool,
    items: Items,
}

impl Builder {
    /// The directive of a line; `None` when nothing is left of it after `${}` is replaced.
    pub fn directive(&mut self, line: Line, used: Option<Arc<Use>>) -> Option<Directive> {
        let (directive, fault) = directive(line, used)?;
        self.found.extend(fault);
        Some(directive)
    }

    /// Takes a directive that has not been dealt with: opens or closes a section, or adds it.
    pub fn take(&mut self, directive: Directive) {
        if directive.name.value.starts_with(b"</") {
            self.close(&directive);
        } else if directive.is_section() {
            self.open(directive, false);
        } else {
            self.push(Item::Directive(directive));
        }
    }

    /// Adds what stands in the innermost section.
    pub fn push(&mut self, item: Item) {
        match self.open.last_mut() {
            Some(open) => open.items.push(item),
            None => self.items.push(item),
        }
    }

    /// Opens a section; `taken` is one that only said whether its content counts.
    pub fn open(&mut self, directive: Directive, taken: bool) {
        if self.open.len() == DEEPEST_SECTION {
            let message = format!("more than {DEEPEST_SECTION} sections stand in each other");
            self.found.push(Diagnostic::error("sections-too-deep", directive.span, message));
        }
        self.open.push(Open { directive, taken, items: Items::new() });
    }

    /// What was wrong since the last time.
    pub fn take_found(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.found)
    }

    fn close(&mut self, closing: &Directive) {
        let written = closing.name.text();
        let name = &closing.name.value[2..];
        // A section that only said whether its content counts is closed by the very line.
        let inner = self.open.last().is_some_and(|open| !open.taken);
        if let (true, None) = (inner, name.strip_suffix(b">")) {
            let message = format!("{written}> directive missing closing '>'");
            self.found.push(Diagnostic::error("unclosed-tag", closing.span, message));
        }
        let name = name.strip_suffix(b">").unwrap_or(name);
        let matches = |open: &Open| open.directive.name.value[1..].eq_ignore_ascii_case(name);
        let found = self.open.iter().rposition(matches);
        let Some(at) = found else {
            let fault = match self.open.last() {
                Some(open) if !open.taken => expected(open, closing),
                _ => not_open(&written),
            };
            self.found.push(fault.label_first(closing.span));
            return;
        };
        while self.open.len() > at + 1 {
            if let Some(open) = self.open.last() {
                let fault = if open.taken { not_open(&written) } else { expected(open, closing) };
                self.found.push(fault.label_first(closing.span));
            }
            self.leave(closing.span);
        }
        self.leave(closing.span);
    }

    /// Leaves the innermost section.
    fn leave(&mut self, close: Span) {
        let Some(Open { mut directive, taken, items }) = self.open.pop() else { return };
        let section = Section { items, close };
        // What is deeper than anybody writes is left out, so that nothing that walks the tree runs out of stack.
        if self.open.len() < DEEPEST_SECTION {
            directive.body = if taken { Body::Taken(section) } else { Body::Section(section) };
        }
        self.push(Item::Directive(directive));
    }

    /// The tree of all lines so far; sections that are still open end at `end`.
    pub fn finish(mut self, end: Span) -> (Items, Vec<Diagnostic>) {
        while let Some(open) = self.open.last() {
            let name = open.directive.name.text().into_owned();
            let help = format!("write `</{}>` where it ends", &name[1..]);
            let fault = if open.taken {
                // Observed: the end of the file is as good.
                Diagnostic::warning("unclosed-section", open.directive.span, format!("{name}> is not closed"))
            } else {
                Diagnostic::error("unclosed-section", open.directive.span, format!("{name}> was not closed."))
            };
            self.found.push(fault.help(help));
            self.leave(end);
        }
        (self.items, self.found)
    }
}

/// A fault that does not have its place yet.
struct Fault(Diagnostic, Option<Span>);

impl Fault {
    fn label_first(self, span: Span) -> Diagnostic {
        let Self(fault, open) = self;
        let fault = fault.label(span, "");
        match open {
            Some(open) => fault.label(open, "this section is still open"),
            None => fault,
        }
    }
}

fn expected(open: &Open, closing: &Directive) -> Fault {
    let name = open.directive.name.text();
    let message = format!("Expected </{}> but saw {}", &name[1..], closing.name.text());
    Fault(Diagnostic::new(Severity::Error, "wrong-section-end", message), Some(open.directive.span))
}

fn not_open(closing: &str) -> Fault {
    let name = closing[2..].trim_end_matches('>');
    let message = format!("</{name}> without matching <{name}> section");
    Fault(Diagnostic::new(Severity::Error, "section-not-open", message), None)
}

/// The directive of a line, and what is wrong with its brackets.
fn directive(line: Line, used: Option<Arc<Use>>) -> Option<(Directive, Option<Diagnostic>)> {
    let Line { span, text } = line;
    let bytes = text.bytes();
    let (piece, rest) = lex::word(bytes)?;
    let mut value = lex::decode(piece);
    if value.is_empty() {
        return None;
    }
    let end = bytes.len() - rest.len();
    let mut raw = text.slice(end..bytes.len()).trimmed();
    let mut fault = None;
    if value.first() == Some(&b'<') && !value.starts_with(b"</") {
        let closed = value.last() == Some(&b'>');
        if closed {
            value.pop();
        }
        match memchr::memrchr(b'>', raw.bytes()) {
            Some(at) => raw = raw.slice(0..at).trimmed(),
            None if raw.is_empty() => {}
            None => {
                let name = String::from_utf8_lossy(&value);
                let message = format!("{name}> directive missing closing '>'");
                fault = Some(Diagnostic::error("unclosed-tag", span, message));
            }
        }
    }
    let name = Word { span: text.span(0..end), value, quoted: piece.quote.is_some() };
    let usual = catalogue::usual(&name.value).map_or_else(|| name.text().into_owned().into(), Into::into);
    Some((Directive { name, usual, args: lex::words(&raw), raw, body: Body::None, span, used }, fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::apache::tree::directives;

    fn show(items: &[Item]) -> String {
        let shown = directives(items).map(|directive| {
            let args: Vec<_> = directive.args.iter().map(|word| format!(" {}", word.text())).collect();
            let inner = if directive.is_section() {
                format!(" {{{}}}", show(directive.block()))
            } else {
                String::new()
            };
            format!("{}{}{inner};", directive.name(), args.concat())
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn read(text: &str) -> (String, Vec<String>) {
        let mut sources = SourceMap::new();
        let file = sources.add("x".into(), text.into());
        let (items, found) = parse(&sources, file);
        (show(&items), found.into_iter().map(|found| found.message).collect())
    }

    #[test]
    fn sections_hold_what_stands_in_them() {
        let text = "<virtualhost *:80 [::]:80>\n# c\nproxypass / \"http://a\"\n <If \"%{X} > 1\">\n X y\n</IF>\n\
                    </VIRTUALHOST>\n<RequireAll>\n</RequireAll> junk";
        let shown =
            "<VirtualHost> *:80 [::]:80 {ProxyPass / http://a; <If> %{X} > 1 {X y;};}; <RequireAll> {};";
        assert_eq!(read(text), (shown.into(), vec![]));
    }

    #[test]
    fn wrong_ends_are_reported_and_mended() {
        let (shown, found) = read("<Directory /a>\n<Limit GET>\nX\n</Directory>\n</Files>\n<Location /b>\nY");
        assert_eq!(shown, "<Directory> /a {<Limit> GET {X;};}; <Location> /b {Y;};");
        assert_eq!(
            found,
            [
                "Expected </Limit> but saw </Directory>",
                "</Files> without matching <Files> section",
                "<Location> was not closed.",
            ]
        );
    }

    #[test]
    fn sections_have_a_deepest() {
        let text = "<If x>\n".repeat(100_000);
        let (_, found) = read(&text);
        assert!(found.iter().any(|found| found.starts_with("more than 128")));
    }
}
