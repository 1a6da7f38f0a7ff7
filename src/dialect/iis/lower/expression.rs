//! The `{...}` of conditions, actions and variables.
//!
//! ```text
//! expr  := ( text | '{' item '}' )*
//! item  := 'R:' n | 'C:' n        a group, n from 0 to 31 (beyond for C where all captures are tracked)
//!        | NAME                   a server variable
//!        | NAME ':' expr          a function or a rewrite map
//! ```
//!
//! Reference 5.6, from "URL Rewrite Module Configuration Reference". An unknown map or a missing `}` is an error; an unknown
//! variable is empty. Its page on references says that `n` is from 0 to 9; the module takes up to 31 ("Registry values for IIS
//! URL Rewrite", by one who wrote it: `MaxBackReferences` is 31, and only who lowers it to 9 cannot use `{R:10}`).

use super::{CONDITION, Cx, RULE, maps::Maps, vars};
use crate::{
    diagnostic::{Diagnostic, suggest},
    dialect::iis::tree::Attribute,
    ir::{Escape, Part, Register, Template},
};

/// How deep expressions may be nested.
const DEEPEST: usize = 16;

/// The highest number of a group.
const MOST_GROUPS: usize = 31;

/// What an expression may refer to.
pub(super) struct Around<'a> {
    /// The rewrite maps in force.
    pub(super) maps: &'a Maps,
    /// For `{C:n}`: the register and the group, where each condition has a register of its own.
    pub(super) tracked: Option<&'a [(Register, u8)]>,
    /// Whether it is about a response.
    pub(super) outbound: bool,
}

/// What was found in an expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed {
    /// Its value.
    pub(super) template: Template,
    /// Whether the value may hold a `?` or a scheme that is not written in the expression itself: from a map, a
    /// variable or a condition.
    pub(super) open: bool,
}

/// Reads an attribute as an expression; what is wrong in it is reported.
pub(super) fn parse(cx: &mut Cx, written: &Attribute, around: &Around) -> Parsed {
    parse_part(cx, written, 0..written.value.len(), around)
}

/// Reads a part of an attribute.
pub(super) fn parse_part(
    cx: &mut Cx,
    written: &Attribute,
    range: std::ops::Range<usize>,
    around: &Around,
) -> Parsed {
    let mut reading = Reading { cx, written, around, open: false };
    let (template, _) = reading.expr(range.start, range.end, 0);
    let open = reading.open;
    Parsed { template, open }
}

/// The value as the path of a file: a backslash of the text is a slash.
pub(super) fn as_path(template: Template) -> Template {
    let mut out = Template::default();
    for part in template.0 {
        out.push(match part {
            Part::Text(text) => {
                let slashed: Vec<u8> =
                    text.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
                Part::Text(slashed.into())
            }
            other => other,
        });
    }
    out
}

struct Reading<'a, 'c, 'x> {
    cx: &'a mut Cx<'x>,
    written: &'a Attribute,
    around: &'a Around<'c>,
    open: bool,
}

impl Reading<'_, '_, '_> {
    /// Reads until `end`, or to the `}` that ends the item it is the argument of; the place it came to.
    fn expr(&mut self, mut at: usize, end: usize, depth: usize) -> (Template, usize) {
        let text = &self.written.value;
        let mut out = Template::default();
        while at < end {
            let rest = &text[at..end];
            let next = rest.find(|c| c == '{' || (depth > 0 && c == '}')).unwrap_or(rest.len());
            out.push(Part::Text(rest[..next].into()));
            at += next;
            if at >= end || text.as_bytes()[at] == b'}' {
                break;
            }
            let (part, after) = self.item(at, end, depth + 1);
            for part in part.0 {
                out.push(part);
            }
            at = after;
        }
        (out, at)
    }

    /// Reads the item whose `{` is at `at`; its value and the place behind its `}`.
    fn item(&mut self, at: usize, end: usize, depth: usize) -> (Template, usize) {
        let written = self.written;
        let text = &written.value;
        if depth > DEEPEST {
            self.wrong(at, at + 1, "expressions are nested too deeply", None);
            return (Template::default(), end);
        }
        let inside = &text[at + 1..end];
        let Some(stop) = inside.find([':', '}', '{']) else {
            self.wrong(at, at + 1, "`{` is not closed", Some("write `}` where the name ends".to_owned()));
            return (Template::default(), end);
        };
        let name = &inside[..stop];
        let behind = at + 1 + stop;
        match text.as_bytes()[behind] {
            b'}' => (self.variable(name, at + 1), behind + 1),
            b':' => {
                let (argument, close) = self.expr(behind + 1, end, depth);
                if close >= end {
                    self.wrong(
                        at,
                        at + 1,
                        "`{` is not closed",
                        Some("write `}` where the expression ends".to_owned()),
                    );
                    return (Template::default(), end);
                }
                (self.call(name, at + 1, &argument), close + 1)
            }
            // The name would be the value of the inner expression, and nothing is called so. Public sites of Node.js are
            // full of `{{REQUEST_URI}}`, from a template whose braces were never taken off, and run: decided from that.
            _ if name.is_empty() => {
                let told = self.cx.found.len();
                let (_, after) = self.item(behind, end, depth + 1);
                // What is said of the name within is of no use where nothing is called as its value.
                let mut within = self.cx.found.split_off(told);
                within.retain(|found| found.code != "unknown-variable");
                self.cx.found.append(&mut within);
                if after >= end || text.as_bytes()[after] != b'}' {
                    self.wrong(
                        at,
                        at + 1,
                        "`{` is not closed",
                        Some("write `}` where the name ends".to_owned()),
                    );
                    return (Template::default(), after);
                }
                let span = self.written.part(at..after + 1);
                let message = format!("no variable has the name that `{}` gives", &text[behind..after]);
                let found = Diagnostic::warning("unknown-variable", span, message).because("always empty");
                self.cx.report(found.help("write one pair of braces"));
                (Template::default(), after + 1)
            }
            _ => {
                self.wrong(at, behind + 1, "a name is expected between `{` and `}`", None);
                // What stands inside is read for itself, and the `}` that closes the outer one is text.
                (Template::default(), behind)
            }
        }
    }

    fn variable(&mut self, name: &str, at: usize) -> Template {
        self.open |= !vars::is_request_path(name);
        if let Some(template) = vars::read(self.cx, name, self.around.outbound) {
            return template;
        }
        let span = self.written.part(at..at + name.len());
        let near = suggest::nearest(&name.to_uppercase(), vars::NAMES.iter().copied());
        let early = vars::field(name, "RESPONSE_").is_some();
        let found = if early {
            let message = format!("`{name}` is read before there is a response");
            Diagnostic::warning("unknown-variable", span, message).because("always empty here")
        } else {
            let message = format!("there is no server variable `{name}`");
            Diagnostic::warning("unknown-variable", span, message).because("always empty")
        };
        self.cx.report(match near {
            Some(near) if !early => found.help(format!("did you mean `{{{near}}}`?")),
            _ => found,
        });
        Template::default()
    }

    fn call(&mut self, name: &str, at: usize, argument: &Template) -> Template {
        if name.eq_ignore_ascii_case("R") || name.eq_ignore_ascii_case("C") {
            return self.group(name, at, argument);
        }
        let escape = match name.to_ascii_lowercase().as_str() {
            "tolower" => Some(Escape::Lower),
            "urlencode" => Some(Escape::Component),
            "urldecode" => Some(Escape::Decode),
            "htmlencode" => Some(Escape::Html),
            _ => None,
        };
        if let Some(escape) = escape {
            return Template(vec![Part::Escape(escape, argument.clone())]);
        }
        self.open = true;
        if let Some(map) = self.around.maps.get(name) {
            return self.cx.look_up(map, argument);
        }
        if self.around.maps.is_provider(name) {
            let help = format!("write what it answers as `<rewriteMap name=\"{name}\">` in `rewriteMaps`");
            self.wrong(
                at,
                at + name.len(),
                &format!("`{name}` is a provider, an assembly of .NET"),
                Some(help),
            );
            return Template::default();
        }
        let names = self.around.maps.names().chain(["ToLower", "UrlEncode", "UrlDecode", "HtmlEncode"]);
        let near = suggest::nearest(name, names).map(|near| format!("did you mean `{{{near}:...}}`?"));
        let near = near.or_else(|| Some(format!("write `<rewriteMap name=\"{name}\">` in `rewriteMaps`")));
        self.wrong(at, at + name.len(), &format!("there is no rewrite map or function `{name}`"), near);
        Template::default()
    }

    fn group(&mut self, name: &str, at: usize, argument: &Template) -> Template {
        let number = argument.as_text().and_then(|text| std::str::from_utf8(text).ok()?.parse::<u8>().ok());
        let condition = name.eq_ignore_ascii_case("C");
        let most = self.around.tracked.filter(|_| condition).map_or(0, <[_]>::len);
        let Some(number) = number.filter(|number| usize::from(*number) < most.max(MOST_GROUPS + 1)) else {
            let help = "groups are `{R:0}` to `{R:31}`".replace('R', &name.to_uppercase());
            self.wrong(at, at + name.len(), "this is no group", Some(help));
            return Template::default();
        };
        let part = if condition {
            self.open = true;
            match self.around.tracked {
                Some(tracked) => match tracked.get(usize::from(number)) {
                    Some(&(register, group)) => Part::Capture(register, group),
                    None => return Template::default(),
                },
                None => Part::Capture(CONDITION, number),
            }
        } else {
            Part::Capture(RULE, number)
        };
        Template(vec![part])
    }

    fn wrong(&mut self, start: usize, end: usize, message: &str, help: Option<String>) {
        let found = Diagnostic::error("invalid-expression", self.written.part(start..end), message);
        self.cx.report(match help {
            Some(help) => found.help(help),
            None => found,
        });
    }
}
