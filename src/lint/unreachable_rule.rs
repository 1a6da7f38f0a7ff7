//! Rules behind one that always ends the list.

use super::{Context, Lint, ask::each_behind_all, warn};
use crate::{diagnostic::Diagnostic, source::Span};

pub(super) const LINT: Lint = Lint {
    code: "unreachable-rule",
    what: r"An earlier rule takes every request that this one could, and ends the list.",
    why: r"This one is never tried.",
    fix: r"put the rule that takes more behind the one that takes less",
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
        let mut said: Vec<Span> = Vec::new();
        each_behind_all(host, &mut |_, span, by| {
            // Once for each list.
            if !said.contains(&by) {
                said.push(by);
                found.push(
                    warn(&LINT, span, "no request comes here")
                        .label(by, "takes its requests and ends the list"),
                );
            }
        });
    }
}
