//! Load balancing methods, and `zone`.
//!
//! Reference: <https://nginx.org/r/hash>, <https://nginx.org/r/random>, <https://nginx.org/r/zone>

use super::super::{
    super::{tree::Directive, values},
    Cx, parameter, template,
};
use crate::{diagnostic::Diagnostic, ir::Balance};

/// The method that a directive asks for; `None` after a report.
pub(super) fn method(cx: &mut Cx, directive: &Directive) -> Option<Balance> {
    Some(match directive.name() {
        "ip_hash" => Balance::ClientAddress,
        "least_conn" => Balance::LeastConnections,
        "hash" => {
            let (key, rest) = directive.args.split_first()?;
            let key = template(cx, key);
            if rest.is_empty() { Balance::Hash(key) } else { Balance::ConsistentHash(key) }
        }
        "random" => match directive.args.as_slice() {
            [] => Balance::Random,
            [two, rest @ ..] if two.is("two") => {
                if let Some(word) = rest.first().filter(|word| !word.is("least_conn")) {
                    let why = match word.value.strip_prefix(b"least_time".as_slice()) {
                        Some(_) => "not yet honoured; of two, the one with fewer connections is taken",
                        None => "expected `least_conn`",
                    };
                    parameter::invalid(cx, word, why);
                    return None;
                }
                Balance::RandomTwo
            }
            [word, ..] => {
                parameter::invalid(cx, word, "expected `two`");
                return None;
            }
        },
        _ => return None,
    })
}

/// The least that nginx takes for a zone: eight pages.
const SMALLEST_ZONE: u64 = 8 * 4096;

/// `zone name [size];` Its size is of no use: the state of endpoints is not kept in one block of memory.
/// Returns whether there is one.
pub(super) fn zone(cx: &mut Cx, directive: &Directive) -> bool {
    let Some((name, rest)) = directive.args.split_first() else { return false };
    if name.value.is_empty() {
        cx.error("invalid-value", name.span, "a zone without a name");
        return false;
    }
    let Some(word) = rest.first() else { return true };
    match values::size(&word.value) {
        Ok(size) if size >= SMALLEST_ZONE => true,
        Ok(_) => {
            let message = format!("the zone `{}` is too small", name.text());
            cx.report(Diagnostic::error("small-zone", word.span, message).because("at least 32k"));
            false
        }
        Err(_) => false,
    }
}
