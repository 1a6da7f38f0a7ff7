//! `<Macro>`, `Use` and `UndefMacro`: text with parameters.

use std::sync::Arc;

use super::{DEEPEST, Loader, MOST_TEXT, MOST_TEXT_OF_HTACCESS, Source};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::{
        lex::{self, Line},
        tree::{Body, Directive, Section, Use, Written},
    },
    source::Span,
};

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    /// Its name in lower case.
    name: Vec<u8>,
    /// The `<Macro>`.
    defined: Span,
    parameters: Vec<Vec<u8>>,
    lines: Arc<Vec<Line>>,
    end: Span,
}

impl Loader<'_> {
    /// Keeps the lines up to `</Macro>`; where they are.
    pub(super) fn define_macro(&mut self, directive: &Directive, source: &mut Source<'_>) -> Span {
        let mut lines = Vec::new();
        let mut text: Option<Span> = None;
        let (mut depth, mut end) = (1_u32, None);
        for line in source.lines.by_ref() {
            text = Some(text.map_or(line.span, |text| text.to(line.span)));
            let word = lex::word(line.text.bytes()).map(|(piece, _)| lex::decode(piece)).unwrap_or_default();
            if word.eq_ignore_ascii_case(b"</Macro>") {
                depth -= 1;
                if depth == 0 {
                    end = Some(line.span);
                    break;
                }
            } else if word.eq_ignore_ascii_case(b"<Macro") {
                depth += 1;
            }
            lines.push(line);
        }
        let text = text.unwrap_or(source.end);
        let Some((name, parameters)) = directive.args.split_first() else {
            let message = "<Macro macro definition: empty name";
            self.found.push(Diagnostic::error("macro-name", directive.span, message));
            return text;
        };
        let Some(end) = end else {
            let described = self.described(&name.value, directive.span);
            let message = format!("{described}: contents error: expected token not found: </Macro>");
            self.found.push(Diagnostic::error("unclosed-section", directive.span, message));
            return text;
        };
        for (at, parameter) in parameters.iter().enumerate() {
            let same =
                parameters[..at].iter().find(|other| other.value.eq_ignore_ascii_case(&parameter.value));
            if let Some(other) = same {
                let described = self.described(&name.value, directive.span);
                let message = format!(
                    "argument name conflict in {described}: argument '{}', change argument names!",
                    parameter.text()
                );
                let fault = Diagnostic::error("macro-parameters", parameter.span, message)
                    .label(other.span, "the same name");
                self.found.push(fault);
                return text;
            }
            if parameter.value.is_empty() {
                let message = format!("empty argument name in macro '{}'", name.text());
                self.found.push(Diagnostic::error("macro-parameters", parameter.span, message));
                return text;
            }
            if !matches!(parameter.value.first(), Some(b'$' | b'%' | b'@')) {
                let parameter_name = parameter.text();
                let message = format!(
                    "macro '{}': argument name '{parameter_name}' without expected prefix, better prefix argument \
                     names with one of '$%@'.",
                    name.text()
                );
                let fault = Diagnostic::warning("macro-parameter-prefix", parameter.span, message)
                    .because("replaced wherever these letters stand, also in the middle of words");
                self.found.push(fault);
            }
        }
        let lower = name.value.to_ascii_lowercase();
        if let Some(other) = self.macros.iter().find(|other| other.name == lower) {
            let message = format!("macro '{}' multiply defined", name.text());
            let fault = Diagnostic::warning("macro-defined-twice", name.span, message)
                .label(other.defined, "first here");
            self.found.push(fault);
        }
        self.macros.retain(|other| other.name != lower);
        let parameters = parameters.iter().map(|word| word.value.clone()).collect();
        let lines = Arc::new(lines);
        self.macros.push(Macro { name: lower, defined: directive.span, parameters, lines, end });
        text
    }

    /// `macro 'name' (defined on line N of "FILE")`
    fn described(&self, name: &[u8], defined: Span) -> String {
        let line = self.sources.position(defined).map_or(0, |position| position.line);
        let path = self.sources.file(defined.file).path.display();
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        format!("macro '{name}' (defined on line {line} of \"{path}\")")
    }

    pub(super) fn undefine_macro(&mut self, directive: &Directive) {
        let [name] = directive.args.as_slice() else {
            return self.found.push(super::arguments(directive, "takes one argument"));
        };
        let lower = name.value.to_ascii_lowercase();
        let before = self.macros.len();
        self.macros.retain(|other| other.name != lower);
        if self.macros.len() == before {
            self.found.push(undefined(directive, before, &name.text(), name.span, &[]));
        }
    }

    /// What a `Use` brings.
    pub(super) fn use_macro(&mut self, directive: &Directive) -> Body {
        match self.expansion(directive) {
            Ok(section) => Body::Taken(section),
            Err(fault) => {
                self.found.push(fault);
                Body::Done
            }
        }
    }

    fn expansion(&mut self, directive: &Directive) -> Result<Section, Diagnostic> {
        let Some((name, given)) = directive.args.split_first() else {
            return Err(Diagnostic::error("macro-name", directive.span, "no macro name specified with Use"));
        };
        let lower = name.value.to_ascii_lowercase();
        let found = self.macros.iter().find(|one| one.name == lower);
        let Some(Macro { name: _, defined, parameters, lines, end }) = found else {
            let names: Vec<_> =
                self.macros.iter().map(|one| String::from_utf8_lossy(&one.name).into_owned()).collect();
            return Err(undefined(directive, names.len(), &name.text(), name.span, &names));
        };
        if given.len() != parameters.len() {
            let described = self.described(&name.value, *defined);
            let message =
                format!("{described} used with {} arguments instead of {}", given.len(), parameters.len());
            let fault = Diagnostic::error("macro-arguments", directive.span, message);
            return Err(fault.label(*defined, "defined here"));
        }
        let mut within = directive.used.as_deref();
        while let Some(outer) = within {
            if outer.name == lower {
                let message =
                    format!("recursive use of macro '{}' is invalid", String::from_utf8_lossy(&lower));
                return Err(Diagnostic::error("macro-recursion", directive.span, message));
            }
            within = outer.within.as_deref();
        }
        let values = parameters.iter().zip(given).map(|(parameter, word)| {
            let escaped = parameter.first() == Some(&b'@');
            (parameter.clone(), if escaped { quoted(&word.value) } else { word.value.clone() })
        });
        let values: Vec<(Vec<u8>, Vec<u8>)> = values.collect();
        let (lines, end, defined) = (Arc::clone(lines), *end, *defined);
        let longest = values.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        let size: usize = lines.iter().map(|line| line.text.bytes().len() * (1 + longest / 8) + 1).sum();
        // A line of a macro takes more work than one of a file.
        self.brought += 16 * (size + 1);
        let most = if self.htaccess { MOST_TEXT_OF_HTACCESS } else { MOST_TEXT };
        if self.depth >= DEEPEST || self.brought > most {
            let message = "macros that use each other bring too much text";
            return Err(Diagnostic::error("macro-too-large", directive.span, message));
        }
        let used = Use { span: directive.span, name: lower, defined, within: directive.used.clone() };
        let lines = lines.iter().map(|line| Line { span: line.span, text: substituted(&line.text, &values) });
        self.depth += 1;
        let items = self.read(&mut Source { lines: Box::new(lines), end, used: Some(Arc::new(used)) });
        self.depth -= 1;
        Ok(Section { items, close: directive.span })
    }
}

fn undefined(directive: &Directive, defined: usize, name: &str, span: Span, names: &[String]) -> Diagnostic {
    let message = if defined == 0 {
        format!("no macro defined before {}", directive.name.text())
    } else {
        format!("macro '{name}' undefined")
    };
    let fault = Diagnostic::error("unknown-macro", span, message);
    let near =
        crate::diagnostic::suggest::nearest(&name.to_ascii_lowercase(), names.iter().map(String::as_str));
    match near {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// In double quotes, with a backslash before what they would end at.
fn quoted(value: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}

/// A line with what its parameters stand for: at each place the longest that is there. What was put in is not looked
/// at again.
fn substituted(text: &Written, values: &[(Vec<u8>, Vec<u8>)]) -> Written {
    let bytes = text.bytes();
    let at_place = |at: usize| {
        let here = values.iter().filter(|(name, _)| bytes[at..].starts_with(name));
        here.max_by_key(|(name, _)| name.len())
    };
    let mut line = Written::default();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        let Some((name, value)) = at_place(at) else {
            at += 1;
            continue;
        };
        let end = at + name.len();
        line.append(&text.slice(start..at));
        line.push_for(value, text.span(at..end));
        (start, at) = (end, end);
    }
    if start == 0 {
        return text.clone();
    }
    line.append(&text.slice(start..bytes.len()));
    line.trimmed()
}
