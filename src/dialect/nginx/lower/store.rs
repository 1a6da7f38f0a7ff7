//! `proxy_store` and its kin for the gateways: copies of responses as files.
//!
//! Observed on nginx 1.22.1: only what came whole with status 200 and an answer to no `HEAD` is stored, and becomes a
//! file of the name when it is there whole; its time is that of `Last-Modified`; folders that are missing are made with
//! the permissions of the file and those to enter where reading is allowed; the owner may always read and write. A
//! client that leaves does not end the copy. What goes wrong is a `crit` in the log. Not beside a cache at one level.
//!
//! Other than there the file is written beside its place, not in `proxy_temp_path`, and no trouble with it reaches the
//! client.
//!
//! Reference: <https://nginx.org/r/proxy_store>, <https://nginx.org/r/proxy_store_access>

use super::{
    super::tree::Directive,
    Cx, Level, Lower,
    gateway::{of, prefix, set},
    parameter::invalid,
    template, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Template},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("fastcgi_store", store),
    ("fastcgi_store_access", access),
    ("proxy_store", store),
    ("proxy_store_access", access),
    ("scgi_store", store),
    ("scgi_store_access", access),
    ("uwsgi_store", store),
    ("uwsgi_store_access", access),
];

/// `proxy_store on|off|file;`
fn store(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let value = match word.value.as_slice() {
        b"off" => Template::default(),
        b"on" => Template::attr(Attr::FilePath),
        value if value.contains(&b'$') => template(cx, word),
        _ => {
            use std::os::unix::ffi::OsStrExt as _;
            Template::text(cx.path(&text(word)).as_os_str().as_bytes())
        }
    };
    let on = !value.is_empty();
    let protocol = of(directive);
    let settings = set(level, directive);
    if on && settings.cache.as_ref().is_some_and(|cache| !cache.is_empty()) {
        let prefix = prefix(protocol);
        let message = format!("`{prefix}_store` and `{prefix}_cache` at one level");
        cx.report(
            Diagnostic::error("store-and-cache", directive.head(), message)
                .because("a response is either stored or cached"),
        );
        return;
    }
    settings.store = Some(value);
    level.inherited.stored[protocol as usize] = on;
    if on && level.inherited.cached[protocol as usize].take().is_some() {
        // What an outer level caches is not cached here.
        set(level, directive).cache = Some(Template::default());
    }
}

/// `proxy_store_access users:permissions...;`
fn access(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(bits) = permissions(cx, directive) {
        set(level, directive).store_access = Some(bits);
    }
}

/// What `users:permissions...` are in bits; `None` and a finding for what is none of them.
pub(super) fn permissions(cx: &mut Cx, directive: &Directive) -> Option<u32> {
    // The owner may whatever is said of others.
    let mut bits = 0o600;
    for word in &directive.args {
        let (who, may) = match memchr::memchr(b':', &word.value) {
            Some(at) => (&word.value[..at], &word.value[at + 1..]),
            None => (&b""[..], &b""[..]),
        };
        let shift = match who {
            b"user" => 6,
            b"group" => 3,
            b"all" => 0,
            _ => {
                invalid(cx, word, "expected `user:`, `group:` or `all:`");
                return None;
            }
        };
        bits |= match may {
            b"rw" => 6 << shift,
            b"r" => 4 << shift,
            _ => {
                invalid(cx, word, "the permissions are `r` or `rw`");
                return None;
            }
        };
    }
    Some(bits)
}
