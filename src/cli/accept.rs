//! Findings that somebody has accepted: by a comment beside them, or by a file of all that were there before.
//!
//! `# triglot: allow(code) reason`, in XML `<!-- triglot: allow(code) reason -->`, on the line or on the lines of
//! comments right above it. A baseline remembers code, file, message and the text of the line, not its number.

use std::{collections::HashMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    diagnostic::{Diagnostic, Severity},
    source::{FileId, SourceMap, Span},
};

/// A comment that accepts.
#[derive(Debug)]
struct Allowance {
    file: FileId,
    line: u32,
    codes: Vec<String>,
    span: Span,
    reason: bool,
    used: bool,
}

/// Leaves out what comments accept; of comments that accept nothing, or give no reason, there is a word.
pub fn by_comments(sources: &SourceMap, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut allowances = Vec::new();
    for (id, file) in sources.files() {
        let lines = memchr::memchr_iter(b'\n', &file.text).count() as u32 + 1;
        if memchr::memmem::find(&file.text, b"triglot: allow(").is_none() {
            continue;
        }
        for line in 1..=lines {
            let range = file.line(line);
            allowances.extend(read(id, line, range.start as u32, &file.text[range]));
        }
    }
    if allowances.is_empty() {
        return found;
    }
    let mut kept = Vec::new();
    for one in found {
        if one.severity == Severity::Error || !accepts(sources, &mut allowances, &one) {
            kept.push(one);
        }
    }
    for allowance in &allowances {
        let codes = allowance.codes.join(", ");
        if !allowance.used {
            let message = format!("nothing here is said of {codes}");
            kept.push(
                Diagnostic::note_at("unused-allowance", allowance.span, message).help("remove the comment"),
            );
        } else if !allowance.reason {
            let message = format!("{codes} is accepted without a reason");
            kept.push(
                Diagnostic::note_at("allowance-without-reason", allowance.span, message)
                    .help("say why behind the bracket"),
            );
        }
    }
    kept
}

/// Reads a line with such a comment.
fn read(file: FileId, line: u32, start: u32, text: &[u8]) -> Option<Allowance> {
    let mark = b"triglot: allow(";
    let at = memchr::memmem::find(text, mark)?;
    let before = text[..at].trim_ascii_end();
    if !(before.ends_with(b"#") || before.ends_with(b"<!--")) {
        return None;
    }
    let rest = &text[at + mark.len()..];
    let end = memchr::memchr(b')', rest)?;
    let codes = String::from_utf8_lossy(&rest[..end]);
    let codes = codes.split(',').map(|code| code.trim().to_owned()).filter(|code| !code.is_empty()).collect();
    let reason = rest[end + 1..].trim_ascii();
    let reason = reason.strip_suffix(b"-->").unwrap_or(reason).trim_ascii();
    let (from, to) = (start + at as u32, start + (at + mark.len() + end + 1) as u32);
    Some(Allowance {
        file,
        line,
        codes,
        span: Span::new(file, from, to),
        reason: !reason.is_empty(),
        used: false,
    })
}

/// Whether a comment accepts a finding.
fn accepts(sources: &SourceMap, allowances: &mut [Allowance], found: &Diagnostic) -> bool {
    let Some(span) = found.labels.first().map(|label| label.span) else { return false };
    let Some(position) = sources.position(span) else { return false };
    let file = sources.file(span.file);
    let is_comment = |line: u32| {
        let text = file.text[file.line(line)].trim_ascii();
        text.starts_with(b"#") || (text.starts_with(b"<!--") && text.ends_with(b"-->"))
    };
    let mut first = position.line;
    while first > 1 && is_comment(first - 1) {
        first -= 1;
    }
    let mut accepted = false;
    for allowance in allowances.iter_mut() {
        let here = allowance.file == span.file && (first..=position.line).contains(&allowance.line);
        if here && allowance.codes.iter().any(|code| code == found.code) {
            allowance.used = true;
            accepted = true;
        }
    }
    accepted
}

/// A finding as a baseline remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Known {
    code: String,
    file: String,
    message: String,
    line: String,
}

fn known(sources: &SourceMap, found: &Diagnostic) -> Known {
    let span = found.labels.first().map_or(Span::NONE, |label| label.span);
    let (file, line) = match sources.position(span) {
        None => (String::new(), String::new()),
        Some(position) => {
            let file = sources.file(span.file);
            let text = String::from_utf8_lossy(&file.text[file.line(position.line)]).trim().to_owned();
            (file.path.display().to_string(), text)
        }
    };
    Known { code: found.code.to_owned(), file, message: found.message.clone(), line }
}

/// Writes what there is to a baseline.
pub fn write(sources: &SourceMap, found: &[Diagnostic], path: &Path) -> io::Result<usize> {
    let all: Vec<Known> = found.iter().map(|one| known(sources, one)).collect();
    let text = serde_json::to_string_pretty(&all).map_err(io::Error::other)?;
    std::fs::write(path, text + "\n")?;
    Ok(all.len())
}

/// Leaves out what a baseline has, as often as it has it.
pub fn by_baseline(sources: &SourceMap, found: Vec<Diagnostic>, path: &Path) -> io::Result<Vec<Diagnostic>> {
    let text = std::fs::read_to_string(path)?;
    let all: Vec<Known> = serde_json::from_str(&text).map_err(io::Error::other)?;
    let mut left: HashMap<Known, usize> = HashMap::new();
    for one in all {
        *left.entry(one).or_default() += 1;
    }
    Ok(found
        .into_iter()
        .filter(|one| match left.get_mut(&known(sources, one)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str, at: &str) -> Vec<&'static str> {
        let mut sources = SourceMap::new();
        let file = sources.add("a.conf".into(), text.as_bytes().to_vec());
        let start = text.find(at).unwrap() as u32;
        let found = vec![Diagnostic::warning("fields-lost", Span::new(file, start, start + 1), "x")];
        by_comments(&sources, found).iter().map(|one| one.code).collect()
    }

    #[test]
    fn comments_accept_what_is_beside_or_below_them() {
        assert_eq!(codes("add a; # triglot: allow(fields-lost) it is meant\n", "add"), [""; 0]);
        assert_eq!(codes("# triglot: allow(other, fields-lost) why\n# more\nadd a;\n", "add"), [""; 0]);
        assert_eq!(codes("<!-- triglot: allow(fields-lost) why -->\n<add />\n", "<add"), [""; 0]);
        assert_eq!(codes("# triglot: allow(fields-lost)\nadd a;\n", "add"), ["allowance-without-reason"]);
        assert_eq!(
            codes("# triglot: allow(fields-lost) why\n\nadd a;\n", "add"),
            ["fields-lost", "unused-allowance"]
        );
        assert_eq!(
            codes("# triglot: allow(other) why\nadd a;\n", "add"),
            ["fields-lost", "unused-allowance"]
        );
        assert_eq!(codes("say 'triglot: allow(fields-lost) x'; add a;\n", "add"), ["fields-lost"]);
    }

    #[test]
    fn a_baseline_knows_findings_wherever_they_moved() {
        let path = std::env::temp_dir().join(format!("triglot-baseline-{}", std::process::id()));
        let sources = |text: &str| {
            let mut sources = SourceMap::new();
            let file = sources.add("a.conf".into(), text.as_bytes().to_vec());
            let found: Vec<_> = memchr::memmem::find_iter(text.as_bytes(), b"add")
                .map(|at| Diagnostic::warning("x", Span::new(file, at as u32, at as u32 + 1), "said"))
                .collect();
            (sources, found)
        };
        let (before, found) = sources("add a;\n");
        assert_eq!(write(&before, &found, &path).unwrap(), 1);
        let (after, found) = sources("\n\nadd a;\nadd b;\n");
        let left = by_baseline(&after, found, &path).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(after.position(left[0].labels[0].span).unwrap().line, 4);
        std::fs::remove_file(path).unwrap();
    }
}
