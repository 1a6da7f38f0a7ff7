//! `sticky` and `queue`: sessions that stay on a server, and requests that wait for one.
//!
//! The nginx installed has none of these; what follows is what nginx.org says of them.
//!
//! * `cookie`: a request without the cookie, or with that of a server that cannot be used, goes by the balancing method;
//!   the response brings the cookie. Its value is the server's `route`, else the MD5 of its address and port, or of the
//!   path of its socket, in hexadecimal digits. `expires`, `domain`, `path`, `secure`, `httponly` and `samesite` are sent
//!   only where they are written.
//! * `route`: the first variable that has a value names the `route` of a server.
//! * `learn`: the response of a server begins a session, whose name the first `create` variable with a value has; a
//!   request belongs to the session whose name the first `lookup` variable with a value has. Sessions that nobody asks
//!   for are forgotten after `timeout` (10 minutes). With `header` a session begins with the response's head. A megabyte
//!   has room for about 4000 sessions on machines of 64 bits.
//! * A server with `drain` takes requests of its sessions only.
//! * `queue`: a request for which no server can be chosen at once waits for one, 60 seconds by default; where there is no
//!   place left, or time, it is answered 502.
//!
//! Reference: <https://nginx.org/r/sticky>, <https://nginx.org/r/queue>

use std::time::Duration;

use super::super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx,
    parameter::{self, named},
    template, template_part, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Affinity, Queue, Template, Text, settings::Lifetime},
};

/// Bytes that a session takes in a zone, about.
const ENTRY: u64 = 256;

/// `queue number [timeout=time];`
pub(super) fn queue(directive: &Directive) -> Option<Queue> {
    let (number, rest) = directive.args.split_first()?;
    let places = u32::try_from(values::number(&number.value).ok()?).unwrap_or(u32::MAX);
    let timeout = rest.first().and_then(|word| values::time(named(word, "timeout")?).ok());
    Some(Queue { places, timeout: timeout.unwrap_or(Duration::from_mins(1)) })
}

/// `sticky cookie|route|learn ...;` `None` after a report.
pub(super) fn affinity(cx: &mut Cx, directive: &Directive) -> Option<Affinity> {
    let (mode, rest) = directive.args.split_first()?;
    match mode.value.as_slice() {
        b"cookie" => cookie(cx, directive, rest),
        b"route" if rest.is_empty() => missing(cx, directive, "a variable that names the route"),
        b"route" => Some(Affinity::Route(rest.iter().map(|word| template(cx, word)).collect())),
        b"learn" => learn(cx, directive, rest),
        _ => {
            parameter::invalid(cx, mode, "expected `cookie`, `route` or `learn`");
            None
        }
    }
}

fn missing<T>(cx: &mut Cx, directive: &Directive, what: &str) -> Option<T> {
    cx.error("missing-parameter", directive.head(), format!("`sticky` needs {what}"));
    None
}

fn cookie(cx: &mut Cx, directive: &Directive, words: &[Word]) -> Option<Affinity> {
    let Some((name, rest)) = words.split_first() else {
        return missing(cx, directive, "the name of a cookie");
    };
    let mut lasts = Lifetime::Session;
    let mut attributes: Vec<(Text, Option<Template>)> = Vec::new();
    for word in rest {
        match word.value.as_slice() {
            b"secure" | b"httponly" => attributes.push((text(word), None)),
            b"expires=max" => lasts = Lifetime::Longest,
            _ if named(word, "expires").is_some() => {
                lasts = Lifetime::For(parameter::parsed(cx, word, "expires", values::seconds)?);
            }
            value => {
                let known = ["domain", "path", "samesite"];
                let Some(attribute) = known.into_iter().find(|name| named(word, name).is_some()) else {
                    parameter::invalid(cx, word, "see https://nginx.org/r/sticky");
                    return None;
                };
                let given = template_part(cx, word, attribute.len() + 1..value.len());
                attributes.push((attribute.into(), Some(given)));
            }
        }
    }
    Some(Affinity::Cookie { name: text(name), lasts, attributes })
}

fn learn(cx: &mut Cx, directive: &Directive, words: &[Word]) -> Option<Affinity> {
    let (mut begins, mut goes_on) = (Vec::new(), Vec::new());
    let (mut zone, mut lasts, mut at_head) = (None, Duration::from_mins(10), false);
    for word in words {
        match word.value.as_slice() {
            b"header" => at_head = true,
            b"sync" => {
                let message = "`sync` is not honoured";
                cx.refuse(
                    Diagnostic::error("refused-parameter", word.span, message)
                        .because("sessions are not shared with other machines"),
                );
            }
            value if named(word, "create").is_some() => {
                begins.push(template_part(cx, word, "create=".len()..value.len()));
            }
            value if named(word, "lookup").is_some() => {
                goes_on.push(template_part(cx, word, "lookup=".len()..value.len()));
            }
            _ if named(word, "timeout").is_some() => {
                lasts = parameter::parsed(cx, word, "timeout", values::seconds)?;
            }
            _ if named(word, "zone").is_some() => {
                let value = named(word, "zone")?;
                let colon = memchr::memrchr(b':', value).filter(|&at| at > 0);
                let size = colon.and_then(|at| values::size(&value[at + 1..]).ok());
                let (Some(colon), Some(size)) = (colon, size) else {
                    parameter::invalid_value(cx, word, "it must be `name:size`");
                    return None;
                };
                let entries = u32::try_from(size / ENTRY).unwrap_or(u32::MAX);
                zone = Some((Text::from(&value[..colon]), entries));
            }
            _ => {
                parameter::invalid(cx, word, "see https://nginx.org/r/sticky");
                return None;
            }
        }
    }
    let Some((table, entries)) = zone else { return missing(cx, directive, "`zone=name:size`") };
    if begins.is_empty() || goes_on.is_empty() {
        return missing(cx, directive, "`create=` and `lookup=`");
    }
    Some(Affinity::Learned { begins, goes_on, table, entries, lasts, at_head })
}
