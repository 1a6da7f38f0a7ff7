//! The number and the kinds of a directive's arguments.

use super::{super::tree::Directive, super::values, enumerate};
use crate::{
    catalogue::{self, Alt},
    diagnostic::{Diagnostic, suggest},
    dialect::nginx::tree::Word,
};

/// What is wrong with the arguments: their number, or each value that is none.
pub(super) fn check(directive: &Directive, row: &catalogue::Directive) -> Vec<Diagnostic> {
    let Some(places) = row.args.places(directive.args.len()) else {
        return vec![wrong_number(directive, row)];
    };
    let judged = directive.args.iter().zip(places);
    judged.filter_map(|(word, choice)| judge(directive, word, choice)).collect()
}

fn wrong_number(directive: &Directive, row: &catalogue::Directive) -> Diagnostic {
    let name = directive.name();
    let given = directive.args.len();
    let message = format!("invalid number of arguments in `{name}` directive");
    let counts: Vec<String> =
        (0..8).filter(|&count| row.args.accepts(count)).map(|count| count.to_string()).collect();
    let takes = match counts.as_slice() {
        [] => "many".to_owned(),
        [zero] if zero == "0" => "none".to_owned(),
        [first, .., last] if last == "7" => format!("{first} or more"),
        counts => enumerate(counts),
    };
    Diagnostic::error("wrong-arity", directive.head(), message).because(format!("takes {takes}, has {given}"))
}

/// What is wrong with a word that may be one of several things.
fn judge(directive: &Directive, word: &Word, choice: &[Alt]) -> Option<Diagnostic> {
    let text = word.text();
    if choice.iter().any(|alt| fits(word, alt)) {
        return None;
    }
    let message = format!("invalid value `{text}` in `{}`", directive.name());
    let found = Diagnostic::error("invalid-value", word.span, message);
    let parameter = choice.iter().find_map(|alt| match alt {
        Alt::Parameter { name, value } => after(word, name).map(|rest| (rest, *value)),
        Alt::Value(_) | Alt::Literal(_) => None,
    });
    if let Some((rest, value)) = parameter {
        return Some(match values::judge(rest, value) {
            Err(fault) => found.because(fault.to_string()),
            Ok(()) => found,
        });
    }
    if let [Alt::Value(value)] = choice {
        return Some(match values::judge(&word.value, *value) {
            Err(fault) => found.because(fault.to_string()),
            Ok(()) => found,
        });
    }
    let known: Vec<String> = choice.iter().map(ToString::to_string).collect();
    let found = found.because(format!("expected {}", enumerate(&known)));
    let literals = choice.iter().filter_map(|alt| match alt {
        Alt::Literal(word) => Some(word.as_str()),
        Alt::Parameter { .. } | Alt::Value(_) => None,
    });
    Some(match suggest::nearest(&text, literals) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")),
        None => found,
    })
}

fn fits(word: &Word, alt: &Alt) -> bool {
    match alt {
        Alt::Value(value) => values::judge(&word.value, *value).is_ok(),
        Alt::Literal(literal) => word.value.eq_ignore_ascii_case(literal.as_bytes()),
        Alt::Parameter { name, value } => {
            after(word, name).is_some_and(|rest| values::judge(rest, *value).is_ok())
        }
    }
}

/// The value of a word `name=value`.
fn after<'a>(word: &'a Word, name: &str) -> Option<&'a [u8]> {
    word.value.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}
