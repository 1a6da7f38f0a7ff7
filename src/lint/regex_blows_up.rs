//! Patterns that can take exponential time.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::walk::{self, Item},
    plan::pattern::blows_up,
};

pub(super) const LINT: Lint = Lint {
    code: "regex-blows-up",
    what: r"A repetition holds a repetition of the same.",
    why: r"A backtracking matcher tries every way to divide the text between the two: a request of a hundred bytes can keep it busy for hours. Such patterns run here without backtracking; elsewhere they do not, and with look-around or back-references they do here too, up to a limit.",
    fix: r"repeat once: `(a+)+` is `a+`",
    bad: &[
        r"server { listen 80; location ~ ^/(a+)+$ { return 204; } }",
        r"<VirtualHost *:80>
ServerName a.example
RewriteEngine On
RewriteRule ^/(a+)+$ /b
</VirtualHost>",
        r#"<configuration><system.webServer>
<rewrite><rules>
<rule name="a"><match url="^(a+)+$" /><action type="Rewrite" url="b" /></rule>
</rules></rewrite>
</system.webServer></configuration>"#,
    ],
    good: &[
        r"server { listen 80; location ~ ^/(a+)b$ { return 204; } }",
        r"server { listen 80; location ~ ^/([a-z]+/)+$ { return 204; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut said = Vec::new();
    walk::config(cx.config, &mut |item, span| {
        if let Item::Pattern(pattern) = item
            && span.is_known()
            && blows_up(pattern)
            && !said.contains(&(span.file, span.start))
        {
            said.push((span.file, span.start));
            found.push(warn(
                &LINT,
                span,
                format!("`{}` can be matched in exponentially many ways", pattern.text),
            ));
        }
    });
}
