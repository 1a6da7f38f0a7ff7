//! Conditions in instructions: comparisons of words, with `&&`, `||`, `!` and parentheses.
//!
//! Words are strings in quotes (with `%{NAME}` and `$1` in them), numbers, `%{NAME}`, and functions of one word; `.` joins
//! them. What is no expression has no answer. Reference: <https://httpd.apache.org/docs/2.4/expr.html>

use super::includes::matches;
use crate::{
    ir::{Escape, FileKind},
    plan::escape,
};

/// As deep may parentheses and functions be.
const DEEPEST: u8 = 50;

/// The value of a variable.
type Ask<'a> = &'a mut dyn FnMut(&[u8]) -> Option<Vec<u8>>;

/// Whether an expression holds.
pub(super) fn holds(text: &[u8], ask: Ask<'_>) -> Option<bool> {
    let mut reader = Reader { rest: text, ask, groups: Vec::new(), depth: 0 };
    let answer = reader.any()?;
    reader.skip();
    reader.rest.is_empty().then_some(answer)
}

struct Reader<'t, 'a> {
    rest: &'t [u8],
    ask: Ask<'a>,
    /// What the groups of the last pattern matched.
    groups: Vec<Vec<u8>>,
    depth: u8,
}

impl Reader<'_, '_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn takes(&mut self, token: &[u8]) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A word of letters, where it is this one.
    fn takes_name(&mut self, name: &[u8]) -> bool {
        self.skip();
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let is = self.rest[..length].eq_ignore_ascii_case(name) && self.rest.get(length) != Some(&b'(');
        if is {
            self.rest = &self.rest[length..];
        }
        is
    }

    fn any(&mut self) -> Option<bool> {
        let mut holds = self.all()?;
        while self.takes(b"||") {
            let next = self.all()?;
            holds |= next;
        }
        Some(holds)
    }

    fn all(&mut self) -> Option<bool> {
        let mut holds = self.one()?;
        while self.takes(b"&&") {
            let next = self.one()?;
            holds &= next;
        }
        Some(holds)
    }

    fn one(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_add(1).filter(|depth| *depth < DEEPEST)?;
        let holds = self.one_inside();
        self.depth -= 1;
        holds
    }

    fn one_inside(&mut self) -> Option<bool> {
        if self.takes(b"!") {
            return self.one().map(|holds| !holds);
        }
        if self.takes(b"(") {
            let holds = self.any()?;
            return self.takes(b")").then_some(holds);
        }
        if self.takes_name(b"true") {
            return Some(true);
        }
        if self.takes_name(b"false") {
            return Some(false);
        }
        self.skip();
        if let [b'-', how, next, ..] = *self.rest
            && how.is_ascii_alphabetic()
            && !next.is_ascii_alphabetic()
        {
            self.rest = &self.rest[2..];
            let word = self.word()?;
            return truth(how, &word);
        }
        let left = self.word()?;
        self.compare(&left)
    }

    fn compare(&mut self, left: &[u8]) -> Option<bool> {
        if self.takes(b"=~") {
            return self.pattern(left);
        }
        if self.takes(b"!~") {
            return self.pattern(left).map(|holds| !holds);
        }
        for (token, holds) in [
            (&b"=="[..], [false, true, false]),
            (b"!=", [true, false, true]),
            (b"<=", [true, true, false]),
            (b">=", [false, true, true]),
            (b"=", [false, true, false]),
            (b"<", [true, false, false]),
            (b">", [false, false, true]),
        ] {
            if self.takes(token) {
                let right = self.word()?;
                return Some(holds[(left.cmp(&right) as i8 + 1).unsigned_abs() as usize]);
            }
        }
        if self.takes_name(b"in") {
            let mut found = false;
            self.takes(b"{").then_some(())?;
            loop {
                let right = self.word()?;
                found |= right == left;
                if self.takes(b"}") {
                    return Some(found);
                }
                self.takes(b",").then_some(())?;
            }
        }
        let _ = self.takes(b"-");
        for (name, holds) in [
            (&b"eq"[..], [false, true, false]),
            (b"ne", [true, false, true]),
            (b"le", [true, true, false]),
            (b"ge", [false, true, true]),
            (b"lt", [true, false, false]),
            (b"gt", [false, false, true]),
        ] {
            if self.takes_name(name) {
                let right = self.word()?;
                return Some(holds[(integer(left).cmp(&integer(&right)) as i8 + 1).unsigned_abs() as usize]);
            }
        }
        None
    }

    /// `/pattern/`, `m#pattern#`, with `i` behind it, perhaps.
    fn pattern(&mut self, subject: &[u8]) -> Option<bool> {
        self.skip();
        let _ = self.rest.starts_with(b"m").then(|| self.rest = &self.rest[1..]);
        let (quote, rest) = self.rest.split_first()?;
        let end = rest.iter().position(|byte| byte == quote)?;
        let pattern = &rest[..end];
        self.rest = &rest[end + 1..];
        let flags = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let ignore_case = self.rest[..flags].contains(&b'i');
        self.rest = &self.rest[flags..];
        let found = matches(pattern, ignore_case, subject);
        let holds = found.is_some();
        if let Some(groups) = found {
            self.groups = groups;
        }
        Some(holds)
    }

    fn word(&mut self) -> Option<Vec<u8>> {
        let mut word = self.part()?;
        while self.takes(b".") {
            word.extend(self.part()?);
        }
        Some(word)
    }

    fn part(&mut self) -> Option<Vec<u8>> {
        self.skip();
        match *self.rest {
            [quote @ (b'"' | b'\''), ..] => {
                self.rest = &self.rest[1..];
                self.string(quote)
            }
            [b'%', b'{', ..] => {
                self.rest = &self.rest[2..];
                self.variable()
            }
            [b'$', digit @ b'0'..=b'9', ..] => {
                self.rest = &self.rest[2..];
                Some(self.group(digit))
            }
            [b'0'..=b'9', ..] => {
                let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (number, rest) = self.rest.split_at(length);
                self.rest = rest;
                Some(number.to_vec())
            }
            _ => {
                let length = self
                    .rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                    .count();
                let (name, rest) = self.rest.split_at(length);
                let name = name.to_ascii_lowercase();
                self.rest = rest.strip_prefix(b"(").filter(|_| length > 0)?;
                self.depth = self.depth.checked_add(1).filter(|depth| *depth < DEEPEST)?;
                let argument = self.word()?;
                self.depth -= 1;
                self.takes(b")").then_some(())?;
                self.call(&name, &argument)
            }
        }
    }

    fn group(&self, digit: u8) -> Vec<u8> {
        self.groups.get(usize::from(digit - b'0')).cloned().unwrap_or_default()
    }

    fn string(&mut self, quote: u8) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            match *self.rest {
                [byte, ref rest @ ..] if byte == quote => {
                    self.rest = rest;
                    return Some(out);
                }
                [b'\\', byte, ref rest @ ..] => {
                    out.push(match byte {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        byte => byte,
                    });
                    self.rest = rest;
                }
                [b'%', b'{', ref rest @ ..] => {
                    self.rest = rest;
                    out.extend(self.variable()?);
                }
                [b'$', digit @ b'0'..=b'9', ref rest @ ..] => {
                    self.rest = rest;
                    out.extend(self.group(digit));
                }
                [byte, ref rest @ ..] => {
                    out.push(byte);
                    self.rest = rest;
                }
                [] => return None,
            }
        }
    }

    /// `NAME}` or `function:argument}`.
    fn variable(&mut self) -> Option<Vec<u8>> {
        let end = memchr::memchr(b'}', self.rest)?;
        let (name, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        self.rest = rest;
        match memchr::memchr(b':', name) {
            Some(colon) => self.call(&name[..colon].to_ascii_lowercase(), &name[colon + 1..]),
            None => Some((self.ask)(name).unwrap_or_default()),
        }
    }

    fn call(&mut self, name: &[u8], argument: &[u8]) -> Option<Vec<u8>> {
        let how = match name {
            b"v" | b"reqenv" | b"env" => return Some((self.ask)(argument).unwrap_or_default()),
            b"http" | b"req" | b"req_novary" => {
                let bare = |byte: &u8| if byte.is_ascii_alphanumeric() { *byte } else { b'_' };
                let name: Vec<u8> = b"HTTP_".iter().copied().chain(argument.iter().map(bare)).collect();
                return Some((self.ask)(&name).unwrap_or_default());
            }
            b"tolower" => Escape::Lower,
            b"toupper" => Escape::Upper,
            b"escape" => Escape::UriText,
            b"unescape" => Escape::Decode,
            b"base64" => Escape::Base64,
            b"unbase64" => Escape::Unbase64,
            b"md5" => Escape::Md5,
            b"sha1" => Escape::Sha1,
            _ => return None,
        };
        let mut out = Vec::new();
        escape(how, argument, false, &mut out);
        Some(out)
    }
}

/// A test of one word.
fn truth(how: u8, word: &[u8]) -> Option<bool> {
    use super::super::files::is;
    Some(match how {
        b'n' => !word.is_empty(),
        b'z' => word.is_empty(),
        b'T' => {
            let no = [&b""[..], b"0", b"off", b"false", b"no"];
            !no.iter().any(|no| word.eq_ignore_ascii_case(no))
        }
        b'e' => is(word, FileKind::Any),
        b'f' => is(word, FileKind::File),
        b'd' => is(word, FileKind::Directory),
        b's' => is(word, FileKind::NonEmpty),
        b'L' | b'h' => is(word, FileKind::Link),
        b'x' => is(word, FileKind::Executable),
        _ => return None,
    })
}

/// The integer that a text begins with.
fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).take(18);
    let number = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let mut ask = |name: &[u8]| (name == b"A").then(|| b"abc".to_vec());
        for (text, expected) in [
            ("true", Some(true)),
            ("! true || false", Some(false)),
            ("v('A') == 'abc'", Some(true)),
            ("%{A} =~ /^a(b)/ && $1 == 'b'", Some(true)),
            ("'x' . %{A} = \"xabc\"", Some(true)),
            ("-n v('B')", Some(false)),
            ("-z %{B}", Some(true)),
            ("2 -lt 10", Some(true)),
            ("'2' < '10'", Some(false)),
            ("'b' in {'a', 'b'}", Some(true)),
            ("toupper('a') == 'A'", Some(true)),
            ("'%{A}d' !~ m#D#i", Some(false)),
            ("(1 eq 1", None),
            ("$A = ''", None),
            ("nope('x')", None),
            ("'a'", None),
            ("", None),
        ] {
            assert_eq!(holds(text.as_bytes(), &mut ask), expected, "{text}");
        }
        assert_eq!(holds("(".repeat(1000).as_bytes(), &mut ask), None);
    }
}
