//! Reads regular expressions as PCRE2 does (pcre2pattern(3)) and as ECMAScript does.
//!
//! What PCRE2 refuses and older PCRE took, such as `[\w-.]`, is taken.

use super::tree::{Node, Set};
use crate::ir::Syntax;

mod class;
mod escape;

/// What a pattern's text means.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What it matches.
    pub(super) node: Node,
    /// Names of groups, with their numbers.
    pub(super) names: Vec<(Vec<u8>, u32)>,
    /// How many groups capture.
    pub(super) groups: u32,
    /// Whether it is for UTF-8.
    pub(super) utf: bool,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What.
    pub message: String,
    /// Where in its text.
    pub offset: usize,
}

/// Groups nest at most this deep, as in PCRE2.
const NEST: u32 = 250;

/// Reads a pattern.
pub(super) fn parse(text: &[u8], syntax: Syntax, ignore_case: bool) -> Result<Parsed, PatternError> {
    let mut parser = Parser {
        text,
        at: 0,
        flags: Flags {
            ignore_case,
            dot_all: syntax == Syntax::PerlWhole,
            multi_line: false,
            extended: false,
            ungreedy: false,
        },
        ecma: syntax == Syntax::Ecma,
        end_only: syntax != Syntax::Perl,
        utf: false,
        groups: 0,
        names: Vec::new(),
        named_references: Vec::new(),
        highest_reference: 0,
        depth: 0,
    };
    parser.verbs()?;
    let mut node = parser.alternatives()?;
    if parser.at < text.len() {
        return parser.fail("unmatched closing parenthesis");
    }
    parser.resolve(&mut node)?;
    Ok(Parsed { node, names: parser.names, groups: parser.groups, utf: parser.utf })
}

#[derive(Clone, Copy)]
struct Flags {
    ignore_case: bool,
    dot_all: bool,
    multi_line: bool,
    extended: bool,
    ungreedy: bool,
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    flags: Flags,
    ecma: bool,
    /// Whether `$` matches at the very end only.
    end_only: bool,
    utf: bool,
    groups: u32,
    names: Vec<(Vec<u8>, u32)>,
    /// References by name, whose groups may stand later: they are numbered from `NAMED` on until resolved.
    named_references: Vec<(Vec<u8>, usize)>,
    highest_reference: u32,
    depth: u32,
}

/// Numbers from here on are indices into `named_references`.
const NAMED: u32 = 1 << 16;

type Parse<T> = Result<T, PatternError>;

impl Parser<'_> {
    fn fail<T>(&self, message: &str) -> Parse<T> {
        Err(PatternError { message: message.to_owned(), offset: self.at.min(self.text.len()) })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, literal: &[u8]) -> bool {
        let eaten = self.rest().starts_with(literal);
        if eaten {
            self.at += literal.len();
        }
        eaten
    }

    /// The highest character there is.
    fn last(&self) -> u32 {
        if self.utf { 0x0010_ffff } else { 0xff }
    }

    /// `(*UTF8)` and the like at the very beginning.
    fn verbs(&mut self) -> Parse<()> {
        while !self.ecma && self.rest().starts_with(b"(*") {
            if self.eat(b"(*UTF8)") || self.eat(b"(*UTF)") {
                self.utf = true;
            } else if !self.eat(b"(*LF)") && !self.eat(b"(*NO_AUTO_POSSESS)") && !self.eat(b"(*NO_START_OPT)")
            {
                return self.fail("this verb is not supported");
            }
        }
        Ok(())
    }

    /// The next character as a literal.
    fn literal(&mut self) -> Parse<u32> {
        let Some(first) = self.peek() else { return self.fail("unexpected end of the pattern") };
        if !self.utf || first < 0x80 {
            self.at += 1;
            return Ok(u32::from(first));
        }
        let chunk = self.rest().utf8_chunks().next();
        match chunk.and_then(|chunk| chunk.valid().chars().next()) {
            Some(found) => {
                self.at += found.len_utf8();
                Ok(u32::from(found))
            }
            None => self.fail("invalid UTF-8 in the pattern"),
        }
    }

    fn alternatives(&mut self) -> Parse<Node> {
        self.depth += 1;
        if self.depth > NEST {
            return self.fail("parentheses are too deeply nested");
        }
        let flags = self.flags;
        let mut choices = vec![self.sequence()?];
        while self.eat(b"|") {
            choices.push(self.sequence()?);
        }
        // Flags set inside hold until the group ends.
        self.flags = flags;
        self.depth -= 1;
        Ok(if choices.len() == 1 { choices.remove(0) } else { Node::Choice(choices) })
    }

    fn sequence(&mut self) -> Parse<Node> {
        let mut nodes = Vec::new();
        while let Some(next) = self.peek() {
            if matches!(next, b'|' | b')') {
                break;
            }
            if self.skip()? {
                continue;
            }
            let node = self.atom(&mut nodes)?;
            if let Some(node) = node {
                let node = self.quantified(node)?;
                nodes.push(node);
            }
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Sequence(nodes),
        })
    }

    /// White space and comments where they do not count.
    fn skip(&mut self) -> Parse<bool> {
        if self.ecma {
            return Ok(false);
        }
        if self.eat(b"(?#") {
            match memchr::memchr(b')', self.rest()) {
                Some(end) => self.at += end + 1,
                None => return self.fail("missing ) after (?# comment"),
            }
            return Ok(true);
        }
        if self.eat(b"\\E") {
            return Ok(true);
        }
        if !self.flags.extended {
            return Ok(false);
        }
        match self.peek() {
            Some(b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r') => self.at += 1,
            Some(b'#') => {
                let line = memchr::memchr(b'\n', self.rest()).map_or(self.rest().len(), |end| end + 1);
                self.at += line;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One thing that may be repeated; `None` when it added to `nodes` by itself or stands for nothing.
    fn atom(&mut self, nodes: &mut Vec<Node>) -> Parse<Option<Node>> {
        let Some(next) = self.peek() else { return Ok(None) };
        let edge = |node| Ok(Some(node));
        match next {
            b'(' => return self.group(),
            b'[' => return self.class().map(|set| Some(Node::Set(set))),
            b'\\' => return self.escape(nodes),
            b'.' => {
                self.at += 1;
                let mut not = Set::default();
                if !self.flags.dot_all {
                    not = Set::of([(0x0a, 0x0a)]);
                    if self.ecma {
                        not.add(&Set::of([(0x0d, 0x0d)]));
                    }
                }
                return Ok(Some(Node::Set(not.negate(self.last()))));
            }
            b'^' => {
                self.at += 1;
                let node = if self.flags.multi_line { Node::LineStart } else { Node::Start };
                return self.bare(node).and_then(edge);
            }
            b'$' => {
                self.at += 1;
                let node = match (self.flags.multi_line, self.end_only) {
                    (true, _) => Node::LineEnd,
                    (false, true) => Node::End,
                    (false, false) => Node::EndOrFinalNewline,
                };
                return self.bare(node).and_then(edge);
            }
            b'*' | b'+' | b'?' => return self.fail("quantifier does not follow a repeatable item"),
            b'{' if self.braces().is_some() => {
                return self.fail("quantifier does not follow a repeatable item");
            }
            _ => {}
        }
        let code = self.literal()?;
        Ok(Some(Node::char(code, self.flags.ignore_case, self.utf)))
    }

    /// A place, which cannot be repeated.
    fn bare(&self, node: Node) -> Parse<Node> {
        match self.peek() {
            Some(b'*' | b'+' | b'?') => self.fail("quantifier does not follow a repeatable item"),
            Some(b'{') if self.braces().is_some() => {
                self.fail("quantifier does not follow a repeatable item")
            }
            _ => Ok(node),
        }
    }

    fn quantified(&mut self, node: Node) -> Parse<Node> {
        while self.skip()? {}
        let (min, max, length) = match self.peek() {
            Some(b'*') => (0, None, 1),
            Some(b'+') => (1, None, 1),
            Some(b'?') => (0, Some(1), 1),
            Some(b'{') => match self.braces() {
                Some(found) => found,
                None => return Ok(node),
            },
            _ => return Ok(node),
        };
        self.at += length;
        if min > 65535 || max.is_some_and(|max| max > 65535) {
            return self.fail("number too big in {} quantifier");
        }
        if max.is_some_and(|max| max < min) {
            return self.fail("numbers out of order in {} quantifier");
        }
        let possessive = !self.ecma && self.eat(b"+");
        let lazy = !possessive && self.eat(b"?");
        let greedy = possessive || lazy == self.flags.ungreedy;
        let node = Node::Repeat { node: Box::new(node), min, max, greedy };
        let node = if possessive { Node::Atomic(Box::new(node)) } else { node };
        self.bare(node)
    }

    /// `{n}`, `{n,}` or `{n,m}`: the numbers and how long it is. Anything else is text.
    fn braces(&self) -> Option<(u32, Option<u32>, usize)> {
        let rest = self.rest().strip_prefix(b"{")?;
        let end = memchr::memchr(b'}', rest)?;
        let inner = &rest[..end];
        let number = |digits: &[u8]| {
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let value = digits
                .iter()
                .fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
            Some(value)
        };
        let (min, max) = match memchr::memchr(b',', inner) {
            None => {
                let count = number(inner)?;
                (count, Some(count))
            }
            Some(comma) if comma + 1 == inner.len() => (number(&inner[..comma])?, None),
            Some(comma) => (number(&inner[..comma])?, Some(number(&inner[comma + 1..])?)),
        };
        Some((min, max, end + 2))
    }

    fn group(&mut self) -> Parse<Option<Node>> {
        self.at += 1;
        if self.rest().starts_with(b"*") && !self.ecma {
            return self.fail("this verb is not supported");
        }
        if !self.eat(b"?") {
            return self.capture(None).map(Some);
        }
        let look = |behind, negative| move |node| Node::Look { behind, negative, node };
        if self.eat(b":") {
            self.inner(|node| Node::Group(None, node)).map(Some)
        } else if self.eat(b"=") {
            self.inner(look(false, false)).map(Some)
        } else if self.eat(b"!") {
            self.inner(look(false, true)).map(Some)
        } else if self.eat(b"<=") {
            self.inner(look(true, false)).map(Some)
        } else if self.eat(b"<!") {
            self.inner(look(true, true)).map(Some)
        } else if self.eat(b">") {
            self.inner(Node::Atomic).map(Some)
        } else if self.eat(b"|") {
            self.fail("branch reset groups are not supported")
        } else if self.eat(b"P=") {
            let name = self.name(b')')?;
            Ok(Some(self.reference(name)))
        } else if self.eat(b"P<") || self.eat(b"<") {
            let name = self.name(b'>')?;
            self.capture(Some(name)).map(Some)
        } else if self.eat(b"'") {
            let name = self.name(b'\'')?;
            self.capture(Some(name)).map(Some)
        } else if self.eat(b"(") {
            self.conditional().map(Some)
        } else if matches!(self.peek(), Some(b'R' | b'&' | b'P' | b'+' | b'C' | b'0'..=b'9'))
            || (self.peek() == Some(b'-') && self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit))
        {
            self.fail("recursion is not supported")
        } else {
            self.set_flags()
        }
    }

    fn inner(&mut self, make: impl FnOnce(Box<Node>) -> Node) -> Parse<Node> {
        let node = self.alternatives()?;
        if !self.eat(b")") {
            return self.fail("missing closing parenthesis");
        }
        Ok(make(Box::new(node)))
    }

    fn capture(&mut self, name: Option<Vec<u8>>) -> Parse<Node> {
        self.groups += 1;
        let number = self.groups;
        if let Some(name) = name {
            if self.names.iter().any(|(known, _)| *known == name) {
                return self.fail("two named groups have the same name");
            }
            self.names.push((name, number));
        }
        self.inner(|node| Node::Group(Some(number), node))
    }

    fn name(&mut self, end: u8) -> Parse<Vec<u8>> {
        let word =
            self.rest().iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = self.rest()[..word].to_vec();
        if name.is_empty() || name[0].is_ascii_digit() {
            return self.fail("a group's name must begin with a letter or _");
        }
        self.at += word;
        if !self.eat(&[end]) {
            return self.fail("syntax error in a group's name");
        }
        Ok(name)
    }

    fn reference(&mut self, name: Vec<u8>) -> Node {
        self.named_references.push((name, self.at));
        let group = NAMED + self.named_references.len() as u32 - 1;
        Node::Back { group, fold: self.flags.ignore_case }
    }

    fn numbered(&mut self, group: u32) -> Node {
        self.highest_reference = self.highest_reference.max(group);
        Node::Back { group, fold: self.flags.ignore_case }
    }

    /// `(?(1)yes|no)`, `(?(<name>)yes|no)`; after the second parenthesis.
    fn conditional(&mut self) -> Parse<Node> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let group = if digits > 0 && digits < 5 {
            let number =
                self.rest()[..digits].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            self.at += digits;
            self.highest_reference = self.highest_reference.max(number);
            number
        } else {
            let name = if self.eat(b"<") {
                self.name(b'>')?
            } else if self.eat(b"'") {
                self.name(b'\'')?
            } else {
                return self.fail("this condition is not supported");
            };
            self.named_references.push((name, self.at));
            NAMED + self.named_references.len() as u32 - 1
        };
        if !self.eat(b")") {
            return self.fail("missing closing parenthesis for condition");
        }
        let node = self.inner(|node| *node)?;
        let (yes, no) = match node {
            Node::Choice(mut nodes) if nodes.len() == 2 => {
                let no = nodes.pop().unwrap_or(Node::Empty);
                (nodes.pop().unwrap_or(Node::Empty), no)
            }
            Node::Choice(_) => return self.fail("conditional group contains more than two branches"),
            node => (node, Node::Empty),
        };
        Ok(Node::If { group, yes: Box::new(yes), no: Box::new(no) })
    }

    /// `(?i)`, `(?i-s:...)`; after the `?`.
    fn set_flags(&mut self) -> Parse<Option<Node>> {
        let outer = self.flags;
        let mut on = true;
        loop {
            let Some(letter) = self.peek() else { return self.fail("missing closing parenthesis") };
            self.at += 1;
            match letter {
                b'i' => self.flags.ignore_case = on,
                b's' => self.flags.dot_all = on,
                b'm' => self.flags.multi_line = on,
                b'x' => self.flags.extended = on,
                b'U' => self.flags.ungreedy = on,
                b'-' => on = false,
                b'^' => {
                    self.flags = Flags {
                        ignore_case: false,
                        dot_all: false,
                        multi_line: false,
                        extended: false,
                        ungreedy: self.flags.ungreedy,
                    };
                }
                // Until the enclosing group ends.
                b')' => return Ok(None),
                b':' => {
                    let node = self.inner(|node| Node::Group(None, node))?;
                    self.flags = outer;
                    return Ok(Some(node));
                }
                _ => {
                    self.at -= 1;
                    return self.fail("unrecognized character after (? or (?-");
                }
            }
        }
    }

    /// Gives references by name their numbers, and checks all.
    fn resolve(&self, node: &mut Node) -> Parse<()> {
        if self.highest_reference > self.groups {
            return self.fail("reference to a group that does not exist");
        }
        if self.named_references.is_empty() {
            return Ok(());
        }
        let mut numbers = Vec::new();
        for (name, offset) in &self.named_references {
            if let Some(&(_, number)) = self.names.iter().find(|(known, _)| known == name) {
                numbers.push(number);
            } else {
                let message = "reference to a group that does not exist".to_owned();
                return Err(PatternError { message, offset: *offset });
            }
        }
        number(node, &numbers);
        Ok(())
    }
}

fn number(node: &mut Node, numbers: &[u32]) {
    let give = |group: &mut u32| {
        if let Some(index) = group.checked_sub(NAMED) {
            *group = numbers.get(index as usize).copied().unwrap_or(0);
        }
    };
    match node {
        Node::Back { group, fold: _ } => give(group),
        Node::If { group, yes, no } => {
            give(group);
            number(yes, numbers);
            number(no, numbers);
        }
        Node::Sequence(nodes) | Node::Choice(nodes) => {
            for node in nodes {
                number(node, numbers);
            }
        }
        Node::Group(_, node) | Node::Atomic(node) | Node::Repeat { node, .. } | Node::Look { node, .. } => {
            number(node, numbers);
        }
        Node::Empty
        | Node::Char(_)
        | Node::Set(_)
        | Node::Start
        | Node::End
        | Node::EndOrFinalNewline
        | Node::LineStart
        | Node::LineEnd
        | Node::WordEdge
        | Node::NotWordEdge => {}
    }
}
