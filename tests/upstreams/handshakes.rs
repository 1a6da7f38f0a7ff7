//! Handshakes with clients: which sessions are resumed, which versions a host speaks, what is told of each.
//!
//! What is resumed was observed of nginx 1.22.1 with OpenSSL 3.0, and holds for `SUBJECT=/usr/sbin/nginx`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::support::ports;
use crate::support::subject::{Prefix, is_triglot};

/// Believes everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A client that remembers its sessions.
fn client(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_protocol_versions(versions).dangerous();
    Arc::new(builder.with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth())
}

/// The content of an answer over TLS, or why there is none; `before` goes in front of the handshake.
fn get(port: u16, name: &str, config: &Arc<ClientConfig>, before: &[u8]) -> Result<String, String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    socket.write_all(before).expect("it is taken");
    let name = ServerName::try_from(name.to_owned()).expect("it is a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("it is well-formed");
    let mut stream = StreamOwned::new(connection, socket);
    let mut answer = Vec::new();
    let asked = stream.write_all(b"GET / HTTP/1.0\r\nHost: one.test:8443\r\n\r\n");
    asked.and_then(|()| stream.read_to_end(&mut answer)).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    Ok(text.split_once("\r\n\r\n").map(|(_, content)| content.to_owned()).unwrap_or_default())
}

fn certificate(folder: &Path) {
    let arguments = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -x509 -keyout key.pem -out one.pem -subj /CN=one.test";
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    assert!(done.expect("openssl is installed").status.success());
}

fn begin(servers: &str) -> Prefix {
    let text = format!(
        "worker_processes 1;
        error_log logs/error.log info;
        events {{ }}
        http {{
            access_log off;
            ssl_certificate one.pem;
            ssl_certificate_key key.pem;
            {servers}
        }}
        "
    );
    let prefix = Prefix::new("handshakes", &text);
    let folder = prefix.path().join("conf");
    let folder = if folder.is_dir() { folder } else { prefix.path().to_path_buf() };
    certificate(&folder);
    let key = folder.join("key.pem");
    fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("it is ours");
    prefix
}

#[test]
fn sessions_are_resumed_by_tickets_or_from_a_cache_and_else_not() {
    let kinds = [
        ("on", "none", true),
        ("on", "off", true),
        ("on", "shared:a:1m", true),
        ("off", "none", false),
        ("off", "builtin", true),
        ("off", "shared:b:1m", true),
        ("off", "builtin:100 shared:c:1m", true),
    ];
    let mut servers = String::new();
    let mut hosts = Vec::new();
    for (tickets, cache, resumed) in kinds {
        let port = ports::free();
        servers += &format!(
            "server {{
                listen 127.0.0.1:{port} ssl;
                ssl_protocols TLSv1.2 TLSv1.3;
                ssl_session_tickets {tickets};
                ssl_session_cache {cache};
                return 200 \"$ssl_protocol $ssl_session_reused $ssl_session_id\";
            }}\n"
        );
        hosts.push((port, format!("tickets {tickets}, cache {cache}"), resumed));
    }
    let prefix = begin(&servers);
    let server = prefix.serve();
    for (port, kind, resumed) in hosts {
        for version in [&TLS12, &TLS13] {
            let config = client(&[version]);
            let answers: Vec<_> = (0..3).map(|_| get(port, "one.test", &config, b"").unwrap()).collect();
            let reused: Vec<_> = answers.iter().filter_map(|answer| answer.split(' ').nth(1)).collect();
            let expected = if resumed { [".", "r", "r"] } else { ["."; 3] };
            assert_eq!(reused, expected, "{kind}: {answers:?}");
            let identifiers: Vec<_> = answers.iter().filter_map(|answer| answer.split(' ').nth(2)).collect();
            // A session of TLS 1.2 from a cache keeps its identifier, one of 1.3 has a new one each time.
            let kept = version.version == TLS12.version && kind.starts_with("tickets off") && resumed;
            assert_eq!(identifiers[0] == identifiers[1], kept, "{kind}: {answers:?}");
            // The first of a session with a ticket is empty in 1.2.
            assert!(identifiers[2].len() == 64, "{kind}: {answers:?}");
        }
    }
    drop(server);
}

#[test]
fn each_host_speaks_its_own_versions() {
    if !is_triglot() {
        return eprintln!("NOT RUN: in the nginx installed the versions of the default host are everybody's");
    }
    let port = ports::free();
    let server = |name: &str, versions: &str| {
        format!(
            "server {{
                listen 127.0.0.1:{port} ssl;
                server_name {name};
                ssl_protocols {versions};
                return 200 \"$ssl_protocol $ssl_sigalg $request_port$is_request_port\";
            }}\n"
        )
    };
    let prefix = begin(&(server("old.test", "TLSv1.2") + &server("new.test", "TLSv1.3")));
    let server = prefix.serve();
    let both = client(&[&TLS12, &TLS13]);
    assert_eq!(get(port, "old.test", &both, b"").unwrap(), "TLSv1.2 ecdsa_secp256r1_sha256 8443:");
    assert_eq!(get(port, "other.test", &both, b"").unwrap(), "TLSv1.2 ecdsa_secp256r1_sha256 8443:");
    assert_eq!(get(port, "new.test", &both, b"").unwrap(), "TLSv1.3 ecdsa_secp256r1_sha256 8443:");
    let refused = get(port, "new.test", &client(&[&TLS12]), b"").unwrap_err();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let refused = get(port, "old.test", &client(&[&TLS13]), b"").unwrap_err();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    drop(server);
}

#[test]
fn what_a_proxy_says_of_tls_behind_the_addresses_is_told() {
    if !is_triglot() {
        return eprintln!("NOT RUN: $proxy_protocol_tlv_... came with nginx 1.23.2");
    }
    let port = ports::free();
    let prefix = begin(&format!(
        "server {{
            listen 127.0.0.1:{port} ssl proxy_protocol;
            return 200 \"$proxy_protocol_addr $proxy_protocol_tlv_alpn $proxy_protocol_tlv_0x02 \
                $proxy_protocol_tlv_ssl_verify $proxy_protocol_tlv_ssl_version [$proxy_protocol_tlv_netns]\";
        }}\n"
    ));
    let server = prefix.serve();
    let secure = [&[0x20, 0, 15, 1, 0, 0, 0, 7][..], &[0x21, 0, 7], b"TLSv1.3"].concat();
    let rest =
        [&[1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 80][..], &[1, 0, 2], b"h2", &[2, 0, 3], b"a.b", &secure].concat();
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend(rest);
    let told = get(port, "one.test", &client(&[&TLS13]), &header).unwrap();
    assert_eq!(told, "1.2.3.4 h2 a.b 7 TLSv1.3 []");
    drop(server);
}

#[test]
fn what_is_cut_short_ends_without_the_word_that_ends_a_session() {
    if !is_triglot() {
        return eprintln!("NOT RUN: nginx 1.22.1 says the word");
    }
    let origin = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let to = origin.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = origin.accept() {
            let mut head = [0; 4096];
            let _ = socket.read(&mut head);
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        }
    });
    let port = ports::free();
    let prefix = begin(&format!(
        "server {{
            listen 127.0.0.1:{port} ssl;
            ssl_protocols TLSv1.2 TLSv1.3;
            location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{to}; }}
        }}\n"
    ));
    let server = prefix.serve();
    for version in [&TLS12, &TLS13] {
        // To HTTP/1.0 the end of the connection is the end of the content.
        let cut = get(port, "one.test", &client(&[version]), b"").unwrap_err();
        assert!(cut.contains("without sending TLS close_notify"), "{cut}");
    }
    drop(server);
}
