//! Patterns for hosts that match more than the name.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::Kind};

pub(super) const LINT: Lint = Lint {
    code: "unanchored-host",
    what: r"The pattern for a host's name is not bound to its beginning and end.",
    why: r"`example\.com` matches `example.com.evil.net` and `notexample.com`, too.",
    fix: r"begin the pattern with `^` and end it with `$`",
    bad: &[r"server { listen 80; server_name ~example\.com; return 204; }"],
    good: &[r"server { listen 80; server_name ~^(www\.)?example\.com$; return 204; }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        for pattern in host.names.iter().filter(|pattern| matches!(pattern.kind, Kind::Regex(_))) {
            let text = &pattern.text;
            let (start, end) = (
                text.starts_with(b"^") || text.starts_with(b"\\A"),
                text.ends_with(b"$") || text.ends_with(b"\\z"),
            );
            let open = |side: &[u8]| side == b".*" || side == b".+";
            let free = text.len() >= 2 && (open(&text[..2]) || open(&text[text.len() - 2..]));
            let anchored = start && end;
            if !anchored && !free {
                found.push(warn(&LINT, host.span, format!("`{text}` matches longer names, too")));
            }
        }
    }
}
