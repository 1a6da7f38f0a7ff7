//! Edits by pattern, of lines and of the values of HTML attributes.

use std::{cell::Cell, sync::Arc};

use super::{
    Broken,
    live::{Captures, Judge, Piece},
};
use crate::{
    ir::{Name, Register},
    plan::{Matcher, Spans},
};

/// What is looked for.
#[derive(Debug)]
pub enum Find {
    /// This text; the flag ignores case.
    Text(Vec<u8>, bool),
    /// A pattern.
    Pattern(Arc<Matcher>),
    /// Where a pattern is not found.
    Not(Arc<Matcher>),
}

/// An edit.
#[derive(Debug)]
pub struct Edit {
    /// The elements and attributes that it is about; none for lines.
    pub of: Vec<(Name, Name)>,
    /// What is looked for.
    pub find: Find,
    /// Where captures go.
    pub register: Option<Register>,
    /// What has to hold besides.
    pub given: Option<Judge>,
    /// What stands in its place.
    pub with: Vec<Piece>,
    /// How often it may still be done.
    pub left: Cell<u64>,
    /// Whether later edits are not tried where it changed something.
    pub last: bool,
}

/// A match at hand.
#[derive(Debug, Default)]
pub struct Found {
    spans: Spans,
    captures: Captures,
}

impl Edit {
    /// The first match from a place on.
    fn find(&self, subject: &[u8], at: usize, spans: &mut Spans) -> bool {
        match &self.find {
            Find::Text(text, ignore_case) => {
                let found = if *ignore_case {
                    let mut windows = subject[at..].windows(text.len().max(1));
                    windows.position(|window| window.eq_ignore_ascii_case(text))
                } else {
                    memchr::memmem::find(&subject[at..], text)
                };
                spans.clear();
                spans.extend(found.map(|found| ((at + found) as u32, (at + found + text.len()) as u32)));
                found.is_some()
            }
            // What takes too long is not found.
            Find::Pattern(matcher) => matcher.find_from(subject, at, 10, spans).unwrap_or(false),
            Find::Not(matcher) => {
                spans.clear();
                spans.push((0, subject.len() as u32));
                at == 0 && !matcher.is_match(subject).unwrap_or(true)
            }
        }
    }

    /// The first match from a place on with which all holds that has to; it counts as done.
    pub fn next(&self, subject: &[u8], mut at: usize, found: &mut Found) -> Option<(usize, usize)> {
        while self.left.get() > 0 && at <= subject.len() && self.find(subject, at, &mut found.spans) {
            let &(start, end) = found.spans.first()?;
            let (start, end) = (start as usize, end as usize);
            found.captures.begin(self.register, subject, &found.spans);
            if self.given.as_ref().is_none_or(|given| found.captures.holds(given)) {
                return Some((start, end));
            }
            at = if end > start { end } else { end + 1 };
        }
        None
    }

    /// Writes what stands in the place of the match at hand, which is one done.
    pub fn write(&self, found: &Found, out: &mut Vec<u8>) {
        self.left.set(self.left.get().saturating_sub(1));
        found.captures.write(&self.with, out);
    }
}

/// Edits lines.
#[derive(Debug)]
pub struct Lines {
    edits: Vec<Edit>,
    max: usize,
    held: Vec<u8>,
    /// The line at hand before and after an edit.
    line: Vec<u8>,
    edited: Vec<u8>,
    found: Found,
}

const TOO_LONG: Broken = Broken("a line of the content is too long to be edited");

impl Lines {
    /// These edits, of lines up to so many bytes.
    pub fn new(edits: Vec<Edit>, max: u64) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Self { edits, max, held: Vec::new(), line: Vec::new(), edited: Vec::new(), found: Found::default() }
    }

    /// Takes content.
    pub fn push(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        while let Some(newline) = memchr::memchr(b'\n', data) {
            let (line, rest) = data.split_at(newline + 1);
            data = rest;
            if self.held.len() + line.len() > self.max {
                return Err(TOO_LONG);
            }
            if self.held.is_empty() {
                self.edit(line, out)?;
            } else {
                let mut whole = std::mem::take(&mut self.held);
                whole.extend_from_slice(line);
                self.edit(&whole, out)?;
                whole.clear();
                self.held = whole;
            }
        }
        if self.held.len() + data.len() > self.max {
            return Err(TOO_LONG);
        }
        self.held.extend_from_slice(data);
        Ok(())
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let last = std::mem::take(&mut self.held);
        if last.is_empty() { Ok(()) } else { self.edit(&last, out) }
    }

    fn edit(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut changed = false;
        for edit in &self.edits {
            let subject = if changed { &self.line } else { line };
            let (mut at, mut copied, mut some) = (0, 0, false);
            self.edited.clear();
            while let Some((start, end)) = edit.next(subject, at, &mut self.found) {
                self.edited.extend_from_slice(&subject[copied..start]);
                edit.write(&self.found, &mut self.edited);
                (copied, some) = (end, true);
                // A match of nothing is not found again at its place.
                at = if end > start { end } else { end + 1 };
                if self.edited.len() > self.max {
                    return Err(TOO_LONG);
                }
            }
            if some {
                self.edited.extend_from_slice(&subject[copied..]);
                std::mem::swap(&mut self.line, &mut self.edited);
                changed = true;
                if edit.last {
                    break;
                }
            }
        }
        out.extend_from_slice(if changed { &self.line } else { line });
        Ok(())
    }
}

/// The longest start tag that is looked into.
const TAG: usize = 64 * 1024;

/// Edits the values of attributes.
#[derive(Debug)]
pub struct Attributes {
    edits: Vec<Edit>,
    held: Vec<u8>,
    /// The element whose content is no markup: it ends at its end tag.
    raw: Option<&'static [u8]>,
    /// Whether content is in a comment.
    comment: bool,
    found: Found,
}

/// What stands at a `<`.
enum Markup {
    /// Markup of this many bytes.
    Whole(usize),
    /// A comment begins.
    Comment,
    /// Its end is not there yet.
    Open,
    /// No markup.
    Text,
}

impl Attributes {
    /// These edits.
    pub fn new(edits: Vec<Edit>) -> Self {
        Self { edits, held: Vec::new(), raw: None, comment: false, found: Found::default() }
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let from = self.run(data, out);
            self.held.extend_from_slice(&data[from..]);
            return;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(data);
        let from = self.run(&all, out);
        all.drain(..from);
        self.held = all;
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Passes on what is decided; where that ends.
    fn run(&mut self, data: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        loop {
            if self.comment {
                let Some(end) = memchr::memmem::find(&data[at..], b"-->") else {
                    // What may begin the end waits for more.
                    let dashes = data[at..].iter().rev().take(2).take_while(|byte| **byte == b'-').count();
                    let stop = data.len() - dashes;
                    out.extend_from_slice(&data[at..stop]);
                    return stop;
                };
                out.extend_from_slice(&data[at..at + end + 3]);
                at += end + 3;
                self.comment = false;
            }
            let Some(found) = memchr::memchr(b'<', &data[at..]) else { break };
            let start = at + found;
            out.extend_from_slice(&data[at..start]);
            let rest = &data[start..];
            let markup = match self.raw {
                Some(name) => closes(rest, name),
                None => markup(rest),
            };
            match markup {
                Markup::Text => {
                    out.push(b'<');
                    at = start + 1;
                }
                Markup::Comment => {
                    // `<!-->` is all of one.
                    out.extend_from_slice(b"<!");
                    at = start + 2;
                    self.comment = true;
                }
                Markup::Open if rest.len() < TAG => return start,
                // Too long to be looked into.
                Markup::Open => {
                    out.extend_from_slice(rest);
                    return data.len();
                }
                Markup::Whole(length) => {
                    self.tag(&rest[..length], out);
                    at = start + length;
                }
            }
        }
        out.extend_from_slice(&data[at..]);
        data.len()
    }

    /// Passes on a tag, edited.
    fn tag(&mut self, tag: &[u8], out: &mut Vec<u8>) {
        const RAW: [&[u8]; 4] = [b"script", b"style", b"textarea", b"title"];
        let name = name(tag.get(1..).unwrap_or_default());
        self.raw = RAW.into_iter().find(|raw| raw.eq_ignore_ascii_case(name));
        let about = |edit: &Edit, attribute: &[u8]| {
            let is = |one: &Name, other: &[u8]| one.eq_ignore_ascii_case(other);
            edit.of.iter().any(|(element, named)| is(element, name) && is(named, attribute))
        };
        let (mut at, mut copied) = (1 + name.len(), 0);
        while let Some(attribute) = Attribute::next(tag, at).filter(|_| !name.is_empty()) {
            at = attribute.end;
            let mut value: Option<Vec<u8>> = None;
            for edit in self.edits.iter().filter(|edit| about(edit, attribute.name)) {
                let subject = value.as_deref().unwrap_or(&tag[attribute.start..attribute.stop]);
                if edit.next(subject, 0, &mut self.found).is_some() {
                    let mut new = Vec::new();
                    edit.write(&self.found, &mut new);
                    value = Some(new);
                    if edit.last {
                        break;
                    }
                }
            }
            if let Some(value) = value {
                out.extend_from_slice(&tag[copied..attribute.start]);
                attribute.write(&value, out);
                copied = attribute.stop;
            }
        }
        out.extend_from_slice(&tag[copied..]);
    }
}

/// What a `<` begins. Declarations are markup without attributes.
fn markup(text: &[u8]) -> Markup {
    match text.get(1) {
        None => Markup::Open,
        Some(b'!') if text.starts_with(b"<!--") => Markup::Comment,
        Some(b'!') if b"<!--".starts_with(text) => Markup::Open,
        Some(b'!' | b'?' | b'/') => until(text, 2, b">"),
        Some(letter) if letter.is_ascii_alphabetic() => {
            let (mut quote, mut before) = (None, 0);
            for (at, &byte) in text.iter().enumerate().skip(1) {
                match (quote, byte) {
                    (Some(open), byte) => quote = Some(open).filter(|open| *open != byte),
                    // A quote opens a value only behind a `=`; elsewhere it is part of a name.
                    (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
                    (None, b'>') => return Markup::Whole(at + 1),
                    (None, _) => {}
                }
                if !byte.is_ascii_whitespace() {
                    before = byte;
                }
            }
            Markup::Open
        }
        Some(_) => Markup::Text,
    }
}

fn until(text: &[u8], from: usize, end: &[u8]) -> Markup {
    match text.get(from..).and_then(|rest| memchr::memmem::find(rest, end)) {
        Some(found) => Markup::Whole(from + found + end.len()),
        None => Markup::Open,
    }
}

/// Whether a `<` begins the end tag of an element whose content is no markup.
fn closes(text: &[u8], name: &[u8]) -> Markup {
    let Some((start, rest)) = text.split_at_checked(2 + name.len()) else {
        let begun = text.len() < 2
            || text.starts_with(b"</") && name[..text.len() - 2].eq_ignore_ascii_case(&text[2..]);
        return if begun { Markup::Open } else { Markup::Text };
    };
    if !start.starts_with(b"</") || !start[2..].eq_ignore_ascii_case(name) {
        return Markup::Text;
    }
    match rest.first() {
        None => Markup::Open,
        Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' | 0x0c) => until(text, 2, b">"),
        Some(_) => Markup::Text,
    }
}

/// The name that a text begins with.
fn name(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace());
    &text[..end.unwrap_or(text.len())]
}

/// An attribute with a value.
struct Attribute<'t> {
    name: &'t [u8],
    /// Where the value begins and ends, without quotes.
    start: usize,
    stop: usize,
    quote: Option<u8>,
    /// Behind the attribute.
    end: usize,
}

impl<'t> Attribute<'t> {
    /// The next attribute with a value from a place on.
    fn next(tag: &'t [u8], mut at: usize) -> Option<Self> {
        let skip =
            |at: usize| at + tag.get(at..).map_or(0, |rest| rest.len() - rest.trim_ascii_start().len());
        loop {
            at = skip(at);
            while tag.get(at) == Some(&b'/') {
                at = skip(at + 1);
            }
            let rest = tag.get(at..).filter(|rest| !rest.starts_with(b">"))?;
            // A `=` that comes first is part of the name.
            let ends = |byte: &u8| matches!(byte, b'>' | b'/' | b'=') || byte.is_ascii_whitespace();
            let length = 1 + rest.get(1..)?.iter().position(ends)?;
            let name = &rest[..length];
            at = skip(at + length);
            if tag.get(at) != Some(&b'=') {
                continue;
            }
            at = skip(at + 1);
            let quote = tag.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\''));
            let start = at + usize::from(quote.is_some());
            let value = tag.get(start..)?;
            let length = match quote {
                Some(quote) => memchr::memchr(quote, value)?,
                None => value.iter().position(|byte| *byte == b'>' || byte.is_ascii_whitespace())?,
            };
            let stop = start + length;
            return Some(Self { name, start, stop, quote, end: stop + usize::from(quote.is_some()) });
        }
    }

    /// Writes a new value; what would end it early is written as a reference.
    fn write(&self, value: &[u8], out: &mut Vec<u8>) {
        let unfit = |byte: &u8| matches!(byte, b'>' | b'"' | b'\'') || byte.is_ascii_whitespace();
        let add = self.quote.is_none() && (value.is_empty() || value.iter().any(unfit));
        let quote = if add { Some(b'"') } else { self.quote };
        if add {
            out.push(b'"');
        }
        for &byte in value {
            match byte {
                b'"' if quote == Some(b'"') => out.extend_from_slice(b"&quot;"),
                b'\'' if quote == Some(b'\'') => out.extend_from_slice(b"&#39;"),
                byte => out.push(byte),
            }
        }
        if add {
            out.push(b'"');
        }
    }
}

/// What becomes of content in pieces of `step` bytes when URLs in tags are rewritten, from `/x` to `/app/x`: it is the same
/// whatever the pieces, which the fuzz target `tag_scanner` holds it to.
#[doc(hidden)]
pub fn sample(content: &[u8], step: usize) -> Vec<u8> {
    let pattern = crate::ir::Pattern::regex("^/(.*)", false);
    let of = [("a", "href"), ("img", "src"), ("form", "action"), ("input", "src"), ("script", "src")];
    let edit = Matcher::new(&pattern).ok().map(|matcher| Edit {
        of: of.iter().map(|&(tag, attribute)| (tag.into(), attribute.into())).collect(),
        find: Find::Pattern(Arc::new(matcher)),
        register: Some(Register('R')),
        given: None,
        with: vec![Piece::Text(b"/app/".to_vec()), Piece::Group(Register('R'), 1)],
        left: u64::MAX.into(),
        last: false,
    });
    let (mut attributes, mut out) = (Attributes::new(edit.into_iter().collect()), Vec::new());
    for piece in content.chunks(step.max(1)) {
        attributes.push(piece, &mut out);
    }
    attributes.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Pattern;

    fn edit(of: &[(&str, &str)], find: &str, with: Vec<Piece>) -> Edit {
        let matcher = Matcher::new(&Pattern::regex(find.as_bytes(), false)).unwrap();
        let of = of.iter().map(|&(tag, attribute)| (tag.into(), attribute.into())).collect();
        let find = Find::Pattern(Arc::new(matcher));
        Edit {
            of,
            find,
            register: Some(Register('R')),
            given: None,
            with,
            left: u64::MAX.into(),
            last: false,
        }
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_edited_whatever_the_pieces() {
        let data = "one two one\ntwo\n\nlast one";
        for step in 1..=data.len() {
            let edits = vec![
                edit(&[], "o(n)e", vec![text("<"), Piece::Group(Register('R'), 1), text(">")]),
                edit(&[], "^two", vec![text("2")]),
                edit(&[], "<n>$", vec![text("end")]),
                edit(&[], "x*", vec![text("")]),
            ];
            let (mut lines, mut out) = (Lines::new(edits, 100), Vec::new());
            for piece in data.as_bytes().chunks(step) {
                lines.push(piece, &mut out).unwrap();
            }
            lines.finish(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), "<n> two end\n2\n\nlast end", "{step}");
        }
        let mut lines = Lines::new(Vec::new(), 10);
        assert!(lines.push(b"01234567890", &mut Vec::new()).is_err());
    }

    #[test]
    fn attributes_are_edited_whatever_the_pieces() {
        let data = concat!(
            "<p>a < b <A class=x HREF='/one' title=\"/one\"><!-- <a href=\"/one\"> --><img src=/one>",
            "<a\n href = \"/o'>ne\" /><script>if (a<b) '<a href=\"/one\">' </scriptx></script>",
            "<form action=\"/one?\"></form><a href=/><!--><a x href='/two'><!-- -- - > --><a x href><",
        );
        let expected = data
            .replace("HREF='/one'", "HREF='/app/one'")
            .replace("src=/one", "src=/app/one")
            .replace("\"/o'>ne\"", "\"/app/o'>ne\"")
            .replace("\"/one?\"", "\"/app/one?\"")
            .replace("href=/>", "href=/app/>")
            .replace("'/two'", "'/app/two'");
        let of = [("a", "href"), ("img", "src"), ("form", "action")];
        for step in 1..=data.len() {
            let edits = vec![edit(&of, "^/(.*)", vec![text("/app/"), Piece::Group(Register('R'), 1)])];
            let (mut attributes, mut out) = (Attributes::new(edits), Vec::new());
            for piece in data.as_bytes().chunks(step) {
                attributes.push(piece, &mut out);
            }
            attributes.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{step}");
        }
    }

    #[test]
    fn a_comment_is_passed_on_however_long() {
        let of = [("a", "href")];
        let data = [b"<!--".as_slice(), &b"<a href='/x'>".repeat(TAG / 5), b"--", b"><a href='/y'>"].concat();
        let mut expected = data.clone();
        let end = data.len() - b"/y'>".len();
        expected.splice(end..=end, b"/app/".iter().copied());
        for step in [1000, 4099, TAG + 1, data.len() - 12] {
            let edits = vec![edit(&of, "^/(.*)", vec![text("/app/"), Piece::Group(Register('R'), 1)])];
            let (mut attributes, mut out) = (Attributes::new(edits), Vec::new());
            for piece in data.chunks(step) {
                attributes.push(piece, &mut out);
                assert!(attributes.held.len() < 20, "{step}");
            }
            attributes.finish(&mut out);
            assert!(out == expected, "{step}");
        }
    }

    #[test]
    fn a_tag_without_end_is_passed_on() {
        let (mut attributes, mut out) = (Attributes::new(Vec::new()), Vec::new());
        let data = [b"<a href=\"".as_slice(), &vec![b'x'; 3 * TAG]].concat();
        for piece in data.chunks(5000) {
            attributes.push(piece, &mut out);
            assert!(attributes.held.len() < TAG + 5000);
        }
        attributes.finish(&mut out);
        assert!(out == data);
    }
}
