//! Clients that send a head or a content as slowly as they can.

use std::time::{Duration, Instant};

use crate::prefix;
use crate::support::http::{Connection, get};
use crate::support::origin::Origin;
use crate::support::ports;

/// Sends a byte at a time until the connection is closed; how long that took.
fn drip(connection: &mut Connection, limit: Duration) -> Duration {
    let start = Instant::now();
    while start.elapsed() < limit {
        if connection.send("a").is_err() || connection.closed_within(Duration::from_millis(150)) {
            return start.elapsed();
        }
    }
    panic!("the connection was still open after {limit:?}");
}

#[test]
fn a_head_has_to_arrive_in_time() {
    let port = ports::free();
    let server = prefix("head", port, "", "client_header_timeout 1s;", "").serve();
    for beginning in ["GET /line", "GET /field HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut slow = Connection::open(port).expect("it accepts connections");
        slow.send(beginning).expect("it is sent");
        let took = drip(&mut slow, Duration::from_secs(5));
        assert!(took > Duration::from_millis(700), "closed after {took:?} already: {beginning:?}");
        // Others do not notice.
        assert_eq!(get(port, "/").text(), "here\n");
    }
    // The status that was not sent is logged, with the line as far as it is known.
    let log = server.prefix().wait_for("logs/access.log", "\"GET /field HTTP/1.1\" 408 0 ");
    assert!(log.lines().any(|line| line.contains(" 408 0 ") && !line.contains("/field")), "{log}");
    let words = "client timed out (110: Connection timed out) while reading client request headers";
    server.prefix().wait_for("logs/error.log", words);
}

#[test]
fn a_silent_connection_ends_without_a_line() {
    let port = ports::free();
    let server = prefix("silent", port, "", "client_header_timeout 1s;", "").serve();
    let mut silent = Connection::open(port).expect("it accepts connections");
    assert!(
        silent.closed_within(Duration::from_secs(4)),
        "it may stay silent for longer than a head may take"
    );
    assert_eq!(get(port, "/").text(), "here\n");
    let log = server.prefix().wait_for("logs/access.log", "200");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn a_content_may_pause_for_so_long() {
    let (port, origin) = (ports::free(), Origin::start());
    let location = format!("location /upstream {{ proxy_pass http://127.0.0.1:{}; }}", origin.port());
    let server = prefix("content", port, "", "client_body_timeout 1s;", &location).serve();
    let mut slow = Connection::open(port).expect("it accepts connections");
    slow.send("POST /upstream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n1")
        .expect("it is sent");
    // Time counts anew with each piece.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        slow.send("2").expect("it is sent");
    }
    assert!(slow.response().is_err(), "nginx sends nothing after this timeout");
    server.prefix().wait_for("logs/access.log", "\"POST /upstream HTTP/1.1\" 408 ");
}
