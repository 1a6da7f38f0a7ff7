//! The configuration languages. Each lowers to the IR and knows no other.

pub mod apache;
mod ciphers;
pub mod iis;
pub mod nginx;

use std::{collections::BTreeMap, ffi::OsString, path::Path, path::PathBuf, sync::Arc};

use crate::{
    catalogue,
    diagnostic::{self, Diagnostic},
    ir::{self, local::Provider},
    raise::{Losses, Notes, Outline, Shape},
    source::{SourceMap, Span},
};

/// A configuration language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// nginx.conf
    Nginx,
    /// httpd.conf, .htaccess
    Apache,
    /// web.config, applicationHost.config
    Iis,
}

/// How to read a configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What relative paths are relative to.
    pub prefix: PathBuf,
    /// Directives from the command line, read before the file.
    pub directives: Option<OsString>,
    /// Directives from the command line, read after the file.
    pub directives_after: Option<OsString>,
    /// Names that are defined on the command line.
    pub defines: Vec<OsString>,
    /// Whether the file is away from its machine: what only that machine knows is a note when it is missing.
    pub offline: bool,
    /// Whether a part of a configuration is recognised as such; else everything counts as a whole one.
    pub parts: bool,
    /// Whether names of upstreams that do not resolve are errors.
    pub strict_names: bool,
    /// Whether the process may take ports below 1024 and change its user.
    pub root: bool,
    /// Files of the server's own that the configuration does not name.
    pub files: OwnFiles,
    /// Where programs are reached that a configuration names and that cannot run here: name and URL.
    pub handlers: Vec<(String, String)>,
    /// What the command line says about sites.
    pub iis: iis::Stage,
    /// Certificates to trust beside the system's, where a configuration relies on those of its machine.
    pub roots: Vec<PathBuf>,
    /// What else a configuration leaves to the machine it runs on.
    pub machine: Machine,
    /// Whether an earlier reading of it is served: what is wrong with a part that others can do without is no reason then
    /// to leave everything as it was.
    pub again: bool,
}

/// What a configuration leaves to the machine it runs on, and is given on the command line instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Whether content that has a coding is decoded where it has to be rewritten.
    pub decode: bool,
    /// Certificates of addresses: address, file of the chain, file of the key; an empty address is every one that has
    /// none.
    pub certificates: Vec<(String, PathBuf, PathBuf)>,
    /// A file with a line `user:hash` for each user, where a configuration knows users of its machine.
    pub users: Option<PathBuf>,
    /// A file with a line `group: user ...` for each group of them.
    pub groups: Option<PathBuf>,
    /// A file of certificates that clients are trusted by.
    pub clients: Option<PathBuf>,
    /// The folder for logs of requests that a configuration asks for; `None` is where it says.
    pub logs: Option<PathBuf>,
}

/// Where a server's own files are unless the configuration says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFiles {
    /// The process id; `None` writes none.
    pub pid: Option<PathBuf>,
    /// The log of errors; `None` is standard error.
    pub error_log: Option<PathBuf>,
    /// The log of requests; `None` writes none.
    pub access_log: Option<PathBuf>,
    /// The folder for contents of requests.
    pub content_temp: PathBuf,
    /// The folder for responses of HTTP upstreams.
    pub http_temp: PathBuf,
    /// The folder for responses of uwsgi upstreams.
    pub uwsgi_temp: PathBuf,
    /// The folder for responses of `FastCGI` upstreams.
    pub fastcgi_temp: PathBuf,
    /// The folder for responses of SCGI upstreams.
    pub scgi_temp: PathBuf,
}

/// What a configuration means.
#[derive(Debug, Default)]
pub struct Meaning {
    /// The configuration, as far as it could be understood.
    pub config: ir::Config,
    /// Who reads what directories bring, where any can.
    pub provider: Option<Arc<dyn Provider>>,
    /// What there is to say.
    pub found: Vec<Diagnostic>,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Apache, Self::Iis];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Iis => "iis",
        }
    }

    /// Recognises the language of a folder by the files in it: a site's folder, or a server's. `None` when nothing in
    /// it is a main file.
    pub fn of_folder(folder: &Path) -> Option<Self> {
        if iis::config_of(folder).is_some() {
            return Some(Self::Iis);
        }
        let file = main_file(folder);
        let nginx = file.file_name().is_some_and(|name| name == "nginx.conf");
        (file != folder).then_some(if nginx { Self::Nginx } else { Self::Apache })
    }

    /// Recognises the language of a file by its name and its text; what nothing speaks against is nginx's.
    pub fn detect(path: &Path, text: &[u8]) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
        match name.as_deref() {
            Some("web.config" | "applicationhost.config") => return Self::Iis,
            Some(".htaccess" | "httpd.conf" | "apache2.conf") => return Self::Apache,
            Some("nginx.conf") => return Self::Nginx,
            _ => {}
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let start = text.trim_ascii_start();
        if ["<?xml", "<configuration", "<!--"].iter().any(|mark| start.starts_with(mark.as_bytes())) {
            return Self::Iis;
        }
        if text.split(|&byte| byte == b'\n').any(is_apache) { Self::Apache } else { Self::Nginx }
    }

    /// Whether something in a file's name or text speaks for its language; else [`Self::detect`] only assumes one.
    pub fn is_recognised(path: &Path, text: &[u8]) -> bool {
        let named = Self::detect(path, b"") != Self::Nginx;
        let is_nginx = path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("nginx.conf"));
        let spoken = |line: &[u8]| {
            let line = line.trim_ascii();
            // A statement, a block, or a word that only this language has.
            let word =
                line.split(|byte| byte.is_ascii_whitespace() || *byte == b';').next().unwrap_or_default();
            !line.starts_with(b"#")
                && (matches!(line, [b'a'..=b'z' | b'A'..=b'Z' | b'"', .., b';' | b'{'])
                    || std::str::from_utf8(word).is_ok_and(|word| catalogue::nginx().get(word).is_some()))
        };
        named
            || is_nginx
            || Self::detect(path, text) != Self::Nginx
            || text.split(|&byte| byte == b'\n').any(spoken)
    }

    /// Whether it has blocks that are entered by their names.
    pub fn enters_blocks(self) -> bool {
        self == Self::Nginx
    }

    /// The text of an outline in this language.
    pub fn render(
        self,
        outline: &Outline<'_>,
        notes: &Notes<'_>,
        losses: &mut Losses,
        shape: Shape,
    ) -> String {
        match self {
            Self::Nginx => nginx::render::render(outline, notes, losses, shape),
            Self::Apache => apache::render::render(outline, notes, losses, shape),
            Self::Iis => iis::render::render(outline, notes, losses, shape),
        }
    }

    /// The words that settings are written with, by the settings' keys.
    pub fn setting_names(self) -> BTreeMap<String, Vec<String>> {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        match self {
            Self::Nginx => {
                for row in catalogue::nginx().all() {
                    if let Some(key) = &row.setting {
                        names.entry(key.clone()).or_default().extend(row.names.iter().cloned());
                    }
                }
                nginx::render::NAMES.iter().for_each(|(key, name)| {
                    names.entry((*key).to_owned()).or_default().push((*name).to_owned());
                });
            }
            Self::Apache => apache::render::NAMES
                .iter()
                .for_each(|(key, name)| names.entry((*key).to_owned()).or_default().push((*name).to_owned())),
            Self::Iis => iis::render::NAMES
                .iter()
                .for_each(|(key, name)| names.entry((*key).to_owned()).or_default().push((*name).to_owned())),
        }
        names
    }

    /// The block or section of a file around a place, of those that are for some requests only: what is included there
    /// may set anything in it.
    pub fn around(self, sources: &SourceMap, at: Span) -> Option<Span> {
        match self {
            Self::Nginx => nginx::around(sources, at),
            Self::Apache => apache::around(sources, at),
            Self::Iis => None,
        }
    }

    /// How much of a configuration a text is.
    pub fn shape(self, path: &Path, text: &[u8]) -> Shape {
        let word = |names: &[&str]| {
            text.split(|byte| b"\n;{}".contains(byte)).any(|line| {
                let word = line
                    .trim_ascii()
                    .split(|byte| byte.is_ascii_whitespace() || *byte == b'>')
                    .next()
                    .unwrap_or_default();
                names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
            })
        };
        match self {
            Self::Nginx if word(&["http", "events"]) => Shape::Whole,
            Self::Nginx if word(&["server", "upstream", "map"]) => Shape::Servers,
            Self::Nginx => Shape::Inside,
            Self::Apache if apache::alone::is_htaccess(path) => Shape::Inside,
            Self::Apache if word(&["Listen", "LoadModule"]) => Shape::Whole,
            Self::Apache if word(&["<VirtualHost"]) => Shape::Servers,
            Self::Apache => Shape::Inside,
            Self::Iis => {
                let whole = text.windows(23).any(|part| {
                    part == b"system.applicationHost/" || part.starts_with(b"<system.applicationHost")
                });
                if whole { Shape::Whole } else { Shape::Servers }
            }
        }
    }

    /// Reads and lowers the file at `path` with all that belongs to it.
    ///
    /// Never fails: whatever is wrong is a finding, and what could be understood is in the configuration.
    pub fn read(self, sources: &mut SourceMap, path: &Path, options: &Options) -> Meaning {
        let mut meaning = match self {
            Self::Nginx => {
                let (config, found) = nginx::read(sources, path, options);
                Meaning { config, provider: None, found }
            }
            Self::Apache => apache::read(sources, path, options),
            Self::Iis => {
                let (config, found) = iis::read(sources, path, options);
                Meaning { config, provider: None, found }
            }
        };
        diagnostic::sort(&mut meaning.found);
        meaning
    }
}

/// Whether a line can only be Apache's: a section, or a directive that no `;` ends.
fn is_apache(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    if line.is_empty() || b"#;{}".contains(&line[0]) || b";{}".contains(&line[line.len() - 1]) {
        return false;
    }
    let own = std::str::from_utf8(word).is_ok_and(|word| catalogue::nginx().get(word).is_some());
    // A word alone may be the beginning of anything.
    let whole = word.len() < line.len() || line.ends_with(b">");
    !own && whole && apache::catalogue::catalogue().get(word).is_some()
}

/// The main file of a folder that holds a whole configuration; any other path is itself.
pub fn main_file(path: &Path) -> PathBuf {
    let names = ["apache2.conf", "httpd.conf", "conf/httpd.conf", "nginx.conf", "conf/nginx.conf"];
    let inside = names.iter().map(|name| path.join(name)).find(|file| path.is_dir() && file.is_file());
    inside.unwrap_or_else(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_for_no_language_is_known() {
        for (name, text, is) in [
            ("site", "", false),
            ("site", "# a comment;\n", false),
            ("site", "dear reader,\nhello\n", false),
            ("a.out", "\u{7f}ELF\u{1}\0\0", false),
            ("nginx.conf", "", true),
            (".htaccess", "", true),
            ("site", "server {\n}\n", true),
            ("site", "  listen\n 80;", true),
            ("site", "RewriteEngine on\n", true),
            ("site", "<configuration/>", true),
        ] {
            assert_eq!(Dialect::is_recognised(Path::new(name), text.as_bytes()), is, "{name}: {text}");
        }
    }

    #[test]
    fn languages_are_told_apart() {
        let table: [(&str, &str, Dialect); 15] = [
            ("nginx.conf", "<VirtualHost *:80>", Dialect::Nginx),
            ("site", "server {\n  listen 80;\n  location / { }\n}", Dialect::Nginx),
            ("site", "", Dialect::Nginx),
            ("site", "# <VirtualHost *:80>\nserver { }", Dialect::Nginx),
            ("site", "log_format a '<Directory';", Dialect::Nginx),
            ("site", "<VirtualHost *:80>\n  ServerName a\n</VirtualHost>", Dialect::Apache),
            ("site", "  RewriteEngine on\r\n", Dialect::Apache),
            (".htaccess", "", Dialect::Apache),
            ("x", "<ifmodule mod_rewrite.c>\nrewriteengine on\n</ifmodule>", Dialect::Apache),
            ("x", "# a\nProxyPreserveHost On", Dialect::Apache),
            ("x", "listen 80\n  ssl;\nserver_name a;", Dialect::Nginx),
            ("x", "map $a $b {\n  Listen 1;\n}", Dialect::Nginx),
            ("site", "\u{feff}<?xml version=\"1.0\"?>\n<configuration/>", Dialect::Iis),
            ("site", "<configuration><system.webServer/></configuration>", Dialect::Iis),
            ("Web.config", "", Dialect::Iis),
        ];
        for (name, text, dialect) in table {
            assert_eq!(Dialect::detect(Path::new(name), text.as_bytes()), dialect, "{name}: {text}");
        }
    }
}
