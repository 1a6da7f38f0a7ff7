//! Load balancing methods, and `zone`.
//!
//! `least_time` takes the server with the least average time and the fewest connections, relative to weight; `header`
//! is the time to the head, `last_byte` that to the end, `inflight` counts requests that are not answered yet, too. How
//! time and connections go together is not documented; here they are multiplied.
//!
//! Reference: <https://nginx.org/r/hash>, <https://nginx.org/r/random>, <https://nginx.org/r/zone>,
//! <https://nginx.org/r/least_time>

use super::super::{
    super::{tree::Directive, values},
    Cx, parameter, template,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Balance, Timing},
};

/// The time to the head of an answer.
const TO_HEAD: Timing = Timing { whole: false, under_way: false };

/// The method that a directive asks for; `None` after a report.
pub(super) fn method(cx: &mut Cx, directive: &Directive) -> Option<Balance> {
    Some(match directive.name() {
        "ip_hash" => Balance::ClientAddress,
        "least_conn" => Balance::LeastConnections,
        "least_time" => {
            let (what, rest) = directive.args.split_first()?;
            let whole = match what.value.as_slice() {
                b"header" => false,
                b"last_byte" => true,
                _ => {
                    parameter::invalid(cx, what, "expected `header` or `last_byte`");
                    return None;
                }
            };
            if let Some(word) = rest.first().filter(|word| !word.is("inflight")) {
                parameter::invalid(cx, word, "expected `inflight`");
                return None;
            }
            Balance::LeastTime(Timing { whole, under_way: !rest.is_empty() })
        }
        "hash" => {
            let (key, rest) = directive.args.split_first()?;
            let key = template(cx, key);
            if rest.is_empty() { Balance::Hash(key) } else { Balance::ConsistentHash(key) }
        }
        "random" => match directive.args.as_slice() {
            [] => Balance::Random,
            [two, rest @ ..] if two.is("two") => match rest.first() {
                None => Balance::RandomTwo(None),
                Some(word) if word.is("least_conn") => Balance::RandomTwo(None),
                Some(word) if word.is("least_time=header") => Balance::RandomTwo(Some(TO_HEAD)),
                Some(word) if word.is("least_time=last_byte") => {
                    Balance::RandomTwo(Some(Timing { whole: true, ..TO_HEAD }))
                }
                Some(word) => {
                    let expected = "expected `least_conn`, `least_time=header` or `least_time=last_byte`";
                    parameter::invalid(cx, word, expected);
                    return None;
                }
            },
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
