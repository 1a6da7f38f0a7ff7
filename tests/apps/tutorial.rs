//! The tutorials' virtual host in its one-line form: a `ws` server over TLS, alone and as a balancer of three.

use std::collections::BTreeMap;
use std::process::Command;

use crate::folder;
use crate::support::http;
use crate::support::ports;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use crate::support::websocket::WebSocket;

/// What runs: the proxy's port, the servers' ports.
struct Case {
    port: u16,
    servers: Vec<u16>,
    _subject: Process,
    _servers: Process,
    _scratch: Scratch,
}

impl Case {
    /// Starts so many servers and a configuration made of their ports.
    #[track_caller]
    fn start(name: &str, count: usize, conf: impl Fn(&[u16]) -> String) -> Self {
        let scratch = Scratch::new(name);
        let (port, servers) = (ports::free(), (0..count).map(|_| ports::free()).collect::<Vec<_>>());
        let (certificate, key) = (scratch.path().join("server.pem"), scratch.path().join("server.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new("node");
        command.arg(folder().join("ws-tls.js")).arg(&certificate).arg(&key);
        command.args(servers.iter().map(u16::to_string));
        let mut running = Process::start("ws-tls", &mut command, scratch.path());
        for server in &servers {
            running = running.listening(*server);
        }
        let text = format!("Listen 127.0.0.1:{port}\nServerName app.example\n{}", conf(&servers));
        let file = scratch.write("httpd.conf", text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
        command.args(["run", "--dialect", "apache"]).arg(file);
        let subject = Process::start("subject", &mut command, scratch.path()).listening(port);
        Self { port, servers, _subject: subject, _servers: running, _scratch: scratch }
    }

    /// How many of so many connections, all kept open, each server has, in the order of the servers.
    #[track_caller]
    fn shares(&self, count: usize) -> Vec<usize> {
        let sockets: Vec<_> = (0..count)
            .map(|_| WebSocket::open(self.port, "/").unwrap_or_else(|error| panic!("{error}")))
            .collect();
        let mut shares: BTreeMap<u16, usize> = self.servers.iter().map(|server| (*server, 0)).collect();
        for socket in &sockets {
            let by = socket.handshake.field("X-Served-By").and_then(|value| value.parse().ok());
            *shares.entry(by.expect("the server names itself")).or_default() += 1;
        }
        self.servers.iter().map(|server| shares[server]).collect()
    }
}

#[test]
fn sockets_and_pages_pass_to_a_server_over_tls() {
    let case = Case::start("tutorial", 1, |servers| {
        let target = format!("https://localhost:{}/", servers[0]);
        format!("SSLProxyEngine On\nProxyPass / {target} upgrade=websocket\nProxyPassReverse / {target}\n")
    });
    let mut socket = WebSocket::open(case.port, "/chat?room=1").expect("the upgrade passes");
    assert_eq!(socket.ask("héllo").expect("a text is echoed"), "héllo");
    let page = http::get(case.port, "/a/b?q=1");
    assert_eq!((page.status, page.text().as_str()), (200, "GET /a/b?q=1"));
}

#[test]
fn sockets_are_shared_by_factor() {
    let case = Case::start("tutorial-cluster", 3, |servers| {
        let member = |(at, server): (usize, &u16)| {
            format!("  BalancerMember https://localhost:{server} upgrade=websocket loadfactor={}\n", at + 1)
        };
        let members: String = servers.iter().enumerate().map(member).collect();
        format!(
            "SSLProxyEngine On\n<Proxy balancer://backend-cluster>\n{members}</Proxy>\n\
             ProxyPass / balancer://backend-cluster/\n"
        )
    });
    assert_eq!(case.shares(12), [2, 4, 6]);
}
