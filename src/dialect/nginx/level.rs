//! Where a file belongs that is no whole nginx.conf, told from what is in it.
//!
//! People keep, send and check `conf.d/site.conf` and snippets for a location.
//! Only directives that stand in one place decide; most may stand in three.

use super::tree::{Body, Directive, Item, directives};
use crate::catalogue::{self, Found, Level};

/// Recognises the level of a file by the directives at its outside.
///
/// What may stand at several levels goes to the server, where nearly all of it is legal; a file without any
/// directive is a main one.
pub fn level(items: &[Item]) -> Level {
    let has = |names: &[&str]| directives(items).any(|directive| names.contains(&directive.name()));
    if directives(items).next().is_none() || has(MAIN) {
        return Level::Main;
    }
    let servers = || directives(items).filter(|directive| directive.name() == "server");
    if servers().any(is_block) || has(HTTP) {
        let all_pass = servers().filter(|server| is_block(server)).count() > 0
            && servers().filter(|server| is_block(server)).all(passes_connections);
        return if all_pass && !has(HTTP_ONLY) { Level::Stream } else { Level::Http };
    }
    if servers().next().is_some() || (has(UPSTREAM) && !has(SERVER)) {
        return Level::Upstream;
    }
    if has(EVENTS) {
        return Level::Events;
    }
    if !has(SERVER) && directives(items).any(is_condition_in_location) {
        return Level::Location;
    }
    let for_upstreams = directives(items).all(sets_upstream_request);
    if !has(SERVER) && (has(LOCATION) || for_upstreams) { Level::Location } else { Level::Server }
}

/// `proxy_set_header`, `fastcgi_param` and the like: files of these alone are meant for locations.
fn sets_upstream_request(directive: &Directive) -> bool {
    ["proxy_", "fastcgi_", "uwsgi_", "scgi_", "grpc_"].iter().any(|start| directive.name().starts_with(start))
}

fn is_block(directive: &Directive) -> bool {
    matches!(directive.body, Body::Block(_))
}

/// An `if` that only a location may have: most settings may not stand in one of a server.
fn is_condition_in_location(directive: &Directive) -> bool {
    let only_in_location = |inner: &Directive| {
        let at = |level| matches!(catalogue::nginx().find(inner.name(), level), Found::Row(_));
        at(Level::If) && !at(Level::ServerIf)
    };
    directive.name() == "if" && directives(directive.block()).any(only_in_location)
}

/// A server of `stream` passes connections itself; one of `http` leaves that to its locations.
fn passes_connections(server: &Directive) -> bool {
    let has = |names: &[&str]| directives(server.block()).any(|directive| names.contains(&directive.name()));
    has(&["proxy_pass"]) && !has(&["location", "root", "server_tokens", "error_page", "proxy_set_header"])
}

/// Legal in main alone.
const MAIN: &[&str] = &[
    "daemon",
    "env",
    "events",
    "google_perftools_profiles",
    "http",
    "load_module",
    "lock_file",
    "mail",
    "master_process",
    "pcre_jit",
    "pid",
    "ssl_engine",
    "stream",
    "thread_pool",
    "timer_resolution",
    "user",
    "worker_cpu_affinity",
    "worker_priority",
    "worker_processes",
    "worker_rlimit_core",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
    "working_directory",
];

/// Legal in http, or in http and stream, and nowhere inside of them.
const HTTP: &[&str] = &[
    "charset_map",
    "fastcgi_cache_path",
    "geo",
    "geoip_city",
    "geoip_country",
    "js_import",
    "js_path",
    "limit_conn_zone",
    "limit_req_zone",
    "log_format",
    "lua_package_cpath",
    "lua_package_path",
    "lua_shared_dict",
    "map",
    "map_hash_bucket_size",
    "map_hash_max_size",
    "match",
    "perl_modules",
    "proxy_cache_path",
    "scgi_cache_path",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "split_clients",
    "upstream",
    "uwsgi_cache_path",
    "variables_hash_bucket_size",
    "variables_hash_max_size",
];

/// Of these, the ones that `stream` does not have, and settings that only http servers inherit.
const HTTP_ONLY: &[&str] = &[
    "charset_map",
    "fastcgi_cache_path",
    "limit_req_zone",
    "proxy_cache_path",
    "proxy_set_header",
    "scgi_cache_path",
    "types",
    "uwsgi_cache_path",
];

/// Legal in server, and neither in location nor in upstream.
const SERVER: &[&str] = &[
    "listen",
    "location",
    "server_name",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_ciphers",
    "ssl_dhparam",
    "ssl_prefer_server_ciphers",
    "ssl_protocols",
    "ssl_session_cache",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "ssl_stapling",
    "ssl_stapling_verify",
    "ssl_trusted_certificate",
];

/// Legal in location, and not in server.
const LOCATION: &[&str] = &[
    "alias",
    "empty_gif",
    "fastcgi_pass",
    "flv",
    "grpc_pass",
    "internal",
    "limit_except",
    "memcached_pass",
    "mp4",
    "perl",
    "proxy_pass",
    "scgi_pass",
    "uwsgi_pass",
];

/// Legal in upstream alone.
const UPSTREAM: &[&str] = &[
    "hash",
    "ip_hash",
    "keepalive",
    "least_conn",
    "least_time",
    "ntlm",
    "queue",
    "random",
    "sticky",
    "zone",
];

/// Legal in events alone.
const EVENTS: &[&str] = &[
    "accept_mutex",
    "accept_mutex_delay",
    "debug_connection",
    "multi_accept",
    "use",
    "worker_aio_requests",
    "worker_connections",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::nginx::parse::parse, source::SourceMap};

    #[test]
    fn decisive_directives_decide() {
        let table = [
            ("", Level::Main),
            ("# nothing", Level::Main),
            ("events {} http { server { listen 80; } }", Level::Main),
            ("user www; include x;", Level::Main),
            ("server { listen 80; location / { proxy_pass http://a; } }", Level::Http),
            ("upstream a { server b; }", Level::Http),
            ("map $http_upgrade $c { default upgrade; '' close; }", Level::Http),
            ("upstream a { server b:1; } server { listen 1; proxy_pass a; }", Level::Stream),
            ("map $a $b { } proxy_set_header A b; server { proxy_pass a; }", Level::Http),
            ("listen 80; server_name a; root /x;", Level::Server),
            ("location / { proxy_pass http://a; }", Level::Server),
            ("location /a { alias /b; } proxy_pass http://a;", Level::Server),
            ("ssl_protocols TLSv1.2;", Level::Server),
            ("add_header A b; gzip on;", Level::Server),
            ("proxy_pass http://a; proxy_set_header Host $host;", Level::Location),
            ("fastcgi_pass a; include fastcgi_params;", Level::Location),
            ("alias /x; internal;", Level::Location),
            ("proxy_set_header A b; proxy_http_version 1.1;", Level::Location),
            ("proxy_set_header A b; gzip on;", Level::Server),
            ("if ($a) { return 404; }", Level::Server),
            ("if ($a) { add_header A b; }", Level::Location),
            ("server_name a; if ($a) { add_header A b; }", Level::Server),
            ("server a:80; server b:80 backup;", Level::Upstream),
            ("least_conn; server a;", Level::Upstream),
            ("worker_connections 1024;", Level::Events),
        ];
        for (text, expected) in table {
            let mut sources = SourceMap::new();
            let file = sources.add("x".into(), text.into());
            assert_eq!(level(&parse(&sources, file).0), expected, "{text}");
        }
    }
}
