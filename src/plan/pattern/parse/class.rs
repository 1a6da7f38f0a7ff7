//! Character classes in brackets.

use super::{Parse, Parser, Set};

/// A member of a class: one character, or many.
enum Member {
    One(u32),
    Many(Set),
}

/// The classes that POSIX names, in ASCII (pcre2pattern(3), "POSIX character classes").
const POSIX: &[(&str, &[(u32, u32)])] = &[
    ("alnum", &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)]),
    ("alpha", &[(0x41, 0x5a), (0x61, 0x7a)]),
    ("ascii", &[(0, 0x7f)]),
    ("blank", &[(0x09, 0x09), (0x20, 0x20)]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", &[(0x30, 0x39)]),
    ("graph", &[(0x21, 0x7e)]),
    ("lower", &[(0x61, 0x7a)]),
    ("print", &[(0x20, 0x7e)]),
    ("punct", &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)]),
    ("space", &[(0x09, 0x0d), (0x20, 0x20)]),
    ("upper", &[(0x41, 0x5a)]),
    ("word", &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)]),
    ("xdigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
];

impl Parser<'_> {
    /// `[...]`, from the bracket on.
    pub(super) fn class(&mut self) -> Parse<Set> {
        let open = self.at;
        self.at += 1;
        let negative = self.eat(b"^");
        let mut set = Set::default();
        // A bracket that comes first is a member, except in ECMAScript.
        let mut first = !self.ecma;
        let mut quoted = false;
        loop {
            if quoted && self.eat(b"\\E") {
                quoted = false;
                continue;
            }
            if !quoted && !self.ecma && self.eat(b"\\Q") {
                quoted = true;
                continue;
            }
            if !quoted && !self.ecma && self.eat(b"\\E") {
                continue;
            }
            let Some(next) = self.peek() else {
                self.at = open;
                return self.fail("missing terminating ] for character class");
            };
            if next == b']' && !first && !quoted {
                self.at += 1;
                break;
            }
            first = false;
            let from = match self.member(quoted)? {
                Member::Many(many) => {
                    set.add(&many);
                    continue;
                }
                Member::One(code) => code,
            };
            let to = if quoted { from } else { self.range_end(from)? };
            set.add(&Set::of([(from, to)]));
        }
        if self.flags.ignore_case {
            set = set.fold(self.utf);
        }
        Ok(if negative { set.negate(self.last()) } else { set })
    }

    /// After a member: the end of the range that it begins, or itself.
    fn range_end(&mut self, from: u32) -> Parse<u32> {
        let before = self.at;
        if !self.eat(b"-") {
            return Ok(from);
        }
        if matches!(self.peek(), None | Some(b']')) {
            self.at = before;
            return Ok(from);
        }
        match self.member(false)? {
            Member::One(to) if to < from => {
                self.at = before;
                self.fail("range out of order in character class")
            }
            Member::One(to) => Ok(to),
            // What follows is no single character, so the hyphen is one.
            Member::Many(_) => {
                self.at = before;
                Ok(from)
            }
        }
    }

    fn member(&mut self, quoted: bool) -> Parse<Member> {
        match self.peek() {
            Some(b'[') if !quoted && !self.ecma => {
                if let Some(set) = self.posix()? {
                    return Ok(Member::Many(set));
                }
            }
            Some(b'\\') if !quoted => {
                if let Some(set) = self.shorthand() {
                    return Ok(Member::Many(set));
                }
                if matches!(self.text.get(self.at + 1), Some(b'b')) {
                    self.at += 2;
                    return Ok(Member::One(0x08));
                }
                return self.escaped_char(true).map(Member::One);
            }
            _ => {}
        }
        self.literal().map(Member::One)
    }

    /// `[:name:]` or `[:^name:]` inside a class; `None` when it is just a bracket.
    fn posix(&mut self) -> Parse<Option<Set>> {
        let Some(inner) = self.rest().strip_prefix(b"[:") else { return Ok(None) };
        let letters = inner.strip_prefix(b"^").unwrap_or(inner);
        let negative = letters.len() < inner.len();
        let length = letters.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        if !letters[length..].starts_with(b":]") {
            return Ok(None);
        }
        let Some((_, ranges)) = POSIX.iter().find(|(name, _)| name.as_bytes() == &letters[..length]) else {
            return self.fail("unknown POSIX class name");
        };
        self.at += 2 + usize::from(negative) + length + 2;
        let set = Set::of(ranges.iter().copied());
        Ok(Some(if negative { set.negate(self.last()) } else { set }))
    }
}
