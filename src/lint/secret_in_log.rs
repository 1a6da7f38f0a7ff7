//! Secrets in access logs.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Part},
};

pub(super) const LINT: Lint = Lint {
    code: "secret-in-log",
    what: r"Passwords, tokens or cookies of clients are written to the access log.",
    why: r"Logs are read by more people, kept longer and copied to more places than secrets may be.",
    fix: r"leave the field out of the format",
    bad: &[
        r"log_format all '$remote_addr $http_authorization'; server { listen 80; access_log /l all; location / { root /x; } }",
        r#"<VirtualHost *:80>
ServerName a.example
CustomLog /l "%h %{Cookie}i"
</VirtualHost>"#,
    ],
    good: &[
        r"log_format all '$remote_addr $request'; server { listen 80; access_log /l all; location / { root /x; } }",
        r#"<VirtualHost *:80>
ServerName a.example
CustomLog /l "%h %{User-agent}i"
</VirtualHost>"#,
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let secret = |attr: &Attr| match attr {
        Attr::Field(name) | Attr::FieldList(name) => [
            "authorization",
            "cookie",
            "proxy-authorization",
            "x-api-key",
            "proxy_authorization",
            "x_api_key",
        ]
        .iter()
        .any(|one| name.eq_ignore_ascii_case(one.as_bytes())),
        Attr::Param(name) => ["password", "passwd", "token", "access_token", "api_key", "secret"]
            .iter()
            .any(|one| name.eq_ignore_ascii_case(one.as_bytes())),
        _ => false,
    };
    let mut said = Vec::new();
    for scene in &cx.scenes {
        for log in scene.own.logs.access.iter().flatten().chain(cx.config.common.logs.access.iter().flatten())
        {
            let tells = log.format.line.0.iter().any(|part| matches!(part, Part::Attr(attr) if secret(attr)));
            if tells && !said.contains(&log.format.name) {
                said.push(log.format.name.clone());
                found.push(warn(
                    &LINT,
                    scene.place("logs", "access"),
                    "the log holds what clients prove themselves with",
                ));
            }
        }
    }
}
