//! Words, comments and punctuation of an nginx.conf: `grammar/nginx.ebnf` with nom.
//!
//! Knows where a word ends and what its escapes mean, as nginx's tokenizer
//! does; what the words amount to is the parser's business. Never fails: a
//! broken word is reported, mended and handed on.
//!
//! Observed throughout: nginx 1.22.1.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_till, take_till1, take_while, take_while_m_n},
    combinator::{map, opt, recognize, value},
    multi::many0_count,
    sequence::{pair, preceded},
};

use super::tree::{Quote, Word};
use crate::{
    diagnostic::Diagnostic,
    source::{FileId, Span},
};

/// The longest word: nginx reads its files through a buffer of this size, and a word must fit.
pub const LONGEST_WORD: usize = 4096;

/// What a file consists of, white space aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word, quoted or not.
    Word(Word),
    /// From `#` to the end of the line.
    Comment(Span),
    /// `;`
    Semicolon(Span),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
}

/// The tokens of one file, in order.
#[derive(Debug)]
pub struct Lexer<'a> {
    file: FileId,
    text: &'a [u8],
    rest: &'a [u8],
    faults: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    /// Starts at the first byte of `text`, after a byte order mark that it reports.
    pub fn new(file: FileId, text: &'a [u8]) -> Self {
        let mut lexer = Self { file, text, rest: text, faults: Vec::new() };
        lexer.byte_order_mark();
        lexer
    }

    /// What was wrong with the tokens so far.
    pub fn into_faults(self) -> Vec<Diagnostic> {
        self.faults
    }

    /// The end of the text, as a span without width.
    pub fn end(&self) -> Span {
        self.span(self.text.len(), self.text.len())
    }

    /// The text of the `{ ... }` whose opening brace was the last token, read as Lua, and its closing brace.
    ///
    /// `None` when it is not closed; then the rest of the file belongs to it.
    pub fn lua(&mut self) -> (Span, Option<Span>) {
        let start = self.at();
        let length = lua_length(self.rest);
        let end = start + length.unwrap_or(self.rest.len());
        self.rest = self.text.get(end + 1..).unwrap_or_default();
        (self.span(start, end), length.map(|_| self.span(end, end + 1)))
    }

    /// nginx takes the mark for a part of the first word and does not know that directive.
    fn byte_order_mark(&mut self) {
        let marks: [(&[u8], &str); 3] =
            [(b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")];
        let Some((mark, encoding)) = marks.into_iter().find(|(mark, _)| self.text.starts_with(mark)) else {
            return;
        };
        self.faults.push(
            Diagnostic::error(
                "byte-order-mark",
                self.span(0, mark.len()),
                format!("the file starts with a byte order mark ({encoding})"),
            )
            .because("nginx takes it for a part of the first directive's name")
            .help("save the file as UTF-8 without a byte order mark"),
        );
        // Nothing in UTF-16 is a word; one complaint is enough.
        self.rest = if encoding == "UTF-8" { &self.text[mark.len()..] } else { &[] };
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start as u32, end as u32)
    }

    fn unquoted(&mut self, start: usize, body: &[u8]) -> Token {
        let closed = matches!(self.rest.first(), None | Some(b';' | b'{'));
        self.check_length(start, body.len(), closed);
        Token::Word(Word { span: self.span(start, self.at()), value: decode(body), quote: None })
    }

    fn quoted(&mut self, start: usize, quoted: &Quoted<'_>) -> Token {
        let Quoted { quote, body, closed } = *quoted;
        let mark = self.span(start, start + 1);
        let junk = if closed { self.junk() } else { 0 };
        let several_lines = memchr::memchr(b'\n', body).is_some();
        if !closed || (junk > 0 && several_lines) {
            let fault = Diagnostic::error("unclosed-quote", mark, "a quoted word is not closed")
                .because("opened here");
            self.faults.push(if closed {
                let end = self.at();
                fault.label(self.span(end - 1, end), "this quote closes it, and something follows directly")
            } else {
                fault.label(self.end(), "the file ends without a closing quote")
            });
            return self.broken(start, quote);
        }
        if junk > 0 {
            let at = self.at();
            let found = printable(self.rest.first().copied().unwrap_or_default());
            let fault = Diagnostic::error(
                "text-after-quote",
                self.span(at, at + junk),
                format!("unexpected `{found}`"),
            )
            .because("a quoted word ends at its closing quote")
            .label(mark, "quoted from here")
            .help("put white space between two words, or the quotes around the whole word");
            self.faults.push(fault);
            // A further quoted word is a word of its own; anything else is left out.
            if !matches!(self.rest.first(), Some(b'"' | b'\'')) {
                self.rest = &self.rest[junk..];
            }
        }
        if body.len() + 1 >= LONGEST_WORD {
            self.check_length(start, LONGEST_WORD, false);
            if several_lines {
                return self.broken(start, quote);
            }
        }
        let end = start + body.len() + 2;
        Token::Word(Word { span: self.span(start, end), value: decode(body), quote: Some(quote) })
    }

    /// The bytes after a closing quote that may not stand there. `}` is the parser's: a `;` is missing before it.
    fn junk(&self) -> usize {
        match self.rest.first() {
            None | Some(b';' | b'{' | b'}' | b')') => 0,
            Some(&byte) if is_space(byte) => 0,
            Some(b'"' | b'\'') => 1,
            Some(_) => unquoted(self.rest).map_or(1, |(_, word)| word.len()),
        }
    }

    /// Ends a quoted word where its line ends, before a `;` or `{` there, so that the rest of the file is read
    /// as if the quote had been closed.
    fn broken(&mut self, start: usize, quote: Quote) -> Token {
        let text = &self.text[start + 1..];
        let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())];
        let line = line.trim_ascii_end();
        let line =
            line.strip_suffix(b";").or_else(|| line.strip_suffix(b"{")).unwrap_or(line).trim_ascii_end();
        let end = start + 1 + line.len();
        self.rest = &self.text[end..];
        Token::Word(Word { span: self.span(start, end), value: decode(line), quote: Some(quote) })
    }

    fn check_length(&mut self, start: usize, length: usize, closed: bool) {
        // The byte that ends the word has to fit as well, unless it also ends the list of words.
        if length < LONGEST_WORD - usize::from(!closed) {
            return;
        }
        let quoted = matches!(self.text.get(start), Some(b'"' | b'\''));
        let fault =
            Diagnostic::error("long-word", self.span(start, start + 10), "a word is longer than 4096 bytes")
                .because("starts here");
        self.faults.push(if quoted { fault.help("is its closing quote missing?") } else { fault });
    }

    fn comment(&mut self, start: usize, comment: &[u8]) -> Token {
        let length = comment.strip_suffix(b"\r").unwrap_or(comment).len();
        let span = self.span(start, start + length);
        if comment.len() + 1 >= LONGEST_WORD {
            self.faults.push(
                Diagnostic::warning("long-comment", span, "a comment is longer than 4096 bytes")
                    .note("read here; nginx refuses the file"),
            );
        }
        Token::Comment(span)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let (rest, _) = blank(self.rest).ok()?;
        self.rest = rest;
        let start = self.at();
        let (rest, piece) = piece(self.rest).ok()?;
        self.rest = rest;
        let span = self.span(start, start + 1);
        Some(match piece {
            Piece::Semicolon => Token::Semicolon(span),
            Piece::Open => Token::Open(span),
            Piece::Close => Token::Close(span),
            Piece::Comment(comment) => self.comment(start, comment),
            Piece::Quoted(quoted) => self.quoted(start, &quoted),
            Piece::Unquoted(body) => self.unquoted(start, body),
        })
    }
}

/// The grammar's productions, before spans and faults.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Semicolon,
    Open,
    Close,
    Comment(&'a [u8]),
    Quoted(Quoted<'a>),
    Unquoted(&'a [u8]),
}

#[derive(Clone, Copy)]
struct Quoted<'a> {
    quote: Quote,
    body: &'a [u8],
    closed: bool,
}

/// A production cannot say more than that it does not apply; faults are found afterwards.
type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

fn piece(input: &[u8]) -> Parsed<'_, Piece<'_>> {
    match input.first() {
        Some(b';') => value(Piece::Semicolon, tag(&b";"[..])).parse(input),
        Some(b'{') => value(Piece::Open, tag(&b"{"[..])).parse(input),
        Some(b'}') => value(Piece::Close, tag(&b"}"[..])).parse(input),
        Some(b'#') => map(comment, Piece::Comment).parse(input),
        Some(b'"') => map(quoted(Quote::Double, b'"'), Piece::Quoted).parse(input),
        Some(b'\'') => map(quoted(Quote::Single, b'\''), Piece::Quoted).parse(input),
        _ => map(unquoted, Piece::Unquoted).parse(input),
    }
}

fn blank(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while(is_space).parse(input)
}

fn comment(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize(pair(tag(&b"#"[..]), take_till(|byte| byte == b'\n'))).parse(input)
}

/// A backslash takes the next byte with it, whatever that is; at the end of the file it stands alone.
fn escape(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize(pair(tag(&b"\\"[..]), take_while_m_n(0, 1, |_| true))).parse(input)
}

/// `${` opens no block; nginx swallows as many braces as follow.
fn dollar(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize(pair(tag(&b"$"[..]), take_while(|byte| byte == b'{'))).parse(input)
}

/// Quotes, `#` and `}` are ordinary inside of an unquoted word; `piece` sees to it that none is the first byte.
fn unquoted(input: &[u8]) -> Parsed<'_, &[u8]> {
    let plain = take_till1(|byte| is_space(byte) || matches!(byte, b';' | b'{' | b'\\' | b'$'));
    let (rest, body) = recognize(many0_count(alt((plain, escape, dollar)))).parse(input)?;
    if body.is_empty() { Err(nom::Err::Error(())) } else { Ok((rest, body)) }
}

fn quoted(quote: Quote, mark: u8) -> impl FnMut(&[u8]) -> Parsed<'_, Quoted<'_>> {
    move |input| {
        let marks = [mark];
        let plain = take_till1(|byte| byte == mark || byte == b'\\');
        let body = recognize(many0_count(alt((plain, escape))));
        let (rest, (body, end)) = pair(preceded(tag(&marks[..]), body), opt(tag(&marks[..]))).parse(input)?;
        Ok((rest, Quoted { quote, body, closed: end.is_some() }))
    }
}

/// nginx's white space; form feed and vertical tab are parts of words.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Takes the escapes off a word: `\"`, `\'`, `\\`, `\t`, `\r`, `\n`. Any other backslash stays.
fn decode(body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        value.extend_from_slice(&rest[..at]);
        let decoded = match rest.get(at + 1) {
            Some(&byte @ (b'"' | b'\'' | b'\\')) => Some(byte),
            Some(b't') => Some(b'\t'),
            Some(b'r') => Some(b'\r'),
            Some(b'n') => Some(b'\n'),
            _ => None,
        };
        value.push(decoded.unwrap_or(b'\\'));
        rest = &rest[at + 1 + usize::from(decoded.is_some())..];
    }
    value.extend_from_slice(rest);
    value
}

fn printable(byte: u8) -> String {
    byte.escape_ascii().to_string()
}

/// How much Lua there is before the `}` that closes the block; `None` when it is not closed.
///
/// Braces in strings, long brackets and comments do not count (Lua 5.1 manual, § 2.1). A string that is not closed
/// ends with its line: that is Lua's error and not ours.
fn lua_length(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text.get(at..)?.iter().position(|byte| b"{}\"'[-".contains(byte)) {
        at += found;
        let rest = &text[at..];
        at += match rest[0] {
            b'}' if depth == 0 => return Some(at),
            b'}' => {
                depth -= 1;
                1
            }
            b'{' => {
                depth += 1;
                1
            }
            b'[' => long_bracket(rest).unwrap_or(1),
            b'-' if rest.starts_with(b"--") => {
                let line = || memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                long_bracket(&rest[2..]).map_or_else(line, |length| length + 2)
            }
            b'-' => 1,
            mark => lua_string(rest, mark),
        };
    }
    None
}

/// The length of `[[ ]]`, `[=[ ]=]`, ...; up to the end of the text when it is not closed.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let level = text.get(1..)?.iter().take_while(|&&byte| byte == b'=').count();
    if text.first() != Some(&b'[') || text.get(level + 1) != Some(&b'[') {
        return None;
    }
    let mut close = vec![b'='; level + 2];
    close[0] = b']';
    close[level + 1] = b']';
    let body = level + 2;
    let end = memchr::memmem::find(&text[body..], &close).map(|at| body + at + close.len());
    Some(end.unwrap_or(text.len()))
}

fn lua_string(text: &[u8], mark: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' => return at,
            _ if byte == mark => return at + 1,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens as one line: words in angle brackets, decoded; and the codes of the faults.
    fn show(text: &[u8]) -> (String, Vec<&'static str>) {
        let mut lexer = Lexer::new(FileId(0), text);
        let mut shown = Vec::new();
        for token in lexer.by_ref() {
            shown.push(match token {
                Token::Word(word) => format!("<{}>", word.value.escape_ascii()),
                Token::Comment(span) => {
                    format!("{}", text[span.start as usize..span.end as usize].escape_ascii())
                }
                Token::Semicolon(_) => ";".into(),
                Token::Open(_) => "{".into(),
                Token::Close(_) => "}".into(),
            });
        }
        (shown.join(" "), lexer.into_faults().iter().map(|fault| fault.code).collect())
    }

    #[test]
    fn words_are_nginxs() {
        let table: &[(&str, &str)] = &[
            ("a b;", "<a> <b> ;"),
            ("a\tb\r\nc\n;", "<a> <b> <c> ;"),
            ("a\x0bb\x0cc;", r"<a\x0bb\x0cc> ;"),
            // A quote is special as the first byte only.
            (r#"a"b'c d;"#, r#"<a\"b\'c> <d> ;"#),
            (r#""a b" 'c "d" e';"#, r#"<a b> <c \"d\" e> ;"#),
            ("\"\" '';", "<> <> ;"),
            ("\"two\nlines\";", r"<two\nlines> ;"),
            ("'a';'b'{", "<a> ; <b> {"),
            ("if (\"x\"){", "<if> <(\\\"x\\\")> {"),
            ("if ( \"x\"){", "<if> <(> <x> <)> {"),
            ("\"a\")b\"c d;", r#"<a> <)b\"c> <d> ;"#),
            // Comments stand where a word may start.
            ("a#b;#c", "<a#b> ; #c"),
            ("a #b;\n;", "<a> #b; ;"),
            ("#c\r\na;", "#c <a> ;"),
            ("#", "#"),
            // `;` and `{` end a word wherever they stand, `}` does not.
            ("a;b{c}d;}", "<a> ; <b> { <c}d> ; }"),
            ("location /{", "<location> </> {"),
            ("if ($a){", "<if> <($a)> {"),
            ("{};;", "{ } ; ;"),
            // `${` opens no block.
            ("a ${host}b;", "<a> <${host}b> ;"),
            ("a $host{", "<a> <$host> {"),
            ("a ${{b;", "<a> <${{b> ;"),
            ("a $${b;", "<a> <$${b> ;"),
            (r"a $\{b;", r"<a> <$\\{b> ;"),
            ("a $;", "<a> <$> ;"),
            // Escapes.
            (r#"\"a\'b\\c;"#, r#"<\"a\'b\\c> ;"#),
            (r#""\"\'\\";"#, r#"<\"\'\\> ;"#),
            (r"a\tb\rc\nd;", r"<a\tb\rc\nd> ;"),
            (r#""a\tb\rc\nd";"#, r"<a\tb\rc\nd> ;"),
            (r"a\ b;", r"<a\\ b> ;"),
            (r"a\;b\{c;", r"<a\\;b\\{c> ;"),
            (r"\d\.\q\$;", r"<\\d\\.\\q\\$> ;"),
            (r#""\\d";"#, r"<\\d> ;"),
            (r"\\.;", r"<\\.> ;"),
            (r#""^/z\"(.)";"#, r#"<^/z\"(.)> ;"#),
            (r"\}a;", r"<\\}a> ;"),
            (r"\#a;", r"<\\#a> ;"),
            ("a\\\nb;", r"<a\\\nb> ;"),
            ("a\\", r"<a\\>"),
        ];
        for (text, expected) in table {
            assert_eq!(show(text.as_bytes()), ((*expected).to_owned(), vec![]), "{text:?}");
        }
        assert_eq!(show(b"a \xff\x00\xe4;"), (r"<a> <\xff\x00\xe4> ;".to_owned(), vec![]));
    }

    #[test]
    fn broken_words_are_reported_and_mended() {
        let table: &[(&str, &str, &[&str])] = &[
            ("'a'b c;", "<a> <c> ;", &["text-after-quote"]),
            ("'a'#c d;", "<a> <d> ;", &["text-after-quote"]),
            ("'a''b';", "<a> <b> ;", &["text-after-quote"]),
            ("a 'it's me';b;", r"<a> <it> <me\'> ; <b> ;", &["text-after-quote"]),
            ("'a'}", "<a> }", &[]),
            ("a \"b;\nc d;\n", "<a> <b> ; <c> <d> ;", &["unclosed-quote"]),
            ("a \"b {\nc d;\n}", "<a> <b> { <c> <d> ; }", &["unclosed-quote"]),
            ("a \"b;\nc \"d\";\n", "<a> <b> ; <c> <d> ;", &["unclosed-quote"]),
            ("a '", "<a> <>", &["unclosed-quote"]),
            ("a '\\", r"<a> <\\>", &["unclosed-quote"]),
            ("\u{feff}a b;", "<a> <b> ;", &["byte-order-mark"]),
            ("\u{feff}", "", &["byte-order-mark"]),
        ];
        for (text, expected, faults) in table {
            assert_eq!(show(text.as_bytes()), ((*expected).to_owned(), faults.to_vec()), "{text:?}");
        }
        assert_eq!(show(b"\xff\xfea\0 \0b\0;\0"), (String::new(), vec!["byte-order-mark"]));
    }

    /// nginx 1.22.1 accepts and refuses exactly these.
    #[test]
    fn words_fit_nginxs_buffer() {
        let faults = |open: &str, length: usize, close: &str| {
            show(format!("env {open}{}{close}", "x".repeat(length)).as_bytes()).1
        };
        assert!(faults("", 4095, ";").is_empty());
        assert_eq!(faults("", 4095, " ;"), ["long-word"]);
        assert_eq!(faults("", 4096, ";"), ["long-word"]);
        assert!(faults("\"", 4094, "\";").is_empty());
        assert_eq!(faults("\"", 4095, "\";"), ["long-word"]);
        assert_eq!(show(format!("#{}\n", "x".repeat(5000)).as_bytes()).1, ["long-comment"]);
    }

    #[test]
    fn lua_ends_where_lua_says() {
        let table: &[(&str, Option<&str>)] = &[
            (" x = {1, {2}} } a;", Some(" x = {1, {2}} ")),
            (" s = '}' .. \"}\\\"}\" }", Some(" s = '}' .. \"}\\\"}\" ")),
            (" s = [[ } ]] .. [==[ }]]} ]==] }", Some(" s = [[ } ]] .. [==[ }]]} ]==] ")),
            (" -- it's }\n }", Some(" -- it's }\n ")),
            (" --[[ } \n } ]] a[b] = -1 }", Some(" --[[ } \n } ]] a[b] = -1 ")),
            (" t[#t] = t[t[1]] }", Some(" t[#t] = t[t[1]] ")),
            (" s = 'open\n }", Some(" s = 'open\n ")),
            ("}", Some("")),
            (" { }", None),
            (" [[ }", None),
            (" '\\", None),
            ("", None),
        ];
        for (text, expected) in table {
            let length = lua_length(text.as_bytes());
            assert_eq!(length.map(|length| &text[..length]), *expected, "{text:?}");
        }
    }
}
