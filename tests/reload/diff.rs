//! `-s reload --diff` and `run --diff`: what a reload would change is said before it happens, and nothing happens.

use std::process::Command;

use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::subject::{Ran, is_triglot, ran};
use crate::support::{http, ports, wait};
use crate::{Case, configuration};

/// Asks the master that the pid file names.
fn diff(case: &Case) -> Ran {
    let prefix = case.server.prefix();
    let directives = format!("pid {};", prefix.at("logs/nginx.pid"));
    prefix.run(&["-c", "nginx.conf", "-g", &directives, "-s", "reload", "--diff"])
}

#[test]
fn what_a_reload_would_change_is_said_and_not_done() {
    if !is_triglot() {
        return;
    }
    let case = Case::start("diff");
    let same = diff(&case);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.stdout.contains("no difference in"), "{same:?}");

    // The file that is served is read as it was, although another lies in its place.
    let other = ports::free();
    let more = format!("listen 127.0.0.1:{other}; location /new {{ return 404; }}");
    let text = configuration("two", case.port, &case.origin, &more);
    case.server.prefix().write("nginx.conf", &text);
    let changed = diff(&case);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    let said = &changed.stdout;
    for part in [
        "a reload would change:",
        "/new",
        &format!("it would newly listen on 127.0.0.1:{other}"),
        "status: 200 → 404",
        "return 200 \"one\\n\";",
        "return 200 \"two\\n\";",
    ] {
        assert!(said.contains(part), "`{part}` in:\n{said}");
    }
    assert_eq!(http::get(case.port, "/").text(), "one\n", "nothing was reloaded");

    case.server.prefix().write("nginx.conf", text.replace("location /new", "locatoin /new"));
    let wrong = diff(&case);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("locatoin"), "{wrong:?}");

    // What was reloaded is what the next question compares with.
    case.reload("two");
    case.settled("two");
    let same = diff(&case);
    assert_eq!(same.code, Some(0), "{same:?}");
}

#[test]
fn a_master_that_is_not_there_is_an_error() {
    if !is_triglot() {
        return;
    }
    let case = Case::start("diff-none");
    case.server.prefix().write("logs/other.pid", format!("{}\n", std::process::id()));
    let prefix = case.server.prefix();
    let directives = format!("pid {};", prefix.at("logs/other.pid"));
    let said = prefix.run(&["-c", "nginx.conf", "-g", &directives, "-s", "reload", "--diff"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("does not answer"), "{said:?}");
}

#[test]
fn a_server_in_the_foreground_is_found_by_its_file() {
    if !is_triglot() {
        return;
    }
    let scratch = Scratch::new("run-diff");
    let port = ports::free();
    let text = |word: &str| {
        format!("events {{}}\nhttp {{ server {{ listen 127.0.0.1:{port}; return 200 {word}; }} }}\n")
    };
    let file = scratch.write("site.conf", text("one"));
    let triglot = || Command::new(env!("CARGO_BIN_EXE_triglot"));
    let ask = |more: &[&str]| ran(triglot().arg("run").arg(&file).arg("--diff").args(more));
    let nobody = ask(&[]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(nobody.stderr.contains("no process serves"), "{nobody:?}");
    let server = Process::start("run", triglot().arg("run").arg(&file), scratch.path());
    wait::until("the server", wait::SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    wait::until("an answer", wait::SOON, || (ask(&[]).code == Some(0)).then_some(()));
    scratch.write("site.conf", text("two"));
    let changed = ask(&["--json"]);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.stdout.contains("\"new\": \"two\""), "{changed:?}");
    drop(server);
}
