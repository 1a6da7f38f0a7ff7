//! Modules that the usual nginx does not have: content coded with Brotli, and fields that are set and cleared. What
//! is expected is what the modules' pages say.
//!
//! References: <https://github.com/google/ngx_brotli>, <https://github.com/openresty/headers-more-nginx-module>

use std::io::Read as _;

use crate::support::http::{Connection, Response, get};
use crate::support::subject::{Prefix, is_triglot};
use crate::support::{origin::Origin, ports};

/// Asks with further fields.
fn ask(port: u16, target: &str, fields: &str) -> Response {
    let mut connection = Connection::open(port).expect("it accepts connections");
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).expect("it is sent");
    connection.response().expect("it is answered")
}

#[test]
fn content_is_coded_with_brotli_for_who_takes_it() {
    if !is_triglot() {
        return;
    }
    let port = ports::free();
    let prefix = Prefix::new(
        "codings-brotli",
        &format!(
            "error_log logs/error.log info;
            events {{ }}
            http {{
                access_log off;
                types {{ text/plain txt; image/png png; }}
                brotli on; brotli_static on; brotli_min_length 100; brotli_types text/plain; brotli_comp_level 5;
                gzip on; gzip_min_length 100; gzip_types text/plain; gzip_vary on;
                server {{ listen 127.0.0.1:{port}; root html; location /off/ {{ alias html/; brotli off; gzip off; }} }}
            }}
            "
        ),
    );
    let text = "a line that is said again and again\n".repeat(2000);
    for (name, content) in [("long.txt", &*text), ("short.txt", "short\n"), ("long.png", &*text)] {
        prefix.write(&format!("html/{name}"), content);
    }
    prefix.write("html/ahead.txt", "plain");
    prefix.write("html/ahead.txt.br", "coded ahead");
    let server = prefix.serve();
    let coded = ask(port, "/long.txt", "Accept-Encoding: gzip, br\r\n");
    assert_eq!((coded.status, coded.field("Content-Encoding")), (200, Some("br")), "{}", coded.head);
    let mut read = String::new();
    brotli::Decompressor::new(&*coded.content, 4096).read_to_string(&mut read).expect("it is coded well");
    assert!(read == text && coded.content.len() < text.len() / 10, "{} bytes", coded.content.len());
    for (target, fields, coding) in [
        ("/long.txt", "", None),
        ("/long.txt", "Accept-Encoding: gzip\r\n", Some("gzip")),
        ("/long.txt", "Accept-Encoding: br;q=0, gzip\r\n", Some("gzip")),
        ("/short.txt", "Accept-Encoding: br\r\n", None),
        ("/long.png", "Accept-Encoding: br\r\n", None),
        ("/off/long.txt", "Accept-Encoding: br\r\n", None),
        ("/ahead.txt", "Accept-Encoding: br\r\n", Some("br")),
        ("/ahead.txt", "", None),
    ] {
        let answer = ask(port, target, fields);
        assert_eq!(answer.field("Content-Encoding"), coding, "{target} {fields:?}: {}", answer.head);
    }
    assert_eq!(ask(port, "/ahead.txt", "Accept-Encoding: br\r\n").text(), "coded ahead");
    drop(server);
}

#[test]
fn fields_are_set_and_cleared() {
    if !is_triglot() {
        return;
    }
    let (port, origin) = (ports::free(), Origin::start());
    let prefix = Prefix::new(
        "codings-fields",
        &format!(
            "error_log logs/error.log info;
            events {{ }}
            http {{
                access_log off;
                more_set_headers 'X-Outer: http';
                server {{
                    listen 127.0.0.1:{port};
                    more_set_headers 'Server: own' 'X-Host: $host';
                    location / {{ return 200 'plain'; }}
                    location /status {{ more_set_headers -s '404 500' 'X-Wrong: yes'; return 404; }}
                    location /fine {{ more_set_headers -s 404 'X-Wrong: yes'; return 200; }}
                    location /type {{ more_set_headers 'Content-Type: text/own'; return 200 'typed'; }}
                    location /clear {{ more_clear_headers Server 'X-*'; proxy_pass http://127.0.0.1:{}; }}
                }}
            }}
            ",
            origin.port()
        ),
    );
    let server = prefix.serve();
    let plain = ask(port, "/", "");
    for (name, value) in [("Server", "own"), ("X-Host", "localhost"), ("X-Outer", "http")] {
        assert_eq!(plain.field(name), Some(value), "{}", plain.head);
    }
    let wrong = get(port, "/status");
    assert_eq!((wrong.status, wrong.field("X-Wrong")), (404, Some("yes")), "{}", wrong.head);
    assert_eq!(get(port, "/fine").field("X-Wrong"), None);
    assert_eq!(get(port, "/type").field("Content-Type"), Some("text/own"));
    let cleared = get(port, "/clear");
    assert_eq!((cleared.field("Server"), cleared.field("X-Outer")), (None, None), "{}", cleared.head);
    drop(server);
}
