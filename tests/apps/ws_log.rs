//! The literal `Connection "upgrade"`, and a tunnel's line in a log that is relative to the prefix.

use std::time::Duration;

use crate::support::http::get;
use crate::support::subject::Prefix;
use crate::support::websocket::WebSocket;
use crate::support::{ports, wait};
use crate::{configuration, echo_server};

#[test]
fn a_tunnel_is_logged_when_it_ends() {
    let (port, server) = (ports::free(), ports::free());
    let prefix = Prefix::new("ws_log", &configuration("ws_log", &[(8010, server), (8080, port)]));
    let _echo = echo_server(&[server], prefix.path());
    let subject = prefix.serve();

    let response = get(port, "/elsewhere");
    assert_eq!((response.status, response.field("Content-Type")), (200, Some("text/plain")), "{response:?}");
    subject.prefix().wait_for("logs/ws.log", "\"GET /elsewhere HTTP/1.1\" 200 ");

    let mut socket = WebSocket::open(port, "/chat/room").expect("it opens");
    assert_eq!(socket.ask("one").expect("it is echoed"), "one");
    assert_eq!(socket.ask("two!").expect("it is echoed"), "two!");
    wait::throughout("no line for an open tunnel", Duration::from_millis(300), || {
        !subject.prefix().read("logs/ws.log").contains("/chat/")
    });
    let answer = socket.close(1000, "").expect("the close is answered");
    assert!(socket.closed_within(wait::SOON), "the connection stayed open");

    // What came back after the head: the two texts and the close, each with a frame head of two bytes.
    let bytes = (2 + 3) + (2 + 4) + (2 + answer.payload.len());
    let log = subject.prefix().wait_for("logs/ws.log", "/chat/");
    let line = log.lines().find(|line| line.contains("/chat/")).expect("it was waited for");
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(
        line.ends_with(&format!("] \"GET /chat/room HTTP/1.1\" 101 {bytes} \"-\" \"-\"")),
        "{bytes} in {line}"
    );
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn a_request_that_asks_for_no_upgrade_gets_an_answer() {
    let (port, server) = (ports::free(), ports::free());
    let prefix = Prefix::new("ws_log", &configuration("ws_log", &[(8010, server), (8080, port)]));
    let _echo = echo_server(&[server], prefix.path());
    let _subject = prefix.serve();
    // `ws` answers a request without Upgrade itself, although the proxy says `Connection: upgrade`.
    let response = get(port, "/chat/plain");
    assert_eq!(response.status, 426, "{response:?}");
    assert_eq!(response.text(), "Upgrade Required");
}
