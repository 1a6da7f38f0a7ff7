//! A slash on one side of a mapping.

use super::{Context, Lint, ask::before_rest, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Kind, Target, Upstream},
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
}
