//! A slash on one side of a mapping.

use super::{
    Context, Lint,
    ask::{before_rest, beginning, each_bound},
    speaks_of_path, warn,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Host, Kind, Part, Step, Target, Upstream},
};

pub(super) const LINT: Lint = Lint {
    code: "slash-mismatch",
    what: r"Of the prefix and what stands in its place one ends in a slash and the other does not.",
    why: r"The upstream is asked for paths with two slashes, or with two names grown together: `/app/x` becomes `/basex`, `/appx` becomes `/base/x`.",
    fix: r"end both in a slash, or neither",
    bad: &[
        r"server { listen 80; location /app/ { proxy_pass http://10.0.0.1/base; } }",
        r"<VirtualHost *:80>
ServerName a.example
ProxyPass /app/ http://10.0.0.1/base
</VirtualHost>",
    ],
    good: &[
        r"server { listen 80; location /app/ { proxy_pass http://10.0.0.1/base/; } }",
        r"server { listen 80; location /app { proxy_pass http://10.0.0.1/base; } }",
        r"server { listen 80; location / { proxy_pass http://10.0.0.1/; } }",
        r"<VirtualHost *:80>
ServerName a.example
ProxyPass /app/ http://10.0.0.1/base/
</VirtualHost>",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let Some(path) = scene.path.filter(|path| path.kind == Kind::Prefix && path.text.len() > 1) else {
            continue;
        };
        let with = match (&forward.target, &forward.to) {
            (Target::Replace { with, cut }, _) if *cut as usize == path.text.len() => {
                with.as_text().map(<[u8]>::to_vec)
            }
            (_, Upstream::Url(_)) => cx.urls(scene, forward).iter().find_map(|(url, _)| before_rest(url)),
            _ => None,
        };
        let Some(with) = with.filter(|with| !with.is_empty()) else { continue };
        let (ours, theirs) = (path.text.ends_with(b"/"), with.ends_with(b"/"));
        if ours && !theirs {
            let message = format!("`{}x` is sent on as `{}x`", path.text, String::from_utf8_lossy(&with));
            found.push(warn(&LINT, scene.block.span, message));
        } else if theirs && !ours && with != b"/" {
            let message = format!("`{}/x` is sent on as `{}/x`", path.text, String::from_utf8_lossy(&with));
            found.push(warn(&LINT, scene.block.span, message));
        }
    }
    for host in &cx.config.hosts {
        rules(host, found);
    }
}

/// Rules that put what an expression took behind a text.
fn rules(host: &Host, found: &mut Vec<Diagnostic>) {
    each_bound(&host.request, &mut Vec::new(), &mut |step, span, bound| {
        let (Step::Rewrite { path: Some(value), .. } | Step::Assign { value, .. }) = step else { return };
        let [Part::Text(text), part, ..] = value.0.as_slice() else { return };
        let part = match part {
            Part::Escape(_, inner) => inner.0.first(),
            part => Some(part),
        };
        let Some(Part::Capture(register, 1)) = part else { return };
        let taken = bound.iter().rev().find(|(known, ..)| known == register);
        let Some((_, _, pattern)) = taken.filter(|(_, subject, _)| speaks_of_path(subject)) else { return };
        let Some((ours, rest)) = beginning(pattern) else { return };
        let theirs = match memchr::memmem::find(text, b"://") {
            Some(at) => {
                memchr::memchr(b'/', &text[at + 3..]).map_or(&b""[..], |slash| &text[at + 3 + slash..])
            }
            None => text,
        };
        let whole: [&[u8]; 4] = [b"(.*)", b"(.*)$", b"(.+)", b"(.+)$"];
        let odd = theirs.iter().any(|byte| matches!(byte, b'?' | b'=' | b'&' | b':'));
        let bare = ours.strip_prefix(b"/").unwrap_or(&ours);
        if !whole.contains(&rest) || odd || bare.is_empty() || theirs.len() < 2 || !theirs.starts_with(b"/") {
            return;
        }
        let shown = (String::from_utf8_lossy(bare), String::from_utf8_lossy(theirs));
        if bare.ends_with(b"/") && theirs.last().is_some_and(u8::is_ascii_alphanumeric) {
            found.push(warn(&LINT, span, format!("`/{}x` becomes `{}x`", shown.0, shown.1)));
        } else if bare.last().is_some_and(u8::is_ascii_alphanumeric) && theirs.ends_with(b"/") {
            found.push(warn(&LINT, span, format!("`/{}/x` becomes `{}/x`", shown.0, shown.1)));
        }
    });
}
