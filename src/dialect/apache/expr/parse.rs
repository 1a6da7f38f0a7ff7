//! Reads expressions, and texts with pieces of expressions in them (`"expr=..."`).
//!
//! Observed (2.4.71), each by a configuration of its own: keywords are lower case; parentheses are for conditions,
//! a word has none; the mark around a regular expression cannot be escaped and `i` is its only flag; the argument
//! of `%{name:...}` holds no quotation mark; in strings `\1` to `\377` are octal, `\n`, `\r`, `\t`, `\b`, `\f` are
//! controls, and any other character stands for itself.

use nom::{
    IResult, Parser as _,
    branch::alt,
    bytes::complete::{tag, take_while, take_while_m_n},
    character::complete::{digit1, one_of, satisfy},
    combinator::{opt, recognize, value},
};

use super::tree::{Comparison, Condition, List, Piece, Regex, Word};
use crate::ir::Relation;

/// How deep conditions and arguments may lie in each other.
const DEPTH: usize = 100;

/// Marks that may stand around a regular expression after `m`.
const MARKS: &str = "/#$%^|?!'\",;:._-";

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where in the expression.
    pub at: usize,
    /// What.
    pub message: String,
}

/// Reads a condition.
pub fn condition(text: &[u8]) -> Result<Condition, Wrong> {
    read(Parser { text, at: 0, depth: 0, words: false })
}

/// The same as `SSLRequire` has it: `eq` and the like compare texts there, `-eq` numbers.
pub(super) fn of_words(text: &[u8]) -> Result<Condition, Wrong> {
    read(Parser { text, at: 0, depth: 0, words: true })
}

fn read(mut parser: Parser<'_>) -> Result<Condition, Wrong> {
    let found = parser.any()?;
    match parser.peek()? {
        Token::End => Ok(found),
        _ => parser.expected("`&&`, `||` or the end of the expression"),
    }
}

/// Reads a text with variables, calls and groups in it.
pub fn text(text: &[u8]) -> Result<Word, Wrong> {
    let mut parser = Parser { text, at: 0, depth: 0, words: false };
    parser.string(Ends::Text)
}

/// What ends a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// This quotation mark.
    Quote(u8),
    /// The brace of `%{name:...}`.
    Brace,
    /// The end of the text.
    Text,
}

/// A token of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'t> {
    True,
    False,
    Not,
    And,
    Or,
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Dot,
    In,
    Compare(Comparison),
    /// `=~`, or `!~` when true.
    Matches(bool),
    /// `-x`
    Unary(u8),
    /// `-name`
    Binary(&'t [u8]),
    Digits(&'t [u8]),
    Name(&'t [u8]),
    /// `'` or `"`
    Quote(u8),
    /// `%{`
    Variable,
    /// `$n`
    Group(u8),
    /// The mark that begins a regular expression and ends it.
    Regex(u8),
    End,
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    /// Whether `eq` compares texts.
    words: bool,
}

type Step<'t> = IResult<&'t [u8], Token<'t>>;

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A word in letters: a keyword or a name.
fn name(input: &[u8]) -> Step<'_> {
    let (rest, name) = recognize((satisfy(|c| c.is_ascii_alphabetic()), take_while(is_name))).parse(input)?;
    let token = match name {
        b"true" => Token::True,
        b"false" => Token::False,
        b"not" => Token::Not,
        b"and" => Token::And,
        b"or" => Token::Or,
        b"in" => Token::In,
        name => integer(name).unwrap_or(Token::Name(name)),
    };
    Ok((rest, token))
}

/// The comparisons of integers, which may be written with a dash or without.
fn integer(name: &[u8]) -> Option<Token<'static>> {
    let relation = match name {
        b"eq" => Relation::Equal,
        b"ne" => Relation::NotEqual,
        b"lt" => Relation::Less,
        b"le" => Relation::AtMost,
        b"gt" => Relation::Greater,
        b"ge" => Relation::AtLeast,
        _ => return None,
    };
    Some(Token::Compare(Comparison { relation, integer: true }))
}

/// `-x`, `-name`.
fn dashed(input: &[u8]) -> Step<'_> {
    let letter = satisfy(|c| c.is_ascii_alphabetic() || c == '_');
    let (input, _) = tag("-")(input)?;
    let (rest, name) = recognize((letter, take_while(is_name))).parse(input)?;
    let token = match name {
        [one] => Token::Unary(*one),
        b"in" => Token::In,
        name => integer(name).unwrap_or(Token::Binary(name)),
    };
    Ok((rest, token))
}

fn digits(input: &[u8]) -> Step<'_> {
    recognize((opt(tag("-")), digit1)).map(Token::Digits).parse(input)
}

/// The mark of `/.../` or `m#...#`.
fn regex(input: &[u8]) -> Step<'_> {
    let (rest, mark) =
        alt((tag("/").map(|_| '/'), (tag("m"), one_of(MARKS)).map(|(_, mark)| mark))).parse(input)?;
    Ok((rest, Token::Regex(mark as u8)))
}

fn operator(input: &[u8]) -> Step<'_> {
    let text = |relation| Token::Compare(Comparison { relation, integer: false });
    alt((
        value(Token::Matches(false), tag("=~")),
        value(Token::Matches(true), tag("!~")),
        value(text(Relation::Equal), alt((tag("=="), tag("=")))),
        value(text(Relation::NotEqual), tag("!=")),
        value(text(Relation::AtMost), tag("<=")),
        value(text(Relation::Less), tag("<")),
        value(text(Relation::AtLeast), tag(">=")),
        value(text(Relation::Greater), tag(">")),
        value(Token::And, tag("&&")),
        value(Token::Or, tag("||")),
        value(Token::Not, tag("!")),
        value(Token::Variable, tag("%{")),
        (tag("$"), take_while_m_n(1, 1, |byte: u8| byte.is_ascii_digit()))
            .map(|(_, digit): (&[u8], &[u8])| Token::Group(digit[0] - b'0')),
    ))
    .parse(input)
}

fn mark(input: &[u8]) -> Step<'_> {
    let (rest, found) = one_of("(){},.'\"").parse(input)?;
    let token = match found {
        '(' => Token::Open,
        ')' => Token::Close,
        '{' => Token::OpenList,
        '}' => Token::CloseList,
        ',' => Token::Comma,
        '.' => Token::Dot,
        quote => Token::Quote(quote as u8),
    };
    Ok((rest, token))
}

/// The longest token at the beginning of a text that does not begin with white space.
fn token(input: &[u8]) -> Step<'_> {
    // `m_x` is a name, `m#x` begins a regular expression.
    if matches!(input, [b'm', next, ..] if is_name(*next)) {
        return name(input);
    }
    alt((regex, name, digits, dashed, operator, mark)).parse(input)
}

impl<'t> Parser<'t> {
    fn wrong<T>(&self, at: usize, message: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong { at: at.min(self.text.len()), message: message.into() })
    }

    /// What should stand where the next token is.
    fn expected<T>(&mut self, what: &str) -> Result<T, Wrong> {
        self.skip();
        self.wrong(self.at, format!("expected {what}"))
    }

    fn skip(&mut self) {
        let white = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n');
        self.at += self.text[self.at..].iter().take_while(white).count();
    }

    /// The next token and where it ends.
    fn look(&mut self) -> Result<(Token<'t>, usize), Wrong> {
        self.skip();
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return Ok((Token::End, self.at));
        }
        if let Ok((after, mut token)) = token(rest) {
            if let Token::Compare(comparison) = &mut token
                && self.words
                && rest.first() != Some(&b'-')
            {
                comparison.integer = false;
            }
            return Ok((token, self.text.len() - after.len()));
        }
        self.wrong(self.at, format!("`{}` has no meaning here", rest[..1].escape_ascii()))
    }

    fn peek(&mut self) -> Result<Token<'t>, Wrong> {
        Ok(self.look()?.0)
    }

    fn next(&mut self) -> Result<Token<'t>, Wrong> {
        let (token, end) = self.look()?;
        self.at = end;
        Ok(token)
    }

    /// Takes this token or says that it should be there.
    fn take(&mut self, wanted: &Token<'_>, what: &str) -> Result<(), Wrong> {
        if self.peek()? == *wanted { self.next().map(drop) } else { self.expected(what) }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == DEPTH {
            return self.wrong(self.at, format!("more than {DEPTH} conditions or arguments in each other"));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn any(&mut self) -> Result<Condition, Wrong> {
        let mut found = vec![self.all()?];
        while self.peek()? == Token::Or {
            self.next()?;
            found.push(self.all()?);
        }
        Ok(alone(found, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Wrong> {
        let mut found = vec![self.one()?];
        while self.peek()? == Token::And {
            self.next()?;
            found.push(self.one()?);
        }
        Ok(alone(found, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, Wrong> {
        self.deeper(Self::simple)
    }

    fn simple(&mut self) -> Result<Condition, Wrong> {
        match self.peek()? {
            Token::True => self.next().map(|_| Condition::Constant(true)),
            Token::False => self.next().map(|_| Condition::Constant(false)),
            Token::Not => {
                self.next()?;
                Ok(Condition::Not(Box::new(self.one()?)))
            }
            Token::Open => {
                self.next()?;
                let found = self.any()?;
                self.take(&Token::Close, "`)`, `&&` or `||`")?;
                Ok(found)
            }
            Token::Unary(operator) => {
                let at = self.at;
                self.next()?;
                Ok(Condition::Unary(operator, self.word()?, at))
            }
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Result<Condition, Wrong> {
        let left = self.word()?;
        let operator = self.peek()?;
        let at = self.at;
        match operator {
            Token::Compare(comparison) => {
                self.next()?;
                Ok(Condition::Compare(comparison, left, self.word()?))
            }
            Token::Matches(negated) => {
                self.next()?;
                let regex = self.regex()?;
                Ok(Condition::Match { word: left, regex, negated })
            }
            Token::In => {
                self.next()?;
                Ok(Condition::In(left, self.list()?))
            }
            Token::Binary(name) => {
                self.next()?;
                Ok(Condition::Binary(name.to_vec(), left, self.word()?, at))
            }
            _ => self.expected("a comparison such as `==`, `-eq`, `=~` or `in`"),
        }
    }

    fn regex(&mut self) -> Result<Regex, Wrong> {
        let Token::Regex(mark) = self.peek()? else {
            return self.expected("a regular expression: `/.../` or `m#...#`");
        };
        self.next()?;
        let at = self.at;
        let Some(length) = memchr::memchr(mark, &self.text[at..]) else {
            return self
                .wrong(at, format!("expected `{}` at the end of the regular expression", char::from(mark)));
        };
        self.at = at + length + 1;
        let ignore_case = self.text.get(self.at) == Some(&b'i');
        self.at += usize::from(ignore_case);
        Ok(Regex { text: self.text[at..at + length].to_vec(), ignore_case, at })
    }

    fn list(&mut self) -> Result<List, Wrong> {
        match self.peek()? {
            Token::OpenList => {
                self.next()?;
                let mut words = vec![self.word()?];
                while self.peek()? == Token::Comma {
                    self.next()?;
                    words.push(self.word()?);
                }
                self.take(&Token::CloseList, "`,` or `}`")?;
                Ok(List::Words(words))
            }
            Token::Name(name) => {
                let at = self.at;
                self.next()?;
                Ok(List::Call(name.to_vec(), self.argument()?, at))
            }
            _ => self.expected("a list: `{'a', 'b'}` or a function"),
        }
    }

    /// `(word)`
    fn argument(&mut self) -> Result<Word, Wrong> {
        self.take(&Token::Open, "`(`")?;
        let word = self.deeper(Self::word)?;
        self.take(&Token::Close, "`.` or `)`")?;
        Ok(word)
    }

    fn word(&mut self) -> Result<Word, Wrong> {
        let mut word = self.part()?;
        while self.peek()? == Token::Dot {
            self.next()?;
            for piece in self.part()?.0 {
                word.push(piece);
            }
        }
        Ok(word)
    }

    fn part(&mut self) -> Result<Word, Wrong> {
        match self.peek()? {
            Token::Digits(digits) => {
                self.next()?;
                Ok(Word(vec![Piece::Text(digits.to_vec())]))
            }
            Token::Quote(quote) => {
                self.next()?;
                self.string(Ends::Quote(quote))
            }
            Token::Variable => {
                self.next()?;
                Ok(Word(vec![self.variable()?]))
            }
            Token::Group(group) => {
                self.next()?;
                Ok(Word(vec![Piece::Group(group)]))
            }
            Token::Name(name) => {
                let at = self.at;
                self.next()?;
                let argument = self.argument()?;
                Ok(Word(vec![Piece::Call(name.to_vec(), argument, at)]))
            }
            _ => self.expected("a value: `'text'`, a number, `%{VARIABLE}` or `function('text')`"),
        }
    }

    /// What follows `%{`.
    fn variable(&mut self) -> Result<Piece, Wrong> {
        let at = self.at;
        let length = self.text[at..].iter().take_while(|byte| is_name(**byte)).count();
        let name = &self.text[at..at + length];
        if !name.first().is_some_and(u8::is_ascii_alphabetic) {
            return self.wrong(at, "expected the name of a variable");
        }
        self.at += length;
        let after = self.text.get(self.at).copied();
        self.at += 1;
        match after {
            Some(b'}') => Ok(Piece::Variable(name.to_vec(), at)),
            Some(b':') if self.text.get(self.at) == Some(&b'}') => {
                self.wrong(self.at, "expected an argument after the colon")
            }
            Some(b':') => {
                let argument = self.deeper(|parser| parser.string(Ends::Brace))?;
                Ok(Piece::Call(name.to_vec(), argument, at))
            }
            _ => self.wrong(at + length, "expected `}` or `:` after the name of a variable"),
        }
    }

    /// Reads up to what ends a string, and past it.
    fn string(&mut self, ends: Ends) -> Result<Word, Wrong> {
        let begin = self.at;
        let mut word = Word::default();
        while let Some(&byte) = self.text.get(self.at) {
            let next = self.text.get(self.at + 1).copied();
            match (byte, ends) {
                (b'\\', _) => {
                    let escaped = self.escaped()?;
                    word.push(Piece::Text(vec![escaped]));
                    continue;
                }
                (b'$', _) if next.is_some_and(|next| next.is_ascii_digit()) => {
                    word.push(Piece::Group(next.unwrap_or(b'0') - b'0'));
                    self.at += 2;
                    continue;
                }
                (b'%', _) if next == Some(b'{') => {
                    self.at += 2;
                    let piece = self.deeper(Self::variable)?;
                    word.push(piece);
                    continue;
                }
                (b'}', Ends::Brace) => {
                    self.at += 1;
                    return Ok(word);
                }
                (b'"' | b'\'', Ends::Brace) => {
                    return self.wrong(self.at, "an argument holds no quotation mark");
                }
                (b'\n', _) => return self.wrong(self.at, "a string ends where its line does"),
                (quote, Ends::Quote(end)) if quote == end => {
                    self.at += 1;
                    return Ok(word);
                }
                _ => word.push(Piece::Text(vec![byte])),
            }
            self.at += 1;
        }
        match ends {
            Ends::Text => Ok(word),
            Ends::Quote(quote) => self.wrong(
                begin.saturating_sub(1),
                format!("expected `{}` at the end of the string", char::from(quote)),
            ),
            Ends::Brace => self.wrong(self.at, "expected `}` at the end of the argument"),
        }
    }

    /// What a backslash and what follows it stand for.
    fn escaped(&mut self) -> Result<u8, Wrong> {
        let at = self.at;
        let rest = &self.text[at + 1..];
        let octal = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        if octal > 0 {
            let digits = &rest[..octal];
            let number = digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
            self.at += 1 + octal;
            return match u8::try_from(number) {
                Ok(byte) => Ok(byte),
                Err(_) => self.wrong(at, "an octal escape goes up to `\\377`"),
            };
        }
        self.at += 2;
        match rest.first() {
            Some(b'n') => Ok(b'\n'),
            Some(b'r') => Ok(b'\r'),
            Some(b't') => Ok(b'\t'),
            Some(b'b') => Ok(0x08),
            Some(b'f') => Ok(0x0c),
            Some(b'8' | b'9') => self.wrong(at, "an octal escape has digits up to 7"),
            Some(byte) => Ok(*byte),
            None => self.wrong(at, "nothing follows the backslash"),
        }
    }
}

/// The only one, or all of them joined.
fn alone(mut found: Vec<Condition>, join: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    match found.pop() {
        Some(only) if found.is_empty() => only,
        last => {
            found.extend(last);
            join(found)
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
