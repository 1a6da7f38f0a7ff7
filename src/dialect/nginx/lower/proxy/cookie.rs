//! `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_cookie_flags`.
//!
//! Reference: <https://nginx.org/r/proxy_cookie_domain>

use super::{
    super::{
        super::tree::{Directive, Word},
        CAPTURES, Cx, Level, parameter, regex, template, template_part,
    },
    off, url_match,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Edit, Template, UrlMatch},
};

/// `proxy_cookie_domain off;` or `proxy_cookie_domain domain replacement;` Case and a leading dot count for
/// nothing.
pub(super) fn domain(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(off) = off(cx, level, directive) else { return };
    if level.first("proxy_cookie_domain") {
        level.inherited.mappings.domains.clear();
    }
    let [from, to] = directive.args.as_slice() else {
        return only_off(cx, off, directive);
    };
    let (from, to) = match from.value.first() {
        Some(b'~') => (UrlMatch::Pattern(regex(cx, from, 1, true), CAPTURES), template(cx, to)),
        _ => (UrlMatch::Text(without_dot(cx, from)), without_dot(cx, to)),
    };
    level.inherited.mappings.domains.push(Edit::CookieDomain { from, to });
}

/// `proxy_cookie_path off;` or `proxy_cookie_path path replacement;`
pub(super) fn path(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(off) = off(cx, level, directive) else { return };
    if level.first("proxy_cookie_path") {
        level.inherited.mappings.paths.clear();
    }
    let [from, to] = directive.args.as_slice() else {
        return only_off(cx, off, directive);
    };
    let from = url_match(cx, from);
    let to = template(cx, to);
    level.inherited.mappings.paths.push(Edit::CookiePath { from, to });
}

const FLAGS: &[&str] = &[
    "secure",
    "nosecure",
    "httponly",
    "nohttponly",
    "samesite=strict",
    "samesite=lax",
    "samesite=none",
    "nosamesite",
];

/// `proxy_cookie_flags off;` or `proxy_cookie_flags cookie flag...;`
pub(super) fn flags(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(off) = off(cx, level, directive) else { return };
    if level.first("proxy_cookie_flags") {
        level.inherited.mappings.flags.clear();
    }
    let [cookie, flags @ ..] = directive.args.as_slice() else { return };
    if flags.is_empty() {
        return only_off(cx, off, directive);
    }
    for word in flags {
        let known = FLAGS.iter().any(|flag| word.value.eq_ignore_ascii_case(flag.as_bytes()));
        if !known && !word.value.contains(&b'$') {
            let message = format!("unknown flag `{}`", word.text());
            let found = Diagnostic::warning("unknown-cookie-flag", word.span, message);
            cx.report(found.because("has no effect").help(format!("the flags are {}", FLAGS.join(", "))));
        }
    }
    let cookie = match cookie.value.first() {
        Some(b'~') => UrlMatch::Pattern(regex(cx, cookie, 1, true), CAPTURES),
        _ => UrlMatch::Text(template(cx, cookie)),
    };
    let flags = flags.iter().map(|word| template(cx, word)).collect();
    level.inherited.mappings.flags.push(Edit::CookieFlags { cookie, flags });
}

/// Speaks of a single argument that is not `off`.
fn only_off(cx: &mut Cx, off: bool, directive: &Directive) {
    if let (false, Some(word)) = (off, directive.args.first()) {
        parameter::invalid(cx, word, "a single argument can only be `off`");
    }
}

/// A domain without its leading dot.
fn without_dot(cx: &mut Cx, word: &Word) -> Template {
    let start = usize::from(word.value.first() == Some(&b'.'));
    template_part(cx, word, start..word.value.len())
}
