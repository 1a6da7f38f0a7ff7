//! Bad input: each fault ends with status 1 and names its file and line.

use std::process::Command;

use crate::small;
use crate::support::http::get;
use crate::support::ports;
use crate::support::subject::{Prefix, command, is_triglot, ran};

/// A server block whose fault is in line 6.
fn with_fault(fault: &str) -> String {
    format!(
        "pid logs/nginx.pid;\nevents {{ }}\nhttp {{\n    upstream known {{ server 127.0.0.1:9; }}\n    server {{ listen \
         127.0.0.1:PORT;\n{fault}\n    }}\n}}\n"
    )
}

#[track_caller]
fn expect(text: &str, words: &[&str]) {
    let prefix = Prefix::new("fault", &text.replace("PORT", &ports::free().to_string()));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{text}\n{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "no `{word}` in\n{}\nabout\n{text}", said.stderr);
    }
    assert!(said.stderr.lines().count() < 40, "more than a screen:\n{}", said.stderr);
    let verdict = format!("nginx: configuration file {} test failed\n", prefix.at("nginx.conf"));
    assert!(said.stderr.ends_with(&verdict), "{}", said.stderr);
    // Started with it, the server does not stay and leaves no pid file.
    let said = prefix.run(&["-c", "nginx.conf", "-g", "daemon off;"]);
    assert_eq!(said.code, Some(1), "{text}");
    assert_eq!(prefix.read("logs/nginx.pid"), "", "{text}");
}

#[test]
fn faults_of_a_line_name_it() {
    let faults: [(&str, &str); 22] = [
        ("proxy_pas http://known;", "proxy_pas"),
        ("location /a { } location /a { }", "/a"),
        ("location = /b { } location = /b { }", "/b"),
        ("client_max_body_size 1x;", "client_max_body_size"),
        ("keepalive_timeout soon;", "keepalive_timeout"),
        ("listen 99999;", "99999"),
        ("listen 8080 defalt_server;", "defalt_server"),
        ("listen 127.0.0.1:PORT;", "127.0.0.1:"),
        ("worker_connections 10;", "worker_connections"),
        ("server { }", "server"),
        ("upstream late { server 127.0.0.1:9; }", "upstream"),
        ("root;", "root"),
        ("root a b;", "root"),
        ("root a; root b;", "root"),
        ("gzip maybe;", "maybe"),
        ("error_page 99 /x;", "99"),
        ("access_log logs/a.log no_such_format;", "no_such_format"),
        ("location / { proxy_pass ftp://known; }", ""),
        ("location ~ ^/(a { return 200; }", "^/(a"),
        ("location ~ a { proxy_pass http://known/uri; }", "proxy_pass"),
        ("include no_such_file.conf;", "no_such_file.conf"),
        ("set name value;", "name"),
    ];
    for (fault, word) in faults {
        expect(&with_fault(fault), &[word, "nginx.conf:6"]);
    }
}

#[test]
fn braces_and_quotes_that_do_not_match_are_found() {
    let open = "pid logs/nginx.pid;\nevents { }\nhttp {\n    server { listen 127.0.0.1:PORT;\n    location / { return 200; \n    }\n}\n";
    // nginx names the last line; the block that was left open is in line 3, and triglot says so as well.
    expect(open, if is_triglot() { &["nginx.conf:", "}"] } else { &["nginx.conf:8", "}"] });
    expect("events { }\nhttp { }\n}\n", &["nginx.conf:3", "}"]);
    expect("events { }\nhttp {\n    server { listen 127.0.0.1:PORT }\n}\n", &["nginx.conf:3"]);
    expect("events { }\nhttp {\n    server { server_name \"open; }\n}\n", &["nginx.conf:"]);
    expect("pid logs/nginx.pid;\nhttp { }\n", &["events"]);
}

#[test]
fn a_fault_in_an_included_file_names_that_file() {
    let prefix = Prefix::new("included", "");
    prefix.write("nginx.conf", "pid logs/nginx.pid;\nevents { }\nhttp {\n    include parts/*.conf;\n}\n");
    prefix.write("parts/a.conf", "# nothing wrong here\n");
    prefix.write("parts/b.conf", "# a fault follows\n\nclient_max_body_size much;\n");
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.stderr.contains("parts/b.conf:3") && said.stderr.contains("client_max_body_size"),
        "{said:?}"
    );
    // A pattern may match nothing; a name may not.
    prefix.write("nginx.conf", small(ports::free()).replace("http {", "http {\n    include none/*.conf;"));
    assert_eq!(prefix.run(&["-t", "-c", "nginx.conf"]).code, Some(0));
    prefix.write("nginx.conf", small(ports::free()).replace("http {", "http {\n    include none.conf;"));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("none.conf") && said.stderr.contains("nginx.conf:4"), "{said:?}");
}

#[test]
fn ten_mistakes_are_ten_diagnostics() {
    let mistakes = [
        "proxy_pas http://known;",
        "client_max_body_size 1x;",
        "worker_connections 10;",
        "root a b c;",
        "gzip maybe;",
        "listen 99999;",
        "keepalive_timeout soon;",
        "error_page 99 /x;",
        "location ~ ^/(a { }",
        "return;",
    ];
    let prefix =
        Prefix::new("ten", &with_fault(&mistakes.join("\n")).replace("PORT", &ports::free().to_string()));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("nginx.conf:6"), "{}", said.stderr);
    if is_triglot() {
        for (index, mistake) in mistakes.iter().enumerate() {
            let place = format!("nginx.conf:{}", 6 + index);
            assert!(said.stderr.contains(&place), "nothing about {place} `{mistake}` in\n{}", said.stderr);
        }
    }
}

#[test]
fn an_upstream_that_is_no_host_is_named() {
    let prefix = Prefix::new("host", &with_fault("location / { proxy_pass http://no-such-host.invalid; }"));
    prefix.write("nginx.conf", prefix.read("nginx.conf").replace("PORT", &ports::free().to_string()));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    assert!(said.stderr.contains("no-such-host.invalid") && said.stderr.contains("nginx.conf:6"), "{said:?}");
    // nginx refuses to start; triglot warns, answers 502 and asks again later.
    assert_eq!(said.code, Some(i32::from(!is_triglot())), "{said:?}");
}

#[test]
fn an_upstream_of_a_mistyped_name_is_served_with_502() {
    let port = ports::free();
    let prefix = Prefix::new("meant", &with_fault("location / { proxy_pass http://knwon; }"));
    prefix.write("nginx.conf", prefix.read("nginx.conf").replace("PORT", &port.to_string()));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    let words = "host not found in upstream \"knwon\"";
    assert!(said.stderr.contains(words) && said.stderr.contains("nginx.conf:6"), "{said:?}");
    if !is_triglot() {
        assert_eq!(said.code, Some(1), "{said:?}");
        return;
    }
    assert!(said.stderr.contains("[warn]") && said.stderr.contains("did you mean \"known\"?"), "{said:?}");
    assert!(said.stderr.ends_with("test is successful\n"), "{said:?}");
    let strict = ran(Command::new(command().get_program())
        .args(["run", "--strict-names", "--prefix"])
        .arg(prefix.path())
        .arg(prefix.at("nginx.conf")));
    assert_eq!(strict.code, Some(1), "{strict:?}");
    assert!(strict.stderr.contains("host not found in upstream"), "{strict:?}");
    prefix.write("nginx.conf", prefix.read("nginx.conf").replace("pid logs/nginx.pid;", ""));
    let server = prefix.serve();
    assert_eq!(get(port, "/").status, 502);
    let log = server.prefix().wait_for("logs/error.log", "no live upstreams");
    assert!(log.lines().any(|line| line.contains("[warn]") && line.contains(words)), "{log}");
}

#[test]
fn two_servers_of_one_name_are_a_warning() {
    let port = ports::free();
    let server = format!("server {{ listen 127.0.0.1:{port}; server_name twice; }}\n");
    let prefix =
        Prefix::new("twice", &format!("pid logs/nginx.pid;\nevents {{ }}\nhttp {{\n{server}{server}}}\n"));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("[warn]") && said.stderr.contains("twice"), "{said:?}");
    assert!(said.stderr.ends_with("test is successful\n"), "{said:?}");
}

#[test]
fn two_default_servers_are_a_fault() {
    let text = "events { }\nhttp {\n    server { listen 127.0.0.1:PORT default_server; }\n    \
                server { listen 127.0.0.1:PORT default_server; }\n}\n";
    expect(text, &["default", "nginx.conf:4"]);
}

#[test]
fn a_port_in_use_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("a listener has an address");
    let prefix = Prefix::new("used", &small(address.port()));
    let said = prefix.run(&["-c", "nginx.conf", "-g", "daemon off;"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said:?}");
    let words = format!("bind() to {address} failed (98: Address already in use)");
    assert!(said.stderr.contains(&words), "{said:?}");
    assert!(prefix.read("logs/error.log").contains(&words), "{}", prefix.read("logs/error.log"));
    assert_eq!(prefix.read("logs/nginx.pid"), "");
}

#[test]
fn what_is_not_allowed_ends_the_start() {
    let prefix = Prefix::new("denied", &small(ports::free()));
    let mut command = prefix.command();
    // Root may do everything, so nobody tries; the program is copied to where everybody may run it.
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root {
        let program = prefix.path().join("subject");
        std::fs::copy(command.get_program(), &program).expect("a program can be copied");
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(arguments);
    }
    let logs = prefix.path().join("logs");
    let mode = |bits| std::os::unix::fs::PermissionsExt::from_mode(bits);
    std::fs::set_permissions(&logs, mode(0o555)).expect("a folder's mode can be set");
    let said = ran(command.args(["-c", "nginx.conf", "-g", "daemon off;"]));
    std::fs::set_permissions(&logs, mode(0o755)).expect("a folder's mode can be set");
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = format!("open() \"{}\" failed (13: Permission denied)", prefix.at("logs/error.log"));
    assert!(said.stderr.contains(&words), "{said:?}");
}
