//! `proxy_read_timeout` and tunnels: the silent one ends, the one with traffic in either direction stays.

use std::time::{Duration, Instant};

use crate::support::ports;
use crate::support::process::Process;
use crate::support::subject::{Prefix, Server};
use crate::support::websocket::{Kind, WebSocket};
use crate::{configuration, echo_server};

/// The configuration's `proxy_read_timeout`.
const LIMIT: Duration = Duration::from_secs(2);
/// How long a tunnel must be seen to stay.
const BEYOND: Duration = Duration::from_millis(4500);

fn start() -> (u16, Server, Process) {
    let (port, server) = (ports::free(), ports::free());
    let prefix = Prefix::new("idle", &configuration("idle", &[(8010, server), (8080, port)]));
    let echo = echo_server(&[server], prefix.path());
    // nginx logs the end of a silent tunnel as `[info]`: it blames the client's connection. Observed: 1.22.1.
    (port, prefix.serve_with("error_log logs/error.log info;"), echo)
}

#[test]
fn a_silent_tunnel_ends_after_the_read_timeout() {
    let (port, subject, _echo) = start();
    let mut socket = WebSocket::open(port, "/short/").expect("it opens");
    assert_eq!(socket.ask("hello").expect("it is echoed"), "hello");
    let start = Instant::now();
    assert!(socket.closed_within(LIMIT * 4), "the silent tunnel stayed open");
    let lasted = start.elapsed();
    assert!(lasted + Duration::from_millis(200) > LIMIT, "closed after {lasted:?} already");
    let log = subject.prefix().wait_for("logs/error.log", "timed out");
    let line = log.lines().find(|line| line.contains("timed out")).expect("it was waited for");
    assert!(
        line.contains("[info]") && line.contains("(110: Connection timed out) while proxying upgraded"),
        "{line}"
    );
}

#[test]
fn with_the_default_of_a_minute_silence_is_no_matter() {
    let (port, _subject, _echo) = start();
    let mut socket = WebSocket::open(port, "/").expect("it opens");
    std::thread::sleep(BEYOND);
    assert_eq!(socket.ask("still there").expect("it is echoed"), "still there");
}

#[test]
fn messages_and_their_echo_keep_a_tunnel() {
    let (port, _subject, _echo) = start();
    let mut socket = WebSocket::open(port, "/short/").expect("it opens");
    every_half_second(|count| {
        let text = format!("message {count}");
        assert_eq!(socket.ask(&text).expect("it is echoed"), text);
    });
}

#[test]
fn pings_of_the_client_keep_a_tunnel() {
    let (port, _subject, _echo) = start();
    let mut socket = WebSocket::open(port, "/short/").expect("it opens");
    every_half_second(|_| {
        socket.send(Kind::Ping, b"").expect("a ping is sent");
        assert_eq!(socket.receive().expect("it is answered").kind, Kind::Pong);
    });
}

#[test]
fn pings_of_the_server_keep_a_tunnel() {
    let (port, _subject, _echo) = start();
    // Nothing is ever sent by this client, which answers no ping either.
    let mut socket = WebSocket::open(port, "/short/ping").expect("it opens");
    let start = Instant::now();
    while start.elapsed() < BEYOND {
        assert_eq!(socket.receive().expect("a ping comes").kind, Kind::Ping);
    }
}

#[test]
fn bytes_of_the_client_alone_keep_a_tunnel() {
    // nginx sets the read timer anew whenever it has passed anything on, in whichever direction. Observed: 1.22.1.
    let (port, _subject, _echo) = start();
    let mut socket = WebSocket::open(port, "/short/sink").expect("it opens");
    every_half_second(|_| socket.send(Kind::Text, b"no answer expected").expect("a text is sent"));
    socket.send(Kind::Ping, b"after all that").expect("a ping is sent");
    assert_eq!(socket.receive().expect("it is answered").payload, b"after all that");
}

fn every_half_second(mut act: impl FnMut(usize)) {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < BEYOND {
        act(count);
        count += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
}
