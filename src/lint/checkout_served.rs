//! A folder of sources that is served whole, `.git` and `.env` with it.

use super::{Context, Lint, note};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Host, HostId, Pattern, Template,
        walk::{self, Item},
    },
};

pub(super) const LINT: Lint = Lint {
    code: "checkout-served",
    what: r"The folder of an application is served whole, and nothing keeps names that begin with a dot back.",
    why: r"A checkout holds `.git` and often `.env`: who asks for them has the sources and the passwords.",
    fix: r"serve the folder that is meant for the public (`public`, `dist`), or refuse paths with `/.`",
    bad: &[
        r"server { listen 80; root /srv/app; location / { try_files $uri /index.php; } }",
        "<VirtualHost *:80>\nServerName a.example\nDocumentRoot /srv/app\n</VirtualHost>",
    ],
    good: &[
        r"server { listen 80; root /srv/app/public; location / { try_files $uri /index.php; } }",
        r"server { listen 80; root /srv/app; location / { } location ~ /\. { deny all; } }",
        r"server { listen 80; root /srv/app; location / { proxy_pass http://10.0.0.1; } }",
        "<VirtualHost *:80>\nServerName a.example\nDocumentRoot /srv/app\nRedirectMatch 404 /\\.git\n</VirtualHost>",
    ],
    look: Some(look),
};

/// Last names of folders that hold what is meant to be seen.
const PUBLIC: [&str; 18] = [
    "_site",
    "assets",
    "build",
    "dist",
    "docs",
    "files",
    "htdocs",
    "html",
    "media",
    "out",
    "pub",
    "public",
    "public_html",
    "static",
    "uploads",
    "web",
    "webroot",
    "www",
];

/// Last names of folders that applications are checked out into.
const SOURCES: [&str; 9] =
    ["app", "application", "code", "current", "project", "repo", "site", "source", "src"];

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let whole = scene.path.is_none_or(|path| &*path.text == b"/");
        let Some(root) = scene.own.files.root.as_ref().and_then(Template::as_text).filter(|_| whole) else {
            continue;
        };
        let root = String::from_utf8_lossy(root);
        let last = root.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if PUBLIC.contains(&last.as_str()) || !SOURCES.contains(&last.as_str()) {
            continue;
        }
        let host = cx.host(scene);
        if keeps_dots_back(host) || is_forwarded(cx, scene.host) {
            continue;
        }
        found.push(note(
            &LINT,
            scene.place("files", "root"),
            format!("`.git` and `.env` are served, if there are any in {root}"),
        ));
    }
}

/// Whether some rule of the host speaks of names that begin with a dot.
fn keeps_dots_back(host: &Host) -> bool {
    let mut speaks = false;
    let dots = |pattern: &Pattern| {
        let text = &pattern.text;
        [b"/\\.".as_slice(), b"/.", b"^\\.", b"\\.git", b"\\.env"]
            .iter()
            .any(|part| memchr::memmem::find(text, part).is_some())
            // What anything may follow is no name.
            && memchr::memmem::find(text, b"/.*").is_none()
    };
    walk::host(host, &mut |item, _| {
        if let Item::Pattern(pattern) = item {
            speaks |= dots(pattern);
        }
    });
    speaks
}

/// Whether an upstream answers where no other place does.
fn is_forwarded(cx: &Context<'_>, host: HostId) -> bool {
    cx.forwards().any(|(scene, _)| {
        let whole = scene.path.is_none_or(|path| &*path.text == b"/");
        scene.host == host && !scene.conditional && whole
    })
}
