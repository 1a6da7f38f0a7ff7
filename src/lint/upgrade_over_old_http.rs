//! `WebSockets` over HTTP/1.0.

use super::{Context, Lint, Scene, is_word, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Part, Step, Test,
        walk::{self, Item},
    },
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "upgrade-over-old-http",
    what: r"The handshake of a WebSocket is sent on in HTTP/1.0.",
    why: r"HTTP/1.0 has no `Upgrade` (RFC 9110 § 7.8): the upstream ignores it.",
    fix: r"send requests to the upstream in HTTP/1.1",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    const SAID: &str = "the upgrade is asked for in HTTP/1.0, which has none: no WebSocket is opened";
    for (scene, forward) in cx.forwards() {
        let switch = cx.switch(scene);
        let connection = switch.connection.as_ref().is_some_and(|value| !is_word(value, "close"));
        if switch.upgrade.is_some() && connection && !switch.modern {
            found.push(warn(&LINT, scene.place("http", "edits"), SAID));
            continue;
        }
        if !switch.own || cx.socket_ways(scene, forward).is_empty() {
            continue;
        }
        let version = cx.http(scene, |http| http.version);
        if version == Some(10) {
            found.push(warn(&LINT, scene.place("http", "version"), SAID));
            continue;
        }
        // A switch that a block behind the route asks for.
        let old =
            cx.scenes.iter().filter(|other| other.host == scene.host && other.own.http.version == Some(10));
        for other in old.filter(|other| !std::ptr::eq(other.block, scene.block)) {
            let Some(span) = switched(cx, scene, other) else { continue };
            found.push(warn(&LINT, span, SAID));
        }
    }
}

/// Where the variable is set, for all requests of a scene, that another scene asks for.
fn switched(cx: &Context<'_>, scene: &Scene<'_>, asks: &Scene<'_>) -> Option<Span> {
    let mut wanted = None;
    walk::block(&cx.host(scene).request, false, &mut |item, _| {
        if let Item::Step(Step::When { test: Test::Present(value), then, .. }) = item
            && let [Part::Var(var)] = &*value.0
        {
            walk::block(then, false, &mut |inner, _| {
                if let Item::Block(block, _) = inner
                    && std::ptr::eq(block, asks.block)
                {
                    wanted = Some(*var);
                }
            });
        }
    });
    let wanted = wanted?;
    let hooks = scene.set.hooks.iter().flat_map(|hook| &hook.blocks);
    let mut set = hooks.flat_map(|block| &block.steps).filter_map(|(step, span)| match step {
        Step::Assign { var, .. } if *var == wanted => Some(*span),
        _ => None,
    });
    set.next()
}
