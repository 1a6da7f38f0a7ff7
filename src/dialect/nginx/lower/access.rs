//! Who may: `allow`, `deny`, `satisfy`.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_access_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, address, parameter};
use crate::diagnostic::Diagnostic;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("allow", rule), ("deny", rule), ("satisfy", satisfy)];

/// `allow address|CIDR|unix:|all;` and `deny`. The first at a level drops the rules of the outer levels.
fn rule(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Some((range, low_bits)) = address::range(&word.value) else {
        let expected = "neither an address, nor a network, nor `all` or `unix:`";
        return parameter::invalid(cx, word, expected);
    };
    if low_bits {
        let message = format!("the low bits of `{}` count for nothing", word.text());
        cx.report(
            Diagnostic::warning("low-address-bits", word.span, message)
                .because("set beyond the length of the network"),
        );
    }
    let rules = level.set.access.rules.get_or_insert_default();
    rules.push((range, directive.name() == "allow"));
}

/// `satisfy all|any;`
fn satisfy(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        level.set.access.satisfy_any = Some(word.value.eq_ignore_ascii_case(b"any"));
    }
}
