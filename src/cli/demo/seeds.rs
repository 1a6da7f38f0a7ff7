//! The configurations of the demonstration: fixtures, with port numbers that are free here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A fixture and what to try on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed {
    /// Its name.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) about: &'static str,
    /// Paths worth opening.
    pub(super) paths: &'static [&'static str],
    text: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! seed {
    ($name:literal, $about:literal, [$($path:literal),*], [$($file:literal),*]) => {
        Seed {
            name: $name,
            about: $about,
            paths: &[$($path),*],
            text: include_str!(concat!("../../../fixtures/nginx/seed/", $name, ".conf")),
            files: &[$((
                $file,
                include_str!(concat!("../../../fixtures/nginx/seed/", $name, ".files/", $file)),
            )),*],
        }
    };
}

/// All of them but those that need a certificate; the first serves the page.
pub(super) const SEEDS: &[Seed] = &[
    seed!(
        "console",
        "this page: a reverse proxy, WebSockets, files, redirects",
        [
            "/hello",
            "/ws/plain",
            "/room/blue",
            "/files/hello.txt",
            "/files/nothing",
            "/health",
            "/old",
            "/go/hello",
            "/down"
        ],
        ["html/files/hello.txt", "html/files/missing.txt"]
    ),
    seed!("tutorial_websocket", "the configuration of every WebSocket tutorial", ["/", "/anything"], []),
    seed!(
        "single_page_application",
        "files, a fallback for the application's routes, an API behind it",
        ["/", "/some/route", "/app.js", "/api/items?id=1", "/down"],
        ["html/index.html", "html/app.js", "html/errors/50x.html"]
    ),
    seed!(
        "cms_front_controller",
        "rewriting for a content management system",
        ["/page.html", "/some/article", "/old/12/title", "/feed", "/uploads/x.php"],
        ["html/index.php", "html/page.html"]
    ),
    seed!(
        "canary_and_maintenance",
        "a maintenance page, shown because html/maintenance.on exists, and users split between two clusters",
        ["/", "/split?user=a", "/split?user=user1"],
        ["html/maintenance.on", "html/errors/maintenance.html"]
    ),
    seed!("cors_and_preflight", "cross-origin requests", ["/api/items"], []),
    seed!(
        "port_and_path_mapping",
        "paths cut and added on the way",
        ["/app1/x", "/app2/y?z", "/tenant/acme/a/b", "/health", "/static/a.txt"],
        ["html/assets/a.txt"]
    ),
];

/// The ports that seeds listen on, as written, and those of the origins in them.
const LISTEN: std::ops::Range<u16> = 18080..18090;
const ORIGINS: std::ops::Range<u16> = 19001..19006;

impl Seed {
    /// Its text with the ports that are used here, and the first port that it leaves free.
    pub(super) fn text(&self, first: u16, origins: &[u16]) -> (String, u16) {
        let mut text = self.text.to_owned();
        let mut next = first;
        for written in LISTEN.map(|port| port.to_string()) {
            if text.contains(&written) {
                text = text.replace(&written, &next.to_string());
                next += 1;
            }
        }
        for (written, real) in ORIGINS.zip(origins.iter().cycle()) {
            text = text.replace(&written.to_string(), &real.to_string());
        }
        (text, next)
    }

    /// Writes it with its files to a folder of its own; the configuration's path.
    pub(super) fn write(&self, folder: &Path, text: &str) -> io::Result<PathBuf> {
        let folder = folder.join(self.name);
        fs::create_dir_all(&folder)?;
        for (name, content) in self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(path, content)?;
        }
        let path = folder.join("nginx.conf");
        fs::write(&path, text)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_replaced() {
        let mut first = 8080;
        for seed in SEEDS {
            let (text, next) = seed.text(first, &[1, 2, 3, 4]);
            assert!(text.contains(&format!("listen {first};")) && next > first, "{text}");
            for left in ["1808", "19001", "19002", "19003", "19004", "19005"] {
                assert!(!text.contains(left), "{left} in {text}");
            }
            first = next;
        }
    }
}
