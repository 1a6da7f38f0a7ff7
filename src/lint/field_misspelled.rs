//! Security fields with values that mean nothing.

use super::{Context, Lint, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "field-misspelled",
    what: r"A field for security has a value that browsers do not know.",
    why: r"They ignore it, so that the protection is off although it was written.",
    fix: r"`X-Frame-Options: DENY` or `SAMEORIGIN`, `X-Content-Type-Options: nosniff`, `Referrer-Policy: no-referrer`",
    bad: &[
        r"server { listen 80; add_header X-Content-Type-Options sniff; location / { root /x; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set X-Frame-Options "ALLOW-FROM https://a.example"
</VirtualHost>"#,
        r#"<configuration><system.webServer>
<httpProtocol><customHeaders><add name="X-Content-Type-Options" value="no-sniff" /></customHeaders></httpProtocol>
</system.webServer></configuration>"#,
    ],
    good: &[
        r"server { listen 80; add_header X-Content-Type-Options nosniff; location / { root /x; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set X-Frame-Options "SAMEORIGIN"
</VirtualHost>"#,
        r#"<configuration><system.webServer>
<httpProtocol><customHeaders><add name="X-Content-Type-Options" value="nosniff" /></customHeaders></httpProtocol>
</system.webServer></configuration>"#,
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    const KNOWN: [(&str, &[&str]); 2] =
        [("X-Frame-Options", &["deny", "sameorigin"]), ("X-Content-Type-Options", &["nosniff"])];
    for scene in &cx.scenes {
        for (name, value) in scene.adds() {
            let Some((_, known)) = KNOWN.iter().find(|(field, _)| name.is_field(field.as_bytes())) else {
                continue;
            };
            let Some(text) = value.as_text().filter(|text| !text.is_empty()) else { continue };
            let text = String::from_utf8_lossy(text).trim().to_ascii_lowercase();
            if !known.contains(&text.as_str()) {
                found.push(warn(
                    &LINT,
                    scene.place("answer", "on_response"),
                    format!("browsers know no {name}: `{text}`"),
                ));
            }
        }
    }
}
