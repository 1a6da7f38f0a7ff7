//! `dav_methods`, `dav_access`: requests that change files. And `flv`: files from a point that the query names.
//!
//! References: <https://nginx.org/en/docs/http/ngx_http_dav_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_flv_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, store::permissions};
use crate::ir::{Handler, Name};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("dav_access", access), ("dav_methods", methods), ("flv", flv)];

/// `dav_methods off|put|delete|mkcol|copy|move...;`
fn methods(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let named = directive.args.iter().filter(|word| !word.is("off"));
    let mut changes: Vec<Name> = level.set.files.changes.take().unwrap_or_default();
    changes.extend(named.map(|word| word.value.to_ascii_uppercase().into()));
    level.set.files.changes = Some(changes);
}

/// `dav_access users:permissions...;`
fn access(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(bits) = permissions(cx, directive) {
        level.set.files.change_access = Some(bits);
    }
}

/// `flv;`
fn flv(_: &mut Cx, level: &mut Level, _: &Directive) {
    level.set.handler = Some(Handler::Film);
}
