//! The tutorials' virtual host in front of a `ws` server over TLS: in its one-line form, alone and as a balancer of three;
//! and as it is published, once `check --fix` corrected it, served by triglot and by the real Apache.

use std::collections::BTreeMap;
use std::path::Path;
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

/// Who serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Triglot,
    /// The real one, with the modules that it needs.
    Apache,
}

const MODULES: &str =
    "mpm_event authz_core proxy proxy_http proxy_wstunnel rewrite slotmem_shm socache_shmcb ssl";

impl Case {
    /// Starts so many servers and a configuration made of their ports.
    #[track_caller]
    fn start(name: &str, count: usize, conf: impl Fn(&[u16]) -> String) -> Self {
        Self::start_by(By::Triglot, false, name, count, conf)
    }

    /// The same, served by one of the two, and corrected before.
    #[track_caller]
    fn start_by(by: By, fixed: bool, name: &str, count: usize, conf: impl Fn(&[u16]) -> String) -> Self {
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
        let file = scratch.write("httpd.conf", text.replace("@PORT", &port.to_string()));
        if fixed {
            let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
            let output = command.args(["check", "--dialect", "apache", "--fix"]).arg(&file).output();
            let said = output.expect("it can be checked").stderr;
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(said.contains("corrected"), "nothing was corrected: {said}");
        }
        let mut command = match by {
            By::Triglot => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_triglot"));
                command.args(["run", "--dialect", "apache"]).arg(file);
                command
            }
            By::Apache => {
                let path = scratch.path().display();
                let mut text: String = MODULES
                    .split_whitespace()
                    .map(|module| {
                        format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n")
                    })
                    .filter(|line| {
                        line.split(' ').next_back().is_some_and(|file| Path::new(file.trim()).exists())
                    })
                    .collect();
                text.push_str(&format!(
                    "ServerRoot {path}\nDefaultRuntimeDir {path}\nPidFile {path}/httpd.pid\nErrorLog {path}/error.log\n\
                     User www-data\nGroup www-data\nInclude {}\n",
                    file.display()
                ));
                let mut command = Command::new("/usr/sbin/apache2");
                command.arg("-f").arg(scratch.write("main.conf", text)).arg("-DFOREGROUND");
                command
            }
        };
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

/// As tutorials have it.
fn published(servers: &[u16]) -> String {
    let to = servers[0];
    format!(
        "<VirtualHost *:@PORT>
  ServerName app.example

  RewriteEngine On
  RewriteCond ${{HTTP:Upgrade}} websocket [NC]
  RewriteCond ${{HTTP:Connection}} upgrade [NC]
  RewriteRule .* \"wss:/localhost:{to}/\" [P,L]
  ProxyPass / https://localhost:{to}/
  ProxyPassReverse / https://localhost:{to}/
  ProxyRequests off
</VirtualHost>
"
    )
}

#[test]
fn the_published_host_works_in_both_servers_once_it_is_corrected() {
    for (by, name) in [(By::Triglot, "published-triglot"), (By::Apache, "published-apache")] {
        let case = Case::start_by(by, true, name, 1, published);
        let mut socket = WebSocket::open(case.port, "/chat?room=1").expect("the upgrade passes");
        assert_eq!(socket.ask("héllo").expect("a text is echoed"), "héllo", "{name}");
        let page = http::get(case.port, "/a/b?q=1");
        assert_eq!((page.status, page.text().as_str()), (200, "GET /a/b?q=1"), "{name}");
    }
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
