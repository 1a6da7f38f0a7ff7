//! QUIT and TERM: who is let finish, who is not, and what is left behind.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::wait;
use crate::{Case, through};

#[test]
fn quit_closes_idle_connections_and_lets_busy_ones_finish() {
    let mut case = Case::start("quit");
    let mut idle = case.connect();
    assert_eq!(idle.get("/").expect("it is answered").status, 200);
    let mut fresh = case.connect();
    let mut busy = case.connect();
    busy.send("GET /held/b HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request is sent");
    case.origin.wait_held("b");
    let mut tunnel = case.tunnel("/tunnel/t");

    case.server.signal("QUIT");
    assert!(idle.closed_within(Duration::from_secs(3)), "an idle connection stayed open");
    wait::until("new connections to be refused", wait::SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", case.port)).is_err().then_some(())
    });
    // A connection that has not asked yet is not idle: its request may be on the way, and gets its answer.
    let response = fresh.get("/late").expect("it is answered");
    assert_eq!((response.status, response.field("Connection")), (200, Some("close")), "{response:?}");
    assert_eq!(through(&mut tunnel, "still there"), "still there");
    assert!(case.server.running(), "it left before the last request was answered");

    case.origin.release("b");
    let response = busy.response().expect("it is answered");
    assert_eq!((response.status, response.text().as_str()), (200, "ok"), "{response:?}");
    assert_eq!(response.field("Connection"), Some("close"), "{response:?}");
    assert!(
        busy.closed_within(Duration::from_secs(3)),
        "the last response said `close` and the connection stayed"
    );
    drop(tunnel);
    let status = case.server.wait(wait::SOON);
    assert_eq!(status.code(), Some(0), "{status:?}");
    // Everything is in the log before it is gone.
    let log = case.server.prefix().read("logs/access.log");
    for line in ["one 200 /", "one 200 /late", "one 200 /held/b", "one 101 /tunnel/t"] {
        assert!(log.lines().any(|each| each == line), "no `{line}` in\n{log}");
    }
}

#[test]
fn quit_during_a_request_body_waits_for_it() {
    let mut case = Case::start("body");
    let mut busy = case.connect();
    busy.send("POST /upstream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nfirst")
        .expect("it is sent");
    // Later connections are answered, so this one was accepted.
    for _ in 0..4 {
        assert_eq!(crate::support::http::get(case.port, "/").status, 200);
    }
    case.server.signal("QUIT");
    wait::until("new connections to be refused", wait::SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", case.port)).is_err().then_some(())
    });
    busy.send("fifth").expect("the rest is sent");
    let response = busy.response().expect("it is answered");
    assert_eq!((response.status, response.field("Connection")), (200, Some("close")), "{response:?}");
    assert_eq!(case.server.wait(wait::SOON).code(), Some(0));
}

#[test]
fn term_leaves_at_once() {
    let mut case = Case::start("term");
    let mut busy = case.connect();
    busy.send("GET /held/c HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request is sent");
    case.origin.wait_held("c");
    let mut tunnel = case.tunnel("/tunnel/t");
    let start = Instant::now();
    case.server.signal("TERM");
    let status = case.server.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{status:?} after {:?}", start.elapsed());
    assert!(busy.closed_within(Duration::from_secs(1)), "a request outlived the server");
    assert!(tunnel.closed_within(Duration::from_secs(1)), "a tunnel outlived the server");
}

#[test]
fn int_is_term() {
    let mut case = Case::start("int");
    let _tunnel = case.tunnel("/tunnel/t");
    case.server.signal("INT");
    assert_eq!(case.server.wait(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn term_after_quit_does_not_wait() {
    let mut case = Case::start("both");
    let mut tunnel = case.tunnel("/tunnel/t");
    case.server.signal("QUIT");
    wait::until("new connections to be refused", wait::SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", case.port)).is_err().then_some(())
    });
    assert_eq!(through(&mut tunnel, "still there"), "still there");
    case.server.signal("TERM");
    assert_eq!(case.server.wait(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn a_shutdown_timeout_ends_tunnels() {
    let mut case = Case::start("timeout");
    let prefix = case.server.prefix();
    let text = prefix.read("nginx.conf").replace("\"one", "\"two");
    prefix.write("nginx.conf", format!("worker_shutdown_timeout 1s;\n{text}"));
    case.server.signal("HUP");
    case.settled("two");
    let mut tunnel = case.tunnel("/tunnel/t");
    let start = Instant::now();
    case.server.signal("QUIT");
    assert!(tunnel.closed_within(Duration::from_secs(5)), "the tunnel outlived worker_shutdown_timeout");
    assert!(start.elapsed() > Duration::from_millis(800), "closed after {:?} already", start.elapsed());
    assert_eq!(case.server.wait(wait::SOON).code(), Some(0));
    // Cut off, it is logged all the same.
    let log = case.server.prefix().read("logs/access.log");
    assert!(log.lines().any(|line| line == "one 101 /tunnel/t"), "{log}");
}

#[test]
fn nothing_is_left_behind() {
    for signal in ["QUIT", "TERM"] {
        let mut case = Case::start("behind");
        let socket = case.server.prefix().at("logs/one.sock");
        case.reload_with("two", &format!("listen unix:{socket};"));
        case.settled("two");
        case.reload_with("three", &format!("listen unix:{socket};"));
        case.settled("three");
        let pid = case.server.prefix().at("logs/nginx.pid");
        UnixStream::connect(&socket).expect("the unix socket listens");
        assert!(Path::new(&pid).exists());
        case.server.signal(signal);
        assert_eq!(case.server.wait(wait::SOON).code(), Some(0));
        assert!(!Path::new(&socket).exists(), "{signal} left the unix socket behind");
        assert!(!Path::new(&pid).exists(), "{signal} left the pid file behind");
    }
}
