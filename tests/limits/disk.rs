//! Temporary files that cannot be made, and a disk without room.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::prefix;
use crate::support::http::{Connection, get};
use crate::support::origin::Origin;
use crate::support::ports;
use crate::support::subject::{Server, is_triglot};

/// 500 times 512 bytes are more than a file may have under this limit.
const LITTLE_ROOM: &str = "ulimit -f 64";

fn upload(port: u16, length: usize) -> u16 {
    let mut connection = Connection::open(port).expect("it accepts connections");
    let head = format!("POST /upstream HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    connection.send(head).expect("it is sent");
    // What comes after a refusal is nobody's business.
    let _ = connection.send("x".repeat(length));
    connection.response().expect("it is answered").status
}

fn serve(name: &str, port: u16, upstream: u16, limits: &str) -> Server {
    let server = format!(
        "location /upstream {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_buffers 4 4k;
            proxy_buffer_size 4k;
            proxy_busy_buffers_size 8k;
        }}
        client_max_body_size 10m;
        client_body_buffer_size 8k;"
    );
    let http = "client_body_temp_path contents; proxy_temp_path responses;";
    prefix(name, port, "", http, &server).serve_within(limits, "")
}

#[test]
fn a_temporary_folder_that_is_none_is_an_error_of_the_request() {
    let (port, origin) = (ports::free(), Origin::start());
    let mut server = serve("folder", port, origin.port(), "");
    assert_eq!(upload(port, 200_000), 200);
    let folder = server.prefix().path().join("contents");
    fs::remove_dir_all(&folder).expect("the folder was made at the start");
    fs::write(&folder, "in the way").expect("a file can be written");
    assert_eq!(upload(port, 200_000), 500);
    let log = server.prefix().wait_for("logs/error.log", "failed (20: Not a directory)");
    let line = log.lines().find(|line| line.contains("Not a directory")).unwrap_or_default();
    assert!(line.contains("[crit]") && line.contains("open() \"") && line.contains("/contents/"), "{line}");
    // What needs no file is served as before.
    assert_eq!(upload(port, 100), 200);
    assert_eq!(get(port, "/").text(), "here\n");
    assert!(server.running());
}

#[test]
fn a_content_without_room_is_an_error_of_the_request() {
    if !is_triglot() {
        // The kernel ends nginx's worker with SIGXFSZ, which is why only a full disk would do there.
        return;
    }
    let (port, origin) = (ports::free(), Origin::start());
    let mut server = serve("room", port, origin.port(), LITTLE_ROOM);
    assert_eq!(upload(port, 20_000), 200);
    assert_eq!(upload(port, 500_000), 500);
    let log = server.prefix().wait_for("logs/error.log", "write() \"");
    assert!(log.contains("[crit]") && log.contains("failed (27: File too large)"), "{log}");
    let left = fs::read_dir(server.prefix().path().join("contents")).expect("the folder is there").count();
    assert_eq!(left, 0, "temporary files stayed");
    assert_eq!(upload(port, 100), 200);
    assert!(server.running());
}

#[test]
fn a_response_without_room_waits_in_memory() {
    if !is_triglot() {
        return;
    }
    let content: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let (port, upstream) = (ports::free(), sender(content.clone()));
    let mut server = serve("response", port, upstream, LITTLE_ROOM);
    let mut slow = Connection::open(port).expect("it accepts connections");
    slow.send("GET /upstream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
    std::thread::sleep(Duration::from_millis(700));
    let response = slow.response().expect("it is answered");
    assert_eq!(response.status, 200);
    assert!(response.content == content, "{} bytes, and not those that were sent", response.content.len());
    let log = server.prefix().wait_for("logs/error.log", "pwrite() \"");
    assert!(log.contains("[crit]") && log.contains("failed (27: File too large)"), "{log}");
    assert!(server.running());
}

/// An upstream that answers everything with the same content.
fn sender(content: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a listener has an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
            let _ = stream.write_all(&content);
        }
    });
    port
}
