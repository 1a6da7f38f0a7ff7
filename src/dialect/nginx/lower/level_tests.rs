//! Tests of single levels: what directives become, and what is said of them.
//!
//! Every line was put to nginx 1.22.1, unless it holds newer syntax.

use std::path::PathBuf;

use super::{Cx, Kind, Level, Options, Place, SETTLE, lowering};
use crate::{
    diagnostic::Severity,
    dialect::nginx::{parse, tree::directives},
    ir::{
        Balance, Control, Edit, Expiry, Handler, Part, RecoveryTarget, Role, Step, Target, Template,
        Upstream, UrlMatch,
    },
    source::{SourceMap, Span},
};

/// Lowers a text as the inside of a level and looks at what came of it.
fn lower<T>(kind: Kind, place: &Place, text: &str, look: impl FnOnce(&Level, &Cx) -> T) -> T {
    let mut sources = SourceMap::new();
    let file = sources.add(PathBuf::from("test.conf"), text.as_bytes().to_vec());
    let (items, found) = parse::parse(&sources, file);
    assert!(found.is_empty(), "{text}: {found:?}");
    let options = Options {
        prefix: PathBuf::from("/p"),
        conf_prefix: PathBuf::from("/p/conf"),
        offline: false,
        strict_names: false,
        root: false,
        token: "nginx/1.22.1".to_owned(),
        level: kind,
    };
    let mut cx = Cx::new(&sources, &options);
    let root = Level::root();
    let mut http = Level::new(Kind::Http, Span::NONE, &root);
    http.place = Place::Outside;
    let mut level = Level::new(kind, Span::NONE, &http);
    level.place = place.clone();
    for directive in directives(&items) {
        if let Some(lower) = lowering(directive.name()) {
            lower(&mut cx, &mut level, directive);
        }
    }
    for settle in SETTLE {
        settle(&mut cx, &mut level);
    }
    look(&level, &cx)
}

#[test]
fn directives_of_the_tables_are_not_refused() {
    use crate::catalogue::Status;
    let catalogue = crate::catalogue::nginx();
    let accepted = |name: &str| catalogue.rows(name).any(|row| !matches!(row.status, Status::Refused { .. }));
    let names = super::TABLES.iter().copied().flatten().map(|(name, _)| *name);
    let not: Vec<&str> = names.filter(|name| !accepted(name)).collect();
    assert!(not.is_empty(), "lowered, and refused by their rows: {not:?}");
}

#[test]
fn honoured_rows_have_a_meaning() {
    // Blocks of these levels are read by the directive that begins them.
    let apart = |level| matches!(level, Kind::Upstream | Kind::Events);
    let means = |row: &crate::catalogue::Directive, name: &str, level| {
        lowering(name).is_some()
            || row.setting.is_some()
            || super::is_nested(level, name)
            || super::rewrite::is_step(level, name)
            || apart(level)
            // Read with the file.
            || name == "include"
    };
    let mut without = Vec::new();
    for row in crate::catalogue::nginx().iter().filter(|row| row.is_honoured()) {
        for name in &row.names {
            let levels = row.contexts.iter().filter(|&level| !means(row, name, level));
            without.extend(levels.map(|level| format!("{name} in {}", level.word())));
        }
    }
    assert!(without.is_empty(), "honoured, and nobody reads them: {without:?}");
}

fn location<T>(text: &str, look: impl FnOnce(&Level, &Cx) -> T) -> T {
    lower(Kind::Location, &Place::Prefix("/a/".into()), text, look)
}

/// What is found in a text, as severity, code and the words pointed at.
fn found(kind: Kind, place: &Place, text: &str) -> String {
    lower(kind, place, text, |_, cx| {
        let found = cx.diagnostics.iter().map(|it| {
            let sign = match it.severity {
                Severity::Note => "note ",
                Severity::Warning => "warning ",
                Severity::Error => "",
            };
            let at = it.labels.first().map(|label| String::from_utf8_lossy(cx.sources.text(label.span)));
            format!("{sign}{} `{}`", it.code, at.unwrap_or_default())
        });
        found.collect::<Vec<_>>().join("; ")
    })
}

fn show(template: &Template) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.to_string(),
        Part::Attr(attr) => format!("{{{attr:?}}}"),
        Part::Var(_) => "{var}".to_owned(),
        Part::Capture(_, number) => format!("{{{number}}}"),
        Part::Escape(..) | Part::Rest { .. } | Part::Start { .. } => "{escape}".to_owned(),
    };
    template.0.iter().map(part).collect()
}

fn show_match(url: &UrlMatch) -> String {
    match url {
        UrlMatch::Text(text) => show(text),
        UrlMatch::Pattern(pattern, _) => {
            format!("~{}{}", if pattern.ignore_case { "*" } else { "" }, pattern.text)
        }
    }
}

fn show_edit(edit: &Edit) -> String {
    match edit {
        Edit::Url { from, to, .. } => format!("url {} => {}", show_match(from), show(to)),
        Edit::CookieDomain { from, to } => format!("domain {} => {}", show_match(from), show(to)),
        Edit::CookiePath { from, to } => format!("path {} => {}", show_match(from), show(to)),
        Edit::CookieFlags { cookie, flags } => {
            format!("flags {}: {}", show_match(cookie), flags.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        Edit::Set(name, value) => format!("set {name}={}", show(value)),
        Edit::Add(name, value) => format!("add {name}={}", show(value)),
        Edit::Trailer(name, value) => format!("trailer {name}={}", show(value)),
        Edit::Remove(name) => format!("remove {name}"),
        Edit::Expires(expiry) => format!("expires {expiry:?}"),
        Edit::RemoveNominated => "remove nominated".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn mistakes_in_upstreams() {
    for (text, expected) in [
        ("server a;", ""),
        ("", "empty-upstream `upstream u`"),
        ("server a backup;", "empty-upstream `upstream u`"),
        ("server 127.0.0.1:99999;", "invalid-address `127.0.0.1:99999`; empty-upstream `upstream u`"),
        ("server a; server http://b;", "invalid-address `http://b`"),
        ("server a weight=0;", "invalid-value `0`; empty-upstream `upstream u`"),
        ("server a; server b slow_start=1s drain route=b;", ""),
        ("ip_hash; server a; server b slow_start=1s;", "refused-parameter `slow_start=1s`"),
        ("server a; server b service=http;", "invalid-service `b`"),
        (
            "server a; server b service=http resolve;",
            "resolve-without-zone `server b service=http resolve`; no-resolver `server b service=http resolve`",
        ),
        ("server a; keepalive 1; least_conn;", "warning balance-redefined `least_conn`"),
        ("server a; ip_hash; ip_hash;", "warning balance-redefined `ip_hash`"),
        ("ip_hash; server a; server b backup;", "refused-parameter `backup`"),
        ("server a; server b backup; random two;", ""),
        ("least_conn; server a; server b backup;", ""),
        ("server a; random three;", "invalid-parameter `three`"),
        ("server a; random two least_conn;", ""),
        ("server a; keepalive 0;", "invalid-value `0`"),
        ("server a; zone z 1k;", "small-zone `1k`"),
        ("server a; zone z 32k; server b resolve;", "no-resolver `server b resolve`"),
        ("server a resolve; resolver 127.0.0.1;", "resolve-without-zone `server a resolve`"),
        ("server 127.0.0.1 resolve;", ""),
    ] {
        let text = format!("upstream u {{ {text} }}");
        assert_eq!(found(Kind::Http, &Place::Outside, &text), expected, "{text}");
    }
    let twice = "upstream u { server a; } upstream U { server a; }";
    assert_eq!(found(Kind::Http, &Place::Outside, twice), "duplicate-upstream `U`");
}

#[test]
fn upstreams() {
    let text =
        "upstream u { hash $host consistent; server 10.0.0.1:8001 weight=5 max_fails=0 fail_timeout=30s;
        server unix:/run/s max_conns=4 down; keepalive 4 local; keepalive_requests 9; zone z 64k;
        server app resolve; resolver 127.0.0.1; }
        upstream v { server a; server [::1]:90 backup; keepalive 3; } resolver 127.0.0.2 valid=5s;";
    lower(Kind::Http, &Place::Outside, text, |_, cx| {
        assert!(cx.diagnostics.is_empty(), "{:?}", cx.diagnostics);
        let [u, v] = cx.config.clusters.as_slice() else { panic!("two clusters") };
        assert!(matches!(&u.balance, Balance::ConsistentHash(key) if show(key) == "{Host}"));
        assert!(u.shared && u.declared && !v.shared);
        assert_eq!((u.endpoints[0].weight, u.endpoints[0].max_fails), (5, 0));
        assert_eq!(u.endpoints[0].fail_timeout.as_secs(), 30);
        assert_eq!((u.endpoints[1].role, u.endpoints[1].max_connections), (Role::Down, 4));
        assert_eq!(u.endpoints[1].address, "unix:/run/s".into());
        let idle = u.idle.expect("keepalive");
        assert_eq!((idle.max, idle.requests, idle.per_route, idle.time.as_secs()), (4, 9, true, 3600));
        let resolve = u.resolve.as_ref().expect("resolver");
        assert_eq!(resolve.servers, Some(vec!["127.0.0.1:53".into()]));
        assert_eq!((v.endpoints[0].default_port, v.endpoints[1].role), (80, Role::Backup));
        assert!(v.resolve.is_none() && v.idle.is_some_and(|idle| !idle.per_route && idle.requests == 1000));
    });
}

#[test]
fn forms_of_proxy_pass() {
    for (text, expected) in [
        ("proxy_pass http://b;", "b b:80 received"),
        ("proxy_pass http://b:80;", "b b:80:80 received"),
        ("proxy_pass https://b:443;", "tls b b:443:443 received"),
        ("proxy_pass https://b:80/;", "tls b:80 b:80:80 3>/"),
        ("proxy_pass http://b/x?a=1;", "b b:80 3>/x?a=1"),
        ("proxy_pass http://b?x=1;", "b b:80 3>?x=1"),
        ("proxy_pass HTTP://[::1]:9/;", "[::1]:9 [::1]:9:9 3>/"),
        ("proxy_pass http://unix:/s:/x;", "localhost unix:/s:80 3>/x"),
        ("proxy_pass http://unix:/s;", "localhost unix:/s:80 received"),
        ("proxy_pass http://$host/x;", "dynamic http://{Host}/x received"),
        ("uwsgi_pass 127.0.0.1:1;", "127.0.0.1:1 127.0.0.1:1:1 received"),
        ("uwsgi_pass uwsgi://unix:/s;", "localhost unix:/s:0 received"),
        ("uwsgi_pass $host;", "dynamic {Host} received"),
    ] {
        location(text, |level, cx| {
            assert!(cx.diagnostics.is_empty(), "{text}: {:?}", cx.diagnostics);
            let Some(Handler::Forward(forward)) = &level.set.handler else { panic!("{text}: no forward") };
            let to = match &forward.to {
                Upstream::Cluster(id) => {
                    let cluster = cx.config.cluster(*id);
                    let endpoint = &cluster.endpoints[0];
                    format!("{} {}:{}", cluster.name, endpoint.address, endpoint.default_port)
                }
                Upstream::Url(template) => format!("url {}", show(template)),
                Upstream::Dynamic(template) => format!("dynamic {}", show(template)),
            };
            let target = match &forward.target {
                Target::Received => "received".to_owned(),
                Target::Replace { cut, with } => format!("{cut}>{}", show(with)),
                Target::Exact(target) => show(target),
            };
            assert_eq!(format!("{}{to} {target}", if forward.tls { "tls " } else { "" }), expected, "{text}");
        });
    }
}

#[test]
fn mistakes_in_proxying() {
    let prefix = Place::Prefix("/a/".into());
    let regex = Place::Regex("x".into());
    for (kind, place, text, expected) in [
        (Kind::Location, &prefix, "proxy_pass nope;", "invalid-url `nope`"),
        (Kind::Location, &prefix, "proxy_pass http://;", "invalid-address `http://`"),
        (Kind::Location, &prefix, "proxy_pass http:///x;", "invalid-address `/x`"),
        (Kind::Location, &prefix, "proxy_pass http://a:80x/;", "invalid-address `a:80x/`"),
        (Kind::Location, &regex, "proxy_pass http://a/x;", "path-in-upstream-url `/x`"),
        (Kind::Location, &Place::Named("@n".into()), "proxy_pass http://a/;", "path-in-upstream-url `/`"),
        (Kind::If, &prefix, "proxy_pass http://a/;", "path-in-upstream-url `/`"),
        (Kind::LimitExcept, &prefix, "proxy_pass http://a/;", "path-in-upstream-url `/`"),
        (Kind::If, &prefix, "proxy_pass http://a;", ""),
        (
            Kind::Location,
            &prefix,
            "upstream u { server a; } proxy_pass http://U:81;",
            "port-of-upstream `U:81`",
        ),
        (Kind::Location, &prefix, "upstream u { server a; } proxy_pass u;", "invalid-url `u`"),
        (Kind::Location, &prefix, "uwsgi_pass 127.0.0.1;", "no-port `127.0.0.1`"),
        (Kind::Location, &prefix, "uwsgi_pass 127.0.0.1:1/x;", "invalid-address `127.0.0.1:1/x`"),
        (Kind::Location, &prefix, "uwsgi_modifier1 256;", "invalid-value `256`"),
        (
            Kind::Location,
            &prefix,
            "proxy_redirect off; proxy_redirect a b;",
            "duplicate-directive `proxy_redirect a b`",
        ),
        (
            Kind::Location,
            &prefix,
            "proxy_redirect a b; proxy_redirect off;",
            "duplicate-directive `proxy_redirect off`",
        ),
        (Kind::Location, &prefix, "proxy_redirect default;", "no-default-redirect `proxy_redirect default`"),
        (
            Kind::Location,
            &prefix,
            "proxy_pass http://$host; proxy_redirect default;",
            "no-default-redirect `proxy_redirect default`",
        ),
        (Kind::Location, &prefix, "proxy_cookie_flags one;", "invalid-parameter `one`"),
        (Kind::Location, &prefix, "proxy_cookie_flags one foo;", "warning unknown-cookie-flag `foo`"),
        (Kind::Location, &prefix, "proxy_bind 1.2.3.4x;", "invalid-address `1.2.3.4x`"),
        (Kind::Location, &prefix, "proxy_bind off transparent;", "invalid-address `off`"),
        (Kind::Location, &prefix, "proxy_ignore_headers X-Foo;", "invalid-parameter `X-Foo`"),
        (Kind::Location, &prefix, "proxy_next_upstream error error;", "warning duplicate-value `error`"),
        (
            Kind::Location,
            &prefix,
            "proxy_set_header Content-Length '';",
            "note framing-field `proxy_set_header Content-Length ''`",
        ),
        (
            Kind::Location,
            &prefix,
            "proxy_set_header Content-Length 5;",
            "warning framing-field `proxy_set_header Content-Length 5`",
        ),
        (Kind::Location, &prefix, "proxy_buffers 1 4k;", "buffer-sizes `proxy_buffers 1 4k`"),
        (Kind::Location, &prefix, "proxy_buffer_size 64k;", "buffer-sizes `proxy_buffer_size 64k`"),
        (Kind::Location, &prefix, "proxy_buffer_size 64k; proxy_buffers 4 64k;", ""),
        (Kind::Location, &prefix, "proxy_busy_buffers_size 1k;", "buffer-sizes `proxy_busy_buffers_size 1k`"),
        (
            Kind::Location,
            &prefix,
            "proxy_max_temp_file_size 1k;",
            "buffer-sizes `proxy_max_temp_file_size 1k`",
        ),
        (Kind::Location, &prefix, "proxy_max_temp_file_size 0;", ""),
        (
            Kind::Location,
            &prefix,
            "proxy_temp_file_write_size 1k;",
            "buffer-sizes `proxy_temp_file_write_size 1k`",
        ),
        (
            Kind::Location,
            &prefix,
            "proxy_ssl_certificate /nope; proxy_pass https://a;",
            "missing-file `/nope`; no-certificate-key `/nope`",
        ),
        (
            Kind::Location,
            &prefix,
            "proxy_ssl_certificate /nope; proxy_pass http://a;",
            "missing-file `/nope`",
        ),
        (
            Kind::Location,
            &prefix,
            "proxy_ssl_verify on; proxy_pass https://a;",
            "no-trusted-certificate `https://a`",
        ),
        (
            Kind::Location,
            &prefix,
            "proxy_ssl_verify on; proxy_pass http://$host;",
            "no-trusted-certificate `http://$host`",
        ),
        (Kind::Location, &prefix, "proxy_ssl_verify on; proxy_pass http://a;", ""),
        (Kind::Location, &prefix, "proxy_ssl_protocols TLSv1;", "old-tls-version `TLSv1`"),
        (Kind::Location, &prefix, "proxy_ssl_protocols TLSv1 TLSv1.2;", "note old-tls-version `TLSv1`"),
    ] {
        assert_eq!(found(kind, place, text), expected, "{text}");
    }
}

#[test]
fn edits_of_a_proxied_response() {
    for (text, expected) in [
        ("proxy_pass http://b;", "url http://b/ => /"),
        ("proxy_pass http://b/x;", "url http://b/x => /a/"),
        ("proxy_pass http://$host;", ""),
        ("proxy_pass http://b; proxy_redirect off;", ""),
        (
            "proxy_pass http://b/; proxy_redirect default; proxy_redirect ~*^http://x/(.*) $1;",
            "url http://b/ => /a/; url ~*^http://x/(.*) => {1}",
        ),
        ("proxy_cookie_domain .a .b; proxy_cookie_domain ~x $host;", "domain a => b; domain ~*x => {Host}"),
        ("proxy_cookie_path /a ~b; proxy_cookie_path ~*^/x /;", "path /a => ~b; path ~*^/x => /"),
        ("proxy_cookie_flags s secure samesite=lax;", "flags s: secure samesite=lax"),
        ("proxy_cookie_flags off; proxy_cookie_domain off;", ""),
    ] {
        let edits = location(text, |level, cx| {
            assert!(cx.diagnostics.is_empty(), "{text}: {:?}", cx.diagnostics);
            level.set.http.response_edits.clone().unwrap_or_default()
        });
        assert_eq!(edits.iter().map(show_edit).collect::<Vec<_>>().join("; "), expected, "{text}");
    }
}

#[test]
fn hidden_fields_and_controls() {
    let text =
        "proxy_hide_header X-A; proxy_hide_header date; proxy_pass_header Server; proxy_pass_header x-a;
        proxy_ignore_headers X-Accel-Redirect Vary; proxy_next_upstream off error;";
    location(text, |level, _| {
        let http = &level.set.http;
        let hide: Vec<_> = http.hide.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(
            hide.join(" "),
            "Date X-Pad X-Accel-Expires X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset"
        );
        let controls = http.controls.as_deref().unwrap_or_default();
        assert!(controls.iter().all(|(_, control)| *control != Control::Redirect) && controls.len() == 4);
        assert_eq!(http.retry, Some(Vec::new()));
    });
}

#[test]
fn additions_to_a_response() {
    for (text, expected) in [
        ("add_header A b; add_header B $host;", "[add A=b, add B={Host}]"),
        ("add_header A b; add_header B c always; add_header C d;", "[add A=b] add B=c [add C=d]"),
        ("add_header Last-Modified ''; add_header etag x;", "[remove Last-Modified, set etag=x]"),
        (
            "add_header A b; expires 1h; add_trailer T x always;",
            "[expires FromNow(3600), add A=b] trailer T=x",
        ),
        ("expires off;", ""),
        ("expires modified $arg_x;", &format!("[expires {:?}]", Expiry::ReadFromModified(arg()))),
    ] {
        let blocks = location(text, |level, _| level.set.answer.on_response.clone().expect("set"));
        let mut shown = Vec::new();
        for (step, _) in blocks.iter().flat_map(|block| &block.steps) {
            shown.push(match step {
                Step::Edit(edit) => show_edit(edit),
                Step::When { then, .. } => {
                    let edits = then.steps.iter().map(|(step, _)| match step {
                        Step::Edit(edit) => show_edit(edit),
                        other => format!("{other:?}"),
                    });
                    format!("[{}]", edits.collect::<Vec<_>>().join(", "))
                }
                other => format!("{other:?}"),
            });
        }
        assert_eq!(shown.join(" "), expected, "{text}");
    }
}

fn arg() -> Template {
    Template::attr(crate::ir::Attr::Param("x".into()))
}

#[test]
fn recoveries() {
    for (text, expected) in [
        ("error_page 404 /x?a;", "[404] Keep to /x?a"),
        ("error_page 500 502 =200 /x;", "[500, 502] Set(200) to /x"),
        ("error_page 404 = @n;", "[404] FromAnswer enter @n"),
        ("error_page 404 =0 $host;", "[404] FromAnswer to {Host}"),
        ("error_page 497 404 https://x;", "[404] Keep to https://x; [497] Set(400) to https://x"),
        ("error_page 497 =301 https://x;", "[497] Set(301) to https://x"),
        ("error_page 404 =200;", "[404] Keep to =200"),
    ] {
        let errors = location(text, |level, _| level.set.answer.errors.clone().expect("set"));
        let shown = errors.iter().map(|recovery| {
            let to = match &recovery.to {
                RecoveryTarget::Redirect(to) => format!("to {}", show(to)),
                RecoveryTarget::Enter(name) => format!("enter {name}"),
                RecoveryTarget::Page => "page".to_owned(),
                RecoveryTarget::Text(text) => format!("text {}", show(text)),
            };
            format!("{:?} {:?} {to}", recovery.statuses, recovery.status)
        });
        assert_eq!(shown.collect::<Vec<_>>().join("; "), expected, "{text}");
    }
}

#[test]
fn mistakes_elsewhere() {
    for (text, expected) in [
        ("error_page = /x;", "invalid-parameter `=`"),
        ("error_page 404 =x /x;", "invalid-parameter `=x`"),
        ("error_page 404 = 200 /x;", "invalid-status `=`"),
        ("error_page 499 /x;", "invalid-status `499`"),
        ("error_page 404 /a /b;", "invalid-status `/a`"),
        ("access_log off foo;", "invalid-parameter `foo`"),
        ("access_log a.log nope;", "unknown-log-format `nope`"),
        ("access_log a.log buffer=1k;", "unknown-log-format `buffer=1k`"),
        ("access_log a.log combined buffer=0;", "invalid-value `0`"),
        ("access_log a.log combined flush=1s;", "no-log-buffer `access_log a.log combined flush=1s`"),
        ("access_log a.log combined gzip=10;", "invalid-value `10`"),
        ("access_log $host.log combined gzip;", "unbufferable-log `access_log $host.log combined gzip`"),
        (
            "access_log syslog:server=1.2.3.4 combined buffer=1k;",
            "unbufferable-log `access_log syslog:server=1.2.3.4 combined buffer=1k`",
        ),
        (
            "access_log a combined buffer=1k; access_log a combined buffer=2k;",
            "conflicting-log-buffer `access_log a combined buffer=2k`",
        ),
        ("access_log syslog:server=a,facility=x;", "invalid-syslog `facility=x`"),
        ("access_log syslog:server=a,tag=a-b;", "invalid-syslog `tag=a-b`"),
        ("access_log syslog:server=a,server=b;", "invalid-syslog `server=b`"),
        ("access_log syslog:facility=user;", "invalid-syslog `syslog:facility=user`"),
        ("access_log syslog:;", "invalid-syslog `syslog:`"),
        ("access_log syslog:server=a:99999;", "invalid-syslog `server=a:99999`"),
        ("log_format m x; log_format m y;", "duplicate-log-format `m`"),
        ("log_format combined x;", "duplicate-log-format `combined`"),
        ("log_format m escape=foo x;", "invalid-value `foo`"),
        ("log_format m '$1';", "capture-in-log-format `'$1'`"),
        ("error_log memory:1m;", "refused-log `memory:1m`"),
        ("error_log e warn debug;", "duplicate-log-level `debug`"),
        ("error_log e debug_http debug_event;", ""),
        ("types { a/b c; a/d C; }", "warning duplicate-extension `C`"),
        ("index '' a;", "invalid-value `''`"),
        ("index /a b;", "warning absolute-index `/a`"),
        ("alias a; root b;", "root-and-alias `root`"),
        ("root a; alias b;", "root-and-alias `alias`"),
        ("root /x/${realpath_root};", "circular-root `${realpath_root}`"),
        (
            "charset_types text/css text/css text/html;",
            "warning duplicate-type `text/css`; warning duplicate-type `text/html`",
        ),
        ("expires @25h;", "invalid-value `@25h`"),
        ("expires foo 1h;", "invalid-value `foo`"),
        ("add_header Content-Length 5;", "warning framing-field `add_header Content-Length 5`"),
        ("allow foo;", "invalid-parameter `foo`"),
        ("allow 10.0.0.1/8;", "warning low-address-bits `10.0.0.1/8`"),
        ("resolver valid=1s;", "no-name-server `resolver valid=1s`"),
        ("resolver 127.0.0.1 valid=1x;", "invalid-value `1x`"),
        ("resolver 127.0.0.1 ipv4=off ipv6=off;", "no-address-family `resolver 127.0.0.1 ipv4=off ipv6=off`"),
        (
            "resolver 127.0.0.1:99999;",
            "invalid-address `127.0.0.1:99999`; no-name-server `resolver 127.0.0.1:99999`",
        ),
        ("large_client_header_buffers 4 1;", "small-buffer `1`"),
    ] {
        assert_eq!(found(Kind::Location, &Place::Prefix("/a/".into()), text), expected, "{text}");
    }
    let named = Place::Named("@n".into());
    assert_eq!(found(Kind::Location, &named, "alias a;"), "alias-in-named-location `alias`");
    let server = "ssl_certificate data:x; ssl_certificate /nope;";
    assert_eq!(
        found(Kind::Server, &Place::Outside, server),
        "missing-file `/nope`; no-certificate-key `data:x`; no-certificate-key `/nope`"
    );
}

#[test]
fn files_and_logs() {
    let text = "root html/; index a $host/b; keepalive_timeout 5 0; limit_rate 10k; server_tokens off;
        access_log logs/$host.log combined if=$arg_x; access_log $host.log; access_log off;";
    location(text, |level, _| {
        let set = &level.set;
        assert_eq!(set.files.root.as_ref().map(show), Some("/p/html".to_owned()));
        assert_eq!(set.files.alias, Some(None));
        assert_eq!(set.files.index.as_ref().map(Vec::len), Some(2));
        assert_eq!(set.client.keepalive_announce, Some(None));
        assert_eq!(set.client.limit_rate.as_ref().map(show), Some("10240".to_owned()));
        assert_eq!(set.answer.server, Some("nginx".into()));
        assert_eq!(set.logs.access, Some(Vec::new()));
    });
    location("alias /x/; access_log $host.log combined gzip if=$arg_x;", |level, cx| {
        let alias = level.set.files.alias.clone().flatten().expect("set");
        assert_eq!((show(&alias.with), alias.cut), ("/x/".to_owned(), Some(3)));
        assert_eq!(cx.diagnostics.len(), 1);
    });
    location("root /; access_log syslog:server=[::1],nohostname,tag=x;", |level, _| {
        assert_eq!(level.set.files.root, Some(Template::default()));
        let logs = level.set.logs.access.clone().expect("set");
        let shown = format!("{:?}", logs[0].to);
        assert_eq!(
            shown,
            "Syslog(Syslog { server: \"[::1]:514\", facility: 23, severity: 6, tag: \"x\", host_name: false })"
        );
    });
}
