//! Findings as one line each, as servers log them.

use std::{io, path::Path};

use crate::{diagnostic::Diagnostic, source::SourceMap};

/// `MESSAGE in PATH:LINE`, as it is searched for; `in command line` for what was given there.
pub fn line(sources: &SourceMap, found: &Diagnostic) -> String {
    let message = found.message.replace('`', "\"");
    let Some(label) = found.labels.first() else { return message };
    let Some(position) = sources.position(label.span) else { return message };
    let path = &sources.file(label.span.file).path;
    if path.as_os_str() != "<command line>" {
        return format!("{message} in {}:{}", path.display(), position.line);
    }
    let own_words = found.notes.iter().find(|note| note.ends_with(" in command line"));
    own_words.cloned().unwrap_or_else(|| format!("{message} in command line"))
}

/// `open() "PATH" failed (2: No such file or directory)`: the words that are searched for.
pub fn failed(call: &str, path: &Path, error: &io::Error) -> String {
    format!("{call}() \"{}\" failed ({})", path.display(), numbered(error))
}

/// `2: No such file or directory`
pub fn numbered(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        None => text,
        Some(number) => {
            let text = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
            format!("{number}: {text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    #[test]
    fn a_line_says_where() {
        let mut sources = SourceMap::new();
        let file = sources.add("/etc/a.conf".into(), b"a;\nb;\n".to_vec());
        let given = sources.add("<command line>".into(), b"c".to_vec());
        let at = |file, start| Diagnostic::error("x", Span::new(file, start, start + 1), "unknown `b`");
        assert_eq!(line(&sources, &at(file, 3)), "unknown \"b\" in /etc/a.conf:2");
        assert_eq!(line(&sources, &at(given, 0)), "unknown \"b\" in command line");
        let note = "unexpected end of parameter, expecting \";\" in command line";
        assert_eq!(line(&sources, &at(given, 0).note(note)), note);
        assert_eq!(line(&sources, &at(file, 0).note(note)), "unknown \"b\" in /etc/a.conf:1");
        let nowhere = Diagnostic::error("x", Span::NONE, "no");
        assert_eq!(line(&sources, &nowhere), "no");
    }

    #[test]
    fn failures_have_their_number() {
        let error = io::Error::from_raw_os_error(13);
        assert_eq!(failed("open", Path::new("/x"), &error), "open() \"/x\" failed (13: Permission denied)");
    }
}
