//! Default hosts that nobody chose.

use super::{Context, Lint, note};
use crate::{diagnostic::Diagnostic, ir::Kind};

pub(super) const LINT: Lint = Lint {
    code: "default-host-by-accident",
    what: r"Names that no host claims are answered by the first one, which has a name of its own.",
    why: r"Requests for any name that leads here, and those with an address in place of a name, get that host's site.",
    fix: r"write a host for all other names, that refuses them",
    bad: &[
        r"server { listen 80; server_name a.example; return 204; } server { listen 80; server_name b.example; return 204; }",
    ],
    good: &[
        r"server { listen 80 default_server; server_name _; return 444; } server { listen 80; server_name a.example; return 204; } server { listen 80; server_name b.example; return 204; }",
        r"server { listen 80; server_name a.example; return 204; }",
        r"server { listen 80 default_server; server_name a.example; return 204; } server { listen 80; server_name b.example; return 204; }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for listener in &cx.config.listeners {
        if listener.hosts.len() < 3 && listener.hosts.len() != 2 {
            continue;
        }
        let host = cx.config.host(listener.default);
        let named = |text: &[u8]| text.contains(&b'.') && !text.starts_with(b"_");
        let real =
            host.names.first().is_some_and(|pattern| pattern.kind == Kind::Exact && named(&pattern.text));
        // Whoever writes that it is the default has chosen.
        if real
            && !listener.chosen
            && !host.names.iter().any(|pattern| &*pattern.text == b"_" || pattern.text.is_empty())
        {
            found.push(note(
                &LINT,
                host.span,
                format!("names that nobody claims are answered by {}", host.name),
            ));
        }
    }
}
