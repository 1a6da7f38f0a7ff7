//! Hosts passed on unchecked.

use super::{Context, Lint, Scene, note};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Edit, Part, Step, Test, VarId, VarKind},
    source::Span,
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
        if !cx.listeners(scene.host).any(|one| one.default == scene.host) {
            continue;
        }
        let edits = cx.http(scene, |http| http.edits.clone()).unwrap_or_default();
        let Some(written) = edits.iter().find_map(|edit| match edit {
            Edit::Set(name, value) if name.is_field(b"Host") => Some(value),
            _ => None,
        }) else {
            continue;
        };
        let place = match &*written.0 {
            [part] if is_raw(part) => Some(scene.place("http", "edits")),
            // What is sent depends on a switch: where is it turned on for all requests?
            [Part::Var(var)] => switched(cx, scene, *var),
            _ => None,
        };
        if let Some(place) = place {
            found.push(note(&LINT, place, "the upstream hears whatever host the client writes"));
        }
    }
}

fn is_raw(part: &Part) -> bool {
    matches!(part, Part::Attr(Attr::Field(name)) if name.is_field(b"host"))
}

/// Where the switch is turned on that makes a choice the host as the client wrote it.
fn switched(cx: &Context<'_>, scene: &Scene<'_>, var: VarId) -> Option<Span> {
    let VarKind::Choice { choices, .. } = &cx.config.vars[var.0 as usize].kind else { return None };
    let raw = choices.iter().find(|choice| matches!(&*choice.value.0, [part] if is_raw(part)))?;
    let switch = asked(&raw.test)?;
    let hooks = scene.set.hooks.iter().flat_map(|hook| &hook.blocks);
    let mut last = hooks.flat_map(|block| &block.steps).filter_map(|(step, span)| match step {
        Step::Assign { var, value } if *var == switch => Some((value, *span)),
        _ => None,
    });
    last.next_back().filter(|(value, _)| !value.is_empty()).map(|(_, span)| span)
}

/// The variable that a test asks for.
fn asked(test: &Test) -> Option<VarId> {
    match test {
        Test::Truthy(value) => match &*value.0 {
            [Part::Var(var)] => Some(*var),
            _ => None,
        },
        Test::All(tests) => tests.iter().find_map(asked),
        _ => None,
    }
}
