//! `run --explain-header`: a request that knows the secret has its way told to the error log.

use std::process::Command;

use crate::support::http::Connection;
use crate::support::origin::Origin;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::{ports, wait};

#[test]
fn the_way_of_a_request_is_told_to_who_knows_the_secret() {
    let (port, origin) = (ports::free(), Origin::start());
    let scratch = Scratch::new("explain-header");
    let upstream = origin.port();
    let file = scratch.write(
        "nginx.conf",
        format!(
            "error_log {log};\nevents {{}}\nhttp {{\n  server {{\n    listen 127.0.0.1:{port};\n    \
             location / {{ return 404; }}\n    location /app/ {{\n      add_header X-Id $request_id;\n      \
             if ($http_x_key ~ ^a(.*)) {{ set $k $1; }}\n      proxy_pass http://127.0.0.1:{upstream}/;\n    }}\n  \
             }}\n}}\n",
            log = scratch.path().join("error.log").display(),
        ),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    command.arg("run").arg(&file).args(["--explain-header", "X-Why:open sesame"]);
    let server = Process::start("run", &mut command, scratch.path());
    wait::until("the server", wait::SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let mut connection = Connection::open(port).expect("it accepts");
    for (why, key) in [("open sesam", "aa1"), ("open sesame", "ab2"), ("", "ac3")] {
        let request = format!(
            "GET /app/x HTTP/1.1\r\nHost: a\r\nX-Why: {why}\r\nX-Key: {key}\r\nCookie: s=hidden\r\n\r\n"
        );
        connection.send(request).expect("a request is sent");
        let response = connection.response().expect("it is answered");
        assert_eq!(response.status, 200, "{response:?}");
        if key == "ab2" {
            let id = response.field("X-Id").expect("an id").to_owned();
            // Told when everything was done for it.
            let said = wait::until("the end of the way", wait::SOON, || {
                Some(scratch.read("error.log")).filter(|said| said.contains("the client gets"))
            });
            let told: Vec<&str> =
                said.lines().filter(|line| line.contains(&format!("explain {id}: "))).collect();
            let all = told.join("\n");
            for part in [
                "takes a route",
                "nginx.conf:9: if ($http_x_key ~ ^a(.*)) { set $k $1; }: \"ab2\" matches: $1=\"b2\"",
                &format!("asks http://127.0.0.1:{upstream}: GET /x HTTP/1.0 | Host: "),
                "Cookie: (not shown)",
                "the client gets 200",
                "the request is \"GET /app/x HTTP/1.1\"",
            ] {
                assert!(all.contains(part), "`{part}` in:\n{said}");
            }
            assert!(!all.contains("sesame") && !all.contains("hidden"), "{all}");
        }
    }
    let said = scratch.read("error.log");
    assert!(!said.contains("aa1") && !said.contains("ac3"), "only who knows the secret is told of:\n{said}");
    drop(server);
}
