//! `proxy_redirect`: URLs in `Location` and `Refresh`.
//!
//! Reference: <https://nginx.org/r/proxy_redirect>; what is inherited when: nginx 1.22.1, observed.

use super::{
    super::{super::tree::Directive, Cx, Level, template},
    Pass, off, url_match,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Edit, Template, UrlMatch},
};

/// `proxy_redirect off|default;` or `proxy_redirect redirect replacement;` The first at a level drops those
/// of the outer levels.
pub(super) fn redirect(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(off) = off(cx, level, directive) else { return };
    if level.first("proxy_redirect") {
        level.inherited.mappings.redirects = Some(Vec::new());
    }
    if off {
        return;
    }
    let edit = match directive.args.as_slice() {
        [word] if word.is("default") => match &level.own.pass {
            Some(Pass::Fixed(pass)) => default_edit(&pass.written, pass.replaced.as_ref()),
            Some(Pass::Dynamic(_)) => {
                let message = "`proxy_redirect default` cannot go with variables in `proxy_pass`";
                let found = Diagnostic::error("no-default-redirect", directive.head(), message);
                cx.report(found.because("what to look for is not known before the request"));
                return;
            }
            Some(Pass::Gateway(..)) | None => {
                let message = "`proxy_redirect default` must come after `proxy_pass`";
                let found = Diagnostic::error("no-default-redirect", directive.head(), message);
                cx.report(found.because("it is made of the URL and the location"));
                return;
            }
        },
        [from, to] => {
            let from = url_match(cx, from);
            Edit::Url { fields: fields(), from, to: template(cx, to) }
        }
        _ => return,
    };
    level.inherited.mappings.redirects.get_or_insert_default().push(edit);
}

/// Adds the default where no level has said anything. An outer location's default is handed down and keeps
/// an inner one from having its own, as in nginx.
pub(super) fn by_default(level: &mut Level) {
    if level.inherited.mappings.redirects.is_some() {
        return;
    }
    if let Some(Pass::Fixed(pass)) = &level.own.pass {
        let edit = default_edit(&pass.written, pass.replaced.as_ref());
        level.first("proxy_redirect");
        level.inherited.mappings.redirects = Some(vec![edit]);
    }
}

/// From the URL of `proxy_pass` to the location's name; without a path in the URL, from its root to `/`.
fn default_edit(written: &Template, replaced: Option<&Template>) -> Edit {
    let mut from = written.clone();
    let to = if let Some(location) = replaced {
        location.clone()
    } else {
        from.push(crate::ir::Part::Text("/".into()));
        "/".into()
    };
    Edit::Url { fields: fields(), from: UrlMatch::Text(from), to }
}

/// The fields that hold a URL.
fn fields() -> Vec<crate::ir::Name> {
    vec!["Location".into(), "Refresh".into()]
}
