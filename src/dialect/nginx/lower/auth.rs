//! Who is let in: passwords, the answer of a request of our own, signed links.
//!
//! References: <https://nginx.org/en/docs/http/ngx_http_auth_basic_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_auth_request_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_secure_link_module.html>

use std::os::unix::ffi::OsStrExt as _;

use super::{
    super::{tree::Directive, values},
    Cx, Level, Lower,
    rewrite::variable_name,
    template, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Part, Template, Text, VarKind},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("auth_basic", auth_basic),
    ("auth_basic_user_file", user_file),
    ("auth_delay", delay),
    ("auth_request", auth_request),
    ("auth_request_set", auth_request_set),
    ("secure_link", secure_link),
    ("secure_link_md5", secure_link),
    ("secure_link_secret", secure_link),
];

/// `auth_basic string|off;`
fn auth_basic(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let realm = if word.is("off") { None } else { Some(template(cx, word)) };
    level.set.access.realm = Some(realm);
}

/// `auth_basic_user_file file;` relative to the directory of nginx.conf unless it begins with a variable.
fn user_file(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let mut path = Template::default();
    if !matches!(word.value.first(), Some(b'/' | b'$')) {
        let mut folder = cx.options.conf_prefix.as_os_str().as_bytes().to_vec();
        if folder.last() != Some(&b'/') {
            folder.push(b'/');
        }
        path.push(Part::Text(Text(folder)));
    }
    for part in template(cx, word).0 {
        path.push(part);
    }
    level.set.access.passwords = Some(Some(path));
}

/// `auth_delay time;`
fn delay(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.access.refusal_delay = values::time(&word.value).ok();
}

/// `auth_request uri|off;`
fn auth_request(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.access.ask = Some(if word.is("off") { Text::new() } else { text(word) });
}

/// `auth_request_set $variable value;` The first at a level drops those of the outer levels.
fn auth_request_set(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [name, value] = directive.args.as_slice() else { return };
    let Some(bare) = variable_name(cx, name) else { return };
    let Some(var) = cx.define(bare, name.span) else { return };
    let value = template(cx, value);
    // Without an answer it is missing, unless `set` writes it.
    if let Some(known) = cx.config.vars.get_mut(var.0 as usize)
        && known.kind == VarKind::Assigned
    {
        known.kind = VarKind::Optional;
    }
    level.set.access.learned.get_or_insert_default().push((var, value));
}

/// `secure_link expression;`, `secure_link_md5 expression;`, `secure_link_secret word;`
fn secure_link(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match directive.name() {
        "secure_link" => level.set.access.link = Some(template(cx, word)),
        "secure_link_md5" => level.set.access.link_text = Some(template(cx, word)),
        _ => level.set.access.link_secret = Some(text(word)),
    }
    let access = &level.set.access;
    if access.link_secret.is_some() && (access.link.is_some() || access.link_text.is_some()) {
        let message = "`secure_link_secret` beside `secure_link` or `secure_link_md5`";
        cx.report(
            Diagnostic::error("mixed-secure-link", directive.name.span, message)
                .because("only one form of signed links can be used at a level"),
        );
    }
}
