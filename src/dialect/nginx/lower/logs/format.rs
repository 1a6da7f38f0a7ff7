//! `log_format`: what a line of an access log is.
//!
//! Reference: <https://nginx.org/r/log_format>

use super::{
    super::{super::tree::Directive, Cx, Level, template, text},
    parameter::{self, named},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Part, Template,
        settings::{LogEscape, LogFormat},
    },
};

/// `log_format name [escape=default|json|none] string...;` The strings are joined with nothing between.
pub(super) fn log_format(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some((name, mut strings)) = directive.args.split_first() else { return };
    if name.is("combined") || cx.formats.contains_key(&name.value) {
        let message = format!("a second log format `{}`", name.text());
        let mut found = Diagnostic::error("duplicate-log-format", name.span, message);
        if name.is("combined") {
            found = found.because("there is one of this name already").help("give it another name");
        }
        cx.report(found);
        return;
    }
    let mut escape = LogEscape::Hex;
    if let Some((first, rest)) = strings.split_first()
        && let Some(value) = named(first, "escape")
    {
        strings = rest;
        escape = match value {
            b"default" => LogEscape::Hex,
            b"json" => LogEscape::Json,
            b"none" => LogEscape::None,
            _ => return parameter::invalid_value(cx, first, "it must be `default`, `json` or `none`"),
        };
    }
    let mut line = Template::default();
    for word in strings {
        for part in template(cx, word).0 {
            if let Part::Capture(_, number) = part {
                let message = format!("`${number}` means nothing in a log format");
                let found = Diagnostic::error("capture-in-log-format", word.span, message);
                cx.report(found.help("keep it in a variable: `set $name $1;`"));
                continue;
            }
            line.push(part);
        }
    }
    let format = LogFormat { name: text(name), escape, line };
    cx.formats.insert(name.value.clone(), format);
}
