//! One route to an application passes `WebSockets`, another does not.

use super::{
    Context, Lint, Scene,
    ask::{hosts_of, names_socket, own_member, ruled_socket, speaks_ws},
    warn,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Forward, Upstream},
};

pub(super) const LINT: Lint = Lint {
    code: "upgrade-in-one-of-two",
    what: r"Of two routes to the same upstream one passes WebSockets on and the other does not.",
    why: r"The page loads and the socket fails, or the other way round, depending on the path that the application uses.",
    fix: r"pass `Upgrade` and `Connection` on in both",
    bad: &[
        r"upstream app { server 10.0.0.1; } server { listen 80; location /api/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } location /socket.io/ { proxy_pass http://app; } }",
    ],
    good: &[
        r"upstream app { server 10.0.0.1; } server { listen 80; location / { proxy_pass http://app; } location /ws/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        if passes(cx, scene, forward) || !scene.path.is_some_and(names_socket) {
            continue;
        }
        let to = upstreams(cx, scene, forward);
        if ruled_socket(cx, scene, &to) {
            continue;
        }
        let other = cx.forwards().find(|(other, forward)| {
            other.host == scene.host
                && passes(cx, other, forward)
                && upstreams(cx, other, forward).iter().any(|one| to.contains(one))
        });
        if let Some((other, _)) = other {
            let path = scene.path.map(|path| path.text.to_string()).unwrap_or_default();
            let message = format!(
                "WebSockets at `{path}` do not pass, while those of another route to the same upstream do"
            );
            let off = scene.set.places.find("http", "upgrade").filter(|_| !cx.switch(scene).allowed);
            let place = off.unwrap_or(scene.block.span);
            let warning = warn(&LINT, place, message);
            let elsewhere = other.block.span;
            let known = elsewhere.is_known() && elsewhere != place;
            found.push(if known { warning.label(elsewhere, "passes them") } else { warning });
        }
    }
}

/// Whether a forward takes handshakes with it.
fn passes(cx: &Context<'_>, scene: &Scene<'_>, forward: &Forward) -> bool {
    let switch = cx.switch(scene);
    let urls = cx.urls(scene, forward);
    let told = urls.iter().any(|(url, _)| url.0.first().is_some_and(speaks_ws) || own_member(cx.config, url));
    told || switch.passes()
}

/// Whom a forward leads to, as far as that is written.
fn upstreams(cx: &Context<'_>, scene: &Scene<'_>, forward: &Forward) -> Vec<Vec<u8>> {
    match &forward.to {
        Upstream::Cluster(id) => vec![cx.config.cluster(*id).name.to_vec()],
        Upstream::Dynamic(_) | Upstream::Url(_) => {
            let urls = cx.urls(scene, forward);
            hosts_of(urls.iter().map(|(url, _)| *url))
        }
    }
}
