//! A Python application behind uWSGI, by `uwsgi_pass` and nothing else.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::http::{Connection, Response, get};
use crate::support::process::Process;
use crate::support::subject::{Prefix, Server, finish, is_triglot};
use crate::support::websocket::{Kind, WebSocket};
use crate::support::{ports, wait};
use crate::{configuration, folder};

fn start() -> (u16, Server, Process) {
    let (port, application) = (ports::free(), ports::free());
    let prefix = Prefix::new("uwsgi", &configuration("uwsgi", &[(7000, application), (7001, port)]));
    if !is_triglot() {
        // The real nginx finds the file beside its configuration; triglot brings its own.
        let params = std::fs::read("/etc/nginx/uwsgi_params").expect("Debian's nginx brings uwsgi_params");
        prefix.write("uwsgi_params", params);
    }
    let mut command = Command::new("uwsgi");
    command
        .args(["--plugin", "python3", "--socket", &format!(":{application}"), "--wsgi-file"])
        .arg(folder().join("uwsgi/test.py"))
        .args(["--master", "--processes", "4"])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let uwsgi = Process::start("uwsgi", &mut command, prefix.path()).listening(application);
    // The socket listens before the application is loaded, and the queue holds what comes before.
    wait::until("uWSGI's workers", wait::SOON * 2, || {
        uwsgi.output().contains("spawned uWSGI worker 4").then_some(())
    });
    (port, prefix.serve(), uwsgi)
}

/// Sends a request with content and reads the answer.
#[track_caller]
fn post(port: u16, target: &str, kind: &str, content: &[u8]) -> Response {
    let ask = || -> std::io::Result<Response> {
        let mut connection = Connection::open(port)?;
        connection.send(format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            content.len()
        ))?;
        connection.send(content)?;
        connection.response()
    };
    ask().unwrap_or_else(|error| panic!("POST {target}: {error}"))
}

#[test]
fn the_application_greets() {
    let (port, _subject, _uwsgi) = start();
    let mut workers = BTreeSet::new();
    for _ in 0..20 {
        let response = get(port, "/");
        assert_eq!(
            (response.status, response.field("Content-Type")),
            (200, Some("text/plain")),
            "{response:?}"
        );
        let text = response.text();
        let (greeting, worker) = text.split_once('\n').expect("two lines come");
        assert_eq!(greeting, "hello world");
        workers.insert(worker.to_owned());
    }
    assert!(!workers.is_empty() && workers.len() <= 4, "{workers:?}");
}

#[test]
fn the_application_sees_the_request() {
    let (port, _subject, _uwsgi) = start();
    let mut connection = Connection::open(port).expect("it connects");
    connection
        .send("GET /env?a=1&b=%20 HTTP/1.1\r\nHost: localhost\r\nX-Test: yes\r\nConnection: close\r\n\r\n")
        .expect("a request is sent");
    let response = connection.response().expect("it is answered");
    let expected = "REQUEST_METHOD=GET\nQUERY_STRING=a=1&b=%20\nREQUEST_URI=/env?a=1&b=%20\n\
                    SERVER_PROTOCOL=HTTP/1.1\nCONTENT_TYPE=\nHTTP_X_TEST=yes\n";
    assert_eq!(response.text(), expected);
}

#[test]
fn content_arrives_whole() {
    let (port, subject, _uwsgi) = start();
    let form = "name=J%C3%B6rg&colour=blue&colour=red";
    let upload: Vec<u8> =
        (0..20_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (kind, content) in
        [("application/x-www-form-urlencoded", form.as_bytes()), ("application/octet-stream", &upload[..])]
    {
        let response = post(port, "/upload", kind, content);
        let file = subject.prefix().write("upload.bin", content);
        let output = finish(Command::new("sha256sum").arg(file));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hash = text.split(' ').next().unwrap_or_default();
        assert_eq!(response.text(), format!("POST {} {hash}\n", content.len()), "{}", response.head);
    }
}

#[test]
fn too_much_content_is_refused() {
    let (port, _subject, _uwsgi) = start();
    let mut connection = Connection::open(port).expect("it connects");
    connection
        .send(format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 33 << 20))
        .expect("a head is sent");
    let response = connection.response().expect("it is answered");
    assert_eq!(response.status, 413, "{response:?}");
}

#[test]
fn the_websocket_interface_echoes() {
    let (port, _subject, _uwsgi) = start();
    let mut socket = WebSocket::open(port, "/ws").expect("it opens, with no directive that says so");
    assert_eq!(socket.ask("hello, snake").expect("a text is echoed"), "hello, snake");
    let payload: Vec<u8> = (0..200_000).map(|index| (index % 251) as u8).collect();
    socket.send(Kind::Binary, &payload).expect("a binary message is sent");
    let message = socket.receive().expect("it is echoed");
    assert!(message.kind == Kind::Binary && message.payload == payload, "{message:?}");
    // Three more at the same time: one for each process that is left.
    let mut others: Vec<_> = (0..3).map(|_| WebSocket::open(port, "/ws").expect("it opens")).collect();
    for (index, other) in others.iter_mut().enumerate() {
        let text = format!("number {index}");
        assert_eq!(other.ask(&text).expect("a text is echoed"), text);
    }
    assert_eq!(socket.ask("still there").expect("a text is echoed"), "still there");
}
