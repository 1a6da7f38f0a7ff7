//! USR1: logs that were renamed go on in new files, and no line is lost on the way.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::Case;
use crate::support::http::get;
use crate::support::load::Load;
use crate::support::wait;

#[test]
fn renamed_logs_are_opened_anew() {
    let case = Case::start("rotate");
    let prefix = case.server.prefix();
    assert_eq!(get(case.port, "/before").status, 200);
    prefix.wait_for("logs/access.log", "/before");
    for name in ["access.log", "error.log"] {
        let path = prefix.path().join("logs").join(name);
        fs::rename(&path, path.with_extension("log.1")).expect("a log can be renamed");
    }
    // Until the signal comes, lines go to the files that were renamed.
    assert_eq!(get(case.port, "/between").status, 200);
    prefix.wait_for("logs/access.log.1", "/between");
    assert!(!prefix.path().join("logs/access.log").exists());

    case.server.signal("USR1");
    wait::until("both logs", wait::SOON, || {
        let there = |name: &str| prefix.path().join("logs").join(name).exists();
        (there("access.log") && there("error.log")).then_some(())
    });
    // The master has opened them; its workers may need a moment.
    let line = wait::until("a line in the new log", wait::SOON, || {
        assert_eq!(get(case.port, "/after").status, 200);
        let log = prefix.read("logs/access.log");
        log.lines().next().map(str::to_owned)
    });
    assert_eq!(line, "one 200 /after");
    assert!(!prefix.read("logs/access.log").contains("/between"));
    assert!(
        prefix.read("logs/error.log.1").contains("reopening logs"),
        "{}",
        prefix.read("logs/error.log.1")
    );
}

#[test]
fn no_line_is_lost_under_load() {
    let case = Case::start("rotating");
    let prefix = case.server.prefix();
    let load = Load::start(case.port, "/counted");
    let mut names = BTreeSet::from(["logs/access.log".to_owned()]);
    for turn in 1..=3 {
        load.run(100);
        let name = format!("logs/access.log.{turn}");
        fs::rename(prefix.path().join("logs/access.log"), prefix.path().join(&name))
            .expect("a log can be renamed");
        case.server.signal("USR1");
        prefix.wait_for("logs/access.log", "/counted");
        names.insert(name);
    }
    load.run(100);
    let account = load.finish();
    assert!(account.failures.is_empty(), "{:#?}", account.failures);
    let lines = || names.iter().map(|name| prefix.read(name).lines().count()).sum::<usize>();
    wait::until("a line for each request", wait::SOON, || (lines() >= account.count()).then_some(()));
    assert_eq!(lines(), account.count(), "lines and answered requests");
}

#[test]
fn a_log_is_made_before_the_first_line_and_again_on_the_signal() {
    use std::os::unix::fs::MetadataExt;
    let case = Case::start("modes");
    let path = case.server.prefix().path().join("logs/access.log");
    let before = fs::metadata(&path).expect("the log exists before the first request").mode() & 0o777;
    fs::remove_file(&path).expect("a log can be removed");
    case.server.signal("USR1");
    let after = wait::until("the log", wait::SOON, || fs::metadata(&path).ok()).mode() & 0o777;
    // 0644 less what the umask takes; never writable for others, and never hidden from those who read logs.
    assert_eq!((before & !0o044, after), (0o600, before), "{before:o} before, {after:o} after");
}

#[test]
fn who_ends_a_connection_without_a_request_is_said_at_info() {
    let case = Case::start_with(
        "idle-ends",
        "error_log logs/info.log info; client_header_timeout 1s; keepalive_timeout 1s;",
    );
    let prefix = case.server.prefix();
    let connect = || TcpStream::connect(("127.0.0.1", case.port)).expect("the subject accepts connections");
    drop(connect());
    prefix.wait_for(
        "logs/info.log",
        "client closed connection while waiting for request, client: 127.0.0.1, server: ",
    );
    let mut timed_out = connect();
    assert_eq!(timed_out.read(&mut [0]).ok(), Some(0));
    prefix.wait_for(
        "logs/info.log",
        "timed out (110: Connection timed out) while waiting for request, client: 127.0.0.1",
    );
    let mut torn = connect();
    torn.write_all(b"GET /to").expect("a piece of a request is sent");
    drop(torn);
    prefix.wait_for("logs/info.log", "while reading client request line, client: 127.0.0.1, server: ");
    prefix.wait_for("logs/info.log", "request: \"GET /to\"");
    // Of the two ends of a connection that is kept, only the client's is said.
    let mut kept = case.connect();
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request is sent");
    assert_eq!(kept.response().expect("it is answered").status, 200);
    drop(kept);
    prefix.wait_for("logs/info.log", "client 127.0.0.1 closed keepalive connection");
}
