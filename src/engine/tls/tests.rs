//! Handshakes over socket pairs, with certificates that live for a century.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, net::UnixStream};

use super::*;
use crate::{
    ir::{Address, Block, Config, Listener, Pattern, SocketOptions},
    plan,
};

/// The file of a certificate or key.
pub(in super::super) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/tls/testdata").join(name)
}

/// A host with a certificate and its key.
fn host(name: &str, pairs: &[(&str, &str)]) -> Host {
    let certificates =
        pairs.iter().map(|(certificate, key)| (file(certificate), file(key), Span::NONE)).collect();
    Host {
        name: name.into(),
        names: vec![Pattern::exact(name)],
        tls: Some(HostTls { certificates, versions: vec![12, 13], tickets: true, ..HostTls::default() }),
        request: Block::default(),
        named: Vec::new(),
        span: Span::NONE,
    }
}

fn config(hosts: Vec<Host>) -> Config {
    let listener = Listener {
        address: Address::Unix("/nowhere".into()),
        tls: true,
        http2: false,
        announced: None,
        options: SocketOptions::default(),
        default: HostId(0),
        chosen: false,
        hosts: (0..hosts.len() as u32).map(HostId).collect(),
        paths: Vec::new(),
        order: crate::ir::Order::Specific,
        into: crate::ir::Register('m'),
        span: Span::NONE,
    };
    Config { listeners: vec![listener], hosts, ..Config::default() }
}

/// A plan and its certificates.
pub(in super::super) struct Server {
    plan: Plan,
    certificates: Certificates,
}

impl Server {
    /// One host for each of these names and certificates.
    pub(in super::super) fn new(hosts: &[(&str, &str, &str)]) -> Self {
        Self::of(hosts.iter().map(|(name, certificate, key)| host(name, &[(certificate, key)])).collect())
    }

    fn of(hosts: Vec<Host>) -> Self {
        let plan = plan::compile(config(hosts)).unwrap();
        let certificates = Certificates::load(&plan).unwrap();
        Self { plan, certificates }
    }

    pub(in super::super) async fn accept(&self, socket: UnixStream) -> Accepted {
        shake_hands(&self.certificates, &self.plan, 0, Socket::Unix(socket)).await
    }
}

/// Runs a test with a socket pair.
pub(in super::super) fn with_pair(test: impl AsyncFnOnce(UnixStream, UnixStream)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        tokio::time::timeout(Duration::from_secs(10), test(one, other)).await.expect("no test takes so long");
    });
}

#[test]
fn plain_text_is_left_alone() {
    with_pair(async |mut client, server| {
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let accepted = Server::new(&[("one.test", "one.pem", "one.key")]).accept(server).await;
        let Accepted::Plain(Socket::Unix(mut socket)) = accepted else { panic!("{accepted:?}") };
        let mut text = [0; 18];
        socket.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"GET / HTTP/1.1\r\n\r\n");
    });
}

#[test]
fn refusals_are_told_by_an_alert() {
    let mut refusing = host("one.test", &[]);
    refusing.tls = Some(HostTls { reject: true, ..HostTls::default() });
    with_pair(async |mut client, server| {
        let names = rustls::pki_types::ServerName::try_from("one.test").unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut hello = rustls::ClientConnection::new(Arc::new(config), names).unwrap();
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).unwrap();
        client.write_all(&bytes).await.unwrap();
        let accepted = Server::of(vec![refusing]).accept(server).await;
        assert!(matches!(accepted, Accepted::Failed(_)), "{accepted:?}");
        let mut alert = Vec::new();
        client.read_to_end(&mut alert).await.unwrap();
        assert_eq!(alert, UNRECOGNIZED_NAME);
    });
}

#[test]
fn what_cannot_be_loaded_is_told() {
    let wrong = |pairs: &[(&str, &str)]| {
        let found = Certificates::load(&plan::compile(config(vec![host("a", pairs)])).unwrap()).unwrap_err();
        let short = |finding: &Diagnostic| finding.message.replace(&file("").display().to_string(), "");
        found.iter().map(short).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(wrong(&[]), "a listener with TLS has no certificate");
    assert_eq!(
        wrong(&[("gone.pem", "one.key")]),
        "cannot load certificate \"gone.pem\": No such file or directory"
    );
    assert_eq!(wrong(&[("one.key", "one.key")]), "cannot load certificate \"one.key\": no certificate in it");
    assert_eq!(wrong(&[("one.pem", "one.pem")]), "cannot load certificate key \"one.pem\": no key in it");
    assert_eq!(
        wrong(&[("one.pem", "leaf.key")]),
        format!(
            "cannot load certificate key \"leaf.key\": it is not the key of \"{}\"",
            file("one.pem").display()
        )
        .replace(&file("").display().to_string(), "")
    );
    let mut old = host("a", &[("one.pem", "one.key")]);
    old.tls = old.tls.map(|tls| HostTls { versions: vec![10, 11], ..tls });
    let found = Certificates::load(&plan::compile(config(vec![old])).unwrap()).unwrap_err();
    assert!(found[0].message.contains("before 1.2"), "{found:?}");
}
