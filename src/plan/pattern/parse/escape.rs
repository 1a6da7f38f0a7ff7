//! What begins with a backslash.

use super::{Node, Parse, Parser, Set};

const DIGIT: &[(u32, u32)] = &[(0x30, 0x39)];
const WORD: &[(u32, u32)] = &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)];
const SPACE: &[(u32, u32)] = &[(0x09, 0x0d), (0x20, 0x20)];
/// Horizontal white space in one byte, and beyond.
const HORIZONTAL: &[(u32, u32)] = &[(0x09, 0x09), (0x20, 0x20), (0xa0, 0xa0)];
const HORIZONTAL_WIDE: &[(u32, u32)] = &[
    (0x1680, 0x1680),
    (0x180e, 0x180e),
    (0x2000, 0x200a),
    (0x202f, 0x202f),
    (0x205f, 0x205f),
    (0x3000, 0x3000),
];
/// Vertical white space, likewise.
const VERTICAL: &[(u32, u32)] = &[(0x0a, 0x0d), (0x85, 0x85)];
const VERTICAL_WIDE: &[(u32, u32)] = &[(0x2028, 0x2029)];

impl Parser<'_> {
    /// An escape outside of a class, from the backslash on.
    pub(super) fn escape(&mut self, nodes: &mut Vec<Node>) -> Parse<Option<Node>> {
        if let Some(set) = self.shorthand() {
            return Ok(Some(Node::Set(set)));
        }
        let Some(&letter) = self.text.get(self.at + 1) else {
            return self.fail("\\ at end of pattern");
        };
        let place = match letter {
            b'b' => Some(Node::WordEdge),
            b'B' => Some(Node::NotWordEdge),
            _ if self.ecma => None,
            // A search begins where the subject does, so both are its beginning.
            b'A' | b'G' => Some(Node::Start),
            b'z' => Some(Node::End),
            b'Z' => Some(Node::EndOrFinalNewline),
            _ => None,
        };
        if let Some(place) = place {
            self.at += 2;
            return self.bare(place).map(Some);
        }
        match letter {
            b'Q' if !self.ecma => {
                self.at += 2;
                return self.quoted(nodes);
            }
            b'R' if !self.ecma => {
                self.at += 2;
                let mut single = Set::of(VERTICAL.iter().copied());
                if self.utf {
                    single.add(&Set::of(VERTICAL_WIDE.iter().copied()));
                }
                let pair = Node::Sequence(vec![Node::Char(0x0d), Node::Char(0x0a)]);
                return Ok(Some(Node::Atomic(Box::new(Node::Choice(vec![pair, Node::Set(single)])))));
            }
            b'N' if !self.ecma => {
                self.at += 2;
                return Ok(Some(Node::Set(Set::of([(0x0a, 0x0a)]).negate(self.last()))));
            }
            b'K' if !self.ecma => return self.fail("\\K is not supported"),
            b'X' | b'p' | b'P' | b'C' if !self.ecma => {
                return self.fail("Unicode properties are not supported");
            }
            b'g' if !self.ecma => return self.numbered_reference().map(Some),
            b'k' => {
                self.at += 2;
                let name = if self.eat(b"<") {
                    self.name(b'>')?
                } else if self.eat(b"{") && !self.ecma {
                    self.name(b'}')?
                } else if self.eat(b"'") && !self.ecma {
                    self.name(b'\'')?
                } else {
                    return self.fail("\\k is not followed by a name");
                };
                return Ok(Some(self.reference(name)));
            }
            b'1'..=b'9' => {
                if let Some(group) = self.digits_reference() {
                    return Ok(Some(self.numbered(group)));
                }
            }
            _ => {}
        }
        let code = self.escaped_char(false)?;
        Ok(Some(Node::char(code, self.flags.ignore_case, self.utf)))
    }

    /// `\d`, `\W` and their like; `None` when the next escape is none of them.
    pub(super) fn shorthand(&mut self) -> Option<Set> {
        let letter = *self.text.get(self.at + 1)?;
        if self.peek() != Some(b'\\') {
            return None;
        }
        let mut set = match letter.to_ascii_lowercase() {
            b'd' => Set::of(DIGIT.iter().copied()),
            b'w' => Set::of(WORD.iter().copied()),
            b's' => Set::of(SPACE.iter().copied()),
            b'h' if !self.ecma => Set::of(HORIZONTAL.iter().copied()),
            b'v' if !self.ecma => Set::of(VERTICAL.iter().copied()),
            _ => return None,
        };
        if self.utf && matches!(letter, b'h' | b'H') {
            set.add(&Set::of(HORIZONTAL_WIDE.iter().copied()));
        }
        if self.utf && matches!(letter, b'v' | b'V') {
            set.add(&Set::of(VERTICAL_WIDE.iter().copied()));
        }
        self.at += 2;
        Some(if letter.is_ascii_uppercase() { set.negate(self.last()) } else { set })
    }

    /// An escape that stands for one character.
    pub(super) fn escaped_char(&mut self, in_class: bool) -> Parse<u32> {
        let Some(&letter) = self.text.get(self.at + 1) else {
            return self.fail("\\ at end of pattern");
        };
        self.at += 2;
        let code = match letter {
            b'f' => 0x0c,
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            b'v' if self.ecma => 0x0b,
            b'a' if !self.ecma => 0x07,
            b'e' if !self.ecma => 0x1b,
            b'c' => self.control()?,
            b'x' => self.hexadecimal()?,
            b'u' if self.ecma => self.digits(16, 4).unwrap_or(u32::from(b'u')),
            b'o' if !self.ecma => self.braced(8)?,
            b'0'..=b'7' => {
                self.at -= 1;
                self.digits(8, 3).unwrap_or(0)
            }
            b'8' | b'9' => u32::from(letter),
            letter if letter.is_ascii_alphabetic() && !self.ecma => {
                self.at -= 1;
                let message = if in_class && matches!(letter, b'B' | b'R' | b'X' | b'N') {
                    "escape sequence is invalid in character class"
                } else {
                    "unrecognized character follows \\"
                };
                return self.fail(message);
            }
            _ => {
                self.at -= 1;
                self.literal()?
            }
        };
        if code > self.last() {
            return self.fail("character code is too large");
        }
        Ok(code)
    }

    fn control(&mut self) -> Parse<u32> {
        match self.peek() {
            Some(letter) if letter.is_ascii_graphic() || letter == b' ' => {
                self.at += 1;
                Ok(u32::from(letter.to_ascii_uppercase() ^ 0x40))
            }
            _ => self.fail("\\c must be followed by a printable ASCII character"),
        }
    }

    fn hexadecimal(&mut self) -> Parse<u32> {
        if !self.ecma && self.peek() == Some(b'{') {
            return self.braced(16);
        }
        Ok(self.digits(16, 2).unwrap_or(if self.ecma { u32::from(b'x') } else { 0 }))
    }

    /// Up to `most` digits of a base.
    fn digits(&mut self, base: u32, most: usize) -> Option<u32> {
        let mut value = None;
        for _ in 0..most {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(base)) else { break };
            value = Some(value.unwrap_or(0) * base + digit);
            self.at += 1;
        }
        value
    }

    /// `{` digits `}`.
    fn braced(&mut self, base: u32) -> Parse<u32> {
        if !self.eat(b"{") {
            return self.fail("missing opening brace after \\o");
        }
        let value = self.digits(base, 8);
        match value {
            Some(value) if self.eat(b"}") => Ok(value),
            Some(_) => self.fail("character code is too large"),
            None => self.fail("digits missing in \\x{} or \\o{}"),
        }
    }

    /// `\1`: a reference below 10, or where there are that many groups; else an octal number.
    fn digits_reference(&mut self) -> Option<u32> {
        let digits = self.text[self.at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).take(4);
        let digits: Vec<u8> = digits.copied().collect();
        let number = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        if number >= 10 && number > self.groups && digits[0] < b'8' {
            return None;
        }
        self.at += 1 + digits.len();
        Some(number)
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`.
    fn numbered_reference(&mut self) -> Parse<Node> {
        self.at += 2;
        let braced = self.eat(b"{");
        let back = self.eat(b"-");
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).take(4).count();
        if digits == 0 {
            if braced && !back {
                let name = self.name(b'}')?;
                return Ok(self.reference(name));
            }
            return self.fail("this form of \\g is not supported");
        }
        let number = self.rest()[..digits].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        self.at += digits;
        if braced && !self.eat(b"}") {
            return self.fail("\\g is not followed by a name or number in braces");
        }
        let group = if back { (self.groups + 1).checked_sub(number) } else { Some(number) };
        match group.filter(|group| *group > 0) {
            Some(group) => Ok(self.numbered(group)),
            None => self.fail("reference to a group that does not exist"),
        }
    }

    /// After `\Q`: text up to `\E`. The last character is what a quantifier after it repeats.
    fn quoted(&mut self, nodes: &mut Vec<Node>) -> Parse<Option<Node>> {
        let mut last = None;
        while self.at < self.text.len() && !self.eat(b"\\E") {
            nodes.extend(last.take());
            let code = self.literal()?;
            last = Some(Node::char(code, self.flags.ignore_case, self.utf));
        }
        Ok(last)
    }
}
