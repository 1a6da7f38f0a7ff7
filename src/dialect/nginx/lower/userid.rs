//! `userid` and its kin: a cookie that clients are told apart by.
//!
//! Observed on nginx 1.22.1: 16 bytes in Base64. Four numbers: that of the service (by default the local address), the
//! second it was made in, one of the process, and a counter; `v1` keeps them in the machine's order and counts from 1,
//! `on` in the network's and counts from 0x03030302, both by 0x100. A cookie goes with every status, errors included,
//! behind what `add_header` adds. One of fewer than 22 characters, or that is no Base64, or whose last number is 0, is
//! none, and another one is given; what is behind the 22nd says nothing but for the mark: with one, a cookie whose 23rd
//! character it is not, before a `=`, is sent again with it. `log` only reads. `$uid_reset` that is neither empty nor `0`
//! makes a new one whatever the client has, `log` with a notice in the log; `$uid_got` shows the old one.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_userid_module.html>

use std::time::Duration;

use super::{
    super::{tree::Directive, values},
    Cx, Level, Lower,
    parameter::invalid,
    text,
};
use crate::ir::{
    Template, Text,
    settings::{Identifier, Issue, Lifetime},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("userid", mode),
    ("userid_domain", domain),
    ("userid_expires", expires),
    ("userid_flags", flags),
    ("userid_mark", mark),
    ("userid_name", name),
    ("userid_p3p", policy),
    ("userid_path", path),
    ("userid_service", service),
];

/// The variable that a configuration may set to have identifiers replaced.
const RESET: &[u8] = b"uid_reset";

/// What is written; each is inherited for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    mode: Option<Mode>,
    name: Option<Text>,
    domain: Text,
    path: Option<Text>,
    lasts: Option<Lifetime>,
    flags: Vec<Text>,
    policy: Text,
    mark: Option<u8>,
    service: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Read,
    Give(Issue),
}

/// What the level has, to be written to.
fn written(level: &mut Level) -> &mut Written {
    level.first("userid");
    &mut level.inherited.identifier
}

/// `userid on|v1|log|off;`
fn mode(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    written(level).mode = match word.value.to_ascii_lowercase().as_slice() {
        b"off" => Some(Mode::Off),
        b"log" => Some(Mode::Read),
        b"v1" => Some(Mode::Give(Issue::LeastFirst)),
        b"on" => Some(Mode::Give(Issue::GreatestFirst)),
        _ => return,
    };
}

/// `userid_name name;`
fn name(_: &mut Cx, level: &mut Level, directive: &Directive) {
    written(level).name = directive.args.first().map(text);
}

/// `userid_domain name|none;`
fn domain(_: &mut Cx, level: &mut Level, directive: &Directive) {
    written(level).domain = unless_none(directive);
}

/// `userid_p3p string|none;`
fn policy(_: &mut Cx, level: &mut Level, directive: &Directive) {
    written(level).policy = unless_none(directive);
}

fn unless_none(directive: &Directive) -> Text {
    directive.args.first().filter(|word| !word.is("none")).map(text).unwrap_or_default()
}

/// `userid_path path;`
fn path(_: &mut Cx, level: &mut Level, directive: &Directive) {
    written(level).path = directive.args.first().map(text);
}

/// `userid_service number;`
fn service(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let number = directive.args.first().map(|word| values::number(&word.value));
    // Of a greater number its last 32 bits count.
    written(level).service = number.and_then(Result::ok).map(|number| number as u32);
}

/// `userid_expires time|max|off;`
fn expires(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    written(level).lasts = Some(match word.value.as_slice() {
        b"max" => Lifetime::Longest,
        b"off" => Lifetime::Session,
        value => match values::seconds(value) {
            Ok(Duration::ZERO) => Lifetime::Session,
            Ok(time) => Lifetime::For(time),
            Err(_) => return invalid(cx, word, "a time, `max` or `off`"),
        },
    });
}

/// `userid_flags off|flag...;`
fn flags(_: &mut Cx, level: &mut Level, directive: &Directive) {
    // In the order that the original writes them in, each once.
    let order = ["secure", "httponly", "samesite=strict", "samesite=lax", "samesite=none"];
    let has =
        |flag: &&str| directive.args.iter().any(|word| word.value.eq_ignore_ascii_case(flag.as_bytes()));
    let off = has(&"off");
    let flags = order.into_iter().filter(|flag| !off && has(flag)).map(Text::from);
    written(level).flags = flags.collect();
}

/// `userid_mark letter|digit|=|off;`
fn mark(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    written(level).mark = match word.value.as_slice() {
        b"off" => None,
        [mark] if mark.is_ascii_alphanumeric() || *mark == b'=' => Some(*mark),
        _ => return invalid(cx, word, "`off`, or a single letter, digit or `=`"),
    };
}

/// Makes the setting of a level that has any of these.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    if !level.has("userid") {
        return;
    }
    // A variable that nobody sets resets nothing.
    let reset = cx.vars.is_shadowed(RESET).then(|| Template::var(cx.entry(RESET.to_vec(), level.span).id));
    let Written { mode, name, domain, path, lasts, flags, policy, mark, service } =
        level.inherited.identifier.clone();
    let issue = match mode {
        None | Some(Mode::Off) => {
            // `off` is what is inherited, too, but where an outer level says otherwise.
            level.set.answer.identifier = mode.map(|_| None);
            return;
        }
        Some(Mode::Read) => None,
        Some(Mode::Give(issue)) => Some(issue),
    };
    level.set.answer.identifier = Some(Some(Identifier {
        cookie: name.unwrap_or_else(|| "uid".into()),
        issue,
        service,
        mark,
        lasts: lasts.unwrap_or(Lifetime::Session),
        domain,
        path: path.unwrap_or_else(|| "/".into()),
        flags,
        policy,
        reset,
    }));
}
