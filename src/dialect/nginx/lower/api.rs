//! `api` and `status_zone`: the state of the server for programs that watch it.
//!
//! There is no commercial nginx here to look at; what follows is what nginx.org says of it.
//!
//! * `api` answers `GET` and `HEAD` below its location with JSON: first the version (1 to 9), then what is asked for.
//!   `?fields=` names the fields that are wanted; where it is empty, collections give names alone. Everything else is
//!   answered with 405 and an object that says so: nothing is changed by it, and `write=on` is refused.
//! * `status_zone` in a server counts its requests, in a location or an `if` those that were answered there. Zones of
//!   the same name count together; `off` does not count.
//!
//! Of what is documented there is no slab, no resolver with counts, no key-value zone and no `stream`; TLS is counted for
//! the process alone, and connections that are kept idle to upstreams are not told.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_api_module.html>

use super::{
    super::tree::Directive,
    Cx, Kind, Level, Lower,
    level::Place,
    parameter::{self, named},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Figures, Handler, Tally, Text},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("api", api), ("status_zone", status_zone)];

/// `api [write=on|off];`
fn api(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        match named(word, "write") {
            Some(b"off") => {}
            Some(b"on") => {
                let message = "`write=on` is not honoured";
                cx.refuse(
                    Diagnostic::error("refused-parameter", word.span, message)
                        .because("the state is read here, and changed in the configuration")
                        .help(
                            "leave it out; a changed configuration comes into force with `nginx -s reload`",
                        ),
                );
                return;
            }
            _ => {
                parameter::invalid(cx, word, "expected `write=on` or `write=off`");
                return;
            }
        }
    }
    let cut = match &level.place {
        Place::Prefix(path) | Place::Exact(path) => path.len(),
        Place::Outside | Place::Regex(_) | Place::Named(_) => {
            let message = "`api` needs a location with a path";
            cx.error("api-without-path", directive.head(), message);
            return;
        }
    };
    cx.config.counts = true;
    level.set.handler = Some(Handler::Figures(Figures {
        cut: cut as u32,
        server: "nginx".into(),
        version: super::super::VERSION.into(),
        reference: "https://nginx.org/en/docs/http/ngx_http_api_module.html".into(),
    }));
}

/// `status_zone zone;`, or `off` in a location.
fn status_zone(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let of_hosts = level.kind == Kind::Server;
    let limits = &mut level.set.limits;
    if word.is("off") && !of_hosts {
        limits.tally = Some(None);
        return;
    }
    let declared = Tally { name: Text(word.value.clone()), of_hosts };
    let tallies = &mut cx.config.tallies;
    let at = tallies.iter().position(|known| *known == declared).unwrap_or_else(|| {
        tallies.push(declared);
        tallies.len() - 1
    });
    *(if of_hosts { &mut limits.host_tally } else { &mut limits.tally }) = Some(Some(at as u32));
}
