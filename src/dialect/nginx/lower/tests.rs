//! Whole configurations, lowered.

use std::path::PathBuf;

use super::{Kind, Options, lower};
use crate::{
    diagnostic::{Diagnostic, Severity},
    dialect::nginx::parse,
    ir::Config,
    source::SourceMap,
};

/// How tests lower.
pub(super) fn options() -> Options {
    Options {
        prefix: PathBuf::from("/p"),
        conf_prefix: PathBuf::from("/p/conf"),
        offline: false,
        strict_names: false,
        root: false,
        token: "nginx/1.22.1".into(),
        level: Kind::Http,
    }
}

/// Lowers the inside of an `http` block.
fn http(text: &str) -> (Config, Vec<Diagnostic>, SourceMap) {
    let mut sources = SourceMap::new();
    let file = sources.add(PathBuf::from("test.conf"), text.as_bytes().to_vec());
    let (items, found) = parse::parse(&sources, file);
    assert!(found.is_empty(), "{text}: {found:?}");
    let (config, found) = lower(&items, &sources, &options());
    (config, found, sources)
}

/// What is found in a text, as severity, code and the words pointed at.
fn found(text: &str) -> String {
    let (_, found, sources) = http(text);
    let found = found.iter().map(|it| {
        let sign = match it.severity {
            Severity::Note => "note ",
            Severity::Warning => "warning ",
            Severity::Error => "",
        };
        let at = it.labels.first().map(|label| String::from_utf8_lossy(sources.text(label.span)));
        format!("{sign}{} `{}`", it.code, at.unwrap_or_default())
    });
    found.collect::<Vec<_>>().join("; ")
}

/// Checks a table of texts and what is found in them. Every text was put to `nginx -t` of 1.22.1, which refuses
/// it where there is an error here and warns where there is a warning.
fn verdicts(table: &[(&str, &str)], around: impl Fn(&str) -> String) {
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, expected)| (text, expected, found(&around(text))))
        .filter(|(_, expected, found)| found != *expected)
        .map(|(text, expected, found)| format!("{text}\n  expected {expected}\n  found    {found}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn servers_and_addresses() {
    let table = [
        (
            "server { listen 127.0.0.1:18099 ssl; server_name a; }",
            "missing-certificate `listen 127.0.0.1:18099 ssl`",
        ),
        ("server { listen 127.0.0.1:18099 ssl; ssl_reject_handshake on; server_name a; }", ""),
        ("server { listen 127.0.0.1:18099-18101; }", ""),
        ("server { listen 18099-18101; }", ""),
        ("server { listen 127.0.0.1:0; }", "invalid-address `127.0.0.1:0`"),
        ("server { listen 127.0.0.1:; }", "invalid-address `127.0.0.1:`"),
        ("server { listen :18099; }", "invalid-address `:18099`"),
        ("server { listen [::1]:18099x; }", "invalid-address `[::1]:18099x`"),
        ("server { listen 127.0.0.1:18099/x; }", "invalid-address `127.0.0.1:18099/x`"),
        ("server { listen unix:/tmp/lw/s.sock ; }", ""),
        ("server { listen unix: ; }", "invalid-address `unix:`"),
        ("server { listen 127.0.0.1:18099 foo; }", "invalid-parameter `foo`"),
        ("server { listen 127.0.0.1:18099 backlog=0; }", "invalid-parameter `backlog=0`"),
        ("server { listen 127.0.0.1:18099 backlog=x; }", "invalid-parameter `backlog=x`"),
        ("server { listen 127.0.0.1:18099 rcvbuf=8kk; }", "invalid-parameter `rcvbuf=8kk`"),
        ("server { listen 127.0.0.1:18099 ipv6only=on; }", ""),
        ("server { listen [::1]:18099 ipv6only=x; }", "invalid-parameter `ipv6only=x`"),
        ("server { listen 127.0.0.1:18099 so_keepalive=; }", "invalid-parameter `so_keepalive=`"),
        ("server { listen 127.0.0.1:18099 so_keepalive=::; }", "invalid-parameter `so_keepalive=::`"),
        ("server { listen 127.0.0.1:18099 so_keepalive=30m::10; }", ""),
        (
            "server { listen 127.0.0.1:18099 so_keepalive=1:2:3:4; }",
            "invalid-parameter `so_keepalive=1:2:3:4`",
        ),
        ("server { listen 127.0.0.1:18099 so_keepalive=yes; }", "invalid-parameter `so_keepalive=yes`"),
        ("server { listen 127.0.0.1:18099 bind reuseport fastopen=5 setfib=1 deferred; }", ""),
        ("server { listen 127.0.0.1:18099 accept_filter=x; }", "warning inert-parameter `accept_filter=x`"),
        ("server { listen 127.0.0.1:18099 quic; }", "refused-parameter `quic`"),
        ("server { listen 127.0.0.1:18099 spdy; }", "warning inert-parameter `spdy`"),
        (
            "server { listen 127.0.0.1:18099; listen 127.0.0.1:18099; }",
            "duplicate-listen `listen 127.0.0.1:18099`",
        ),
        (
            "server { listen 127.0.0.1:18099 backlog=5; } server { listen 127.0.0.1:18099 backlog=5; }",
            "duplicate-listen-options `listen 127.0.0.1:18099 backlog=5`; warning conflicting-server-name `server`",
        ),
        (
            "server { listen 127.0.0.1:18099 ; } server { listen 127.0.0.1:18099 backlog=5; }",
            "warning conflicting-server-name `server`",
        ),
        (
            "server { listen 127.0.0.1:18099 default_server; } server { listen 127.0.0.1:18099 default; }",
            "duplicate-default-server `listen 127.0.0.1:18099 default`; warning conflicting-server-name `server`",
        ),
        (
            "server { listen 80 ; } server { listen *:80 default_server; listen 0.0.0.0:80; }",
            "duplicate-listen `listen 0.0.0.0:80`; warning conflicting-server-name `server`",
        ),
        ("server { listen [::]:18099; listen 18099; }", ""),
        (
            "server { listen 127.0.0.1:18099; server_name a.*.b; } server { listen 127.0.0.1:18099; server_name x;}",
            "invalid-server-name `a.*.b`",
        ),
        (
            "server { listen 127.0.0.1:18099; server_name a..b; } server { listen 127.0.0.1:18099; server_name x;}",
            "invalid-server-name `a..b`",
        ),
        (
            "server { listen 127.0.0.1:18099; server_name a/b; } server { listen 127.0.0.1:18099; server_name x;}",
            "warning suspicious-server-name `a/b`",
        ),
        (
            "server { listen 127.0.0.1:18099; server_name a b a; } server { listen 127.0.0.1:18099; server_name A .b *.b c;}",
            "warning conflicting-server-name `a`; warning conflicting-server-name `A`; warning conflicting-server-name `.b`",
        ),
        (
            "server { listen 127.0.0.1:18099; server_name .w.com w.com; } server { listen 127.0.0.1:18099; server_name x;}",
            "warning conflicting-server-name `w.com`",
        ),
        (
            "server { listen 127.0.0.1:18099; server_name *.w.com .w.com; } server { listen 127.0.0.1:18099; server_name x;}",
            "warning conflicting-server-name `.w.com`",
        ),
        (
            "server { listen 127.0.0.1:18099; } server { listen 127.0.0.1:18099; }",
            "warning conflicting-server-name `server`",
        ),
        (
            "server { listen 127.0.0.1:18099; server_name ''; } server { listen 127.0.0.1:18099;}",
            "warning conflicting-server-name `server`",
        ),
    ];
    verdicts(&table, str::to_owned);
}

#[test]
fn what_stands_in_a_server() {
    let table = [
        ("location @a { } location @a { return 200; }", ""),
        ("location = { }", ""),
        ("location '' { }", ""),
        ("location / { location '' {} }", "misplaced-location `''`"),
        ("server_name *a;", "invalid-server-name `*a`"),
        ("server_name * . ;", "invalid-server-name `*`; invalid-server-name `.`"),
        ("server_name a.*.b;", ""),
        ("server_name a/b ~;", "warning suspicious-server-name `a/b`; invalid-server-name `~`"),
        ("server_name a a;", ""),
        ("location /a {} location ^~ /a {}", "duplicate-location `/a`"),
        ("location = /a {} location = /a {}", "duplicate-location `/a`"),
        ("location ~ a {} location ~ a {}", ""),
        (
            "location ~ a { location a {} location /b {} }",
            "warning unreachable-location `a`; misplaced-location `/b`",
        ),
        ("location ~ a { location ~ b { location /x {} } }", "misplaced-location `/x`"),
        ("location foo /a {}", "invalid-modifier `foo`"),
        ("location /a { limit_except FOO { deny all; } }", "invalid-method `FOO`"),
        ("location /a { limit_except get { deny all; } }", ""),
        ("location /a { limit_except TRACE { deny all; } }", "invalid-method `TRACE`"),
        ("try_files $uri =1000;", "invalid-status `=1000`"),
        ("try_files $uri =x;", "invalid-status `=x`"),
        ("try_files $uri @nope;", "warning unknown-location `@nope`"),
        ("try_files $uri =;", "invalid-status `=`"),
        ("try_files '' /x;", ""),
        ("if ($host) { return 200; } if ( $host = a ) { } if ($host =a) {}", "invalid-condition `$host`"),
        ("if ($host = a b) {}", "invalid-condition `$host`"),
        ("if ($host ~) {}", "invalid-condition `$host`"),
        ("if ($host !) {}", "invalid-condition `$host`"),
        ("if ($) {}", "invalid-condition `$`"),
        ("if ('$host' = a) {}", "invalid-condition `'$host'`"),
        ("if (-f) {}", "invalid-condition `-f`"),
        ("if (-z /x) {}", "invalid-condition `-z`"),
        ("if (!-f /x) {} if (! -f /x) {}", "invalid-condition `!`"),
        ("if () {}", "invalid-condition `()`"),
        ("if ( ) {}", "invalid-condition `(`"),
        ("if (a) {}", "invalid-condition `a`"),
        ("if ($host = a) (b) {}", "invalid-condition `$host`"),
        ("if ($a=b) {}", "unknown-variable `$a=b`"),
        ("if (-f $host/x ) {}", ""),
        ("rewrite a '';", "empty-replacement `''`"),
        ("rewrite a b;", ""),
        ("return 1000;", "invalid-status `1000`"),
        ("return foo;", "invalid-status `foo`"),
        ("return '';", "invalid-status `''`"),
        ("set a b;", "invalid-variable `a`"),
        ("set $ b;", "invalid-variable `$`"),
        ("set ${a} b;", ""),
        ("set $a$b c;", ""),
        ("set $a-b c;", ""),
    ];
    verdicts(&table, |text| format!("server {{ listen 127.0.0.1:18099; {text} }}"));
}

#[test]
fn tables_of_values() {
    let table = [
        ("map a $b { x y z; }", "invalid-row `x y z`"),
        ("map $uri b {}", "invalid-variable `b`"),
        ("map $uri $b { a 1; A 2; }", "duplicate-row `A`"),
        ("map $uri $b { default 1; default 2; }", "duplicate-row `default`"),
        ("map $uri $b { hostnames; *.a 1; .a 2; }", "duplicate-row `.a`"),
        ("map $uri $b { *.a 1; }", ""),
        ("map $uri $b { hostnames; a..b 1; }", "invalid-row `a..b`"),
        ("map $uri $b { ~ 1; }", ""),
        ("map $uri $b { x $nope; }", "unknown-variable `$nope`"),
        ("map $uri $b { volatile; x 1 ; hostnames a; }", ""),
        ("geo $b { a 1; }", "invalid-network `a`"),
        (
            "geo $b { 10.0.0.1/8 1; 10.0.0.0/8 2; default 3; default 4; }",
            "warning low-address-bits `10.0.0.1/8`; warning duplicate-network `10.0.0.0/8`; warning duplicate-network `default`",
        ),
        ("geo $b { 1.1.1.1-2.2.2.2 a; }", "invalid-network `1.1.1.1-2.2.2.2`"),
        ("geo $b { ranges; 1.1.1.1-2.2.2.2 a; 2.0.0.0-3.0.0.0 b; }", "overlapping-range `2.0.0.0-3.0.0.0`"),
        (
            "geo $b { ranges; 1.1.1.1-2.2.2.2 a; 1.5.0.0-1.6.0.0 b; }",
            "warning duplicate-network `1.5.0.0-1.6.0.0`",
        ),
        ("geo $b { 1.1.1.1 a; ranges; }", "misplaced-ranges `ranges`"),
        ("geo $b { ranges; 1.1.1.1 a; }", "invalid-range `1.1.1.1`"),
        ("geo $b { ranges; 2.2.2.2-1.1.1.1 a; }", "invalid-range `2.2.2.2-1.1.1.1`"),
        (
            "geo $b { delete 1.1.1.1; delete x; proxy x; proxy_recursive; proxy 1.1.1.0/24; }",
            "warning nothing-to-delete `1.1.1.1`; invalid-network `x`; invalid-network `x`",
        ),
        ("geo b {}", "invalid-variable `b`"),
        ("geo $a $b { 1.1.1.1 x y; }", "invalid-row `1.1.1.1 x y`; unknown-variable `$a`"),
        ("geo $b { ::1 a; ::1/64 b; 2001:db8::/32 c; }", "warning low-address-bits `::1/64`"),
        ("geo $b { ranges; ::1-::2 a; }", "invalid-range `::1-::2`"),
        (
            "geo $b { ranges; default x; delete 1.1.1.1-1.1.1.2; delete a; }",
            "warning nothing-to-delete `1.1.1.1-1.1.1.2`; invalid-range `a`",
        ),
        (
            "geo $b { 1.1.1.1/33 a; 1.1.1.1/a b; 1.1.1.1/ c; /8 d; }",
            "invalid-network `1.1.1.1/33`; invalid-network `1.1.1.1/a`; invalid-network `1.1.1.1/`; invalid-network `/8`",
        ),
        ("geo $b { proxy 10.0.0.1/8; }", "warning low-address-bits `10.0.0.1/8`"),
        ("split_clients $uri $v { 50% a; * b; }", ""),
        ("split_clients $uri $v { 50.123% a; * b; }", "invalid-percentage `50.123%`"),
        ("split_clients $uri $v { 0% a; * b; }", "invalid-percentage `0%`"),
        ("split_clients $uri $v { 50 a; * b; }", "invalid-percentage `50`"),
        ("split_clients $uri $v { 60% a; 60% b; }", "invalid-percentage `60%`"),
        ("split_clients $uri $v { 60% a; * b; 40% c; }", "invalid-percentage `40%`"),
        ("split_clients $uri $v { * b; * c; }", ""),
        ("split_clients $uri $v { 50% a b; }", ""),
        ("split_clients uri v { }", "invalid-variable `v`"),
        ("split_clients $uri $v { include x; }", "invalid-percentage `include`"),
        ("split_clients $uri $v { 100.00% $uri; }", ""),
        ("split_clients $uri $v { 0.5% a; .5% b; 5.% c; x% d; }", "invalid-percentage `x%`"),
    ];
    verdicts(&table, str::to_owned);
}

#[test]
fn every_honoured_directive_is_lowered() {
    use super::{is_nested, lowering, rewrite};
    use crate::catalogue::{Level, nginx};
    // Read by whoever lowers the block that they stand in.
    let inside = [Level::Events, Level::Upstream];
    let levels = [Level::Main, Level::Http, Level::Server, Level::ServerIf, Level::Location, Level::If];
    let mut missing = Vec::new();
    let mut idle = Vec::new();
    for row in nginx() {
        for name in &row.names {
            let known =
                |level| lowering(name).is_some() || rewrite::is_step(level, name) || is_nested(level, name);
            let here = || levels.iter().copied().filter(|level| row.contexts.contains(*level));
            let elsewhere = inside.iter().any(|level| row.contexts.contains(*level));
            if row.is_honoured() && row.setting.is_none() && !elsewhere && !here().any(known) {
                missing.push(name.as_str());
            }
            let only = nginx().rows(name).count() == 1;
            if !row.is_honoured() && only && lowering(name).is_some() {
                idle.push(name.as_str());
            }
        }
    }
    assert!(missing.is_empty(), "honoured, but nothing lowers them: {}", missing.join(" "));
    assert!(idle.is_empty(), "lowered, but not honoured: {}", idle.join(" "));
}

#[test]
fn away_from_its_machine_a_name_without_a_port_is_an_upstream_of_another_file() {
    let offline = |text: &str| {
        let mut sources = SourceMap::new();
        let file = sources.add(PathBuf::from("test.conf"), text.as_bytes().to_vec());
        let (items, _) = parse::parse(&sources, file);
        let (_, found) = lower(&items, &sources, &Options { offline: true, ..options() });
        found.iter().map(|it| (it.severity, it.code)).collect::<Vec<_>>()
    };
    let text = |to: &str| format!("server {{ location / {{ fastcgi_pass {to}; }} }}");
    assert_eq!(offline(&text("php_fpm")), [(Severity::Note, "upstream-elsewhere")]);
    assert_eq!(offline(&text("127.0.0.1")), [(Severity::Error, "no-port")]);
    assert_eq!(found(&text("php_fpm")), "no-port `php_fpm`");
}
