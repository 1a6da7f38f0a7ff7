//! What is said about which text; the verdicts are nginx 1.22.1's where it has one.

use super::{Options, check};
use crate::{catalogue::Level, dialect::nginx::parse::parse, source::SourceMap};

/// `code: message (label) [help]` of each finding, in order.
fn findings(text: &str, level: Level, offline: bool) -> Vec<String> {
    let mut sources = SourceMap::new();
    let file = sources.add("x".into(), text.into());
    let (items, mistakes) = parse(&sources, file);
    assert!(mistakes.is_empty(), "{text}: {mistakes:?}");
    let found = check(&items, level, Options { offline });
    found
        .iter()
        .map(|one| {
            let label = one.labels.first().map(|label| (label.text.as_str(), sources.text(label.span)));
            let (label, span) = label.unwrap_or_default();
            let span = String::from_utf8_lossy(span);
            format!("{:?} {} at `{span}`: {} ({label}) {:?}", one.severity, one.code, one.message, one.helps)
        })
        .collect()
}

#[track_caller]
fn says(level: Level, text: &str, expected: &[&str]) {
    assert_eq!(findings(text, level, false), expected, "{text}");
}

#[test]
fn a_plain_file_is_silent() {
    let text = "user www-data; events { worker_connections 768; }
        http { map $http_upgrade $c { default upgrade; '' close; }
          upstream a { ip_hash; server b:1 weight=2 max_fails=3 fail_timeout=1M; keepalive 8; }
          server { listen 80; server_name a b; if ($host = x) { return 301 /; }
            location / { proxy_pass http://a; proxy_read_timeout 1h30m; proxy_set_header A b; proxy_set_header A c;
              limit_except GET { deny all; } if ($arg_a) { add_header X y always; } }
            location ~ \\.x$ { limit_rate $a; limit_rate_after 1k; types { text/plain x; } } } }";
    says(Level::Main, text, &[]);
}

#[test]
fn names() {
    says(
        Level::Location,
        "proxy_pas http://a; hash a; nonsense;",
        &[
            r#"Error unknown-directive at `proxy_pas`: unknown directive `proxy_pas` () ["did you mean `proxy_pass`?"]"#,
            "Error wrong-context at `hash`: `hash` may not stand in `location` (allowed in `upstream` or `upstream` in `stream`) []",
            "Error unknown-directive at `nonsense`: unknown directive `nonsense` () []",
        ],
    );
    says(
        Level::Location,
        "echo 'A: b';",
        &[
            r#"Error third-party-directive at `echo`: `echo` belongs to `echo-nginx-module`, a module that nginx does not come with (not honoured) ["use `return 200 \"text\"`"]"#,
        ],
    );
}

#[test]
fn places() {
    says(
        Level::Http,
        "server { proxy_pass http://a; location / { listen 80; if ($a) { proxy_set_header A b; if ($b) { } } } }",
        &[
            "Error wrong-context at `proxy_pass`: `proxy_pass` may not stand in `server` (allowed in `location`, `if` in `location`, `limit_except` or `server` in `stream`) [\"put it into `location / { ... }`\"]",
            "Error wrong-context at `listen`: `listen` may not stand in `location` (allowed in `server`, `server` in `stream` or `server` in `mail`) []",
            "Error wrong-context at `proxy_set_header`: `proxy_set_header` may not stand in `if` in `location` (allowed in `http`, `server` or `location`) [\"set a variable in the `if` and use it in a `proxy_set_header` outside\"]",
            "Error wrong-context at `if`: `if` may not stand in `if` in `location` (allowed in `server` or `location`) [\"combine the conditions in a `map`\"]",
        ],
    );
    // A misplaced block is still looked into.
    says(
        Level::Main,
        "server { lissten 80; }",
        &[
            "Error wrong-context at `server`: `server` may not stand in the main level (allowed in `http`, `upstream`, `stream`, `upstream` in `stream` or `mail`) [\"put it into `http { ... }`\"]",
            "Error unknown-directive at `lissten`: unknown directive `lissten` () [\"did you mean `listen`?\"]",
        ],
    );
}

#[test]
fn blocks_and_numbers() {
    says(
        Level::Http,
        "map $a $b; tcp_nodelay { } server x { } proxy_buffers 8; etag; index; error_page 404;",
        &[
            "Error missing-block at `map $a $b`: `map` needs a block (expected `{` after this) []",
            "Error unexpected-block at `tcp_nodelay`: `tcp_nodelay` takes no block (expected `;` after this) []",
            "Error wrong-arity at `server x`: invalid number of arguments in `server` directive (takes none, has 1) []",
            "Error wrong-arity at `proxy_buffers 8`: invalid number of arguments in `proxy_buffers` directive (takes 2, has 1) []",
            "Error wrong-arity at `etag`: invalid number of arguments in `etag` directive (takes 1, has 0) []",
            "Error wrong-arity at `index`: invalid number of arguments in `index` directive (takes 1 or more, has 0) []",
            "Error wrong-arity at `error_page 404`: invalid number of arguments in `error_page` directive (takes 2 or more, has 1) []",
        ],
    );
}

#[test]
fn values() {
    says(
        Level::Http,
        "etag yes; client_body_timeout 1.5; client_max_body_size 1t; keepalive_requests -1; proxy_buffers 0 4k;
         satisfy al; proxy_next_upstream eror; expires 1 2 3; upstream a { server b weight=x wieght=2; }
         proxy_ssl_protocols tlsv1.2 SSLv9; proxy_redirect foo; client_header_timeout 1m1h; limit_rate 1g;",
        &[
            "Error invalid-value at `yes`: invalid value `yes` in `etag` (it must be `on` or `off`) []",
            "Error invalid-value at `1.5`: invalid value `1.5` in `client_body_timeout` (it must be a time such as `30s`, `5m` or `1h30m`; the units are `ms`, `s`, `m`, `h`, `d` and `w`) []",
            "Error invalid-value at `1t`: invalid value `1t` in `client_max_body_size` (it must be a number of bytes, or of `k`, `m` or `g`) []",
            "Error invalid-value at `-1`: invalid value `-1` in `keepalive_requests` (it must be a number, without sign, point or unit) []",
            "Error invalid-value at `0`: invalid value `0` in `proxy_buffers` (it must be more than zero) []",
            "Error invalid-value at `al`: invalid value `al` in `satisfy` (expected `all` or `any`) [\"did you mean `all`?\"]",
            "Error invalid-value at `eror`: invalid value `eror` in `proxy_next_upstream` (expected `error`, `timeout`, `invalid_header`, `non_idempotent`, `http_500`, `http_502`, `http_503`, `http_504`, `http_403`, `http_404`, `http_429`, `updating` or `off`) [\"did you mean `error`?\"]",
            "Error wrong-arity at `expires 1 2 3`: invalid number of arguments in `expires` directive (takes 1 or 2, has 3) []",
            "Error invalid-value at `weight=x`: invalid value `weight=x` in `server` (it must be a number, without sign, point or unit) []",
            "Error invalid-value at `wieght=2`: invalid value `wieght=2` in `server` (expected `weight=`, `max_fails=`, `fail_timeout=`, `max_conns=`, `slow_start=`, `route=`, `service=`, `backup`, `down`, `drain` or `resolve`) []",
            "Error invalid-value at `SSLv9`: invalid value `SSLv9` in `proxy_ssl_protocols` (expected `SSLv2`, `SSLv3`, `TLSv1`, `TLSv1.1`, `TLSv1.2` or `TLSv1.3`) [\"did you mean `SSLv2`?\"]",
            "Error invalid-value at `foo`: invalid value `foo` in `proxy_redirect` (expected `off` or `default`) []",
            "Error invalid-value at `1m1h`: invalid value `1m1h` in `client_header_timeout` (units go from the greatest to the least, each once: `1h30m`) []",
            "Error invalid-value at `1g`: invalid value `1g` in `limit_rate` (it must be a number of bytes, or of `k` or `m`) []",
        ],
    );
}

#[test]
fn duplicates() {
    says(
        Level::Http,
        "etag on; etag on; server { etag off; location / { etag on; root /; root /; } } add_header A b; add_header A b;",
        &[
            "Error duplicate-directive at `etag`: `etag` directive is duplicate (again here) []",
            "Error duplicate-directive at `root`: `root` directive is duplicate (again here) []",
        ],
    );
}

#[test]
fn what_is_inert_and_what_is_refused() {
    says(
        Level::Http,
        "sendfile on; ssl_ocsp on; ssl_ocsp_responder http://r/; upstream a { server b; ntlm; }",
        &[
            "Note inert-directive at `sendfile on`: `sendfile` has no effect here (how a file reaches the socket is the engine's choice) []",
            "Error not-yet-honoured at `ssl_ocsp on`: `ssl_ocsp` is not yet honoured: revocation of client certificates () []",
            "Note inert-directive at `ssl_ocsp_responder http://r/`: `ssl_ocsp_responder` is not yet honoured: revocation of client certificates (changes nothing without `ssl_ocsp`) []",
            "Error refused-directive at `ntlm`: `ntlm` is part of the commercial nginx: connections bound to clients for NTLM () []",
        ],
    );
    says(
        Level::Http,
        "ssl_ocsp Off;",
        &[
            "Note inert-directive at `ssl_ocsp Off`: `ssl_ocsp` is not yet honoured: revocation of client certificates (changes nothing with this value) []",
        ],
    );
    // Inside of a refused block only mistakes are named.
    says(
        Level::Main,
        "mail { server { listen 25; protocol smtp; lissten 1; } }",
        &[
            "Error refused-directive at `mail`: `mail` is not honoured: mail proxying () [\"use HAProxy, or Dovecot's and Postfix's own proxying\"]",
            "Error unknown-directive at `lissten`: unknown directive `lissten` () [\"did you mean `listen`?\"]",
        ],
    );
    let offline = findings("ssl_ocsp on; modsecurity on; nonsense;", Level::Http, true);
    let severities: Vec<&str> = offline.iter().filter_map(|one| one.split(' ').next()).collect();
    assert_eq!(severities, ["Warning", "Warning", "Error"]);
}
