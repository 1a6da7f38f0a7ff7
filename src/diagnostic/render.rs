//! Findings as text: for people, for editors, for programs.
//!
//! The only place that knows `annotate-snippets`. A configuration may hold any
//! bytes; they are shown lossily, and lines that nobody could read are cut.

use std::{fmt::Write, path::Path};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;
use serde_json::json;

use super::{Diagnostic, Label, Severity};
use crate::source::{FileId, SourceMap, Span};

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// With the lines in question, for people.
    #[default]
    Human,
    /// One line each: `path:line:column: severity[code]: message`.
    Short,
    /// An array of objects.
    Json,
    /// A SARIF 2.1.0 log, for code hosts.
    Sarif,
    /// Workflow commands of GitHub, which annotate lines.
    Github,
}

/// Whether [`Format::Human`] uses the terminal's colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    #[default]
    Never,
    /// ANSI escapes.
    Always,
}

/// The findings in the order of the files and places, without repetition; ends with a line end unless empty.
pub fn render(sources: &SourceMap, diagnostics: &[Diagnostic], format: Format, colour: Colour) -> String {
    let mut sorted = diagnostics.to_vec();
    super::sort(&mut sorted);
    match format {
        Format::Human => human(sources, &sorted, colour),
        Format::Short => sorted.iter().map(|found| short(sources, found)).collect(),
        Format::Json => {
            let records: Vec<_> = sorted.iter().map(|found| record(sources, found)).collect();
            pretty(&json!(records))
        }
        Format::Sarif => pretty(&sarif(sources, &sorted)),
        Format::Github => sorted.iter().map(|found| github(sources, found)).collect(),
    }
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

impl Severity {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// More lines than this between two labels, and they get a snippet each.
const FAR: u32 = 20;

/// What is shown of a line after its last label; the renderer cuts the start.
const TRAIL: usize = 160;

/// A label this far into its line gets its place without the line.
const FAR_OUT: u32 = 4000;

fn human(sources: &SourceMap, diagnostics: &[Diagnostic], colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let mut text = String::new();
    for found in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(renderer.render(&report(sources, found)).trim_end());
        text.push('\n');
    }
    text
}

fn report<'a>(sources: &'a SourceMap, found: &'a Diagnostic) -> Vec<Group<'a>> {
    let level = match found.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut group = Group::with_title(level.primary_title(found.message.as_str()).id(found.code));
    for excerpt in excerpts(sources, &found.labels) {
        let Excerpt { path, line, column, first_line, text, marks } = excerpt;
        if marks.is_empty() {
            group = group.element(Origin::path(path).line(line as usize).char_column(column as usize));
            continue;
        }
        let annotations = marks.into_iter().map(|mark| {
            let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(mark.start..mark.end);
            if mark.text.is_empty() { annotation } else { annotation.label(mark.text) }
        });
        let snippet = Snippet::source(text).path(path).line_start(first_line as usize);
        group = group.element(snippet.annotations(annotations));
    }
    group = group.elements(found.notes.iter().map(|note| Level::NOTE.message(note.as_str())));
    let helps = found.helps.iter().map(|help| Group::with_title(Level::HELP.secondary_title(help.as_str())));
    std::iter::once(group).chain(helps).collect()
}

/// Lines of one file with the labels on them.
struct Excerpt<'a> {
    path: String,
    line: u32,
    column: u32,
    first_line: u32,
    text: String,
    /// None when the line is too long to be shown.
    marks: Vec<Mark<'a>>,
}

/// A label as byte offsets into an excerpt's text.
struct Mark<'a> {
    start: usize,
    end: usize,
    text: &'a str,
    primary: bool,
}

/// A label with its line, the primary one marked.
struct Placed<'a> {
    label: &'a Label,
    line: u32,
    column: u32,
    primary: bool,
}

/// The labels in groups that stand close together; the primary one's group first.
fn excerpts<'a>(sources: &SourceMap, labels: &'a [Label]) -> Vec<Excerpt<'a>> {
    let mut placed: Vec<Placed<'a>> = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        if let Some(position) = sources.position(label.span) {
            let (line, column) = (position.line, position.column);
            placed.push(Placed { label, line, column, primary: at == 0 });
        }
    }
    placed.sort_by_key(|placed| (placed.label.span.file, placed.line));
    let close =
        |a: &Placed<'_>, b: &Placed<'_>| a.label.span.file == b.label.span.file && b.line - a.line <= FAR;
    let mut groups: Vec<&[Placed<'_>]> = placed.chunk_by(close).collect();
    groups.sort_by_key(|group| !group.iter().any(|placed| placed.primary));
    groups.into_iter().map(|group| excerpt(sources, group)).collect()
}

fn excerpt<'a>(sources: &SourceMap, group: &[Placed<'a>]) -> Excerpt<'a> {
    let main = group.iter().find(|placed| placed.primary).unwrap_or(&group[0]);
    let file = sources.file(main.label.span.file);
    let path = file.path.display().to_string();
    let (first_line, last_line) = (group[0].line, group[group.len() - 1].line);
    let (line, column) = (main.line, main.column);
    let (mut text, mut marks) = (String::new(), Vec::new());
    if group.iter().any(|placed| placed.column > FAR_OUT) {
        return Excerpt { path, line, column, first_line, text, marks };
    }
    for number in first_line..=last_line {
        let line = file.line(number);
        // A label goes to the end of its line at most: it points at where something starts.
        let offset = |at: u32| (at as usize).clamp(line.start, line.end) - line.start;
        let on_it: Vec<_> = group.iter().filter(|placed| placed.line == number).collect();
        let last = on_it.iter().map(|placed| offset(placed.label.span.end)).max().unwrap_or(0);
        let bytes = &file.text[line.clone()];
        let cut = bytes.len() - last.min(FAR_OUT as usize) > TRAIL;
        let bytes = if cut { &bytes[..boundary(bytes, last.min(FAR_OUT as usize) + TRAIL)] } else { bytes };
        let shown = shown(bytes);
        for placed in on_it {
            let start = text.len() + shown.offset(offset(placed.label.span.start));
            let end = text.len() + shown.offset(offset(placed.label.span.end));
            marks.push(Mark { start, end, text: &placed.label.text, primary: placed.primary });
        }
        text.push_str(&shown.text);
        text.push_str(if cut { "...\n" } else { "\n" });
    }
    Excerpt { path, line, column, first_line, text, marks }
}

/// The first place from `at` on where a character starts.
fn boundary(line: &[u8], at: usize) -> usize {
    (at..line.len()).find(|&at| line[at] & 0xc0 != 0x80).unwrap_or(line.len())
}

/// Bytes as text, and where each of them went.
struct Shown {
    text: String,
    /// For each byte and the end, the offset in the text.
    offsets: Vec<usize>,
}

impl Shown {
    fn offset(&self, at: usize) -> usize {
        self.offsets.get(at).copied().unwrap_or(self.text.len())
    }
}

fn shown(bytes: &[u8]) -> Shown {
    let mut text = String::with_capacity(bytes.len());
    let mut offsets = Vec::with_capacity(bytes.len() + 1);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            offsets.extend(std::iter::repeat_n(text.len(), character.len_utf8()));
            // A carriage return in the middle of a line would end it.
            text.push(if character == '\r' { '\u{240d}' } else { character });
        }
        if !chunk.invalid().is_empty() {
            offsets.extend(std::iter::repeat_n(text.len(), chunk.invalid().len()));
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    offsets.push(text.len());
    Shown { text, offsets }
}

fn short(sources: &SourceMap, found: &Diagnostic) -> String {
    let Diagnostic { code, severity, message, labels, helps: _, notes: _, fixes: _ } = found;
    let severity = severity.name();
    let message = message.replace('\n', " ");
    match labels.first().and_then(|label| place(sources, label.span)) {
        None => format!("{severity}[{code}]: {message}\n"),
        Some(Place { file, line, column, .. }) => {
            format!("{file}:{line}:{column}: {severity}[{code}]: {message}\n")
        }
    }
}

/// Reference: <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>
fn github(sources: &SourceMap, found: &Diagnostic) -> String {
    let Diagnostic { code, severity, message, labels, helps, notes: _, fixes: _ } = found;
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let level = match severity {
        Severity::Note => "notice",
        Severity::Warning | Severity::Error => severity.name(),
    };
    let at = labels.first().and_then(|label| place(sources, label.span)).map(|at| {
        let Place { file, line, column, .. } = at;
        format!("file={},line={line},col={column},", property(&file))
    });
    let whole = [std::slice::from_ref(message), helps.as_slice()].concat().join("\n");
    format!("::{level} {}title={}::{}\n", at.unwrap_or_default(), property(code), data(&whole))
}

/// A span in the words of editors: lines and byte columns from 1, the end exclusive.
#[derive(Serialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

fn place(sources: &SourceMap, span: Span) -> Option<Place> {
    let start = sources.position(span)?;
    let end = sources.position(Span { start: span.end, ..span })?;
    Some(Place {
        file: sources.file(span.file).path.display().to_string(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    })
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    place: Option<Place>,
    code: &'a str,
    severity: Severity,
    message: &'a str,
    labels: Vec<LabelRecord<'a>>,
    helps: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize)]
struct LabelRecord<'a> {
    #[serde(flatten)]
    place: Option<Place>,
    text: &'a str,
}

fn record<'a>(sources: &SourceMap, found: &'a Diagnostic) -> Record<'a> {
    let Diagnostic { code, severity, message, labels, helps, notes, fixes: _ } = found;
    Record {
        place: labels.first().and_then(|label| place(sources, label.span)),
        code,
        severity: *severity,
        message,
        labels: labels
            .iter()
            .map(|label| LabelRecord { place: place(sources, label.span), text: &label.text })
            .collect(),
        helps,
        notes,
    }
}

/// Reference: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>
fn sarif(sources: &SourceMap, diagnostics: &[Diagnostic]) -> serde_json::Value {
    let mut codes: Vec<_> = diagnostics.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<_> = codes
        .iter()
        .map(|code| json!({ "id": code, "shortDescription": { "text": code.replace('-', " ") } }))
        .collect();
    let results: Vec<_> = diagnostics.iter().map(|found| result(sources, found, &codes)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(sources: &SourceMap, found: &Diagnostic, codes: &[&str]) -> serde_json::Value {
    let Diagnostic { code, severity, message, labels, helps, notes, fixes: _ } = found;
    let mut text = vec![message.clone()];
    text.extend(labels.first().map(|label| label.text.clone()).filter(|text| !text.is_empty()));
    text.extend(notes.iter().map(|note| format!("note: {note}")));
    text.extend(helps.iter().map(|help| format!("help: {help}")));
    let primary: Vec<_> = labels.iter().take(1).filter_map(|label| location(sources, label.span)).collect();
    let related: Vec<_> = labels
        .iter()
        .skip(1)
        .filter_map(|label| {
            let mut location = location(sources, label.span)?;
            location["message"] = json!({ "text": label.text });
            Some(location)
        })
        .collect();
    let mut result = json!({
        "ruleId": code,
        "ruleIndex": codes.binary_search(code).unwrap_or(0),
        "level": severity.name(),
        "message": { "text": text.join("\n") },
        "locations": primary,
    });
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    result
}

fn location(sources: &SourceMap, span: Span) -> Option<serde_json::Value> {
    let Place { line, end_line, .. } = place(sources, span)?;
    Some(json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&sources.file(span.file).path) },
        "region": {
            "startLine": line,
            "startColumn": characters(sources, span.file, line, span.start),
            "endLine": end_line,
            "endColumn": characters(sources, span.file, end_line, span.end),
            "byteOffset": span.start,
            "byteLength": span.end - span.start,
        },
    } }))
}

/// The column in characters, from 1. SARIF counts no bytes.
fn characters(sources: &SourceMap, file: FileId, line: u32, at: u32) -> usize {
    let file = sources.file(file);
    let start = file.line(line).start;
    let bytes = file.text.get(start..at as usize).unwrap_or_default();
    let chunks = bytes.utf8_chunks();
    1 + chunks
        .map(|part| part.valid().chars().count() + usize::from(!part.invalid().is_empty()))
        .sum::<usize>()
}

/// RFC 3986 § 3.3, relative when the path is; an absolute one gets the scheme.
fn uri(path: &Path) -> String {
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "" });
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(byte as char);
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &[u8]) -> (SourceMap, FileId) {
        let mut sources = SourceMap::new();
        let file = sources.add("sites/a b.conf".into(), text.to_vec());
        (sources, file)
    }

    #[test]
    fn a_long_line_is_cut_around_its_label() {
        let (sources, file) = sources("a ".repeat(2000).as_bytes());
        for (at, column) in [(0, "1:1"), (1500, "1:1501"), (3999, "1:4000")] {
            let found = [Diagnostic::error("x", Span::new(file, at, at + 1), "m").because("here")];
            let text = render(&sources, &found, Format::Human, Colour::Never);
            assert!(text.contains(column) && text.contains("^ here") && text.len() < 700, "{text}");
        }
    }

    #[test]
    fn people_see_the_lines() {
        let (mut sources, app) = sources(b"server {\n\tproxy_pass http://chatt;\r\n}\n");
        let main = sources.add("nginx.conf".into(), b"upstream chat { }".to_vec());
        let found = Diagnostic::error("unknown-cluster", Span::new(app, 28, 33), "no upstream named `chatt`")
            .because("not defined")
            .label(Span::new(main, 9, 13), "`chat` is defined here")
            .note("names are case-sensitive")
            .help("did you mean `chat`?");
        let expected = "\
error[unknown-cluster]: no upstream named `chatt`
 --> sites/a b.conf:2:20
  |
2 |     proxy_pass http://chatt;
  |                       ^^^^^ not defined
  |
 ::: nginx.conf:1:10
  |
1 | upstream chat { }
  |          ---- `chat` is defined here
  |
  = note: names are case-sensitive
help: did you mean `chat`?
";
        let text = render(&sources, std::slice::from_ref(&found), Format::Human, Colour::Never);
        assert_eq!(text, expected, "\n{text}");
        assert!(render(&sources, &[found], Format::Human, Colour::Always).contains("\u{1b}["));
    }

    #[test]
    fn workflows_get_commands() {
        let (sources, file) = sources(b"a;\nb;\n");
        let found = [
            Diagnostic::warning("y", Span::new(file, 3, 4), "100% wrong,\nor: so").help("write c"),
            Diagnostic::new(Severity::Note, "z", "nowhere"),
        ];
        assert_eq!(
            render(&sources, &found, Format::Github, Colour::Never),
            "::warning file=sites/a b.conf,line=2,col=1,title=y::100%25 wrong,%0Aor: so%0Awrite c\n::notice title=z::nowhere\n"
        );
    }

    #[test]
    fn editors_get_one_line_each_in_order_and_once() {
        let (sources, file) = sources(b"a;\nb;\n");
        let found = [
            Diagnostic::new(Severity::Error, "z", "nowhere"),
            Diagnostic::warning("y", Span::new(file, 3, 4), "second"),
            Diagnostic::error("x", Span::new(file, 0, 1), "first"),
            Diagnostic::warning("y", Span::new(file, 3, 4), "second"),
            Diagnostic::warning("y", Span::new(file, 6, 6), "at the end"),
        ];
        let text = render(&sources, &found, Format::Short, Colour::Never);
        assert_eq!(
            text,
            "sites/a b.conf:1:1: error[x]: first\n\
             sites/a b.conf:2:1: warning[y]: second\n\
             sites/a b.conf:3:1: warning[y]: at the end\n\
             error[z]: nowhere\n"
        );
    }

    #[test]
    fn programs_get_objects() {
        let (sources, file) = sources("\u{e4}b;".as_bytes());
        let found = [
            Diagnostic::error("x", Span::new(file, 2, 3), "m").label(Span::new(file, 3, 4), "l"),
            Diagnostic::new(Severity::Note, "y", "n"),
        ];
        let read = |format| -> serde_json::Value {
            serde_json::from_str(&render(&sources, &found, format, Colour::Never)).unwrap()
        };
        let json = read(Format::Json);
        assert_eq!(json[0]["file"], "sites/a b.conf");
        assert_eq!(
            (&json[0]["line"], &json[0]["column"], &json[0]["end_column"]),
            (&json!(1), &json!(3), &json!(4))
        );
        assert_eq!(json[0]["severity"], "error");
        assert_eq!(json[0]["labels"][1]["text"], "l");
        assert_eq!(json[1].get("file"), None);

        let run = &read(Format::Sarif)["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][1]["id"], "y");
        let result = &run["results"][0];
        assert_eq!((&result["ruleIndex"], &result["level"]), (&json!(0), &json!("error")));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "sites/a%20b.conf");
        assert_eq!((&place["region"]["startColumn"], &place["region"]["endColumn"]), (&json!(2), &json!(3)));
        assert_eq!(run["results"][1]["locations"], json!([]));
    }

    /// Whatever the bytes and wherever the label, every format comes out.
    #[test]
    fn no_text_and_no_place_is_too_odd() {
        let texts: [&[u8]; 9] = [
            b"",
            b"\n",
            b"a\r\nb\rc\r",
            b"\xff\xfe\n\xe4\xf6;",
            "\u{e4}\u{20ac}\u{1f600}\u{202e}\t\u{0}\u{1b}[31m x".as_bytes(),
            &[b'x'; 5000],
            &[0xe2; 700],
            b"\xe2\x82",
            &"\u{20ac}".repeat(400).into_bytes(),
        ];
        for text in texts {
            let (sources, file) = sources(text);
            for start in 0..=text.len() {
                if text.len() > 100 && start % 397 != 0 && start != text.len() {
                    continue;
                }
                for end in [start, (start + 1).min(text.len()), text.len()] {
                    let span = Span::new(file, start as u32, end as u32);
                    let found = [Diagnostic::error("x", span, "m").because("l").label(span, "k")];
                    for format in [Format::Human, Format::Short, Format::Json, Format::Sarif, Format::Github]
                    {
                        let text = render(&sources, &found, format, Colour::Never);
                        assert!(text.len() < 4000, "{text}");
                    }
                }
            }
        }
    }
}
