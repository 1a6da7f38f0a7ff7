//! The catalogue: every directive of a server, one row each.
//!
//! Rows are data in `grammar/`, compiled in and read once. A row says where a
//! directive may stand, what it takes, and what becomes of it here; it is used
//! to check a file, to lower and render scalar directives, and to write
//! `SUPPORT.md`. This module knows no more of a server than its files' names.
//!
//! A file is a `[module]` table (name, `doc`, and what its rows have in common:
//! `since`) followed by one table per directive:
//!
//! ```toml
//! [proxy_read_timeout]
//! in = ["http", "server", "location"]   # contexts, see `Level`
//! args = "time"                         # see `Args`
//! default = "60s"
//! status = "honoured"                   # honoured | inert | refused
//! setting = "forward.read_timeout"      # the setting a plain value goes to
//! ```
//!
//! The key is the directive's name unless `names` says otherwise. `why` is
//! obligatory for inert and refused rows. `repeat` allows several in one block.
//! `harmless` lists arguments with which a refused directive changes nothing; its
//! default is one of them anyway. `needs` names directives without one of which a
//! refused one changes nothing.

pub mod args;
pub mod level;
mod load;
mod support;
mod third_party;

use std::{collections::HashMap, sync::OnceLock};

pub use args::{Alt, Args, Kind, Value};
pub use level::{Level, Levels};
pub use support::{support_markdown, support_summary};
pub use third_party::ThirdParty;

/// One directive.
#[derive(Debug)]
pub struct Directive {
    /// Its names; more than one when several directives differ in nothing but the name.
    pub names: Vec<String>,
    /// Where it may stand.
    pub contexts: Levels,
    /// What it takes.
    pub args: Args,
    /// The arguments in force when it is absent.
    pub default: Option<String>,
    /// What becomes of it here.
    pub status: Status,
    /// The setting its one plain value goes to, as `group.field`.
    pub setting: Option<String>,
    /// Whether one block may hold several.
    pub repeat: bool,
    /// Arguments with which a refused directive changes nothing.
    pub harmless: Vec<String>,
    /// Directives without one of which a refused directive changes nothing.
    pub needs: Vec<String>,
    /// Its documentation; `{name}` stands for the directive's name.
    pub doc: String,
    /// The version of the server it appeared in, when that is newer than the model version.
    pub since: Option<String>,
    /// The version of the server that no longer knows it.
    pub until: Option<String>,
    /// The module it belongs to.
    pub module: String,
}

/// What becomes of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what it does in the original.
    Honoured,
    /// It is accepted and has no effect.
    Inert {
        /// Why it needs none.
        why: String,
    },
    /// A configuration with it does not start.
    Refused {
        /// Why, and what to use.
        why: String,
    },
}

/// All directives of one server.
#[derive(Debug)]
pub struct Catalogue {
    rows: Vec<Directive>,
    by_name: HashMap<String, Vec<usize>>,
    third_party: Vec<ThirdParty>,
}

/// What the catalogue knows of a name at a level.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// A directive that may stand there.
    Row(&'static Directive),
    /// A directive that may only stand elsewhere; the first of its rows.
    Elsewhere(&'static Directive),
    /// A directive of a module that the original does not come with.
    ThirdParty(&'static ThirdParty),
    /// Nothing.
    Unknown,
}

impl Catalogue {
    /// All rows.
    pub fn all(&self) -> &[Directive] {
        &self.rows
    }

    /// The first row of a name, wherever it may stand.
    pub fn get(&self, name: &str) -> Option<&Directive> {
        self.rows(name).next()
    }

    /// The rows of a name; several when the same name means different things in different places.
    pub fn rows(&self, name: &str) -> impl Iterator<Item = &Directive> {
        self.by_name.get(name).into_iter().flatten().map(|&at| &self.rows[at])
    }

    /// The row of a name at a level, or what else is known of it.
    pub fn find(&'static self, name: &str, level: Level) -> Found {
        if let Some(row) = self.rows(name).find(|row| row.contexts.contains(level)) {
            return Found::Row(row);
        }
        if let Some(row) = self.get(name) {
            return Found::Elsewhere(row);
        }
        self.third_party(name).map_or(Found::Unknown, Found::ThirdParty)
    }

    /// The third-party module that a name belongs to.
    pub fn third_party(&self, name: &str) -> Option<&ThirdParty> {
        self.third_party.iter().find(|module| module.knows(name))
    }

    /// Every third-party module.
    pub fn third_parties(&self) -> &[ThirdParty] {
        &self.third_party
    }

    /// Every row, in the order of the files.
    pub fn iter(&self) -> std::slice::Iter<'_, Directive> {
        self.rows.iter()
    }

    /// Every name, in the order of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().flat_map(|row| row.names.iter().map(String::as_str))
    }
}

impl<'a> IntoIterator for &'a Catalogue {
    type Item = &'a Directive;
    type IntoIter = std::slice::Iter<'a, Directive>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Directive {
    /// Its first name.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Where one of its names is documented.
    pub fn doc(&self, name: &str) -> String {
        self.doc.replace("{name}", name)
    }

    /// Whether it does what it does in the original.
    pub fn is_honoured(&self) -> bool {
        self.status == Status::Honoured
    }

    /// Whether these arguments, written after a refused directive, change nothing.
    pub fn is_harmless(&self, args: &str) -> bool {
        self.default.as_deref() == Some(args) || self.harmless.iter().any(|one| one == args)
    }
}

impl Status {
    /// The word for it in the catalogue's files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Inert { .. } => "inert",
            Self::Refused { .. } => "refused",
        }
    }

    /// The reason; empty when it is honoured.
    pub fn why(&self) -> &str {
        match self {
            Self::Honoured => "",
            Self::Inert { why } | Self::Refused { why } => why,
        }
    }
}

/// The directives of nginx.
pub fn nginx() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let third_party = include_str!("../grammar/nginx/third_party.toml");
        load::catalogue(NGINX, third_party).expect("compiled in, and `catalogue::tests` reads it")
    })
}

macro_rules! grammar {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../grammar/nginx/", $name, ".toml")))),*] };
}

const NGINX: &[(&str, &str)] = grammar!(
    "core" "events" "http_core" "access" "acme" "addition" "api" "auth_basic" "auth_jwt"
    "auth_request" "auth_require" "autoindex" "brotli" "browser" "charset" "dav" "empty_gif" "f4f" "fastcgi"
    "flv" "geo" "geoip" "google_perftools" "grpc" "gunzip" "gzip" "gzip_static" "headers" "headers_more" "hls"
    "http_v2" "http_v3" "image_filter" "index" "internal_redirect" "json" "keyval" "limit_conn"
    "limit_req" "log" "map" "memcached" "mgmt" "mirror" "mp4" "num_map" "oidc" "otel" "perl"
    "proxy" "random_index" "realip" "referer" "rewrite" "scgi" "secure_link" "session_log" "slice"
    "split_clients" "ssi" "ssl" "status" "stub_status" "sub" "tunnel" "upstream" "upstream_conf"
    "upstream_hc" "userid" "uwsgi" "xslt" "zstd" "stream_access" "stream_core" "stream_geo" "stream_geoip"
    "stream_keyval" "stream_limit_conn" "stream_log" "stream_map" "stream_mqtt_filter"
    "stream_mqtt_preread" "stream_num_map" "stream_pass" "stream_proxy" "stream_realip"
    "stream_return" "stream_set" "stream_split_clients" "stream_ssl" "stream_ssl_preread"
    "stream_upstream" "stream_upstream_hc" "stream_zone_sync" "mail_auth_http" "mail_core"
    "mail_imap" "mail_pop3" "mail_proxy" "mail_realip" "mail_smtp" "mail_ssl"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_well_formed() {
        let third_party = include_str!("../grammar/nginx/third_party.toml");
        if let Err(error) = load::catalogue(NGINX, third_party) {
            panic!("{error}");
        }
    }

    #[test]
    fn every_file_is_compiled_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/nginx");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let known = stem == "third_party" || NGINX.iter().any(|(name, _)| *name == stem);
                assert!(known, "grammar/nginx/{stem}.toml is not in the list");
            }
        }
    }

    #[test]
    fn rows_hold_together() {
        let catalogue = nginx();
        for row in catalogue {
            let documented =
                ["https://nginx.org/", "https://github.com/"].iter().any(|site| row.doc.starts_with(site));
            assert!(documented, "{}: no documentation", row.name());
            if let Some(default) = &row.default {
                let fits = row.args.accepts(default.split(' ').count());
                assert!(fits, "{}: the default `{default}` does not fit `{}`", row.name(), row.args);
            }
            for needed in &row.needs {
                assert!(catalogue.get(needed).is_some(), "{}: needs unknown {needed}", row.name());
            }
            assert!(row.setting.is_none() || row.is_honoured(), "{}: sets and is not honoured", row.name());
            if let Status::Refused { why } = &row.status {
                let beginnings = [
                    "not yet honoured: ",
                    "not honoured: ",
                    "part of the commercial nginx: ",
                    "removed ",
                    "obsolete ",
                ];
                assert!(beginnings.iter().any(|one| why.starts_with(one)), "{}: `is {why}`", row.name());
            }
            let others = catalogue.rows(row.name()).filter(|other| !std::ptr::eq(*other, row));
            for other in others {
                let both = row.contexts.intersection(other.contexts);
                assert!(both.is_empty(), "{}: two rows for one context", row.name());
            }
        }
    }

    #[test]
    fn names_are_found_where_they_may_stand() {
        let catalogue = nginx();
        assert!(matches!(catalogue.find("server", Level::Http), Found::Row(row) if row.args.block()));
        assert!(matches!(catalogue.find("server", Level::Upstream), Found::Row(row) if !row.args.block()));
        assert!(matches!(catalogue.find("proxy_pass", Level::Server), Found::Elsewhere(_)));
        assert!(matches!(catalogue.find("content_by_lua_block", Level::Location), Found::ThirdParty(_)));
        assert!(matches!(catalogue.find("proxy_pas", Level::Location), Found::Unknown));
    }
}
