//! `split_clients`: a variable by the hash of a text.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_split_clients_module.html>

use super::{
    super::tree::{Directive, directives},
    Cx, Level, Lower,
    rewrite::variable_name,
    template, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Bucket, Var, VarKind},
};

/// All, in hundredths of a percent.
const ALL: u64 = 10_000;

fn split_clients(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [source, variable] = directive.args.as_slice() else { return };
    let key = template(cx, source);
    let Some(name) = variable_name(cx, variable) else { return };
    let Some(var) = cx.define(name, variable.span) else { return };
    let mut buckets = Vec::new();
    let mut sum = 0;
    let mut last = 0_u32;
    for part in directives(directive.block()) {
        let Some(value) = part.args.first() else {
            cx.error("invalid-row", part.head(), "a part is a percentage and a value");
            continue;
        };
        let value = text(value);
        if part.name.is("*") {
            sum = ALL;
            buckets.push(Bucket { below: None, value });
            continue;
        }
        let Some(hundredths) = hundredths(&part.name.value) else {
            let message = format!("invalid percentage `{}`", part.name.text());
            cx.report(
                Diagnostic::error("invalid-percentage", part.name.span, message)
                    .help("above 0, with at most two decimals: `0.5%`; or `*` for the rest"),
            );
            continue;
        };
        sum += hundredths;
        if sum > ALL {
            cx.error("invalid-percentage", part.name.span, "the percentages add up to more than 100%");
        }
        // Wraps as the server's 32 bits do; only past 100% could it.
        last = last.wrapping_add((hundredths * u64::from(u32::MAX) / ALL) as u32);
        buckets.push(Bucket { below: Some(last), value });
    }
    if let Some(known) = cx.config.vars.get_mut(var.0 as usize) {
        let kind = VarKind::Split { key, buckets };
        *known = Var { name: name.to_ascii_lowercase().into(), kind, span: directive.head() };
    }
}

/// A percentage above zero with up to two decimals, in hundredths.
fn hundredths(word: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(word.strip_suffix(b"%")?).ok()?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + decimals.len() == 0 || decimals.len() > 2 || !digits(whole) || !digits(decimals) {
        return None;
    }
    let value: u64 = format!("{whole}{decimals:0<2}").parse().ok()?;
    (value > 0 && value < u64::from(u32::MAX)).then_some(value)
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("split_clients", split_clients)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages() {
        let table = [
            ("50%", Some(5000)),
            ("0.5%", Some(50)),
            (".5%", Some(50)),
            ("5.%", Some(500)),
            ("33.33%", Some(3333)),
            ("100.00%", Some(10_000)),
            ("50.123%", None),
            ("0%", None),
            ("50", None),
            ("x%", None),
            ("%", None),
        ];
        for (text, expected) in table {
            assert_eq!(hundredths(text.as_bytes()), expected, "{text}");
        }
    }
}
