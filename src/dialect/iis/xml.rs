//! Reads a configuration file's XML, as strictly as the original's reader does.
//!
//! quick-xml finds where markup begins and ends; what it lets pass and a
//! conforming reader does not is checked here: names, attributes and the
//! references in them, `--` in a comment, the declaration and its place, one
//! root, no document type, no reference to an entity but the five predefined.
//! After a fault the rest is still read, so that all faults of a file are
//! shown, except where the nesting itself is in doubt.
//!
//! Facts: XML 1.0 (fifth edition) §§ 2.3 to 2.10, 3.1, 3.3.3, 4.1. Of namespaces
//! only the prefixes are kept apart.

use quick_xml::{Reader, errors::IllFormedError, events::Event};

use super::tree::{Attribute, Element, Node};
use crate::{
    diagnostic::{Diagnostic, suggest},
    source::{FileId, Span},
};

/// How deep elements may be nested; no section of the original's is deeper than a dozen.
const DEEPEST: usize = 64;

/// Attributes of one element; the longest known one has forty.
const MOST_ATTRIBUTES: usize = 256;

/// Bare `&` that are shown; the others are counted.
const MOST_ALIKE: usize = 20;

/// What is wrong with them.
const BARE: &str = "`&` on its own is not allowed in XML";

/// Faults after which a file is not read on: whoever wrote it wrote something else.
const MOST_FAULTS: usize = 500;

/// The longest reference, from `&` to `;`.
const LONGEST_REFERENCE: usize = 64;

/// The root element of a text, and what is wrong with it.
pub fn read(file: FileId, text: &str) -> (Option<Element>, Vec<Diagnostic>) {
    let mut reading =
        Reading { file, text, found: Vec::new(), open: Vec::new(), root: None, began: false, bare: 0 };
    reading.all();
    reading.count();
    (reading.root, reading.found)
}

/// A file while it is read.
struct Reading<'t> {
    file: FileId,
    text: &'t str,
    found: Vec<Diagnostic>,
    /// The elements whose end has not come.
    open: Vec<Element>,
    root: Option<Element>,
    /// Whether anything came before, so that a declaration would be too late.
    began: bool,
    /// How many `&` stand on their own.
    bare: usize,
}

impl<'t> Reading<'t> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start as u32, end as u32)
    }

    fn error(&mut self, start: usize, end: usize, message: impl Into<String>) -> &mut Diagnostic {
        let found = Diagnostic::error("xml", self.span(start, end), message);
        let at = self.found.len();
        self.found.push(found);
        &mut self.found[at]
    }

    /// Says how many `&` were not shown.
    fn count(&mut self) {
        let more = self.bare.saturating_sub(MOST_ALIKE);
        if more > 0
            && let Some(last) = self.found.iter_mut().rev().find(|one| one.message == BARE)
        {
            last.notes.push(format!("so do {more} more in this file"));
        }
    }

    fn all(&mut self) {
        let text: &'t str = self.text;
        let skipped = text.len() - text.trim_start_matches('\u{feff}').len();
        let mut reader = Reader::from_str(&text[skipped..]);
        // Ends are compared here, with the name that was expected; comments too.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        let place = |reader: &Reader<&[u8]>| reader.buffer_position() as usize + skipped;
        loop {
            let start = place(&reader);
            let event = reader.read_event();
            let end = place(&reader).min(text.len());
            let whole = text.get(start..end).unwrap_or_default();
            match event {
                Ok(Event::Eof) => break,
                Ok(Event::Start(_)) => self.start(start, whole, false),
                Ok(Event::Empty(_)) => self.start(start, whole, true),
                Ok(Event::End(_)) => {
                    if !self.end(start, whole) {
                        return;
                    }
                }
                Ok(Event::Comment(_)) => self.comment(start, whole),
                Ok(Event::Text(_) | Event::GeneralRef(_)) => self.characters(start, whole),
                Ok(Event::CData(_)) => {
                    let content = whole.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
                    self.text(start, end, content.unwrap_or(whole).to_owned());
                }
                Ok(Event::Decl(_)) => self.declaration(start, whole),
                Ok(Event::PI(_)) => self.instruction(start, whole),
                Ok(Event::DocType(_)) => {
                    self.error(start, end, "a document type is not allowed in a configuration")
                        .helps
                        .push("remove the `<!DOCTYPE ...>`".to_owned());
                }
                Err(error) => {
                    let at = (reader.error_position() as usize + skipped).min(text.len());
                    if self.broken(at, &error) {
                        return;
                    }
                }
            }
            self.began = true;
            if self.found.len() > MOST_FAULTS {
                self.error(end, end, "there are too many faults: the rest is not read");
                return;
            }
            if self.open.len() > DEEPEST {
                let head = self.open.last().map_or(Span::NONE, |element| element.head);
                self.error(head.start as usize, head.end as usize, "elements are nested too deeply")
                    .notes
                    .push(format!("at most {DEEPEST} levels are read"));
                return;
            }
        }
        if let Some(element) = self.open.pop() {
            let head = element.head;
            let message = format!("`<{}>` is not closed", element.name);
            let help = format!("write `</{}>` where it ends", element.name);
            self.error(head.start as usize, head.end as usize, message).helps.push(help);
        } else if self.root.is_none() && self.found.is_empty() {
            let at = text.len();
            self.error(at, at, "there is no element in the file");
        }
    }

    /// A fault of the markup itself; whether reading cannot go on.
    fn broken(&mut self, at: usize, error: &quick_xml::Error) -> bool {
        if let quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) = error {
            self.bare_ampersand(at);
            return false;
        }
        let end = self.text[at..].find(['\n', '>']).map_or(self.text.len(), |length| at + length);
        match error {
            quick_xml::Error::IllFormed(IllFormedError::DoubleHyphenInComment) => {
                self.error(at, end, "a comment must not contain `--`");
                return false;
            }
            quick_xml::Error::Syntax(_) => {
                self.error(at, end, format!("the markup that begins here does not end: {error}"));
            }
            _ => {
                self.error(at, end, error.to_string());
            }
        }
        true
    }

    fn bare_ampersand(&mut self, at: usize) {
        self.bare += 1;
        if self.bare > MOST_ALIKE {
            return;
        }
        self.error(at, at + 1, BARE).helps.push("write `&amp;`".to_owned());
    }

    /// A start tag or the tag of an empty element.
    fn start(&mut self, at: usize, whole: &str, empty: bool) {
        let inside = whole.strip_prefix('<').unwrap_or(whole);
        let inside = inside.strip_suffix('>').unwrap_or(inside);
        let inside = if empty { inside.strip_suffix('/').unwrap_or(inside) } else { inside };
        let length = inside.find(|c: char| is_space(c)).unwrap_or(inside.len());
        let name = &inside[..length];
        let span = self.span(at + 1, at + 1 + length);
        if !is_name(name) {
            self.error(at + 1, at + 1 + length.max(1), format!("`{name}` is not a name of an element"));
        }
        let attributes = self.attributes(at + 1 + length, &inside[length..]);
        let head = self.span(at, at + whole.len());
        let local = name.rsplit(':').next().unwrap_or(name).to_owned();
        let element =
            Element { name: local, name_span: span, attributes, children: Vec::new(), head, span: head };
        if self.open.is_empty() && self.root.is_some() {
            self.error(at, at + whole.len(), format!("`<{name}>` is a second root element"))
                .notes
                .push("a file has one `<configuration>`".to_owned());
        }
        if empty { self.close(element) } else { self.open.push(element) }
    }

    /// The attributes in a tag.
    fn attributes(&mut self, mut at: usize, mut rest: &str) -> Vec<Attribute> {
        let mut attributes: Vec<Attribute> = Vec::new();
        loop {
            let trimmed = rest.trim_start_matches(is_space);
            let spaces = rest.len() - trimmed.len();
            at += spaces;
            if trimmed.is_empty() {
                return attributes;
            }
            let length = trimmed.find(|c: char| is_space(c) || c == '=').unwrap_or(trimmed.len());
            let name = &trimmed[..length];
            if spaces == 0 {
                self.error(at, at + length, "a space is missing before this attribute");
            }
            if !is_name(name) {
                self.error(at, at + length.max(1), format!("`{name}` is not a name of an attribute"));
            }
            let after = &trimmed[length..];
            let value =
                after.trim_start_matches(is_space).strip_prefix('=').map(|v| v.trim_start_matches(is_space));
            let Some(value) = value else {
                self.error(at, at + length, format!("attribute `{name}` has no value"))
                    .helps
                    .push(format!("write `{name}=\"...\"`"));
                (at, rest) = (at + length, after);
                continue;
            };
            let from = at + (trimmed.len() - value.len());
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            let Some((quote, end)) = quote.and_then(|quote| Some((quote, value[1..].find(quote)?))) else {
                let end = value.find(is_space).unwrap_or(value.len());
                self.error(from, from + end.max(1), format!("the value of `{name}` is not in quotes"));
                (at, rest) = (from + end, &value[end..]);
                continue;
            };
            debug_assert!(quote.is_ascii());
            let raw = &value[1..=end];
            let name_span = self.span(at, at + length);
            if attributes.len() == MOST_ATTRIBUTES {
                let message = format!("an element has at most {MOST_ATTRIBUTES} attributes");
                self.found.push(Diagnostic::error("xml", name_span, message));
                return attributes;
            }
            let value_span = self.span(from + 1, from + 1 + end);
            let decoded = self.value(from + 1, raw);
            if let Some(before) = attributes.iter().find(|one| one.name == name).map(|one| one.name_span) {
                let found =
                    Diagnostic::error("xml", name_span, format!("attribute `{name}` stands here twice"));
                self.found.push(found.label(before, "first here"));
            } else if name != "xmlns" && !name.starts_with("xmlns:") {
                attributes.push(Attribute {
                    name: name.to_owned(),
                    name_span,
                    literal: decoded == raw,
                    value: decoded,
                    value_span,
                });
            }
            (at, rest) = (from + end + 2, &value[end + 2..]);
        }
    }

    /// A value with its references resolved and its white space as spaces.
    fn value(&mut self, at: usize, raw: &str) -> String {
        if let Some(less) = raw.find('<') {
            self.error(at + less, at + less + 1, "`<` is not allowed in an attribute")
                .helps
                .push("write `&lt;`".to_owned());
        }
        let spaced = raw.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
        self.references(at, raw, spaced)
    }

    /// `text` with its references resolved; `raw` is as it is written.
    fn references(&mut self, at: usize, raw: &str, text: String) -> String {
        self.allowed(at, raw);
        if !raw.contains('&') {
            return text;
        }
        for (amp, _) in raw.match_indices('&') {
            let rest = &raw[amp + 1..];
            let end = semicolon(rest).filter(|end| is_reference(&rest[..*end]));
            match end {
                None => self.bare_ampersand(at + amp),
                Some(end) if resolve(&rest[..end]).is_none() => {
                    let name = &rest[..end];
                    let message = format!("`&{name};` is not defined");
                    let known = ["amp", "lt", "gt", "quot", "apos"];
                    let near = suggest::nearest(name, known.iter().copied())
                        .map(|near| format!("did you mean `&{near};`?"));
                    let found = self.error(at + amp, at + amp + end + 2, message);
                    found.helps.extend(near);
                }
                Some(_) => {}
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(amp) = rest.find('&') {
            out.push_str(&rest[..amp]);
            let after = &rest[amp + 1..];
            let resolved = semicolon(after).and_then(|end| Some((resolve(&after[..end])?, end)));
            if let Some((c, end)) = resolved {
                out.push(c);
                rest = &after[end + 1..];
            } else {
                out.push('&');
                rest = after;
            }
        }
        out.push_str(rest);
        out
    }

    /// Says so when a character is none of XML's.
    fn allowed(&mut self, at: usize, raw: &str) {
        if let Some((offset, c)) = raw.char_indices().find(|(_, c)| !is_char(*c)) {
            let message = format!("the character U+{:04X} is not allowed in XML", u32::from(c));
            self.error(at + offset, at + offset + c.len_utf8(), message);
        }
    }

    /// An end tag; whether the nesting is still clear.
    fn end(&mut self, at: usize, whole: &str) -> bool {
        let name = whole.strip_prefix("</").unwrap_or(whole);
        let name = name.strip_suffix('>').unwrap_or(name).trim_end_matches(is_space);
        let local = name.rsplit(':').next().unwrap_or(name);
        let Some(mut element) = self.open.pop() else {
            self.error(at, at + whole.len(), format!("`</{name}>` closes nothing"));
            return false;
        };
        if element.name != local {
            let message = format!("`</{name}>` where `</{}>` is expected", element.name);
            let found = Diagnostic::error("xml", self.span(at, at + whole.len()), message);
            self.found.push(found.label(element.head, "opened here"));
            return false;
        }
        element.span = self.span(element.head.start as usize, at + whole.len());
        self.close(element);
        true
    }

    /// Puts a finished element where it belongs.
    fn close(&mut self, element: Element) {
        match self.open.last_mut() {
            Some(outer) => outer.children.push(Node::Element(element)),
            None => {
                self.root.get_or_insert(element);
            }
        }
    }

    fn comment(&mut self, at: usize, whole: &str) {
        let text = whole.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")).unwrap_or(whole);
        if let Some(hyphens) = text.find("--").or_else(|| text.ends_with('-').then(|| text.len() - 1)) {
            let from = at + 4 + hyphens;
            self.error(from, from + 2, "a comment must not contain `--`");
        }
        self.allowed(at, whole);
        let span = self.span(at, at + whole.len());
        if let Some(outer) = self.open.last_mut() {
            outer.children.push(Node::Comment(text.to_owned(), span));
        }
    }

    fn characters(&mut self, at: usize, whole: &str) {
        if let Some(offset) = whole.find("]]>") {
            self.error(at + offset, at + offset + 3, "`]]>` is not allowed in text");
        }
        let text = self.references(at, whole, whole.to_owned());
        self.text(at, at + whole.len(), text);
    }

    fn text(&mut self, start: usize, end: usize, text: String) {
        if text.chars().all(is_space) {
            return;
        }
        let written = self.text.get(start..end).unwrap_or_default();
        let skipped = written.len() - written.trim_start_matches(is_space).len();
        let kept = written.trim_matches(is_space).len();
        let span = self.span(start + skipped, start + skipped + kept);
        if let Some(outer) = self.open.last_mut() {
            outer.children.push(Node::Text(text, span));
            return;
        }
        let what = if self.root.is_some() { "after the root element" } else { "before the root element" };
        self.error(start + skipped, start + skipped + kept, format!("text {what}"));
    }

    /// `<?xml version="1.0" encoding="utf-8"?>`
    fn declaration(&mut self, at: usize, whole: &str) {
        if self.began {
            self.error(at, at + whole.len(), "the XML declaration is not at the very beginning")
                .helps
                .push("nothing, not even white space or a comment, may stand before `<?xml`".to_owned());
        }
        let inside = whole.strip_prefix("<?xml").and_then(|rest| rest.strip_suffix("?>")).unwrap_or_default();
        let attributes = self.attributes(at + 5, inside);
        let known = ["version", "encoding", "standalone"];
        let mut order = 0;
        for attribute in &attributes {
            let name = attribute.name.as_str();
            let span = (attribute.name_span.start as usize, attribute.name_span.end as usize);
            let Some(place) = known.iter().position(|one| *one == name) else {
                let near = suggest::nearest(name, known.iter().copied())
                    .map(|near| format!("did you mean `{near}`?"));
                let found =
                    self.error(span.0, span.1, format!("`{name}` does not belong in the XML declaration"));
                found.helps.extend(near);
                continue;
            };
            if place < order {
                self.error(
                    span.0,
                    span.1,
                    format!("`{name}` is out of order: version, encoding, standalone"),
                );
            }
            order = place;
            let value = attribute.value.to_ascii_lowercase();
            let good = match name {
                "version" => value == "1.0",
                "standalone" => matches!(value.as_str(), "yes" | "no"),
                // The bytes have been decoded by their mark; what is said must be one of what is read.
                _ => matches!(value.as_str(), "utf-8" | "utf8" | "utf-16" | "us-ascii" | "ascii"),
            };
            if !good {
                let (start, end) = (attribute.value_span.start as usize, attribute.value_span.end as usize);
                self.error(start, end, format!("{name} `{}` is not supported", attribute.value));
            }
        }
        if !attributes.iter().any(|attribute| attribute.name == "version") {
            self.error(at, at + whole.len(), "the XML declaration has no version")
                .helps
                .push("write `<?xml version=\"1.0\" encoding=\"utf-8\"?>`".to_owned());
        }
    }

    /// A processing instruction: of no consequence, but its name must be one.
    fn instruction(&mut self, at: usize, whole: &str) {
        let inside = whole.strip_prefix("<?").unwrap_or(whole);
        let name = inside.split(|c: char| is_space(c) || c == '?').next().unwrap_or_default();
        if !is_name(name) || name.eq_ignore_ascii_case("xml") {
            self.error(at, at + whole.len(), format!("`<?{name}` is not a name of a processing instruction"));
        }
    }
}

/// White space of XML (§ 2.3).
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// A character that a document may contain (§ 2.2).
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A name (§ 2.3), with at most one prefix.
fn is_name(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    let goes_on = |c: char| starts(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}');
    let part = |part: &str| part.starts_with(starts) && part.chars().all(goes_on);
    let mut parts = name.split(':');
    parts.next().is_some_and(part) && parts.next().is_none_or(part) && parts.next().is_none()
}

/// Where the next `;` is, if it is near.
fn semicolon(text: &str) -> Option<usize> {
    text.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';')
}

/// What stands between `&` and `;` of a reference (§ 4.1).
fn is_reference(text: &str) -> bool {
    let digits = |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    match text.strip_prefix('#') {
        Some(number) => number.strip_prefix('x').map_or_else(|| digits(number, 10), |hex| digits(hex, 16)),
        None => is_name(text),
    }
}

/// The character that a reference stands for.
fn resolve(reference: &str) -> Option<char> {
    let number = |digits: &str, radix: u32| {
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|c| is_char(*c))
    };
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = reference.strip_prefix('#')?;
            digits.strip_prefix('x').map_or_else(|| number(digits, 10), |hex| number(hex, 16))
        }
    }
}

#[cfg(test)]
mod tests;
