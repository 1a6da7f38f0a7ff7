//! Virtual hosts made at random: rewriting, locations of every kind, files, redirects, error pages and proxying.

use super::{pair::PORT, random::Random};

/// What stands before the virtual hosts.
pub(crate) const HTTP: &str = r#"types { text/html html; text/plain txt; } default_type application/octet-stream;
client_max_body_size 50; large_client_header_buffers 2 2k; client_header_buffer_size 1k;
client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;
map $uri $m1 { default "dm"; ~^/a(.*)$ "ma$1"; /b/ mb; ~\.txt$ ""; }
map $http_x$arg_q $m2 { "" none; 1 one; default "$uri"; }"#;

const PREFIXES: &[&str] =
    &["/", "/a", "/a/", "/a/b", "/b", "/b/", "/dir", "/dir/", "/x", "/x.html", "/c", "/A", "/a/f.txt"];
const PATTERNS: &[&str] = &[
    "^/a",
    r"\.txt$",
    r"\.html$",
    "^/(?<n>[a-z])/",
    "/b",
    "^/dir/(.*)$",
    "(.)/(.)",
    "^/x",
    r"\.php$",
    "^/([^/]*)$",
    "[A-Z]",
    r"^(.*)\.html$",
    "^/a/(?!b)",
    "f",
];
const VARIABLES: &[&str] = &[
    "uri",
    "request_uri",
    "args",
    "is_args",
    "arg_q",
    "host",
    "1",
    "2",
    "n",
    "v1",
    "v2",
    "document_root",
    "request_filename",
    "http_x",
    "query_string",
    "request_method",
    "scheme",
    "m1",
    "m2",
    "http_host",
    "server_name",
    "cookie_c",
    "status",
    "document_uri",
    "remote_addr",
];
const TARGETS: &[&str] = &[
    "/a$1",
    "/b/$1",
    "/c",
    "/dir/",
    "/$1",
    "/x.html",
    "/a/b/$2?z=1",
    "/a?",
    "$uri/x",
    "/f.txt?q=$1",
    "/b?$args",
    "/new$uri",
    "/a b",
    "/x%20y",
];
const CONDITIONS: &[&str] = &[
    r#"($http_x = "1")"#,
    r#"($http_x != "1")"#,
    "($arg_q)",
    "($request_method = POST)",
    "(-f $request_filename)",
    "(-d $request_filename)",
    "(!-e $request_filename)",
    "($v1)",
    r#"($args ~ "a=(.)")"#,
    "($m1)",
    r#"($host ~ "(?<h>.)")"#,
    "($cookie_c)",
];

/// The name that a virtual host answers to.
pub(crate) fn name(server: &str) -> &str {
    server.split("server_name ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default()
}

/// A virtual host in front of an origin at a port.
pub(crate) fn server(random: &mut Random, number: usize, origin: u16) -> String {
    let mut made = Made { random, origin };
    let mut body = vec![format!("listen 127.0.0.1:{PORT}; server_name s{number}.test;")];
    body.push(made.pick(&["root html;", "root html;", "root alt;", ""]).to_owned());
    if made.chance(40) {
        let statements = made.statements(0, Around::Server);
        body.extend(statements);
    }
    if made.chance(30) {
        body.push(format!("add_header X-S {};", quoted(&format!("{}s", made.value()))));
    }
    if made.chance(20) {
        let page = made.pick(&["404 /e404", "404 =200 /e404", "403 404 @n1", "404 /f.txt"]);
        body.push(format!("error_page {page};"));
    }
    for (chance, line) in
        [(10, "merge_slashes off;"), (10, "recursive_error_pages on;"), (10, "absolute_redirect off;")]
    {
        if made.chance(chance) {
            body.push(line.to_owned());
        }
    }
    for _ in 0..=made.random.below(5) {
        let location = made.location(0, "");
        body.push(location);
    }
    let statements = made.statements(1, Around::Location).join(" ");
    let end =
        made.pick(&[r#"return 200 "named $uri|$1|$v1";"#, "@PASS", "root alt;", "try_files /f.txt =404;"]);
    let end = if end == "@PASS" { made.pass("") } else { end.to_owned() };
    body.push(format!("location @n1 {{ {statements} {end} }}"));
    let page = made.pick(&[
        r#"return 200 "e404 $uri $status";"#,
        "internal; root alt;",
        r#"return 404 "custom";"#,
        "rewrite ^ /f.txt;",
    ]);
    body.push(format!("location = /e404 {{ {page} }}"));
    format!("server {{ {}\n}}", body.join("\n  "))
}

/// Where a statement of the rewrite module stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Server,
    Location,
    If,
}

struct Made<'a> {
    random: &'a mut Random,
    origin: u16,
}

impl Made<'_> {
    fn chance(&mut self, of_hundred: usize) -> bool {
        self.random.below(100) < of_hundred
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.random.below(from.len())]
    }

    fn value(&mut self) -> String {
        if self.chance(40) {
            return self.pick(&["x", "/b", "/a/", "-", "y z", "1", "0", "", "%20", "a&b"]).to_owned();
        }
        let before = self.pick(&["", "p", "/"]);
        let name = self.pick(VARIABLES);
        let variable = if name.starts_with(|c: char| c.is_ascii_digit()) {
            format!("${name}")
        } else {
            format!("${{{name}}}")
        };
        format!("{before}{variable}{}", self.pick(&["", "-s", "/"]))
    }

    fn pass(&mut self, path: &str) -> String {
        format!("proxy_pass http://127.0.0.1:{}{path};", self.origin)
    }

    fn condition(&mut self) -> String {
        match self.random.below(5) {
            0 => format!("($uri ~ {})", quoted(self.pick(PATTERNS))),
            1 => format!("($uri ~* {})", quoted(self.pick(PATTERNS))),
            2 => format!("($uri !~ {})", quoted(self.pick(PATTERNS))),
            _ => self.pick(CONDITIONS).to_owned(),
        }
    }

    /// Statements of the rewrite module, and what else may stand among them.
    fn statements(&mut self, depth: usize, around: Around) -> Vec<String> {
        let mut out = Vec::new();
        for _ in 0..self.random.below(4) {
            match self.random.below(100) {
                0..25 => {
                    let value = quoted(&self.value());
                    out.push(format!("set $v{} {value};", 1 + self.random.below(2)));
                }
                25..50 => {
                    let (pattern, target) = (quoted(self.pick(PATTERNS)), quoted(self.pick(TARGETS)));
                    let flag = self.pick(&["", "last", "break", "", "redirect", "permanent"]);
                    out.push(format!("rewrite {pattern} {target} {flag};"));
                }
                50..54 => out.push("break;".to_owned()),
                54..60 => {
                    let value = quoted(&format!("{}h", self.value()));
                    out.push(format!("add_header X-L{} {value};", 1 + self.random.below(3)));
                }
                60..70 => {
                    let value = self.value();
                    out.push(match self.random.below(6) {
                        0 => format!("return 200 {};", quoted(&format!("R:{value}"))),
                        1 => format!("return 301 {};", quoted(&format!("/r{value}"))),
                        2 => "return 404;".to_owned(),
                        3 => r#"return 403 "no";"#.to_owned(),
                        4 => format!("return 302 {};", quoted(&format!("http://h/{value}"))),
                        _ => "return 204;".to_owned(),
                    });
                }
                _ if depth < 2 && around != Around::If => {
                    let condition = self.condition();
                    let mut inside = self.statements(depth + 1, Around::If);
                    if around == Around::Location && self.chance(15) {
                        inside.push(self.pass(""));
                    }
                    // Headers have no place in a server's `if`.
                    inside.retain(|line| around != Around::Server || !line.starts_with("add_header"));
                    out.push(format!("if {condition} {{ {} }}", inside.join(" ")));
                }
                _ => {}
            }
        }
        out
    }

    /// What a location serves.
    fn content(&mut self, is_pattern: bool) -> String {
        match self.random.below(100) {
            0..18 => self.pass(""),
            18..34 if !is_pattern => {
                let path = self.pick(&["/", "/up", "/up/", "/u?x=1", "/$1"]);
                self.pass(path)
            }
            34..42 => {
                let path = self.pick(&["$uri", "/v$1", "$request_uri", "/fix?$args"]);
                self.pass(path)
            }
            42..52 => format!("root {};", self.pick(&["html", "alt", "html/$v1", "html/a"])),
            52..64 if !is_pattern => format!("alias {};", self.pick(&["alt/", "alt", "html/a/", "html/$1"])),
            64..68 if is_pattern => format!("alias {};", self.pick(&["alt/$1", "html/$2", "alt/f.txt"])),
            _ => String::new(),
        }
    }

    fn location(&mut self, depth: usize, parent: &str) -> String {
        let kind = self.pick(&["", "", "=", "^~", "~", "~*"]);
        let is_pattern = kind.starts_with('~');
        let name = match (is_pattern, parent) {
            (true, _) => self.pick(PATTERNS).to_owned(),
            (false, "") => self.pick(PREFIXES).to_owned(),
            (false, _) => format!("{parent}{}", self.pick(&["b", "x", "/b", "f.txt"])),
        };
        let mut body = self.statements(0, Around::Location);
        if self.chance(50) {
            body.push(format!("add_header X-C {};", quoted(&format!("{}c", self.value()))));
        }
        let content = self.content(is_pattern);
        // Under an alias, after a rewrite of the host that ends its steps, nginx answers 500 and triglot 404.
        let aliased = content.starts_with("alias");
        body.push(content);
        if !aliased && self.chance(20) {
            let tries = ["$uri", "$uri/", "/f.txt", "/none", "$uri.html", "/a$uri", "/$1"];
            let first: Vec<String> = (0..=self.random.below(2)).map(|_| quoted(self.pick(&tries))).collect();
            let last = self.pick(&["=404", "=403", "/index.html", "@n1", "/b?q=$uri", "/a/f.txt"]);
            body.push(format!("try_files {} {last};", first.join(" ")));
        }
        if self.chance(15) {
            let page = self.pick(&[
                "404 /e404",
                "404 =200 /e404",
                "403 404 @n1",
                "404 /a/f.txt",
                "404 = /dir/index.php",
                "404 =301 /moved$uri",
                "500 502 /e404",
            ]);
            body.push(format!("error_page {page};"));
        }
        for (chance, lines) in [
            (
                8,
                &[
                    "index index.php;",
                    "index f.txt index.html;",
                    "index /x.html;",
                    "index none $v1 index.html;",
                ][..],
            ),
            (6, &["internal;"]),
            (
                6,
                &[
                    "deny all;",
                    "allow 127.0.0.1; deny all;",
                    "allow 10.0.0.0/8; deny all;",
                    "satisfy any; deny all;",
                ],
            ),
            (5, &["expires -1;", "expires epoch;", "expires max;", "expires off;"]),
            (5, &["default_type text/x;", r#"default_type "";"#]),
            (5, &["limit_except GET { deny all; }"]),
            (5, &["proxy_intercept_errors on;"]),
            (5, &["proxy_redirect off;", "proxy_redirect default;", "proxy_redirect / /pre/;"]),
        ] {
            if self.chance(chance) {
                body.push(self.pick(lines).to_owned());
            }
        }
        if depth < 2 && kind != "=" && self.chance(25) {
            let inner = self.location(depth + 1, if is_pattern { "" } else { &name });
            body.push(inner);
        }
        format!("location {kind} {} {{ {} }}", quoted(&name), body.join(" "))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}
