//! WebSocket handshakes that are tampered with.

use std::collections::BTreeSet;

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Change, Edit, HostId, Name, Part, Step, Template,
        walk::{self, Item},
    },
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "websocket-key-changed",
    what: r"A field of the WebSocket handshake is replaced or removed.",
    why: r"Key, version and accept belong to one handshake between client and upstream (RFC 6455 § 4): with another key the client closes the connection.",
    fix: r"leave `Sec-WebSocket-Key`, `-Version` and `-Accept` alone",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_set_header Sec-WebSocket-Key abc; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_set_header Sec-WebSocket-Extensions ''; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_set_header Sec-WebSocket-Key $http_sec_websocket_key; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let tampers = |name: &Name, value: Option<&Template>| {
        let fields: [&[u8]; 3] = [b"Sec-WebSocket-Key", b"Sec-WebSocket-Version", b"Sec-WebSocket-Accept"];
        let same = value.is_some_and(|value| matches!(&*value.0, [Part::Attr(Attr::Field(of))] if fields.iter().any(|field| of.is_field(field) || of.eq_ignore_ascii_case(&field.to_ascii_lowercase().iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect::<Vec<u8>>()))));
        fields.iter().any(|field| name.is_field(field)) && !same
    };
    // What is done to heads by steps, wherever something is sent on.
    let hosts: BTreeSet<_> = cx.forwards().map(|(scene, _)| scene.host.0).collect();
    for host in hosts {
        let mut visit = |item: Item<'_>, span: Span| {
            let Item::Step(Step::Edit(edit)) = item else { return };
            let hit = match edit {
                Edit::Set(name, value) | Edit::Add(name, value) => tampers(name, Some(value)),
                Edit::Field { name, change: Change::Set(value) | Change::Add(value), .. } => {
                    tampers(name, Some(value))
                }
                Edit::Remove(name) | Edit::Field { name, change: Change::Remove, .. } => tampers(name, None),
                _ => false,
            };
            if hit && span.is_known() {
                found.push(warn(&LINT, span, "the handshake of WebSockets is changed on its way"));
            }
        };
        walk::host(cx.config.host(HostId(host)), &mut visit);
    }
    for (scene, _) in cx.forwards() {
        for edit in scene.set.http.edits.iter().flatten() {
            // What a rule may set: where one sets something else.
            if let Edit::Set(name, value) = edit
                && let [Part::Var(var)] = &*value.0
                && tampers(name, None)
            {
                walk::block(&cx.host(scene).request, false, &mut |item, span| {
                    if let Item::Step(Step::Assign { var: to, value }) = item
                        && to == var
                        && tampers(name, Some(value))
                    {
                        found.push(warn(&LINT, span, "the handshake of WebSockets is changed on its way"));
                    }
                });
                continue;
            }
            let hit = match edit {
                Edit::Set(name, value) | Edit::Add(name, value) => tampers(name, Some(value)),
                Edit::Remove(name) => tampers(name, None),
                _ => false,
            };
            if hit {
                found.push(warn(
                    &LINT,
                    scene.place("http", "edits"),
                    "the handshake of WebSockets is changed on its way",
                ));
            }
        }
    }
}
