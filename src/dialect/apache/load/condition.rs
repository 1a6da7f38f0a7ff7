//! The sections that are decided while a configuration is read: `<IfModule>`, `<IfDefine>`, `<IfVersion>`, ...

use super::{Loader, Source, include};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::{
        catalogue, lex,
        tree::{Directive, Word, is_space},
    },
    source::Span,
};

/// The version that `<IfVersion>` compares with.
const VERSION: [u32; 3] = [2, 4, 71];

impl Loader<'_> {
    /// Whether what stands in a section counts.
    pub(super) fn counts(&mut self, directive: &Directive) -> Result<bool, Diagnostic> {
        if directive.name() == "<IfVersion>" {
            return version(directive);
        }
        let raw = directive.raw();
        // The names of modules and sections may stand in quotes; those of variables are taken as they are.
        let quoted = matches!(directive.name(), "<IfModule>" | "<IfFile>");
        let first = directive.args.first().filter(|_| quoted).map_or(raw, |word| word.value.as_slice());
        let (not, name) = first.strip_prefix(b"!").map_or((false, first), |name| (true, name));
        let name = name.trim_ascii_start();
        if name.is_empty() {
            return Err(missing(directive));
        }
        let yes = match directive.name() {
            "<IfModule>" => self.surroundings.modules.knows(name),
            "<IfDefine>" => self.surroundings.variables.is_defined(name),
            "<IfFile>" => self.exists(directive, name),
            "<IfDirective>" => catalogue::catalogue().get(name).is_some(),
            _ => catalogue::catalogue().get(&[b"<", name].concat()).is_some(),
        };
        Ok(yes != not)
    }

    fn exists(&mut self, directive: &Directive, name: &[u8]) -> bool {
        let written = include::path_of(name);
        let found = self.path(&written).exists();
        if !found && self.offline {
            let message = format!(
                "whether `{}` exists is known on its machine only; here it does not",
                written.display()
            );
            self.found.push(Diagnostic::note_at("file-not-here", directive.raw.whole(), message));
        }
        found
    }

    /// Leaves out the lines of a section up to its end. Sections in it must be closed by their own names.
    pub(super) fn skip(&mut self, directive: &Directive, source: &mut Source<'_>) -> Span {
        let mut open: Vec<Vec<u8>> = vec![directive.name.value[1..].to_vec()];
        let mut text: Option<Span> = None;
        for line in source.lines.by_ref() {
            text = Some(text.map_or(line.span, |text| text.to(line.span)));
            let bytes = line.text.bytes();
            let Some((piece, rest)) = lex::word(bytes) else { continue };
            let word = lex::decode(piece);
            if let Some(name) = word.strip_prefix(b"</") {
                let name = &name[..name.len().saturating_sub(1)];
                let Some(at) = open.iter().rposition(|open| open.eq_ignore_ascii_case(name)) else {
                    self.found.push(expected(open.last(), &word, line.span, directive.span));
                    continue;
                };
                if at + 1 != open.len() {
                    self.found.push(expected(open.last(), &word, line.span, directive.span));
                }
                open.truncate(at);
                if open.is_empty() {
                    return text.unwrap_or(source.end);
                }
            } else if let Some(name) = word.strip_prefix(b"<") {
                let alone = rest.iter().all(|byte| is_space(*byte));
                let name = if alone { name.strip_suffix(b">").unwrap_or(name) } else { name };
                open.push(name.to_vec());
            }
        }
        let name = String::from_utf8_lossy(open.last().map_or(b"".as_slice(), Vec::as_slice)).into_owned();
        let message = format!("Expected </{name}> before end of configuration");
        self.found.push(Diagnostic::error("unclosed-section", directive.span, message));
        text.unwrap_or(source.end)
    }
}

fn expected(open: Option<&Vec<u8>>, saw: &[u8], span: Span, skipped: Span) -> Diagnostic {
    let open = String::from_utf8_lossy(open.map_or(b"".as_slice(), Vec::as_slice));
    let message = format!("Expected </{open}> but saw {}", String::from_utf8_lossy(saw));
    Diagnostic::error("wrong-skipped-end", span, message)
        .label(skipped, "this section does not count")
        .note("sections must nest also in text that does not count")
}

fn missing(directive: &Directive) -> Diagnostic {
    let message = format!("{}> directive requires additional arguments", directive.name.text());
    Diagnostic::error("arguments", directive.span, message)
}

/// `<IfVersion operator version>`
fn version(directive: &Directive) -> Result<bool, Diagnostic> {
    let (operator, version) = match directive.args.as_slice() {
        [] => return Err(invalid(directive)),
        [version] if is_operator(&version.value) => return Err(invalid(directive)),
        [version] => (b"=".as_slice(), version),
        [operator, version, ..] => (operator.value.as_slice(), version),
    };
    let (not, operator) = operator.strip_prefix(b"!").map_or((false, operator), |rest| (true, rest));
    let pattern = version.value.strip_prefix(b"/").and_then(|pattern| pattern.strip_suffix(b"/"));
    let yes = match (operator, pattern) {
        (b"~", _) => matches(directive, &version.value)?,
        (b"=" | b"==", Some(pattern)) => matches(directive, pattern)?,
        (b"=" | b"==" | b"<" | b"<=" | b">" | b">=", _) => {
            let Some(other) = numbers(&version.value) else { return Err(invalid(directive)) };
            let order = VERSION.cmp(&other);
            match operator {
                b"<" => order.is_lt(),
                b"<=" => order.is_le(),
                b">" => order.is_gt(),
                b">=" => order.is_ge(),
                _ => order.is_eq(),
            }
        }
        _ => {
            let word = directive.args.first().map(Word::text).unwrap_or_default();
            let message = format!("unrecognized operator '{word}'");
            let span = directive.args.first().map_or(directive.span, |word| word.span);
            return Err(Diagnostic::error("version-operator", span, message).help(
                "the operators are `=`, `>`, `>=`, `<`, `<=` and `~`, each also with a `!` before it",
            ));
        }
    };
    Ok(yes != not)
}

fn is_operator(word: &[u8]) -> bool {
    matches!(word.strip_prefix(b"!").unwrap_or(word), b"=" | b"==" | b"<" | b"<=" | b">" | b">=" | b"~")
}

/// `major[.minor[.patch]]`; what is missing is 0.
fn numbers(text: &[u8]) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split('.');
    for number in &mut numbers {
        let Some(part) = parts.next() else { break };
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn matches(directive: &Directive, pattern: &[u8]) -> Result<bool, Diagnostic> {
    let fault =
        || Diagnostic::error("version-pattern", directive.span, "Unable to compile regular expression");
    let pattern = std::str::from_utf8(pattern).map_err(|_| fault())?;
    let pattern = fancy_regex::Regex::new(pattern).map_err(|_| fault())?;
    let version = VERSION.map(|number| number.to_string()).join(".");
    pattern.is_match(&version).map_err(|_| fault())
}

fn invalid(directive: &Directive) -> Diagnostic {
    let message = "Version appears to be invalid. It must have the format major[.minor[.patch]] where major, minor \
                   and patch are numbers.";
    Diagnostic::error("version-number", directive.span, message)
}
