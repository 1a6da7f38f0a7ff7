//! Virtual hosts made at random out of what edits, guards and composes responses, and requests with conditions.
//!
//! Left out because triglot does otherwise on purpose: parts of responses to requests with content (nginx sends the
//! content with each), `charset` from a variable that is empty (nginx closes), character sets whose map has gaps, and
//! texts before or behind a part that is a page.

use super::{pair::PORT, random::Random};

/// What stands before the virtual hosts.
pub(crate) const HTTP: &str = r"types { text/html html; text/plain txt; } default_type text/plain; keepalive_timeout 1s;
charset_map koi8-r windows-1251 { C1 E0; C2 E1; }";

const PATHS: &[&str] = &["/", "/a/", "/f", "= /x.html", "~ \\.txt$", "~ \\.html$", "^~ /b", "/up/", "/up/g"];
const TARGETS: &[&str] = &[
    "/",
    "/index.html",
    "/f.txt",
    "/x.html",
    "/a/",
    "/a",
    "/a/f.txt",
    "/a/b/f.txt",
    "/b",
    "/b/x.txt",
    "/up/a",
    "/up/g.txt",
    "/none",
    "/none.txt",
    "/none.html",
    "/up/loc",
    "/up/e",
];
/// Each at most once in a location.
const FILTERS: &[(usize, &[&str])] = &[
    (
        30,
        &[
            "sub_filter f F;",
            "sub_filter a \"\"; sub_filter x $uri;",
            "sub_filter nope b;",
            "sub_filter </body> x;",
        ],
    ),
    (
        40,
        &[
            "sub_filter_once off;",
            "sub_filter_types *;",
            "sub_filter_types text/plain;",
            "sub_filter_last_modified on;",
        ],
    ),
    (20, &["ssi on; ssi_types *;", "ssi on;", "ssi on; ssi_types text/plain; ssi_last_modified on;"]),
    (
        20,
        &[
            "addition_types *; add_after_body /part;",
            "addition_types *; add_before_body /part;",
            "add_before_body /part;",
        ],
    ),
    (
        30,
        &[
            "charset utf-8;",
            "charset koi8-r; override_charset on; charset_types *;",
            "charset off;",
            "charset windows-1251;",
        ],
    ),
    (
        30,
        &[
            "expires 1h;",
            "expires -1;",
            "expires epoch;",
            "expires max;",
            "expires modified 10m;",
            "expires off;",
        ],
    ),
    (
        20,
        &[
            "add_header X-A $uri always;",
            "add_header Last-Modified \"\";",
            "add_header ETag x;",
            "add_header X-B $upstream_status;",
        ],
    ),
    (12, &["etag off;", "if_modified_since off;", "if_modified_since before;"]),
    (12, &["max_ranges 0;", "max_ranges 1;", "max_ranges 2;"]),
    (10, &["chunked_transfer_encoding off;", "server_tokens off;", "default_type text/html;"]),
    (
        15,
        &[
            "auth_basic r; auth_basic_user_file users;",
            "auth_basic off;",
            "auth_basic r; auth_basic_user_file none;",
        ],
    ),
    (15, &["auth_request /yes;", "auth_request /no;", "auth_request /none;", "auth_request off;"]),
    (15, &["deny all;", "allow 127.0.0.1; deny all;", "satisfy any;"]),
    (10, &["limit_except GET { deny all; }", "limit_except HEAD { allow 127.0.0.1; deny all; }"]),
    (
        25,
        &[
            "error_page 404 /f.txt;",
            "error_page 401 403 =200 /x.html;",
            "error_page 404 405 @named;",
            "error_page 302 301 = /part;",
            "error_page 404 =302 http://c.test/;",
        ],
    ),
];
const CONTENT: &[&str] = &[
    "",
    "",
    "",
    "return 200 \"foo a\";",
    "return 301 /x;",
    "return 404;",
    "return 204;",
    "return 405 text;",
    "autoindex on;",
    "autoindex on; autoindex_format json;",
    "try_files $uri @named;",
    "try_files /nope =404;",
    "empty_gif;",
    "@PASS",
    "@PASS",
    "@PASS",
];
const PASSING: &[(usize, &[&str])] = &[
    (20, &["proxy_intercept_errors on;", "proxy_buffering off;", "proxy_http_version 1.1;"]),
    (20, &["proxy_force_ranges on;", "proxy_hide_header X-Odd;", "proxy_set_header Range \"\";"]),
];
const FIELDS: &[(usize, &[&str])] = &[
    (
        20,
        &[
            "Range: bytes=0-2",
            "Range: bytes=2-",
            "Range: bytes=-2",
            "Range: bytes=0-0,2-3",
            "Range: bytes=99-",
            "Range: bytes=5-2",
        ],
    ),
    (
        15,
        &[
            "If-Modified-Since: Sun, 01 Jan 2034 00:00:00 GMT",
            "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT",
            "If-Modified-Since: x",
        ],
    ),
    (10, &["If-None-Match: *", "If-None-Match: \"a\"", "If-Match: \"a\"", "If-Match: *"]),
    (5, &["If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT", "If-Range: \"a\""]),
    (25, &["Authorization: Basic dTpw", "Authorization: Basic dTp4", "Authorization: Basic Og=="]),
];

/// A virtual host in front of an origin at a port.
pub(crate) fn server(random: &mut Random, number: usize, origin: u16) -> String {
    let mut lines = vec![format!("listen 127.0.0.1:{PORT}; server_name s{number}.test; root html;")];
    lines.extend(some(random, &FILTERS[..5]));
    let mut seen: Vec<&str> = Vec::new();
    for _ in 0..3 + random.below(3) {
        let path = random.pick(PATHS);
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        let mut inside = some(random, FILTERS);
        match random.pick(CONTENT) {
            "@PASS" => {
                inside.extend(some(random, PASSING));
                inside.push(format!("proxy_pass http://127.0.0.1:{origin};"));
            }
            content => inside.push(content.to_owned()),
        }
        lines.push(format!("location {path} {{ {} }}", inside.join(" ")));
    }
    let named = random.pick(&["return 200 named;", "return 404;", "try_files /f.txt =404;"]);
    lines.push(format!("location @named {{ {named} }}"));
    lines.push("location = /part { return 200 \"a part, f\"; }".to_owned());
    lines.push(
        "location = /yes { internal; return 204; } location = /no { internal; return 403; }".to_owned(),
    );
    format!("server {{ {}\n}}", lines.join("\n  "))
}

/// A request to a host of this name.
pub(crate) fn request(random: &mut Random, host: &str) -> Vec<u8> {
    let method = random.pick(&["GET", "GET", "GET", "GET", "HEAD", "OPTIONS"]);
    let target = random.pick(TARGETS);
    let version = random.pick(&["1.1", "1.1", "1.1", "1.0"]);
    let mut out = format!("{method} {target} HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n");
    for field in some(random, FIELDS) {
        out.push_str(&field);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// One of each group, with the group's chance in a hundred.
fn some(random: &mut Random, groups: &[(usize, &[&str])]) -> Vec<String> {
    let mut out = Vec::new();
    for (chance, group) in groups {
        if random.below(100) < *chance {
            out.push(random.pick(group).to_owned());
        }
    }
    out
}
