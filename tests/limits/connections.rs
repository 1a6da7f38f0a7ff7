//! More clients than descriptors, and more than `worker_connections`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::prefix;
use crate::support::http::{Connection, get};
use crate::support::origin::Origin;
use crate::support::subject::{Server, is_triglot};
use crate::support::{ports, wait, websocket};

/// Connections that say nothing.
fn silent(port: u16, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("the system accepts it")).collect()
}

/// Processor time that the master has used, in ticks of a hundredth.
fn ticks(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("it runs");
    let fields = stat.rsplit_once(") ").expect("a name is in parentheses").1;
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[test]
fn without_descriptors_it_waits() {
    let port = ports::free();
    let mut server =
        prefix("descriptors", port, "worker_connections 512;", "", "").serve_within("ulimit -n 48", "");
    assert_eq!(get(port, "/").text(), "here\n");
    let mut early = Connection::open(port).expect("it accepts connections");
    assert_eq!(early.get("/").expect("it is answered").status, 200);
    let crowd = silent(port, 80);
    server.prefix().wait_for("logs/error.log", "accept4() failed (24: Too many open files)");
    let line = server.errors().lines().find(|line| line.contains("accept4()")).map(str::to_owned);
    assert!(line.as_ref().is_some_and(|line| line.contains("[crit]")), "{line:?}");

    // It neither spins nor fills the log, and who is connected is served.
    let (before, lines) = (ticks(&server), server.errors().lines().count());
    std::thread::sleep(Duration::from_millis(1200));
    let (spent, said) = (ticks(&server) - before, server.errors().lines().count() - lines);
    assert!(spent < 30, "{spent} hundredths of 1.2 s went into waiting");
    assert!(said < 10, "{said} lines in 1.2 s:\n{}", server.errors());
    assert_eq!(early.get("/").expect("it is answered").status, 200);
    assert!(server.running());

    drop(crowd);
    assert_eq!(get(port, "/").text(), "here\n");
    assert!(server.running());
}

#[test]
fn without_descriptors_a_request_for_an_upstream_fails_alone() {
    let (port, origin) = (ports::free(), Origin::start());
    let server = format!("location /upstream {{ proxy_pass http://127.0.0.1:{}; }}", origin.port());
    let mut server =
        prefix("upstream", port, "worker_connections 512;", "", &server).serve_within("ulimit -n 48", "");
    let mut early = Connection::open(port).expect("it accepts connections");
    assert_eq!(early.get("/upstream").expect("it is answered").status, 200);
    let crowd = silent(port, 80);
    server.prefix().wait_for("logs/error.log", "accept4() failed (24: Too many open files)");
    let response = early.get("/upstream").expect("it is answered");
    assert_eq!(response.status, 500, "{response:?}");
    server.prefix().wait_for("logs/error.log", "socket() failed (24: Too many open files)");
    drop(crowd);
    // The upstream has done nothing wrong and is asked again.
    let content = wait::until("the upstream's answer", wait::SOON, || {
        let response = get(port, "/upstream");
        (response.status == 200).then(|| response.text())
    });
    assert_eq!(content, "ok");
    assert!(server.running());
}

#[test]
fn beyond_the_connection_limit_clients_wait() {
    let port = ports::free();
    let mut server = prefix("connections", port, "worker_connections 16;", "", "").serve();
    assert_eq!(get(port, "/").text(), "here\n");
    // Who has begun with a request is not let go.
    let mut crowd = silent(port, 40);
    for client in &mut crowd {
        // nginx closes what is too much.
        let _ = client.write_all(b"GET / HT");
    }
    server.prefix().wait_for("logs/error.log", "worker_connections are not enough");
    if is_triglot() {
        // nginx closes what is too much; here it waits for its turn.
        let before = ticks(&server);
        let mut late = Connection::open(port).expect("the system accepts it");
        late.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is sent");
        std::thread::sleep(Duration::from_millis(500));
        let spent = ticks(&server) - before;
        assert!(spent < 15, "{spent} hundredths of 0.5 s went into waiting");
        drop(crowd);
        assert_eq!(late.response().expect("it is answered").text(), "here\n");
    } else {
        drop(crowd);
    }
    wait::until("an answer", wait::SOON, || {
        let mut connection = Connection::open(port).ok()?;
        connection.get("/").is_ok().then_some(())
    });
    assert!(server.running());
}

#[test]
fn at_the_limit_those_who_wait_longest_make_room() {
    let port = ports::free();
    let mut server = prefix("crowd", port, "worker_connections 32;", "", "").serve();
    let mut early = Connection::open(port).expect("it accepts connections");
    assert_eq!(early.get("/").expect("it is answered").status, 200);
    let mut crowd = silent(port, 100);
    let mut late = Connection::open(port).expect("it accepts connections");
    assert_eq!(late.get("/").expect("it is answered at once").text(), "here\n");
    server.prefix().wait_for("logs/error.log", "32 worker_connections are not enough, reusing connections");
    // The first were closed without a word, the one kept alive among them.
    assert!(early.get("/").is_err());
    let mut byte = [0];
    assert_eq!(crowd[0].read(&mut byte).expect("it was closed"), 0);
    assert!(server.errors().lines().filter(|line| line.contains("reusing")).count() < 10);
    drop(crowd);
    assert_eq!(get(port, "/").text(), "here\n");
    assert!(server.running());
}

#[test]
fn a_tunnel_is_a_connection_of_its_upstream() {
    let (port, origin) = (ports::free(), Origin::start());
    let http = format!("upstream one {{ zone one 64k; server 127.0.0.1:{} max_conns=1; }}", origin.port());
    let location = "location /tunnel {
            proxy_pass http://one;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
        location /upstream { proxy_pass http://one; }";
    let server = prefix("tunnel", port, "", &http, location).serve();
    let mut tunnel = Connection::open(port).expect("it accepts connections");
    tunnel.send(websocket::request("/tunnel")).expect("a handshake is sent");
    assert_eq!(tunnel.response().expect("it is answered").status, 101);
    assert_eq!(get(port, "/upstream").status, 502);
    server.prefix().wait_for("logs/error.log", "no live upstreams while connecting to upstream");
    drop(tunnel);
    wait::until("room for a request", wait::SOON, || (get(port, "/upstream").status == 200).then_some(()));
}
