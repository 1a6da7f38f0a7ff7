//! What `triglot iis reverse-proxy` writes is what the dialog does, and the same in the real nginx and Apache.

use std::path::Path;
use std::process::Command;

use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::subject::ran;
use crate::support::websocket::WebSocket;
use crate::support::{http, ports};
use crate::triglot;

/// What the command prints.
#[track_caller]
fn written(arguments: &[&str]) -> String {
    let ran = ran(triglot(&["iis", "reverse-proxy"]).args(arguments));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
}

/// An HTTP server that answers with a page of links, a redirect and a cookie; and echoes on web sockets.
fn origin(port: u16, folder: &Path) -> Process {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/links.js");
    let mut command = Command::new("node");
    command.arg(script).arg(port.to_string());
    Process::start("origin", &mut command, folder).listening(port)
}

/// What a proxy in front of the origin has to do.
#[track_caller]
fn serves(port: u16, server: u16) {
    let page = http::get(port, "/page?q=1");
    let text = page.text();
    assert_eq!(page.status, 200, "{text}");
    assert!(text.contains(&format!("host=127.0.0.1:{server} url=/page?q=1")), "{text}");
    assert!(text.contains("for=127.0.0.1"), "{text}");
    assert!(text.contains("href=\"http://www.example/a\""), "{text}");
    assert!(text.contains("action='http://www.example/b'"), "{text}");
    assert!(text.contains("href=\"http://other.example/c\""), "{text}");
    let page = http::get(port, "/redirect");
    let location = page.field("Location").unwrap_or_default();
    let path = location.strip_prefix("http://localhost").unwrap_or(location);
    assert_eq!(
        (page.status, path.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit())),
        (302, "/x?y=1")
    );
    let cookie = page.field("Set-Cookie").unwrap_or_default();
    assert!(!cookie.contains("far.example") && cookie.starts_with("a=b"), "{cookie}");
    let mut socket = WebSocket::open(port, "/socket").expect("the upgrade passes");
    assert_eq!(socket.ask("hello").expect("a text is echoed"), "hello");
}

#[test]
fn nginx_and_apache_accept_it() {
    let scratch = Scratch::new("dialog");
    for server in
        ["http://localhost:8888", "https://localhost:8888", "https://192.168.56.5:8888", "[::1]:8888"]
    {
        for more in [&["--ssl-offload"][..], &[], &["--outbound", "localhost:8888=www.example"]] {
            let arguments = |to| [&[server, "--to", to], more].concat();
            let file = scratch.write("nginx.conf", written(&arguments("nginx")));
            let said = ran(Command::new("nginx").args(["-t", "-q", "-e", "stderr", "-c"]).arg(&file));
            assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{server} {more:?}");
            let file = scratch.write("apache.conf", written(&arguments("apache")));
            let said = ran(Command::new("apache2").args(["-t", "-f"]).arg(&file));
            assert_eq!(said.code, Some(0), "{server} {more:?}: {}", said.stderr);
        }
    }
}

#[test]
fn the_real_nginx_does_the_same() {
    let scratch = Scratch::new("dialog-nginx");
    let (port, server) = (ports::free(), ports::free());
    let _origin = origin(server, scratch.path());
    let link = format!("127.0.0.1:{server}=www.example");
    let target = format!("http://127.0.0.1:{server}");
    let text = written(&[&target, "--outbound", &link, "--to", "nginx"]);
    let text = text.replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
    // The master would change its user, who may not read below a temporary folder.
    scratch.write("nginx.conf", text);
    let mut command = Command::new("nginx");
    command.arg("-p").arg(scratch.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
    command.args(["-g", "daemon off; pid nginx.pid; worker_processes 1;"]);
    let _nginx = Process::start("nginx", &mut command, scratch.path()).listening(port);
    serves(port, server);
}

#[test]
fn the_real_apache_does_the_same() {
    let scratch = Scratch::new("dialog-apache");
    let (port, server) = (ports::free(), ports::free());
    let _origin = origin(server, scratch.path());
    let link = format!("127.0.0.1:{server}=www.example");
    let target = format!("127.0.0.1:{server}");
    let text = written(&[&target, "--ssl-offload", "--outbound", &link, "--to", "apache"]);
    let text = text
        .replace("Listen 80", &format!("Listen 127.0.0.1:{port}\nServerRoot {}", scratch.path().display()));
    let file = scratch.write("apache.conf", text.replace("*:80>", &format!("127.0.0.1:{port}>")));
    let mut command = Command::new("apache2");
    command.arg("-f").arg(file).args(["-X", "-C", &format!("PidFile {}/pid", scratch.path().display())]);
    let _apache = Process::start("apache", &mut command, scratch.path()).listening(port);
    serves(port, server);
}

#[test]
fn rules_are_added_to_what_is_there() {
    let scratch = Scratch::new("dialog-file");
    let path = scratch.path().join("site");
    std::fs::create_dir_all(&path).expect("a folder can be made");
    for server in ["http://one:1", "http://two:2"] {
        let ran = ran(triglot(&["iis", "reverse-proxy", server, "--ssl-offload", "-o"]).arg(&path));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let text = scratch.read("site/web.config");
    assert!(text.contains("\"ReverseProxyInboundRule1\"") && text.contains("http://one:1/{R:1}"), "{text}");
    assert!(text.contains("\"ReverseProxyInboundRule2\"") && text.contains("http://two:2/{R:1}"), "{text}");
    let checked = ran(triglot(&["check", "--offline"]).arg(&path));
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    // Without a terminal nobody can be asked.
    let asked = ran(triglot(&["iis", "reverse-proxy"]).arg("--ssl-offload"));
    assert_eq!(asked.code, Some(2));
    let asked = ran(triglot(&["iis", "reverse-proxy", "ws://a"]).arg("--ssl-offload"));
    assert_eq!(asked.code, Some(2), "{}", asked.stderr);
}
