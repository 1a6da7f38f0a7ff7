//! The catalogue: every directive of Apache and of the modules it comes with, one row each.
//!
//! Rows are data in `grammar/apache/`, compiled in and read once. A file is a `[module]` table followed by one table
//! per directive:
//!
//! ```toml
//! [module]
//! name = "mod_alias"          # in messages and on the page
//! id = "alias_module"         # for LoadModule and <IfModule>
//! file = "mod_alias.c"        # for <IfModule>
//! assumed = true              # counts as loaded where no LoadModule says which modules are
//! doc = "https://..."         # `{name}` stands for the directive's name in lower case
//!
//! ["<Location>"]              # sections with their brackets
//! in = ["server", "vhost"]    # see `Place`; "dir" is every place that is neither a server nor a .htaccess
//! override = ["FileInfo"]     # what AllowOverride must list; "Any" is any of them
//! args = "two"                # see `Args`
//! usage = "URL-path file"     # what to write after the name
//! default = "off"
//! status = "honoured"         # honoured | inert | refused, the latter two with a `why`
//! ```

mod args;
mod load;
mod page;
mod place;
mod third_party;

use std::{collections::HashMap, sync::OnceLock};

pub use args::Args;
pub use page::{summary, support_markdown};
pub use place::{Override, Overrides, Place, Places};
pub use third_party::ThirdParty;

pub use crate::catalogue::Status;

/// One directive.
#[derive(Debug)]
pub struct Row {
    /// Its name in the usual spelling; that of a section in `<` and `>`.
    pub name: String,
    /// Where it may stand.
    pub places: Places,
    /// What `AllowOverride` must list one of, for it to stand in a .htaccess.
    pub overrides: Overrides,
    /// What it takes.
    pub args: Args,
    /// What to write after the name.
    pub usage: Option<String>,
    /// The arguments in force when it is absent.
    pub default: Option<String>,
    /// What becomes of it here.
    pub status: Status,
    /// The module it belongs to: an index into [`Catalogue::modules`].
    pub module: usize,
    doc: Option<String>,
}

/// A module.
#[derive(Debug)]
pub struct Module {
    /// `mod_alias`
    pub name: String,
    /// `alias_module`
    pub id: String,
    /// `mod_alias.c`
    pub file: String,
    /// Whether it counts as loaded where no `LoadModule` says which modules are.
    pub assumed: bool,
    /// Where its directives are documented.
    pub doc: String,
}

/// All directives.
#[derive(Debug)]
pub struct Catalogue {
    rows: Vec<Row>,
    by_name: HashMap<Vec<u8>, usize>,
    modules: Vec<Module>,
    third_parties: Vec<ThirdParty>,
}

impl Catalogue {
    /// The row of a name as it was written, in any case of letters; a section's starts with `<`.
    pub fn get(&self, name: &[u8]) -> Option<&Row> {
        self.by_name.get(&key(name)).map(|&at| &self.rows[at])
    }

    /// Every row, in the order of the files.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Every module, in the order of the files.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module of a row.
    pub fn module(&self, row: &Row) -> &Module {
        &self.modules[row.module]
    }

    /// Where a directive is documented.
    pub fn doc(&self, row: &Row) -> String {
        let name = row.name.trim_matches(['<', '>']).to_ascii_lowercase();
        row.doc.as_ref().unwrap_or(&self.module(row).doc).replace("{name}", &name)
    }

    /// Every module that Apache does not come with.
    pub fn third_parties(&self) -> &[ThirdParty] {
        &self.third_parties
    }

    /// The module that a name belongs to which Apache does not come with.
    pub fn third_party(&self, name: &[u8]) -> Option<&ThirdParty> {
        let name = String::from_utf8_lossy(name);
        self.third_parties.iter().find(|module| module.knows(&name))
    }
}

impl Row {
    /// Whether it does what it does in the original.
    pub fn is_honoured(&self) -> bool {
        self.status == Status::Honoured
    }

    /// Whether it is a section.
    pub fn is_section(&self) -> bool {
        self.name.starts_with('<')
    }
}

/// The usual spelling of a name as it was written.
pub fn usual(name: &[u8]) -> Option<&'static str> {
    catalogue().get(name).map(|row| row.name.as_str())
}

/// What two spellings of a name have in common.
fn key(name: &[u8]) -> Vec<u8> {
    name.strip_suffix(b">").unwrap_or(name).to_ascii_lowercase()
}

/// The directives of Apache.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| load::catalogue(FILES, THIRD_PARTIES).expect("compiled in, and a test reads it"))
}

macro_rules! grammar {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../grammar/apache/", $name, ".toml")))),*]
    };
}

const THIRD_PARTIES: &str = include_str!("../../../grammar/apache/third_party.toml");

#[rustfmt::skip]
const FILES: &[(&str, &str)] = grammar!(
    "core" "http_core" "mpm" "access_compat" "actions" "alias" "allowmethods" "asis" "auth_basic"
    "auth_digest" "auth_form" "authn_anon" "authn_core" "authn_dbd" "authn_dbm" "authn_file" "authn_socache"
    "authnz_fcgi" "authnz_ldap" "authz_core" "authz_dbd" "authz_dbm" "authz_groupfile" "authz_host"
    "authz_owner" "authz_user" "autoindex" "brotli" "buffer" "cache" "cache_disk" "cache_socache"
    "cern_meta" "cgi" "cgid" "charset_lite" "dav" "dav_fs" "dav_lock" "dbd" "deflate" "dialup" "dir"
    "dumpio" "echo" "env" "expires" "ext_filter" "file_cache" "filter" "headers" "heartbeat" "heartmonitor"
    "http2" "ident" "imagemap" "include" "info" "lbmethod_bybusyness" "lbmethod_byrequests"
    "lbmethod_bytraffic" "lbmethod_heartbeat" "ldap" "log_config" "log_debug" "log_forensic" "logio" "lua"
    "macro" "md" "mime" "mime_magic" "negotiation" "proxy" "proxy_ajp" "proxy_balancer" "proxy_connect"
    "proxy_express" "proxy_fcgi" "proxy_fdpass" "proxy_ftp" "proxy_hcheck" "proxy_html" "proxy_http"
    "proxy_http2" "proxy_scgi" "proxy_uwsgi" "proxy_wstunnel" "ratelimit" "reflector" "remoteip"
    "reqtimeout" "request" "rewrite" "sed" "session" "session_cookie" "session_crypto" "session_dbd"
    "setenvif" "slotmem_plain" "slotmem_shm" "so" "socache_dbm" "socache_memcache" "socache_redis"
    "socache_shmcb" "speling" "ssl" "status" "substitute" "suexec" "unique_id" "unixd" "userdir" "usertrack"
    "version" "vhost_alias" "watchdog" "xml2enc"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_well_formed() {
        if let Err(error) = load::catalogue(FILES, THIRD_PARTIES) {
            panic!("{error}");
        }
    }

    #[test]
    fn every_file_is_compiled_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/apache");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let known = stem == "third_party" || FILES.iter().any(|(name, _)| *name == stem);
            assert!(known, "grammar/apache/{stem}.toml is not in the list");
        }
    }

    #[test]
    fn rows_hold_together() {
        let catalogue = catalogue();
        for row in catalogue.rows() {
            assert!(catalogue.doc(row).starts_with("https://httpd.apache.org/docs/2.4/"), "{}", row.name);
            assert_eq!(row.name.starts_with('<'), row.name.ends_with('>'), "{}", row.name);
            assert!(!row.places.is_empty(), "{}: stands nowhere", row.name);
            assert_eq!(row.places.contains(Place::Htaccess), !row.overrides.is_empty(), "{}", row.name);
            if let Status::Refused { why } = &row.status {
                let beginnings = ["not yet honoured", "not honoured: ", "removed ", "obsolete "];
                assert!(beginnings.iter().any(|one| why.starts_with(one)), "{}: `is {why}`", row.name);
            }
        }
    }

    #[test]
    fn what_is_honoured_has_a_meaning() {
        // These are read before there is a tree to lower.
        let loaded = ["Define", "Error", "Include", "IncludeOptional", "UnDefine", "UndefMacro", "Use"];
        let loaded_sections = ["<If", "<Macro>"];
        for row in catalogue().rows() {
            let read =
                loaded.contains(&&*row.name) || loaded_sections.iter().any(|one| row.name.starts_with(one));
            if matches!(row.status, Status::Honoured) && !read {
                assert!(super::super::lower::lowers(&row.name), "{}: nothing is made of it", row.name);
            }
        }
        for name in super::super::lower::lowered() {
            assert!(catalogue().rows().iter().any(|row| row.name == name), "{name}: has no row");
        }
    }

    #[test]
    fn names_are_found_in_any_spelling() {
        assert_eq!(usual(b"proxypass"), Some("ProxyPass"));
        assert_eq!(usual(b"<VIRTUALHOST"), Some("<VirtualHost>"));
        assert_eq!(usual(b"<virtualhost>"), Some("<VirtualHost>"));
        assert_eq!(usual(b"VirtualHost"), None);
        assert!(catalogue().third_party(b"WSGIScriptAlias").is_some());
    }
}
