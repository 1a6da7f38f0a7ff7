//! Rules behind one that always ends the list.

use super::{
    Context, Lint,
    ask::{ends, takes_everything},
    warn,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Step,
        walk::{self, Item},
    },
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "unreachable-rule",
    what: r"An earlier rule takes every request and ends the list.",
    why: r"The rules behind it are never tried.",
    fix: r"put the rule that takes everything last",
    bad: &[
        r#"<configuration><system.webServer>
<rewrite><rules>
<rule name="all" stopProcessing="true"><match url="(.*)" /><action type="Rewrite" url="http://10.0.0.1/{R:1}" /></rule>
<rule name="ws" stopProcessing="true"><match url="^ws/(.*)" /><action type="Rewrite" url="http://10.0.0.2/{R:1}" /></rule>
</rules></rewrite>
</system.webServer></configuration>"#,
        r"<VirtualHost *:80>
ServerName a.example
RewriteEngine On
RewriteRule ^(.*)$ http://10.0.0.1$1 [P]
RewriteRule ^/ws/(.*) ws://10.0.0.2/$1 [P]
</VirtualHost>",
    ],
    good: &[
        r#"<configuration><system.webServer>
<rewrite><rules>
<rule name="ws" stopProcessing="true"><match url="^ws/(.*)" /><action type="Rewrite" url="http://10.0.0.2/{R:1}" /></rule>
<rule name="all" stopProcessing="true"><match url="(.*)" /><action type="Rewrite" url="http://10.0.0.1/{R:1}" /></rule>
</rules></rewrite>
</system.webServer></configuration>"#,
        r"<VirtualHost *:80>
ServerName a.example
RewriteEngine On
RewriteRule ^/ws/(.*) ws://10.0.0.2/$1 [P]
RewriteRule ^(.*)$ http://10.0.0.1$1 [P]
</VirtualHost>",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, _| {
            let Item::Block(block, false) = item else { return };
            let mut taken: Option<Span> = None;
            for (step, span) in &block.steps {
                if let (Some(by), Step::When { .. }) = (taken, step)
                    && span.is_known()
                    && (span.file, span.start) != (by.file, by.start)
                {
                    found.push(
                        warn(&LINT, *span, "no request comes here")
                            .label(by, "takes everything and ends the list"),
                    );
                    return;
                }
                if let Step::When { test, then, .. } = step
                    && takes_everything(test)
                    && ends(then)
                {
                    taken = Some(*span);
                }
            }
        });
    }
}
