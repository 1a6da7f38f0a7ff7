//! Requests made at random: usual ones for generated hosts, and ones that few clients send.

use super::{pair::PORT, random::Random};

const SEGMENTS: &[&str] = &[
    "a",
    "b",
    "dir",
    "x",
    "f.txt",
    "index.html",
    "A",
    "sp%20ace.txt",
    "c",
    "x.html",
    "index.php",
    "%61",
    "a%2Fb",
    "d.php",
];

/// A request as clients make them, to a host of this name.
pub(crate) fn usual(random: &mut Random, host: &str) -> Vec<u8> {
    let mut target = String::from("/");
    let segments: Vec<&str> = (0..random.below(4)).map(|_| random.pick(SEGMENTS)).collect();
    target.push_str(&segments.join("/"));
    for (chance, what) in [(30, "/"), (5, "/../a"), (5, "/../f.txt"), (8, "/./")] {
        if random.below(100) < chance {
            target.push_str(what);
        }
    }
    if random.below(10) == 0 {
        target.insert(0, '/');
    }
    if random.below(10) < 3 {
        target.push('?');
        target.push_str(random.pick(&["q=1", "a=b&c=d", "x", "", "q=%20+", "a=1&a=2", "url=/x/y"]));
    }
    let method = random.pick(&["GET", "GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD"]);
    let mut out = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (chance, field) in [(30, "X: 1\r\n"), (20, "Cookie: c=1\r\n")] {
        if random.below(100) < chance {
            out.push_str(field);
        }
    }
    out.push_str(if method == "POST" { "Content-Length: 3\r\n\r\nabc" } else { "\r\n" });
    out.into_bytes()
}

/// The hosts that odd requests are for.
pub(crate) fn servers(origin: u16) -> Vec<String> {
    vec![
        format!(
            r#"server {{ listen 127.0.0.1:{PORT}; server_name a.test; root html;
  location /p {{ proxy_pass http://127.0.0.1:{origin}; }}
  location /r {{ return 200 "r $request_uri $uri $args $host $http_host $http_x\n"; }}
  location /s {{ rewrite ^ /f.txt; }}
  location /e {{ return 400; }}
  location /c {{ return 200 "$cookie_a|$cookie_b|$arg_x|$arg_Y\n"; }}
}}"#
        ),
        format!(
            r#"server {{ listen 127.0.0.1:{PORT}; server_name b.test; underscores_in_headers on; ignore_invalid_headers off; merge_slashes off;
  location / {{ return 200 "b $request_uri $uri $http_x_y $http_x\n"; }}
  location /p {{ proxy_pass http://127.0.0.1:{origin}; }}
}}"#
        ),
    ]
}

const METHODS: &[&str] = &[
    "GET", "GET", "GET", "GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE",
    "CONNECT", "get", "G-T", "PATCH", "PROPFIND", "G_T", "FOO", "G\u{1}T", "", "GET ", "PRI",
];
const TARGETS: &[&str] = &[
    "p",
    "r",
    "s",
    "f.txt",
    "d",
    "e",
    "c",
    "p/x",
    "r/%2e%2e/x",
    "../r",
    "./r",
    "r//x",
    "r/%00",
    "r/%zz",
    "r/%",
    "r%2fx",
    "r/a b",
    "r/a#f",
    "r/?",
    "r/a?x=1&Y=2",
    "c?X=3&x=",
    "r/%41",
    "p/%2F%3f%20",
    "p/a%0Ab",
    "r/<>",
    "r/\"q\"",
    "r/\\x",
    "r/a;b",
    "%",
    "",
    "index.html",
    "missing",
    "r/a\tb",
    "..",
    "../..",
    "r/..%2f..",
    "r/.",
    "r/..",
    "p/../r/",
    "r/%c0%af",
    "r/a?b?c",
    "r?#",
    "r/%25",
    "p?%20 x",
];
const ORIGINS: &[&str] = &[
    "http://a.test",
    "http://a.test:80",
    "HTTP://A.TEST",
    "https://b.test",
    "ftp://a.test",
    "http://a_b.test",
    "http://a.test:",
    "http://[::1]",
    "http://u@a.test",
    "http:/a.test",
    "//a.test",
];
const BARE: &[&str] =
    &["*", "", "a", "?x", "http", "a.test:80", "/\u{7f}", "?", "http://a.test?x", "http://b.test"];
const VERSIONS: &[&str] = &[
    " HTTP/1.1",
    " HTTP/1.1",
    " HTTP/1.1",
    " HTTP/1.1",
    " HTTP/1.1",
    " HTTP/1.1",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/1.0",
    "",
    " HTTP/1.2",
    " HTTP/2.0",
    " HTTP/1.10",
    " http/1.1",
    " HTTP/1",
    " HTTP/1.",
    " HTTP/1.1 ",
    "  HTTP/1.1",
    " HTTP/1.1x",
    " HTTPS/1.1",
    " HTTP/3.0",
    " HTTP/10.1",
    " HTTP/ 1.1",
];
// What RFC 3986 has no place for in a host is refused here and taken by nginx: no such names.
const HOSTS: &[&str] = &[
    "Host: a.test",
    "Host: a.test",
    "Host: a.test",
    "Host: a.test",
    "Host: b.test",
    "Host: b.test",
    "Host: A.TEST",
    "Host: a.test:80",
    "Host: a.test:",
    "Host: a.test.",
    "Host:a.test",
    "Host:   a.test  ",
    "Host: ",
    "Host:",
    "host: b.test",
    "Host: a..test",
    "Host: [::1]",
    "Host: a/b",
    "Host: a_b",
    "Host: -",
    "Host: .",
    "Host : a.test",
    "Host: a.test\r\nHost: a.test",
    "X-No: 1",
];
// A repeated field of another name has all its values here, as in newer nginx than the one beside it: at most one `X`.
const FIELDS: &[&str] = &[
    "X_Y: 3",
    "X-Y: 4",
    "X;Y: 1",
    "X(: 1",
    ": 1",
    "Z",
    "Z=1",
    " Z: 1",
    "Z\t: 1",
    "Z: a\r\n b",
    "Z: a\u{0}b",
    "Cookie: a=1; b=2",
    "Cookie: a=1,b=2",
    "cookie: b = 3;a",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Keep-Alive, x",
    "Connection: Close",
    "Connection: x, close",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Keep-Alive: 3",
    "Expect: 200-ok",
    "Range: bytes=0-2",
    "Range: bytes=-2",
    "Range: bytes=2-",
    "Range: bytes=9999-",
    "Range: bytes= 0 - 1 ",
    "Range: bytes=a",
    "Range: x=0-1",
    "Range: bytes=1-0",
    "Range: bytes=0-99999999999999999999",
    "Range: bytes=,0-1",
    "Range: bytes=-0",
    "If-Range: \"x\"\r\nRange: bytes=0-1",
    "If-Modified-Since: Thu, 01 Jan 2060 00:00:00 GMT",
    "If-Modified-Since: junk",
    "If-None-Match: *",
    "If-None-Match: \"a\", W/\"b\"",
    "If-Match: *",
    "TE: trailers",
    "Trailer: x",
    "Via: 1.1 x",
    "User-Agent: x",
    "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)",
    "Authorization: Basic x",
    "Content-Type: text/x",
    "Upgrade: h2c",
];
const LENGTHS: &[&str] = &[
    "Content-Length: 3x",
    "Content-Length: -1",
    "Content-Length:",
    "Content-Length: +3",
    "Content-Length: 3, 3",
    "Content-Length: 3\r\nContent-Length: 3",
    "Content-Length: 3\r\nContent-Length: 4",
    "Content-Length: 0x3",
    "Content-Length: 99999999999999999999",
    "Content-Length: 003",
    "Content-Length: 3 ",
    "Content-Length: 3 3",
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "content-length: 3",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: xchunked",
];

/// A request that few clients send.
pub(crate) fn odd(random: &mut Random) -> Vec<u8> {
    let newline = if random.below(15) == 0 { "\n" } else { "\r\n" };
    let method = random.pick(METHODS);
    let gap = match random.below(30) {
        0 => "  ",
        1 => "\t",
        _ => " ",
    };
    let mut target = format!("/{}", random.pick(TARGETS));
    match random.below(40) {
        0..3 => target.insert_str(0, random.pick(ORIGINS)),
        3 => random.pick(BARE).clone_into(&mut target),
        _ => {}
    }
    let mut fields = vec![random.pick(HOSTS).to_owned()];
    for _ in 0..[0, 0, 1, 1, 2, 3][random.below(6)] {
        fields.push(random.pick(FIELDS).to_owned());
    }
    if random.below(3) == 0 {
        fields.push(random.pick(&["X: 1", "X:", "X: \t a \t", "X: \u{1}", "X: \u{7f}"]).to_owned());
    }
    let mut content = String::new();
    if method == "POST" || random.below(10) < 3 {
        if random.below(3) == 0 {
            fields.push(random.pick(LENGTHS).to_owned());
            content.push_str("abc");
        } else {
            content.push_str(&"x".repeat([3, 0, 49, 50, 51, 200][random.below(6)]));
            fields.push(format!("Content-Length: {}", content.len()));
        }
    }
    let before = match random.below(33) {
        0 => "\r\n",
        1 => "\n",
        2 => " ",
        _ => "",
    };
    let lines: String = fields.iter().map(|field| field.replace("\r\n", newline) + newline).collect();
    let text =
        format!("{before}{method}{gap}{target}{}{newline}{lines}{newline}{content}", random.pick(VERSIONS));
    text.into_bytes()
}
