//! Requests sent to the server itself.

use super::{
    Context, Lint,
    ask::{always_assigned, authority_of, socket},
    first_var, warn,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Address, Part, Template, Upstream},
};

pub(super) const LINT: Lint = Lint {
    code: "forwards-to-itself",
    what: r"The upstream is an address that this configuration listens on.",
    why: r"Requests go round until no connection is left.",
    fix: r"name the application's address",
    bad: &[
        r"server { listen 127.0.0.1:8080; location / { proxy_pass http://127.0.0.1:8080; } }",
        r"Listen 8080
<VirtualHost *:8080>
ServerName a.example
ProxyPass / http://127.0.0.1:8080/
</VirtualHost>",
    ],
    good: &[
        r"server { listen 127.0.0.1:8080; location / { proxy_pass http://127.0.0.1:8081; } }",
        r"server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8080; proxy_set_header Host b.example; } } server { listen 8080; server_name b.example; return 204; }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let some = scene.conditional || scene.path.is_some_and(|path| &*path.text != b"/");
        let mut place = scene.block.span;
        let to: Vec<(Vec<u8>, u16)> = match &forward.to {
            // Where only some come by themselves, a rule may send all.
            Upstream::Url(url) | Upstream::Dynamic(url) if some => {
                let Some(var) = first_var(url) else { continue };
                let all = always_assigned(cx, &cx.host(scene).request, var);
                let text = |value: &Template| match value.0.first() {
                    Some(Part::Text(text)) => authority_of(text),
                    _ => None,
                };
                place = all.first().map_or(place, |(_, span)| *span);
                all.iter().filter_map(|(value, _)| text(value)).collect()
            }
            _ if some => continue,
            Upstream::Cluster(id) => cx
                .config
                .cluster(*id)
                .endpoints
                .iter()
                .map(|one| (one.address.to_vec(), one.default_port))
                .collect(),
            Upstream::Url(_) | Upstream::Dynamic(_) => cx
                .urls(scene, forward)
                .iter()
                .filter_map(|(url, _)| match url.0.first() {
                    Some(Part::Text(text)) => authority_of(text),
                    _ => None,
                })
                .collect(),
        };
        let others = cx.listeners(scene.host).any(|one| one.hosts.len() > 1);
        for (address, port) in to {
            let Some(address) = socket(&address, port) else { continue };
            let own = cx.listeners(scene.host).any(|one| match one.address {
                Address::Tcp(at) => {
                    at.port() == address.port()
                        && (at.ip() == address.ip()
                            || (at.ip().is_unspecified() && address.ip().is_loopback()))
                }
                Address::Unix(_) => false,
            });
            if own && !others {
                found.push(warn(
                    &LINT,
                    place,
                    format!("the request is sent to {address}, where it came from"),
                ));
            }
        }
    }
}
