//! Passwords over plain HTTP.

use super::{Context, Lint, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "password-without-tls",
    what: r"Users are asked for passwords over plain HTTP.",
    why: r"`Basic` credentials are readable for everybody on the way (RFC 7617 § 4).",
    fix: r"ask for them over TLS",
    bad: &[r#"<VirtualHost *:80>
ServerName a.example
<Location />
AuthType Basic
AuthName "a"
AuthUserFile /u
Require valid-user
</Location>
</VirtualHost>"#],
    good: &[r#"LoadModule ssl_module modules/mod_ssl.so
<VirtualHost *:443>
ServerName a.example
SSLEngine on
SSLCertificateFile /c
SSLCertificateKeyFile /k
<Location />
AuthType Basic
AuthName "a"
AuthUserFile /u
Require valid-user
</Location>
</VirtualHost>"#],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let (any, _) = cx.tls(scene.host);
        let own = &scene.own.access;
        let asks = matches!(own.credentials, Some(Some(_)))
            || ((own.realm.is_some() || own.passwords.is_some())
                && matches!(scene.set.access.realm, Some(Some(_)))
                && matches!(scene.set.access.passwords, Some(Some(_))));
        if asks
            && !any
            // Of a part of a configuration nobody knows where it is listened for.
            && cx.listeners(scene.host).any(|listener| listener.span.is_known())
        {
            let field = if own.credentials.is_some() {
                "credentials"
            } else if own.realm.is_some() {
                "realm"
            } else {
                "passwords"
            };
            found.push(warn(&LINT, scene.place("access", field), "passwords are sent in the clear"));
        }
    }
}
