//! Finds the `;` that is missing at the end of a line.
//!
//! To the grammar, `root /x` and a `location / {` on the next line are one
//! directive with a block. Who knows the directives sees two; this room splits
//! them, so that the rest of the file is checked and the finding is the true one.
//! What nginx accepts is left as it is: there it is a warning.

use super::tree::{Body, Directive, Item, Items, Word};
use crate::{diagnostic::Diagnostic, source::SourceMap};

/// What has to be known about a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The most arguments it takes; `None` for any number.
    pub most: Option<usize>,
    /// Whether it has a block.
    pub block: bool,
}

/// So many `;` missing in a row are no slips: the text is not an nginx.conf.
const MOST_SPLITS: usize = 100;

/// Splits directives that swallowed the next one. `shape` knows the directives by name.
pub fn mend(
    sources: &SourceMap,
    items: &mut Items,
    shape: &dyn Fn(&str) -> Option<Shape>,
) -> Vec<Diagnostic> {
    let mut mender = Mender { sources, shape, diagnostics: Vec::new() };
    mender.items(items);
    mender.diagnostics
}

struct Mender<'a> {
    sources: &'a SourceMap,
    shape: &'a dyn Fn(&str) -> Option<Shape>,
    diagnostics: Vec<Diagnostic>,
}

impl Mender<'_> {
    fn items(&mut self, items: &mut Items) {
        let old = std::mem::take(items);
        items.reserve(old.len());
        for item in old {
            let Item::Directive(mut directive) = item else {
                items.push(item);
                continue;
            };
            for _ in 0..MOST_SPLITS {
                let Some(rest) = self.split(&mut directive) else { break };
                items.push(Item::Directive(std::mem::replace(&mut directive, rest)));
            }
            self.body(&mut directive);
            items.push(Item::Directive(directive));
        }
    }

    fn body(&mut self, directive: &mut Directive) {
        match &mut directive.body {
            Body::None | Body::Opaque(_) => {}
            Body::Included(files) => files.iter_mut().for_each(|file| self.items(&mut file.items)),
            Body::Block(inner) => {
                // Entries of a table are no directives, whatever their keys are.
                let tables: [&[u8]; 6] =
                    [b"map", b"geo", b"types", b"split_clients", b"charset_map", b"match"];
                if !tables.contains(&directive.name.value.as_slice()) {
                    self.items(inner);
                }
            }
        }
    }

    /// Cuts off what follows the missing `;`.
    fn split(&mut self, directive: &mut Directive) -> Option<Directive> {
        if directive.args.is_empty() {
            return None;
        }
        let shape = (self.shape)(directive.name())?;
        let at = directive.args.iter().position(|word| self.starts_directive(word))?;
        let has_block = matches!(directive.body, Body::Block(_) | Body::Opaque(_));
        let too_many = shape.most.is_some_and(|most| directive.args.len() > most);
        let wrong = (has_block && !shape.block) || too_many;
        let next = &directive.args[at];
        if !wrong {
            // A name alone on its line may well be meant as an argument.
            if at + 1 < directive.args.len() {
                self.diagnostics.push(accepted(directive, next));
            }
            return None;
        }
        self.diagnostics.push(refused(directive, at));
        let mut args = directive.args.split_off(at);
        let name = args.remove(0);
        let span = name.span.to(directive.span);
        let body = std::mem::replace(&mut directive.body, Body::None);
        directive.span = directive.head();
        Some(Directive { name, args, body, span })
    }

    /// The first word of its line, unquoted and a directive's name.
    fn starts_directive(&self, word: &Word) -> bool {
        if word.quote.is_some() {
            return false;
        }
        let before = &self.sources.file(word.span.file).text[..word.span.start as usize];
        let blank = before.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
        blank == Some(&b'\n')
            && std::str::from_utf8(&word.value).is_ok_and(|name| (self.shape)(name).is_some())
    }
}

fn refused(directive: &Directive, at: usize) -> Diagnostic {
    let next = &directive.args[at];
    let last = at.checked_sub(1).map_or(directive.name.span, |at| directive.args[at].span);
    let mut after = last;
    after.start = last.end;
    let message = format!("directive `{}` is not terminated by `;`", directive.name());
    Diagnostic::error("missing-semicolon", after, message)
        .because("expected `;` here")
        .label(next.span, "another directive starts here")
}

fn accepted(directive: &Directive, next: &Word) -> Diagnostic {
    let message = format!("`{}` is an argument of `{}` here", next.text(), directive.name());
    Diagnostic::warning("swallowed-directive", next.span, message)
        .because("looks like a directive of its own")
        .label(directive.name.span, "still open, because no `;` ended it")
        .help("is a `;` missing on the line above?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::render::{Colour, Format, render},
        dialect::nginx::{parse::parse, tree::directives},
    };

    fn shape(name: &str) -> Option<Shape> {
        let (most, block) = match name {
            "root" | "proxy_pass" => (Some(1), false),
            "internal" => (Some(0), false),
            "listen" | "server_name" => (None, false),
            "location" => (Some(2), true),
            "server" => (Some(0), true),
            _ => return None,
        };
        Some(Shape { most, block })
    }

    /// The names at the outside, and the findings.
    fn mended(text: &str) -> (String, String) {
        let mut sources = SourceMap::new();
        let file = sources.add("t".into(), text.into());
        let (mut items, _) = parse(&sources, file);
        let found = mend(&sources, &mut items, &shape);
        let names: Vec<_> = directives(&items)
            .map(|directive| {
                assert!(directive.head().end <= directive.span.end);
                format!("{}/{}", directive.name(), directive.args.len())
            })
            .collect();
        (names.join(" "), render(&sources, &found, Format::Short, Colour::Never))
    }

    #[test]
    fn two_directives_in_one_are_split() {
        let missing = |line: u32, column: u32, name: &str| {
            format!(
                "t:{line}:{column}: error[missing-semicolon]: directive `{name}` is not terminated by `;`\n"
            )
        };
        let table = [
            ("root /x\nproxy_pass y;", "root/1 proxy_pass/1", missing(1, 8, "root")),
            ("root /x\n  location / { root /y; }", "root/1 location/1", missing(1, 8, "root")),
            ("internal\nroot /x;", "internal/0 root/1", missing(1, 9, "internal")),
            (
                "root /x # c\nproxy_pass y\nlocation / {}",
                "root/1 proxy_pass/1 location/1",
                missing(1, 8, "root") + &missing(2, 13, "proxy_pass"),
            ),
            ("listen 80\nlocation / {}", "listen/1 location/1", missing(1, 10, "listen")),
            ("server {\nroot /x\nproxy_pass y;\n}", "server/0", missing(2, 8, "root")),
            // On one line, quoted, unknown, or in a table: not ours.
            ("root /x proxy_pass y;", "root/3", String::new()),
            ("root /x\n'proxy_pass' y;", "root/3", String::new()),
            ("root /x\nother y;", "root/3", String::new()),
            ("map a b { root x\nroot y; }", "map/2", String::new()),
            // nginx accepts these.
            ("server_name a\n internal;", "server_name/2", String::new()),
            (
                "server_name a\n listen 80;",
                "server_name/3",
                "t:2:2: warning[swallowed-directive]: `listen` is an argument of `server_name` here\n".into(),
            ),
        ];
        for (text, names, found) in table {
            assert_eq!(mended(text), (names.to_owned(), found), "{text}");
        }
    }
}
