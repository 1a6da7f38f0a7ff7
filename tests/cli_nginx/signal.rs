//! `-s`: a running server told by its pid file, and what is said when there is none.

use std::path::Path;

use crate::small;
use crate::support::http::get;
use crate::support::ports;
use crate::support::subject::{Prefix, Server};
use crate::support::wait;

fn start(name: &str) -> (u16, Server) {
    let port = ports::free();
    // The server gets its pid file by -g, and so must whoever signals it.
    (port, Prefix::new(name, &small(port).replace("pid logs/nginx.pid;", "")).serve())
}

#[track_caller]
fn signal(server: &Server, signal: &str) {
    let pid = format!("pid {};", server.prefix().at("logs/nginx.pid"));
    let said = server.prefix().run(&["-s", signal, "-c", "nginx.conf", "-g", &pid]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), "", ""), "-s {signal}");
}

#[test]
fn stop_and_quit_end_it() {
    for word in ["stop", "quit"] {
        let (port, mut server) = start("ended");
        assert_eq!(server.prefix().read("logs/nginx.pid"), format!("{}\n", server.id()));
        assert_eq!(get(port, "/").text(), "small\n");
        signal(&server, word);
        assert_eq!(server.wait(wait::SOON).code(), Some(0), "-s {word}");
        assert!(
            !Path::new(&server.prefix().at("logs/nginx.pid")).exists(),
            "the pid file stayed after -s {word}"
        );
    }
}

#[test]
fn reload_reads_the_file_again() {
    let (port, mut server) = start("reloaded");
    let prefix = server.prefix();
    prefix.write("nginx.conf", prefix.read("nginx.conf").replace("small", "large"));
    signal(&server, "reload");
    // For a moment old and new workers accept together.
    let mut row = 0;
    wait::until("the new answer alone", wait::SOON, || {
        row = if get(port, "/").text() == "large\n" { row + 1 } else { 0 };
        (row >= 20).then_some(())
    });
    // A wrong file is found before anything is sent.
    let prefix = server.prefix();
    prefix.write("nginx.conf", "events { }\nno_such_directive on;\n");
    let said = prefix.run(&["-s", "reload", "-c", "nginx.conf"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("no_such_directive") && said.stderr.contains("nginx.conf:2"), "{said:?}");
    assert_eq!(get(port, "/").text(), "large\n");
    assert!(server.running());
}

#[test]
fn reopen_opens_the_logs_again() {
    let (_, server) = start("reopened");
    let log = server.prefix().path().join("logs/error.log");
    std::fs::rename(&log, log.with_extension("old")).expect("a log can be renamed");
    signal(&server, "reopen");
    wait::until("a new log", wait::SOON, || log.exists().then_some(()));
}

#[test]
fn without_a_server_it_says_why() {
    let prefix = Prefix::new("nobody", &small(ports::free()));
    let pid = prefix.at("logs/nginx.pid");
    for word in ["stop", "quit", "reload", "reopen"] {
        let said = prefix.run(&["-s", word, "-c", "nginx.conf"]);
        let text = format!("nginx: [error] open() \"{pid}\" failed (2: No such file or directory)\n");
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(1), "", text.as_str()),
            "-s {word}"
        );
    }
    for (content, named) in [("", ""), ("abc\n", "abc"), ("12x\n", "12x")] {
        prefix.write("logs/nginx.pid", content);
        let said = prefix.run(&["-s", "stop", "-c", "nginx.conf"]);
        let text = format!("nginx: [error] invalid PID number \"{named}\" in \"{pid}\"\n");
        assert_eq!((said.code, said.stderr), (Some(1), text), "a pid file with {content:?}");
    }
    // No process has an id above the kernel's largest.
    for (word, number) in [("stop", 15), ("quit", 3), ("reload", 1), ("reopen", 10)] {
        prefix.write("logs/nginx.pid", "2147483000\n");
        let said = prefix.run(&["-s", word, "-c", "nginx.conf"]);
        let text = format!("nginx: [alert] kill(2147483000, {number}) failed (3: No such process)\n");
        assert_eq!((said.code, said.stderr), (Some(1), text), "-s {word}");
    }
}
