//! Sections and directives of one file: lines become a tree.
//!
//! Knows how sections nest and close, and nothing of what a directive means. Never fails: what is wrong is
//! reported, mended and handed on.

use std::sync::Arc;

use super::{
    catalogue,
    lex::{self, Line, Lines},
    tree::{Body, Directive, Item, Items, Section, Use, Word, Written},
};
use crate::{
    diagnostic::Diagnostic,
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
        builder.line(line);
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
    items: Items,
}

impl Builder {
    /// Takes the next line.
    pub fn line(&mut self, line: Line) {
        match line.text.bytes().first() {
            None => self.push(Item::Blank(line.span)),
            Some(b'#') => self.push(Item::Comment(line.span)),
            Some(_) => match directive(line, None) {
                Some(directive) if directive.name.value.starts_with(b"</") => self.close(&directive),
                Some(directive) if directive.is_section() => self.open(directive),
                Some(directive) => self.push(Item::Directive(directive)),
                None => {}
            },
        }
    }

    /// Adds what stands in the innermost section.
    pub fn push(&mut self, item: Item) {
        match self.open.last_mut() {
            Some(open) => open.items.push(item),
            None => self.items.push(item),
        }
    }

    /// Opens a section.
    pub fn open(&mut self, directive: Directive) {
        if self.open.len() >= DEEPEST_SECTION {
            let message = format!("more than {DEEPEST_SECTION} sections stand in each other");
            self.found.push(Diagnostic::error("sections-too-deep", directive.span, message));
        }
        self.open.push(Open { directive, items: Items::new() });
    }

    /// Closes a section.
    fn close(&mut self, closing: &Directive) {
        let written = closing.name.text();
        let Some(name) = closing.name.value.strip_suffix(b">") else {
            let message = format!("{written}> directive missing closing '>'");
            self.found.push(Diagnostic::error("unclosed-tag", closing.span, message));
            return self.close_named(&closing.name.value[2..], closing);
        };
        self.close_named(&name[2..], closing);
    }

    fn close_named(&mut self, name: &[u8], closing: &Directive) {
        let matches = |open: &Open| open.directive.name.value[1..].eq_ignore_ascii_case(name);
        let Some(at) = self.open.iter().rposition(matches) else {
            let name = String::from_utf8_lossy(name);
            let fault = match self.open.last() {
                Some(open) => expected(open, closing),
                None => Diagnostic::error(
                    "section-not-open",
                    closing.span,
                    format!("</{name}> without matching <{name}> section"),
                ),
            };
            self.found.push(fault);
            return;
        };
        while self.open.len() > at + 1 {
            if let Some(open) = self.open.last() {
                self.found.push(expected(open, closing));
            }
            self.leave(closing.span);
        }
        self.leave(closing.span);
    }

    /// Leaves the innermost section.
    fn leave(&mut self, close: Span) {
        let Some(Open { mut directive, items }) = self.open.pop() else { return };
        let section = Section { items, close };
        // What is deeper than anybody writes is left out, so that nothing that walks the tree runs out of stack.
        if self.open.len() < DEEPEST_SECTION {
            directive.body = Body::Section(section);
        }
        self.push(Item::Directive(directive));
    }

    /// The tree of all lines so far; sections that are still open end at `end`.
    pub fn finish(mut self, end: Span) -> (Items, Vec<Diagnostic>) {
        while let Some(open) = self.open.last() {
            let name = String::from_utf8_lossy(&open.directive.name.value).into_owned();
            let fault = Diagnostic::error(
                "unclosed-section",
                open.directive.span,
                format!("{name}> was not closed."),
            )
            .help(format!("write `</{}>` where it ends", &name[1..]));
            self.found.push(fault);
            self.leave(end);
        }
        (self.items, self.found)
    }
}

fn expected(open: &Open, closing: &Directive) -> Diagnostic {
    let name = open.directive.name.text();
    let saw = closing.name.text();
    let message = format!("Expected </{}> but saw {saw}", &name[1..]);
    Diagnostic::error("wrong-section-end", closing.span, message)
        .label(open.directive.span, "this section is still open")
}

/// The directive of a line; `None` when nothing is left of it after `${}` is replaced.
pub fn directive(line: Line, used: Option<Arc<Use>>) -> Option<Directive> {
    let Line { span, text } = line;
    let bytes = text.bytes();
    let (piece, rest) = lex::word(bytes)?;
    let mut value = lex::decode(piece);
    let end = bytes.len() - rest.len();
    let (section, closing) = (value.first() == Some(&b'<'), value.starts_with(b"</"));
    let mut raw = text.slice(end..bytes.len()).trimmed();
    if section && !closing {
        if value.last() == Some(&b'>') {
            value.pop();
        }
        raw = without_bracket(&raw);
    }
    let name = Word { span: text.span(0..end), value, quoted: piece.quote.is_some() };
    let usual = catalogue::usual(&name.value).map_or_else(|| name.text().into_owned().into(), Into::into);
    Some(Directive { name, usual, args: lex::words(&raw), raw, body: Body::None, span, used })
}

/// What a section's `>` ends, which is the last one of the line.
fn without_bracket(raw: &Written) -> Written {
    match memchr::memrchr(b'>', raw.bytes()) {
        Some(at) => raw.slice(0..at).trimmed(),
        None => raw.clone(),
    }
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
