//! Limits that clients get round.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Part},
};

pub(super) const LINT: Lint = Lint {
    code: "limit-by-client-field",
    what: r"A limit counts by what the client says of itself.",
    why: r"A client that writes another value with each request is never limited.",
    fix: r"count by the address of the connection, or of proxies that are believed",
    bad: &[
        r"limit_req_zone $http_x_forwarded_for zone=z:1m rate=1r/s; server { listen 80; location / { limit_req zone=z; root /x; } }",
    ],
    good: &[
        r"limit_req_zone $binary_remote_addr zone=z:1m rate=1r/s; server { listen 80; location / { limit_req zone=z; root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for zone in &cx.config.zones {
        let client = |part: &Part| {
            matches!(
                part,
                Part::Attr(
                    Attr::Field(_)
                        | Attr::FieldList(_)
                        | Attr::Cookie(_)
                        | Attr::Param(_)
                        | Attr::ForwardedFor
                )
            )
        };
        if !zone.key.is_empty()
            && zone.key.0.iter().all(|part| client(part) || matches!(part, Part::Text(_)))
            && zone.key.as_text().is_none()
        {
            let span = cx.scenes.iter().find_map(|scene| {
                scene
                    .set
                    .places
                    .find("limits", "rates")
                    .or_else(|| scene.set.places.find("limits", "concurrent"))
            });
            let Some(span) = span else { continue };
            found.push(warn(&LINT, span, format!("zone `{}` counts by what the client writes", zone.name)));
        }
    }
}
