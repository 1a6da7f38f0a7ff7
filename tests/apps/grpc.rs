//! gRPC by grpc-js on both sides: through the proxy calls of every kind come to what they do without it.

use std::process::Command;

use crate::support::process::Process;
use crate::support::subject::{Prefix, Server};
use crate::support::{ports, wait};
use crate::{configuration, folder};

/// A server on a port, ready; behind TLS with the certificate in the prefix.
fn server(prefix: &Prefix, port: u16, tls: bool) -> Process {
    let mut command = Command::new("node");
    command.current_dir(prefix.path()).arg(folder().join("grpc/server.js")).arg(port.to_string());
    if tls {
        command.args(["cert.pem", "cert.key"]);
    }
    let server = Process::start(&format!("grpc {port}"), &mut command, prefix.path());
    wait::until("the gRPC server", wait::SOON, || server.output().contains("ready").then_some(()));
    server
}

/// What the client says of the service on a port.
#[track_caller]
fn calls(prefix: &Prefix, port: u16) -> String {
    let mut command = Command::new("node");
    let output = command
        .current_dir(prefix.path())
        .arg(folder().join("grpc/client.js"))
        .arg(port.to_string())
        .output()
        .expect("node can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Case {
    ports: [u16; 4],
    subject: Server,
    _servers: [Process; 2],
}

impl Case {
    fn start(name: &str) -> Self {
        let ports = [ports::free(), ports::free(), ports::free(), ports::free()];
        let [plain, secure, first, second] = ports;
        let text = configuration("grpc", &[(8010, plain), (8011, secure)])
            .replace("8020 http2", &format!("{first} http2"))
            .replace("8021 http2", &format!("{second} http2"));
        let prefix = Prefix::new(name, &text);
        let made = Command::new("openssl")
            .current_dir(prefix.path())
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "cert.key", "-out", "cert.pem"])
            .output()
            .expect("openssl can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let servers = [server(&prefix, plain, false), server(&prefix, secure, true)];
        Self { ports, subject: prefix.serve(), _servers: servers }
    }
}

#[test]
fn calls_of_every_kind_come_to_what_they_do_without_a_proxy() {
    let case = Case::start("grpc");
    let [plain, _, through, over_tls] = case.ports;
    let prefix = case.subject.prefix();
    let expected = calls(prefix, plain);
    assert_eq!(expected.lines().count(), 12, "{expected}");
    assert!(expected.contains("both: 50 turn 49 0 \"OK\" x-last=both"), "{expected}");
    assert_eq!(calls(prefix, through), expected);
    assert_eq!(calls(prefix, over_tls), expected);
}
