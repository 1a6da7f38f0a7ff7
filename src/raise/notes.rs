//! What a file says to people: comments, names of rules, and where things stand.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::source::{SourceMap, Span};

/// Comments and names of a configuration's files.
#[derive(Debug)]
pub struct Notes<'a> {
    sources: &'a SourceMap,
    used: RefCell<BTreeSet<(u32, u32)>>,
    names: BTreeMap<String, Vec<String>>,
}

impl<'a> Notes<'a> {
    /// Those of these files.
    pub fn new(sources: &'a SourceMap) -> Self {
        Self { sources, used: RefCell::default(), names: BTreeMap::new() }
    }

    /// With the words that settings are written with, by the settings' keys.
    #[must_use]
    pub fn with_names(self, names: BTreeMap<String, Vec<String>>) -> Self {
        Self { names, ..self }
    }

    /// The same where it is known which words set it.
    pub fn placed(&self, key: &str, block: Span, places: &crate::ir::settings::Places) -> (String, Span) {
        let (group, field) = key.split_once('.').unwrap_or(("", key));
        let known = places.find(group, field).filter(|span| self.is_written(*span));
        let Some(span) = known else { return self.setting(key, block) };
        let names = self.names.get(key).map(Vec::as_slice).unwrap_or_default();
        let words = self.words(span).unwrap_or_default();
        let first = words.split_whitespace().next().unwrap_or_default();
        let name = if first.is_empty() || first.starts_with('<') {
            names.first().map_or(key, String::as_str)
        } else {
            first
        };
        (format!("`{name}`"), span)
    }

    /// What a setting is called in the file, and where it stands: behind the beginning of the block that brings it.
    pub fn setting(&self, key: &str, block: Span) -> (String, Span) {
        let names = self.names.get(key).map(Vec::as_slice).unwrap_or_default();
        let shown = names.first().map_or_else(|| key.replace('_', " "), |name| format!("`{name}`"));
        if !self.is_written(block) {
            return (shown, block);
        }
        let text = &self.sources.file(block.file).text;
        for name in names {
            let from = block.start as usize;
            let found =
                memchr::memmem::find_iter(&text[from..], name.as_bytes()).map(|at| from + at).find(|at| {
                    let before = at.checked_sub(1).map_or(b' ', |at| text[at]);
                    let after = text.get(at + name.len()).copied().unwrap_or(b' ');
                    before.is_ascii_whitespace()
                        || b"{;<".contains(&before) && !after.is_ascii_alphanumeric() && after != b'_'
                });
            if let Some(at) = found {
                return (format!("`{name}`"), Span::new(block.file, at as u32, (at + name.len()) as u32));
            }
        }
        (shown, block)
    }

    /// Whether a person wrote what stands here: it has a place in a file of theirs.
    pub fn is_written(&self, span: Span) -> bool {
        span.is_known() && !self.sources.file(span.file).path.to_string_lossy().starts_with('<')
    }

    /// Whether two spans begin at the same place.
    pub fn same(one: Span, other: Span) -> bool {
        one.file == other.file && one.start == other.start
    }

    /// `file:line`.
    pub fn origin(&self, span: Span) -> Option<String> {
        let position = self.sources.position(span)?;
        let path = &self.sources.file(span.file).path;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = if path.as_os_str() == "-" { "stdin".to_owned() } else { name? };
        Some(format!("{name}:{}", position.line))
    }

    /// The comments in the lines right above, without their marks; each comment is given out once.
    pub fn comments(&self, span: Span) -> Vec<String> {
        let Some(position) = self.sources.position(span).filter(|_| self.is_written(span)) else {
            return Vec::new();
        };
        let file = self.sources.file(span.file);
        let text = |number: u32| String::from_utf8_lossy(&file.text[file.line(number)]).into_owned();
        let mut found = Vec::new();
        let mut line = position.line;
        while line > 1 {
            line -= 1;
            let above = text(line);
            let Some(comment) = comment(&above) else { break };
            if !self.used.borrow_mut().insert((span.file.0, line)) {
                break;
            }
            found.push(comment);
        }
        found.reverse();
        while found.first().is_some_and(String::is_empty) {
            found.remove(0);
        }
        while found.last().is_some_and(String::is_empty) {
            found.pop();
        }
        found
    }

    /// The line that something begins in, without white space around it and what opens a block.
    pub fn words(&self, span: Span) -> Option<String> {
        let position = self.sources.position(span)?;
        let file = self.sources.file(span.file);
        let range = file.line(position.line);
        let from = (span.start as usize).clamp(range.start, range.end);
        let line = String::from_utf8_lossy(&file.text[from..range.end]).into_owned();
        let end = line.find(['{', ';']).unwrap_or(line.len());
        Some(line[..end].trim().to_owned())
    }

    /// The value of `name="..."` in the element that begins here.
    pub fn name(&self, span: Span) -> Option<String> {
        if !span.is_known() {
            return None;
        }
        let text = &self.sources.file(span.file).text;
        let from = span.start as usize;
        // A span may be that of the element's name or of what is in it.
        let start = text[..(from + 1).min(text.len())].iter().rposition(|byte| *byte == b'<')?;
        let end = start + text[start..].iter().position(|byte| *byte == b'>')?;
        let tag = String::from_utf8_lossy(&text[start..end]).into_owned();
        let at = tag.find("name=\"")? + "name=\"".len();
        let len = tag[at..].find('"')?;
        Some(unescape(&tag[at..at + len]))
    }

    /// The name of a rule that is written as an element; each is given out once.
    pub fn rule_name(&self, span: Span) -> Option<String> {
        if !self.is_written(span) || !self.sources.text(span).trim_ascii_start().starts_with(b"<") {
            return None;
        }
        let position = self.sources.position(span)?;
        let name = self.name(span)?;
        self.used.borrow_mut().insert((span.file.0, position.line | 1 << 31)).then_some(name)
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(self.sources.text(span)).into_owned()
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

/// The text of a line that is nothing but a comment.
fn comment(line: &str) -> Option<String> {
    let line = line.trim();
    if let Some(text) = line.strip_prefix('#') {
        return Some(text.trim().to_owned());
    }
    let text = line.strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_those_above() {
        let mut sources = SourceMap::new();
        let text = b"# a\n\n# b\n#  c\nx y;\n<!-- d -->\n<rule name=\"A &amp; b\" x>\n";
        let file = sources.add("f/x.conf".into(), text.to_vec());
        let notes = Notes::new(&sources);
        let at = |needle: &[u8]| {
            let start = text.windows(needle.len()).position(|part| part == needle).unwrap() as u32;
            Span::new(file, start, start + 1)
        };
        assert_eq!(notes.comments(at(b"x y")), ["b", "c"]);
        assert_eq!(notes.comments(at(b"x y")), [""; 0]);
        assert_eq!(notes.comments(at(b"<rule")), ["d"]);
        assert_eq!(notes.name(at(b"rule")), Some("A & b".to_owned()));
        assert_eq!(notes.origin(at(b"x y")), Some("x.conf:5".to_owned()));
        assert_eq!(notes.words(at(b"x y")), Some("x y".to_owned()));
    }
}
