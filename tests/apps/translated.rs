//! The tutorials' configurations in the words of the other servers: each is translated into every other language and served
//! by the real server of that language (nginx, Apache) and by triglot, with the real application behind it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::websocket::WebSocket;
use crate::support::{http, ports, wait};
use crate::{echo_server, folder, jupyter};

/// Who serves an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Nginx,
    Apache,
    /// Ours, with the output in this language.
    Triglot(&'static str),
}

/// A translation of a text, and what is said to be lost.
#[track_caller]
fn translated(scratch: &Scratch, name: &str, text: &str, to: &str) -> (String, String) {
    let file = scratch.write(name, text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
    let done = command.arg("translate").arg(file).args(["--to", to]).output().expect("triglot can be run");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(matches!(done.status.code(), Some(0 | 3)), "{said}");
    (String::from_utf8_lossy(&done.stdout).into_owned(), said)
}

/// Modules that outputs for Apache name in their first line.
fn modules(text: &str) -> String {
    let named = text.lines().find_map(|line| line.strip_prefix("# Modules: ")).unwrap_or_default();
    let always = "mpm_event authz_core unixd mime dir env setenvif";
    let mut out = String::new();
    for module in always.split(' ').chain(named.split(' ')) {
        let file = PathBuf::from(format!("/usr/lib/apache2/modules/mod_{module}.so"));
        let line = format!("LoadModule {module}_module {}\n", file.display());
        if file.exists() && !out.contains(&line) {
            out.push_str(&line);
        }
    }
    // What balancers need, and their ways of choosing.
    if text.contains("balancer:") && !out.contains("slotmem_shm") {
        out.push_str("LoadModule slotmem_shm_module /usr/lib/apache2/modules/mod_slotmem_shm.so\n");
    }
    out
}

/// Serves an output; `None` where that server is not installed.
#[track_caller]
fn serve(by: By, scratch: &Scratch, text: &str, port: u16, arguments: &[&str]) -> Option<Process> {
    let here = scratch.path().display();
    let mut command;
    match by {
        By::Nginx => {
            if !Path::new("/usr/sbin/nginx").exists() {
                return None;
            }
            let whole = if text.contains("http {") {
                text.to_owned()
            } else {
                format!("events {{}}\nhttp {{\n{text}}}\n")
            };
            let file = scratch.write("real/nginx.conf", whole);
            std::fs::create_dir_all(scratch.path().join("real/logs")).expect("a folder can be made");
            command = Command::new("/usr/sbin/nginx");
            command.arg("-p").arg(scratch.path().join("real")).arg("-c").arg(file);
            command.args(["-e", "stderr", "-g"]).arg(format!("daemon off; pid {here}/real/pid;"));
        }
        By::Apache => {
            if !Path::new("/usr/sbin/apache2").exists() {
                return None;
            }
            let mut whole = modules(text);
            whole.push_str(&format!(
                "ServerName here\nTypesConfig /dev/null\nServerRoot {here}\nDefaultRuntimeDir {here}/logs\nPidFile {here}/logs/pid\n\
                 ErrorLog /dev/stderr\nUser www-data\nGroup www-data\n"
            ));
            if !text.lines().any(|line| line.starts_with("Listen ")) {
                whole.push_str(&format!("Listen {port}\n"));
            }
            let file = scratch.write("real/httpd.conf", whole + text);
            command = Command::new("/usr/sbin/apache2");
            command.arg("-f").arg(file).arg("-DFOREGROUND");
        }
        By::Triglot(dialect) => {
            let name = match dialect {
                "iis" if text.contains("<system.applicationHost>") => "ours/applicationHost.config",
                "iis" => "ours/web.config",
                _ => "ours/server.conf",
            };
            let is_part = *dialect == *"nginx" && !text.contains("http {");
            let whole = if is_part { format!("events {{}}\nhttp {{\n{text}}}\n") } else { text.to_owned() };
            let file = scratch.write(name, whole);
            command = Command::new(env!("CARGO_BIN_EXE_triglot"));
            command.args(["run", "--dialect", dialect]);
            if name == "ours/web.config" {
                command.arg(scratch.path().join("ours")).args(["--listen", &format!("127.0.0.1:{port}")]);
            } else {
                command.arg(file);
            }
            command.args(arguments);
        }
    }
    Some(Process::start("subject", &mut command, scratch.path()).listening(port))
}

/// An output on each server that reads its language, one after the other.
#[track_caller]
fn on_all(
    to: &'static str,
    scratch: &Scratch,
    text: &str,
    port: u16,
    arguments: &[&str],
    used: impl Fn(u16),
) {
    let real = match to {
        "nginx" => Some(By::Nginx),
        "apache" => Some(By::Apache),
        _ => None,
    };
    for by in real.into_iter().chain([By::Triglot(to)]) {
        let Some(mut server) = serve(by, scratch, text, port, arguments) else { continue };
        used(port);
        server.signal("TERM");
        server.wait(wait::SOON);
        // The next one needs its port.
        wait::until("the port to be free", wait::SOON, || {
            std::net::TcpListener::bind(("127.0.0.1", port)).ok()
        });
    }
}

fn seed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn sockets_behind_an_upstream_of_two() {
    let scratch = Scratch::new("translated-ws");
    let (port, servers) = (ports::free(), [ports::free(), ports::free()]);
    let _echo = echo_server(&servers, scratch.path());
    let text = seed("nginx/seed/tutorial_websocket.conf")
        .replace("19001", &servers[0].to_string())
        .replace("19002", &servers[1].to_string())
        .replace("18080", &port.to_string());
    for to in ["apache", "iis"] {
        let (text, _) = translated(&scratch, "nginx.conf", &text, to);
        on_all(to, &scratch, &text, port, &[], |port| {
            let mut sockets: Vec<_> = (0..4)
                .map(|_| {
                    WebSocket::open(port, "/chat?room=1").unwrap_or_else(|error| panic!("{error}\n{text}"))
                })
                .collect();
            let mut by: Vec<_> =
                sockets.iter().filter_map(|one| one.handshake.field("X-Served-By")).collect();
            by.sort_unstable();
            by.dedup();
            // A farm has one port for each of its servers' addresses; that one is lost is told.
            assert!(by.len() == 2 || to == "iis", "{by:?}");
            for socket in &mut sockets {
                assert_eq!(socket.ask("héllo").expect("a text is echoed"), "héllo");
            }
            // The server behind answers what is no socket itself (RFC 6455 § 4.2.2).
            assert_eq!(http::get(port, "/").status, 426);
        });
    }
}

#[test]
fn a_desktop_behind_websockify() {
    let scratch = Scratch::new("translated-novnc");
    let (vnc, web, port) = (ports::free(), ports::free(), ports::free());
    let mut command = Command::new("Xtigervnc");
    command
        .args(["-displayfd", "1", "-SecurityTypes", "None", "-localhost", "-rfbport", &vnc.to_string()])
        .args(["-geometry", "640x480", "-depth", "24", "-nolisten", "tcp"]);
    let _desktop = Process::start("xtigervnc", &mut command, scratch.path()).listening(vnc);
    let mut command = Command::new("websockify");
    command.args(["--web", "/usr/share/novnc", &format!("127.0.0.1:{web}"), &format!("127.0.0.1:{vnc}")]);
    let _websockify = Process::start("websockify", &mut command, scratch.path()).listening(web);
    let text = crate::configuration("novnc", &[(6080, web), (8080, port)]);
    for to in ["apache", "iis"] {
        let (text, _) = translated(&scratch, "nginx.conf", &text, to);
        on_all(to, &scratch, &text, port, &[], |port| {
            let page = http::get(port, "/vnc.html");
            assert!(page.status == 200 && page.text().contains("noVNC"), "{page:?}");
            let mut socket =
                WebSocket::open(port, "/websockify").unwrap_or_else(|error| panic!("{error}\n{text}"));
            // The desktop speaks first (RFC 6143 § 7.1.1).
            let greeting = socket.receive().expect("the desktop speaks");
            assert!(greeting.payload.starts_with(b"RFB 003."), "{greeting:?}");
        });
    }
}

#[test]
fn an_application_behind_uwsgi() {
    let scratch = Scratch::new("translated-uwsgi");
    let (port, application) = (ports::free(), ports::free());
    let mut command = Command::new("uwsgi");
    command
        .args(["--plugin", "python3", "--socket", &format!(":{application}"), "--wsgi-file"])
        .arg(folder().join("uwsgi/test.py"))
        .args(["--master", "--processes", "4"])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let uwsgi = Process::start("uwsgi", &mut command, scratch.path()).listening(application);
    wait::until("uWSGI's workers", wait::SOON * 2, || {
        uwsgi.output().contains("spawned uWSGI worker 4").then_some(())
    });
    let text = crate::configuration("uwsgi", &[(7000, application), (7001, port)]);
    let (output, _) = translated(&scratch, "nginx.conf", &text, "apache");
    on_all("apache", &scratch, &output, port, &[], |port| {
        let page = http::get(port, "/");
        assert!(page.status == 200 && page.text().starts_with("hello world\n"), "{page:?}\n{output}");
        let page = http::get(port, "/env?a=1&b=%20");
        assert!(page.text().contains("QUERY_STRING=a=1&b=%20\n"), "{page:?}");
    });
    // IIS has no such protocol, and that is said.
    let (_, said) = translated(&scratch, "nginx.conf", &text, "iis");
    assert!(said.contains("uwsgi"), "{said}");
}

/// A certificate for localhost.
#[track_caller]
fn certificate(folder: &Path) -> [PathBuf; 2] {
    let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    [certificate, key]
}

#[test]
fn apaches_virtual_hosts_over_tls() {
    let scratch = Scratch::new("translated-vhost");
    let (port, server) = (ports::free(), ports::free());
    let [certificate, key] = certificate(scratch.path());
    let mut command = Command::new("node");
    command.arg(folder().join("ws-tls.js")).arg(&certificate).arg(&key).arg(server.to_string());
    let _server = Process::start("ws-tls", &mut command, scratch.path()).listening(server);
    let ca = certificate.display().to_string();
    for name in ["apache/seed/one_line.conf", "apache/seed/corrected.conf"] {
        let text = seed(name)
            .replace("127.0.0.1:19443", &format!("localhost:{server}"))
            .replace("18443", &port.to_string());
        for to in ["nginx", "iis"] {
            let (text, _) = translated(&scratch, "httpd.conf", &text, to);
            let arguments: &[&str] = if to == "iis" { &["--ca", &ca] } else { &[] };
            on_all(to, &scratch, &text, port, arguments, |port| {
                let mut connection = http::Connection::open(port).expect("it listens");
                connection
                    .send("GET /a/b?q=1 HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n")
                    .expect("a request is sent");
                let page = connection.response().expect("it is answered");
                assert_eq!((page.status, page.text().as_str()), (200, "GET /a/b?q=1"), "{text}");
                // The only site of a server of IIS answers to its name alone.
                if to == "nginx" {
                    let mut socket =
                        WebSocket::open(port, "/chat").unwrap_or_else(|error| panic!("{error}\n{text}"));
                    assert_eq!(socket.ask("héllo").expect("a text is echoed"), "héllo");
                }
            });
        }
    }
}

#[test]
fn apaches_balancer_of_three() {
    let scratch = Scratch::new("translated-balancer");
    let (port, servers) = (ports::free(), [ports::free(), ports::free(), ports::free()]);
    let _echo = echo_server(&servers, scratch.path());
    let mut text = seed("apache/seed/corrected_cluster.conf")
        .replace("18443", &port.to_string())
        .replace("  ServerName app.example\n", "");
    for (written, free) in ["19001", "19002", "19003"].iter().zip(servers) {
        text = text.replace(written, &free.to_string());
    }
    for to in ["nginx", "iis"] {
        let (text, said) = translated(&scratch, "httpd.conf", &text, to);
        on_all(to, &scratch, &text, port, &[], |port| {
            let mut by: Vec<String> = (0..6)
                .map(|_| {
                    let mut socket =
                        WebSocket::open(port, "/").unwrap_or_else(|error| panic!("{error}\n{text}"));
                    assert_eq!(socket.ask("héllo").expect("a text is echoed"), "héllo");
                    socket.handshake.field("X-Served-By").unwrap_or_default().to_owned()
                })
                .collect();
            by.sort_unstable();
            by.dedup();
            assert!(
                by.len() == 3 || to == "iis" && said.contains("a farm knows its servers by their addresses")
            );
        });
    }
}

#[test]
fn jupyterlab_behind_what_was_a_web_config() {
    let scratch = Scratch::new("translated-jupyter");
    let (port, server) = (ports::free(), ports::free());
    let mut lab = jupyter::begun(&scratch, server, "");
    let text = seed("iis/seed/offload.config").replace("192.168.56.5:8888", &format!("127.0.0.1:{server}"));
    jupyter::listens(&mut lab, server);
    for to in ["nginx", "apache"] {
        let (text, _) = translated(&scratch, "site/web.config", &text, to);
        // A site without bindings: the port depends on who translates.
        let text = text
            .replace("listen 8080;", &format!("listen {port};"))
            .replace("listen 80;", &format!("listen {port};"))
            .replace("*:8080>", &format!("*:{port}>"))
            .replace("*:80>", &format!("*:{port}>"));
        on_all(to, &scratch, &text, port, &[], |port| {
            let page = http::get(port, "/api/status?token=secret");
            assert_eq!(page.status, 200, "{}\n{text}", page.text());
            let mut connection = http::Connection::open(port).expect("it listens");
            connection
                .send("POST /api/terminals?token=secret HTTP/1.1\r\nHost: lab\r\nContent-Length: 0\r\n\r\n")
                .expect("it can be sent");
            let made = connection.response().expect("it answers");
            assert_eq!(made.status, 200, "{}", made.text());
            let mut socket = WebSocket::open(port, "/terminals/websocket/1?token=secret")
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            let greeting = socket.receive().expect("the terminal speaks first");
            assert!(String::from_utf8_lossy(&greeting.payload).contains("setup"), "{greeting:?}");
        });
    }
}
