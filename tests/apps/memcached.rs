//! Pages from memcached, with what is made behind them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::configuration;
use crate::support::http::{Connection, get};
use crate::support::ports;
use crate::support::process::Process;
use crate::support::subject::{Prefix, Server};

fn start() -> (u16, u16, Server, Process) {
    let (port, store) = (ports::free(), ports::free());
    let prefix = Prefix::new("memcached", &configuration("memcached", &[(7301, store), (7302, port)]));
    let mut command = Command::new("memcached");
    command.args(["-l", "127.0.0.1", "-u", "nobody", "-I", "8m", "-p"]).arg(store.to_string());
    let memcached = Process::start("memcached", &mut command, prefix.path()).listening(store);
    (port, store, prefix.serve(), memcached)
}

fn put(store: u16, key: &str, flags: u32, value: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", store)).expect("it connects");
    let head = format!("set {key} {flags} 0 {}\r\n", value.len());
    stream.write_all(&[head.as_bytes(), value, b"\r\n"].concat()).expect("it is sent");
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).expect("it is answered");
    assert_eq!(&answer, b"STORED\r\n");
}

#[test]
fn pages_are_found_or_made() {
    let (port, store, _subject, memcached) = start();
    put(store, "page:/a.html", 0, b"<p>stored</p>");
    put(store, "page:/a%20b", 0, b"spaced");
    put(store, "page:/empty", 0, b"");
    put(store, "page:/zipped", 2, b"not really gzip");
    let large: Vec<u8> = (0..4_000_000_u32).map(|index| (index % 251) as u8).collect();
    put(store, "page:/large", 0, &large);
    for _ in 0..3 {
        let page = get(port, "/a.html");
        assert_eq!((page.status, page.text().as_str()), (200, "<p>stored</p>"));
        assert_eq!((page.field("Content-Type"), page.field("X-Made")), (Some("text/html"), None), "{page:?}");
        assert_eq!(get(port, "/a%20b").text(), "spaced");
        assert_eq!(get(port, "/empty").content, b"");
        assert!(get(port, "/large").content == large, "another content");
        let made = get(port, "/none");
        assert_eq!((made.status, made.text().as_str()), (200, "made for /none\n"));
        assert_eq!(made.field("X-Made"), Some("yes"));
    }
    assert_eq!(get(port, "/zipped").field("Content-Encoding"), Some("gzip"));
    drop(memcached);
    assert_eq!(get(port, "/a.html").text(), "made for /a.html\n");
}

#[test]
fn a_clients_connection_is_kept() {
    let (port, store, _subject, _memcached) = start();
    put(store, "page:/k", 0, b"kept");
    let mut connection = Connection::open(port).expect("it connects");
    for _ in 0..5 {
        connection.send("GET /k HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
        assert_eq!(connection.response().expect("it is answered").text(), "kept");
        let mut other = Connection::open(port).expect("it connects");
        other.send("HEAD /k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is sent");
        let head = other.rest().expect("it is answered");
        let head = String::from_utf8_lossy(&head);
        assert!(head.contains("Content-Length: 4\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }
}
