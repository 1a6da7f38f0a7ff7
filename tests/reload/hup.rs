//! HUP: the next configuration takes over, and nobody notices; a wrong one does not.

use std::time::Duration;

use crate::support::http::{Connection, get};
use crate::support::load::Load;
use crate::support::{ports, wait};
use crate::{Case, through};

#[test]
fn no_request_is_lost_under_load() {
    let case = Case::start("load");
    let loads = [Load::start(case.port, "/"), Load::start(case.port, "/upstream")];
    let mut tunnels: Vec<_> = (0..5).map(|index| case.tunnel(&format!("/tunnel/{index}"))).collect();
    for plan in ["two", "three", "four", "five"] {
        for load in &loads {
            load.run(100);
        }
        case.reload(plan);
        case.settled(plan);
        for tunnel in &mut tunnels {
            assert_eq!(through(tunnel, plan), plan);
        }
    }
    for load in &loads {
        load.run(100);
    }
    let [replies, forwards] = loads.map(Load::finish);
    assert!(
        replies.failures.is_empty(),
        "{} of {}: {:#?}",
        replies.failures.len(),
        replies.count(),
        replies.failures
    );
    assert!(forwards.failures.is_empty(), "{} failures: {:#?}", forwards.failures.len(), forwards.failures);
    let plans: Vec<_> = replies.answers.keys().map(|content| content.trim_end()).collect();
    assert_eq!(plans, ["five", "four", "one", "three", "two"], "each plan was in force for a while");
    assert_eq!(forwards.answers.keys().collect::<Vec<_>>(), ["ok"]);
}

#[test]
fn a_tunnel_stays_on_the_plan_it_started_with() {
    let mut case = Case::start("tunnel");
    let master = case.server.id();
    let mut tunnel = case.tunnel("/tunnel/old");
    case.reload("two");
    case.settled("two");
    assert_eq!(through(&mut tunnel, "still there"), "still there");
    case.reload("three");
    case.settled("three");
    assert_eq!(through(&mut tunnel, "and now"), "and now");
    drop(tunnel);
    // Logged at its end, in the format of its beginning.
    let log = case.server.prefix().wait_for("logs/access.log", "/tunnel/old");
    assert!(log.lines().any(|line| line == "one 101 /tunnel/old"), "{log}");
    assert!(case.server.running() && case.server.id() == master, "the master is still the same");
}

#[test]
fn a_request_in_flight_is_answered_by_the_old_plan() {
    let case = Case::start("flight");
    let mut connection = case.connect();
    connection.send("GET /held/a HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request is sent");
    case.origin.wait_held("a");
    case.reload("two");
    case.settled("two");
    case.origin.release("a");
    let response = connection.response().expect("it is answered");
    assert_eq!((response.status, response.field("X-Plan")), (200, Some("one")), "{response:?}");
    let log = case.server.prefix().wait_for("logs/access.log", "/held/a");
    assert!(log.lines().any(|line| line == "one 200 /held/a"), "{log}");
}

#[test]
fn an_idle_connection_is_closed_or_served_by_the_new_plan() {
    let case = Case::start("idle");
    let mut connection = case.connect();
    assert_eq!(connection.get("/").expect("it is answered").text(), "one\n");
    case.reload("two");
    case.settled("two");
    // nginx closes it, since the worker it belongs to goes; a server that keeps its workers need not.
    if let Ok(response) = connection.get("/") {
        assert_eq!(response.text(), "two\n", "an old connection does not keep the old plan");
    }
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let mut case = Case::start("wrong");
    let mut connection = case.connect();
    assert_eq!(connection.get("/").expect("it is answered").text(), "one\n");
    let faults = [
        ("no_such_directive on;", "no_such_directive"),
        ("listen 127.0.0.1:99999;", "99999"),
        ("location /x { proxy_pass http://; }", "nginx.conf:"),
    ];
    for (fault, named) in faults {
        case.reload_with("two", fault);
        case.server.prefix().wait_for("logs/error.log", named);
        let log = case.server.errors();
        let line = log.lines().find(|line| line.contains(named)).expect("it was waited for");
        assert!(line.contains("[emerg]") && line.contains("nginx.conf:10"), "{line}");
        // Even the connection that was open does not notice.
        assert_eq!(connection.get("/").expect("it is answered").text(), "one\n", "after `{fault}`");
        assert_eq!(get(case.port, "/").text(), "one\n", "after `{fault}`");
        case.server.prefix().write("logs/error.log", "");
    }
    std::fs::remove_file(case.server.prefix().path().join("nginx.conf")).expect("it was there");
    case.server.signal("HUP");
    case.server.prefix().wait_for("logs/error.log", "nginx.conf\" failed (2: No such file or directory)");
    assert_eq!(get(case.port, "/").text(), "one\n", "without a file");
    assert!(case.server.running(), "the master is still there");
    case.reload("two");
    case.settled("two");
}

#[test]
fn a_taken_port_changes_nothing() {
    let case = Case::start("taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("a listener has an address");
    case.reload_with("two", &format!("listen {address};"));
    // nginx tries for two and a half seconds before it gives up.
    let what = format!("{address} in the error log");
    let log = wait::until(&what, wait::SOON, || {
        let log = case.server.errors();
        (log.contains(&address.to_string()) && log.contains("[emerg]")).then_some(log)
    });
    assert!(log.contains(&format!("bind() to {address} failed (98: Address already in use)")), "{log}");
    assert_eq!(get(case.port, "/").text(), "one\n");
    drop(taken);
}

#[test]
fn listeners_come_and_go() {
    let case = Case::start("listeners");
    let (second, socket) = (ports::free(), case.server.prefix().at("logs/extra.sock"));
    case.reload_with("two", &format!("listen 127.0.0.1:{second}; listen unix:{socket};"));
    case.settled("two");
    assert_eq!(get(second, "/").text(), "two\n");
    std::os::unix::net::UnixStream::connect(&socket).expect("the unix socket listens");
    case.reload("three");
    case.settled("three");
    wait::until("the second port to be refused", wait::SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", second)).is_err().then_some(())
    });
    wait::until("the unix socket to be refused", wait::SOON, || {
        std::os::unix::net::UnixStream::connect(&socket).is_err().then_some(())
    });
    assert_eq!(get(case.port, "/").text(), "three\n");
}

#[test]
fn old_tunnels_end_when_the_shutdown_timeout_says_so() {
    let case = Case::start("timeout");
    let mut tunnel = case.tunnel("/tunnel/kept");
    // The timeout that counts is the old plan's, which has none.
    let prefix = case.server.prefix();
    let limited = format!("worker_shutdown_timeout 1s;\n{}", prefix.read("nginx.conf"));
    prefix.write("nginx.conf", limited.replace("\"one", "\"two"));
    case.server.signal("HUP");
    case.settled("two");
    let mut second = case.tunnel("/tunnel/limited");
    case.reload("three");
    case.settled("three");
    assert!(second.closed_within(Duration::from_secs(5)), "the tunnel outlived worker_shutdown_timeout");
    assert_eq!(through(&mut tunnel, "not me"), "not me");
}

#[test]
fn an_idle_connection_closes_when_its_address_goes() {
    let case = Case::start("gone");
    let second = ports::free();
    case.reload_with("two", &format!("listen 127.0.0.1:{second};"));
    case.settled("two");
    let mut idle = Connection::open(second).expect("the second port listens");
    assert_eq!(idle.get("/").expect("it is answered").text(), "two\n");
    let mut fresh = Connection::open(second).expect("the second port listens");
    // Later connections are answered, so this one was accepted.
    for _ in 0..8 {
        assert_eq!(get(second, "/").text(), "two\n");
    }
    case.reload("three");
    case.settled("three");
    assert!(idle.closed_within(Duration::from_secs(3)), "an idle connection stayed open");
    // What has not asked yet is answered by the plan that knew the address, and no more.
    let response = fresh.get("/").expect("it is answered");
    assert_eq!((response.text().as_str(), response.field("Connection")), ("two\n", Some("close")));
}
