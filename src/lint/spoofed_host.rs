//! Hosts passed on unchecked.

use super::{Context, Lint, note};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Edit, Part},
};

pub(super) const LINT: Lint = Lint {
    code: "spoofed-host",
    what: r"The upstream is told the host exactly as the client wrote it, and any host is answered.",
    why: r"This host answers names that no other one claims, so that a client may write anything: links, password mails and cached pages of the application then name that host.",
    fix: r"send a host that was matched, and let a default host refuse the others",
    bad: &[
        r"server { listen 80 default_server; server_name _; location / { proxy_pass http://10.0.0.1; proxy_set_header Host $http_host; } }",
    ],
    good: &[
        r"server { listen 80 default_server; return 444; } server { listen 80; server_name a.example; location / { proxy_pass http://10.0.0.1; proxy_set_header Host $http_host; } }",
        r"server { listen 80; location / { proxy_pass http://10.0.0.1; proxy_set_header Host $host; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, _) in cx.forwards() {
        let default = cx.listeners(scene.host).any(|one| one.default == scene.host);
        let written = scene.set.http.edits.iter().flatten().find_map(|edit| match edit {
            Edit::Set(name, value) if name.is_field(b"Host") => Some(value),
            _ => None,
        });
        let raw = written.is_some_and(
            |value| matches!(&*value.0, [Part::Attr(Attr::Field(name))] if name.is_field(b"host")),
        );
        if default && raw {
            let span = scene.place("http", "edits");
            found.push(note(&LINT, span, "the upstream hears whatever host the client writes"));
        }
    }
}
