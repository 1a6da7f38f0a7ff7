//! From the words of an nginx.conf to its tree, going on after every mistake.
//!
//! Implements `grammar/nginx.ebnf`. Which directives exist, where they may stand
//! and how many arguments they take is not grammar; the catalogue knows it.

use std::path::PathBuf;

use super::{
    lex::{Lexer, Token},
    tree::{Body, Directive, Item, Items, Word},
};
use crate::{
    diagnostic::Diagnostic,
    source::{FileId, SourceMap, Span},
};

/// How many blocks may stand in one another, included files counted. nginx has no limit but its stack; people use six.
pub const DEEPEST_NESTING: usize = 128;

/// Reads one file, without the files that it includes.
pub fn parse(sources: &SourceMap, file: FileId) -> (Items, Vec<Diagnostic>) {
    parse_inside(sources, file, 0)
}

/// Reads a file that is included inside of `depth` blocks.
pub fn parse_inside(sources: &SourceMap, file: FileId, depth: usize) -> (Items, Vec<Diagnostic>) {
    Parser::new(file, &sources.file(file).text, Kind::File, depth).run()
}

/// Reads the directives of `-g`, which are no file and may not contain a block.
///
/// Reference: <https://nginx.org/en/docs/switches.html>
pub fn parse_directives(sources: &mut SourceMap, text: &[u8]) -> (Items, Vec<Diagnostic>) {
    let file = sources.add(PathBuf::from("<command line>"), text.to_vec());
    Parser::new(file, text, Kind::CommandLine, 0).run()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    CommandLine,
}

/// A block that is open.
struct Frame {
    /// The words before the brace; `None` when what is inside shall be forgotten.
    head: Option<Head>,
    /// The opening brace.
    open: Span,
    /// White space before the line on which the directive starts.
    indent: Span,
    /// What came before in the enclosing block.
    outer: Items,
}

struct Head {
    name: Word,
    args: Vec<Word>,
}

struct Parser<'a> {
    kind: Kind,
    text: &'a [u8],
    lexer: Lexer<'a>,
    diagnostics: Vec<Diagnostic>,
    depth: usize,
    frames: Vec<Frame>,
    items: Items,
    words: Vec<Word>,
    /// Comments between the words of a directive.
    comments: Vec<Span>,
    /// The first block whose closing brace stands further left than the block itself: probably the one left open.
    suspect: Option<(Span, Span)>,
    too_deep: bool,
}

impl<'a> Parser<'a> {
    fn new(file: FileId, text: &'a [u8], kind: Kind, depth: usize) -> Self {
        Self {
            kind,
            text,
            lexer: Lexer::new(file, text),
            diagnostics: Vec::new(),
            depth,
            frames: Vec::new(),
            items: Vec::new(),
            words: Vec::new(),
            comments: Vec::new(),
            suspect: None,
            too_deep: false,
        }
    }

    fn run(mut self) -> (Items, Vec<Diagnostic>) {
        while let Some(token) = self.lexer.next() {
            match token {
                Token::Word(word) => self.words.push(word),
                Token::Comment(span) if self.words.is_empty() => self.items.push(Item::Comment(span)),
                Token::Comment(span) => self.comments.push(span),
                Token::Semicolon(span) => self.semicolon(span),
                Token::Open(span) => self.open(span),
                Token::Close(span) => self.close(span),
            }
        }
        self.finish();
        self.diagnostics.extend(self.lexer.into_faults());
        self.diagnostics.sort_by_key(|found| found.labels.first().map_or(0, |label| label.span.start));
        (self.items, self.diagnostics)
    }

    fn semicolon(&mut self, span: Span) {
        let Some(Head { name, args }) = self.take_head() else {
            let fault = Diagnostic::error("stray-semicolon", span, "unexpected `;`");
            self.diagnostics.push(fault.because("no directive ends here").help("remove it"));
            return;
        };
        let span = name.span.to(span);
        self.items.push(Item::Directive(Directive { name, args, body: Body::None, span }));
        self.flush_comments();
    }

    fn open(&mut self, open: Span) {
        let head = self.take_head();
        if self.kind == Kind::CommandLine {
            self.diagnostics.push(
                Diagnostic::error(
                    "block-in-command-line",
                    open,
                    "a block is not possible on the command line",
                )
                .because("`-g` takes simple directives only")
                .note("block directives are not supported in -g option in command line"),
            );
        } else if head.is_none() {
            self.diagnostics.push(
                Diagnostic::error("nameless-block", open, "unexpected `{`")
                    .because("no directive opens this block"),
            );
        }
        if let Some(Head { name, args }) = head {
            if is_opaque(&name) {
                return self.opaque(Head { name, args }, open);
            }
            let indent = self.indent(name.span);
            return self.push(Some(Head { name, args }), open, indent);
        }
        let indent = self.indent(open);
        self.push(None, open, indent);
    }

    fn push(&mut self, head: Option<Head>, open: Span, indent: Span) {
        let fits = self.depth + self.frames.len() < DEEPEST_NESTING;
        if !fits && !self.too_deep {
            self.too_deep = true;
            let message = format!("more than {DEEPEST_NESTING} blocks inside of each other");
            self.diagnostics.push(
                Diagnostic::error("nesting-too-deep", open, message).because("this block is one too many"),
            );
        }
        let head = head.filter(|_| fits && self.kind == Kind::File);
        let outer = std::mem::take(&mut self.items);
        self.frames.push(Frame { head, open, indent, outer });
        self.flush_comments();
    }

    fn opaque(&mut self, head: Head, open: Span) {
        let (body, close) = self.lexer.lua();
        if close.is_none() {
            self.diagnostics.push(
                Diagnostic::error("unclosed-block", open, "a block is never closed")
                    .because(format!("the Lua code of `{}` starts here", head.name.text()))
                    .label(self.lexer.end(), "expected `}` before the end of the file"),
            );
        }
        let Head { name, args } = head;
        let span = name.span.to(close.unwrap_or(body));
        self.flush_comments();
        self.items.push(Item::Directive(Directive { name, args, body: Body::Opaque(body), span }));
    }

    fn close(&mut self, close: Span) {
        self.missing_semicolon(Some(close));
        let Some(frame) = self.frames.pop() else {
            self.diagnostics.push(
                Diagnostic::error("stray-brace", close, "unexpected `}`")
                    .because("no block is open here")
                    .help("remove it, or look for a block above that is closed too early"),
            );
            return;
        };
        if self.suspect.is_none() && self.closes_further_left(&frame, close) {
            self.suspect = Some((frame.open, close));
        }
        self.end_block(frame, close);
    }

    fn end_block(&mut self, frame: Frame, close: Span) {
        let items = std::mem::replace(&mut self.items, frame.outer);
        if let Some(Head { name, args }) = frame.head {
            let span = name.span.to(close);
            self.items.push(Item::Directive(Directive { name, args, body: Body::Block(items), span }));
        }
    }

    /// What the end of the file leaves open.
    fn finish(&mut self) {
        self.missing_semicolon(None);
        let end = self.lexer.end();
        if let Some(innermost) = self.frames.last() {
            let count = self.frames.len();
            let plural = if count == 1 { "a block is".into() } else { format!("{count} blocks are") };
            let message = format!("{plural} never closed");
            let (open, close) =
                self.suspect.map_or((innermost.open, None), |(open, close)| (open, Some(close)));
            let fault = Diagnostic::error("unclosed-block", open, message).because("probably this one");
            let fault = match close {
                Some(close) => fault.label(close, "closed by this brace, which stands further left"),
                None if count == 1 => fault.because("opened here"),
                None => fault,
            };
            self.diagnostics.push(fault.label(end, "expected `}` before the end of the file"));
        }
        while let Some(frame) = self.frames.pop() {
            self.end_block(frame, end);
        }
    }

    /// Ends a directive whose `;` is not there.
    fn missing_semicolon(&mut self, found: Option<Span>) {
        let Some(Head { name, args }) = self.take_head() else { return };
        let last = args.last().map_or(name.span, |word| word.span);
        let after = Span { start: last.end, ..last };
        let fault = Diagnostic::error(
            "missing-semicolon",
            after,
            format!("directive `{}` is not terminated by `;`", name.text()),
        )
        .because("expected `;` here");
        self.diagnostics.push(match (found, self.kind) {
            (Some(brace), _) => fault.label(brace, "the block ends before the directive"),
            (None, Kind::File) => fault.note("the file ends before the directive"),
            (None, Kind::CommandLine) => {
                fault.note("unexpected end of parameter, expecting \";\" in command line")
            }
        });
        let span = name.span.to(last);
        self.items.push(Item::Directive(Directive { name, args, body: Body::None, span }));
        self.flush_comments();
    }

    fn take_head(&mut self) -> Option<Head> {
        let mut words = std::mem::take(&mut self.words);
        if words.is_empty() {
            return None;
        }
        let name = words.remove(0);
        Some(Head { name, args: words })
    }

    /// Comments inside of a directive follow it, or come first in its block.
    fn flush_comments(&mut self) {
        self.items.extend(self.comments.drain(..).map(Item::Comment));
    }

    /// The white space before `span` when nothing else stands before it on its line, else nothing.
    fn indent(&self, span: Span) -> Span {
        let before = &self.text[..span.start as usize];
        let blank = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let start = before.len() - blank;
        let first = start == 0 || before[start - 1] == b'\n';
        Span { start: if first { start as u32 } else { span.start }, end: span.start, ..span }
    }

    fn closes_further_left(&self, frame: &Frame, close: Span) -> bool {
        let close = self.indent(close);
        let starts_line =
            |span: Span| span.start == 0 || self.text.get(span.start as usize - 1) == Some(&b'\n');
        let text = |span: Span| &self.text[span.start as usize..span.end as usize];
        let (block, close_text) = (text(frame.indent), text(close));
        starts_line(frame.indent)
            && starts_line(close)
            && close_text.len() < block.len()
            && block.starts_with(close_text)
    }
}

/// Blocks of the Lua modules hold Lua.
fn is_opaque(name: &Word) -> bool {
    name.value.ends_with(b"_by_lua_block")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::render::{Colour, Format, render};

    fn read(text: &[u8]) -> (SourceMap, Items, Vec<Diagnostic>) {
        let mut sources = SourceMap::new();
        let file = sources.add("t.conf".into(), text.to_vec());
        let (items, diagnostics) = parse(&sources, file);
        (sources, items, diagnostics)
    }

    /// The tree in one line.
    fn show(sources: &SourceMap, items: &[Item]) -> String {
        let lossy = |span| String::from_utf8_lossy(sources.text(span)).into_owned();
        let shown = |item: &Item| match item {
            Item::Comment(span) => lossy(*span),
            Item::Directive(directive) => {
                let words: Vec<_> = std::iter::once(&directive.name).chain(&directive.args).collect();
                let words: Vec<_> = words.iter().map(|word| word.text()).collect();
                let end = match &directive.body {
                    Body::None => ";".into(),
                    Body::Block(items) if items.is_empty() => " {}".into(),
                    Body::Block(items) => format!(" {{ {} }}", show(sources, items)),
                    Body::Opaque(span) => format!(" <{}>", lossy(*span)),
                    Body::Included(_) => " included".into(),
                };
                words.join(" ") + &end
            }
        };
        items.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn trees_are_as_written() {
        let table = [
            ("a;b c{d;e{}}", "a; b c { d; e {} }"),
            ("# top\na 1; # after\nb { # in\n}", "# top a 1; # after b { # in }"),
            ("a # inside\n 1;b;", "a 1; # inside b;"),
            ("a # inside\n {b;}", "a { # inside b; }"),
            ("map $a $b { default 0; '~x{2}' 1; 'q x' 2; }", "map $a $b { default 0; ~x{2} 1; q x 2; }"),
            ("types { text/html html htm; }", "types { text/html html htm; }"),
            (
                "content_by_lua_block { if a then b = {} end -- }\n } c;",
                "content_by_lua_block < if a then b = {} end -- }\n > c;",
            ),
            ("set_by_lua_block $x {return '}'}", "set_by_lua_block $x <return '}'>"),
            ("location /{} if ($a){}", "location / {} if ($a) {}"),
        ];
        for (text, expected) in table {
            let (sources, items, _) = read(text.as_bytes());
            assert_eq!(show(&sources, &items), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_reported_once_and_mended() {
        let table: &[(&str, &str, &[&str])] = &[
            (";", "", &["1:1 stray-semicolon"]),
            ("a;;b;", "a; b;", &["1:3 stray-semicolon"]),
            ("a {};b;", "a {} b;", &["1:5 stray-semicolon"]),
            ("a { b }c;", "a { b; } c;", &["1:6 missing-semicolon"]),
            ("a { 'b'}c;", "a { b; } c;", &["1:8 missing-semicolon"]),
            ("a b", "a b;", &["1:4 missing-semicolon"]),
            ("a; } b;", "a; b;", &["1:4 stray-brace"]),
            ("{ a; } b;", "b;", &["1:1 nameless-block"]),
            ("a {\n b {\n c;\n", "a { b { c; } }", &["2:4 unclosed-block"]),
            ("a {\n  b {\n    c;\n}\n", "a { b { c; } }", &["2:5 unclosed-block"]),
            ("a {\n  b {\n    c;\n  }\n", "a { b { c; } }", &["1:3 unclosed-block"]),
            ("x_by_lua_block { a", "x_by_lua_block < a>", &["1:16 unclosed-block"]),
            ("a 'b'c;", "a b;", &["1:6 text-after-quote"]),
            ("a \"b;\nc;", "a b; c;", &["1:3 unclosed-quote"]),
            ("\u{feff}a;", "a;", &["1:1 byte-order-mark"]),
        ];
        for (text, tree, codes) in table {
            let (sources, items, diagnostics) = read(text.as_bytes());
            let found: Vec<_> = diagnostics
                .iter()
                .map(|found| {
                    let position = sources.position(found.labels[0].span).unwrap();
                    format!("{}:{} {}", position.line, position.column, found.code)
                })
                .collect();
            assert_eq!(
                (show(&sources, &items), found),
                ((*tree).to_owned(), codes.iter().map(|&code| code.to_owned()).collect()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn ten_mistakes_in_one_file_are_ten_findings() {
        let text = "\
http {
    server {
        listen 80;;
        server_name 'a'b;
        root \"/srv;
        location / {
            proxy_pass http://a
        }
        location /b {
            return 200 'it's';
        };
        {
            gzip on;
        }
        index a.html
    }
}
}
stream {
    upstream a {
        server b;
}
";
        let (sources, items, diagnostics) = read(text.as_bytes());
        let expected = "\
t.conf:3:19: error[stray-semicolon]: unexpected `;`
t.conf:4:24: error[text-after-quote]: unexpected `b`
t.conf:5:14: error[unclosed-quote]: a quoted word is not closed
t.conf:7:32: error[missing-semicolon]: directive `proxy_pass` is not terminated by `;`
t.conf:10:28: error[text-after-quote]: unexpected `s`
t.conf:11:10: error[stray-semicolon]: unexpected `;`
t.conf:12:9: error[nameless-block]: unexpected `{`
t.conf:15:21: error[missing-semicolon]: directive `index` is not terminated by `;`
t.conf:18:1: error[stray-brace]: unexpected `}`
t.conf:20:16: error[unclosed-block]: a block is never closed
";
        assert_eq!(render(&sources, &diagnostics, Format::Short, Colour::Never), expected);
        assert_eq!(
            show(&sources, &items),
            "http { server { listen 80; server_name a; root /srv; location / { proxy_pass http://a; } \
             location /b { return 200 it; } index a.html; } } stream { upstream a { server b; } }"
        );
    }

    #[test]
    fn nesting_ends_somewhere() {
        let deep = |count: usize| format!("{}{}", "a {".repeat(count), "}".repeat(count));
        let (_, _, diagnostics) = read(deep(DEEPEST_NESTING).as_bytes());
        assert_eq!(diagnostics, []);
        let (_, _, diagnostics) = read(deep(100_000).as_bytes());
        assert_eq!(diagnostics.iter().map(|found| found.code).collect::<Vec<_>>(), ["nesting-too-deep"]);
        let (_, _, diagnostics) = read("a {".repeat(100_000).as_bytes());
        assert_eq!(diagnostics.len(), 2);
    }

    #[test]
    fn the_command_line_takes_simple_directives() {
        let read = |text: &str| {
            let mut sources = SourceMap::new();
            let (items, diagnostics) = parse_directives(&mut sources, text.as_bytes());
            let text = render(&sources, &diagnostics, Format::Short, Colour::Never);
            (show(&sources, &items), text)
        };
        assert_eq!(read("daemon off; pid /x;"), ("daemon off; pid /x;".into(), String::new()));
        assert_eq!(
            read("daemon off").1,
            "<command line>:1:11: error[missing-semicolon]: directive `daemon` is not terminated by `;`\n"
        );
        assert_eq!(
            read("a; events { x; } b;"),
            (
                "a; b;".into(),
                "<command line>:1:11: error[block-in-command-line]: a block is not possible on the command line\n"
                    .into()
            )
        );
    }

    /// Leaves in order; blocks and directives must hold theirs.
    fn leaves(items: &[Item], outer: Span, found: &mut Vec<Span>) {
        let inside = |inner: Span, outer: Span| {
            assert!(outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end);
        };
        for item in items {
            match item {
                Item::Comment(span) => {
                    inside(*span, outer);
                    found.push(*span);
                }
                Item::Directive(directive) => {
                    inside(directive.span, outer);
                    for word in std::iter::once(&directive.name).chain(&directive.args) {
                        inside(word.span, directive.span);
                        found.push(word.span);
                    }
                    match &directive.body {
                        Body::None | Body::Included(_) => {}
                        Body::Block(items) => leaves(items, directive.span, found),
                        Body::Opaque(span) => {
                            inside(*span, directive.span);
                            found.push(*span);
                        }
                    }
                }
            }
        }
    }

    fn all_leaves(sources: &SourceMap, items: &[Item], length: usize) -> Vec<Span> {
        let (file, _) = sources.files().next().unwrap();
        let mut found = Vec::new();
        leaves(items, Span::new(file, 0, length as u32), &mut found);
        found.sort_by_key(|span| span.start);
        assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start), "{found:?}");
        found
    }

    /// Between the leaves of a sound file there is only white space and punctuation: nothing is lost.
    #[test]
    fn the_spans_put_the_file_together_again() {
        let text =
            b"# one\r\nuser  www # two\r\n  data;\n\nhttp { # three\n\tmap $a \"$b c\" { 'x;y' \"\\\"\"; }\n\
                     server # four\n{ content_by_lua_block { --}\n} listen ${x}; } } # \xff\n#";
        let (sources, items, diagnostics) = read(text);
        assert_eq!(diagnostics, []);
        let mut again = vec![b'?'; text.len()];
        for span in all_leaves(&sources, &items, text.len()) {
            let range = span.start as usize..span.end as usize;
            again[range.clone()].copy_from_slice(&text[range]);
        }
        for (at, &byte) in text.iter().enumerate() {
            if again[at] == b'?' {
                assert!(b" \t\r\n;{}".contains(&byte), "byte {at} is lost: {}", byte.escape_ascii());
                again[at] = byte;
            }
        }
        assert_eq!(again, text);
    }

    #[test]
    fn no_bytes_break_the_parser() {
        const PIECES: &[&[u8]] = &[
            b"a",
            b"b_by_lua_block",
            b" ",
            b"\n",
            b"\r\n",
            b";",
            b"{",
            b"}",
            b"\"",
            b"'",
            b"\\",
            b"$",
            b"${",
            b"#",
            b"[[",
            b"]]",
            b"--",
            b"\xff",
            b"\xef\xbb\xbf",
            b"\0",
            b"  ",
            b"include x;",
            b"x y;\n",
            b"a {\n",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..random(60) {
                match random(8) {
                    0 => text.push(random(256) as u8),
                    _ => text.extend_from_slice(PIECES[random(PIECES.len())]),
                }
            }
            let (sources, items, diagnostics) = read(&text);
            all_leaves(&sources, &items, text.len());
            for label in diagnostics.iter().flat_map(|found| &found.labels) {
                assert!(label.span.start <= label.span.end && label.span.end as usize <= text.len());
            }
            render(&sources, &diagnostics, Format::Short, Colour::Never);
        }
    }
}
