//! Our client against our server, as far as either can tell.

use super::{
    super::tls::{
        Accepted,
        tests::{Server, file, with_pair},
    },
    *,
};
use crate::ir::settings::ForwardingInForce;

fn how(verify: bool, trusted: &str) -> ForwardingInForce {
    ForwardingInForce {
        tls_verify: verify,
        tls_verify_depth: 1,
        tls_trusted: verify.then(|| file(trusted)).into_iter().collect(),
        tls_server_name: true,
        tls_session_reuse: true,
        ..ForwardingInForce::default()
    }
}

/// What a handshake came to: what the server learned, or what our log says.
fn shake(server: &Server, settings: &ForwardingInForce, name: &str) -> String {
    let plan = ForwardingPlan { settings: settings.clone().into(), ..ForwardingPlan::default() };
    let mut result = String::new();
    with_pair(async |near, far| {
        let client = Client::new(&plan, name, None);
        let near = Stream::Plain(Socket::Unix(near));
        let (accepted, connected) = tokio::join!(server.accept(far), client.handshake(near, Duration::ZERO));
        result = match (connected, accepted) {
            (Ok(mut stream), Accepted::Session(far, session)) => {
                let mut far = Stream::Server(far);
                // Tickets come with the first bytes after the handshake.
                std::future::poll_fn(|cx| far.poll_write(cx, b"x")).await.unwrap();
                std::future::poll_fn(|cx| far.poll_flush(cx)).await.unwrap();
                let mut byte = [0];
                std::future::poll_fn(|cx| stream.poll_read(cx, &mut byte)).await.unwrap();
                let name = session.server_name.unwrap_or_else(|| "-".to_owned());
                format!(
                    "{} {} {name}{}",
                    session.version,
                    session.cipher,
                    if session.resumed { " resumed" } else { "" }
                )
            }
            (Err(trouble), _) => format!("{} {}", trouble.status, trouble.message),
            (Ok(_), accepted) => format!("{accepted:?}"),
        };
    });
    result
}

#[test]
fn hosts_show_their_certificates_and_sessions_are_resumed() {
    let server = Server::new(&[
        ("one.test", "one.pem", "one.key"),
        ("two.test", "two.pem", "two.key"),
        ("leaf.test", "chain.pem", "leaf.key"),
    ]);
    let mut old = how(false, "");
    old.tls_versions = vec![12];
    assert_eq!(shake(&server, &old, "two.test"), "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 two.test");
    assert_eq!(shake(&server, &old, "nobody.test"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 nobody.test");
    let new = how(false, "");
    assert_eq!(shake(&server, &new, "one.test"), "TLSv1.3 TLS_AES_256_GCM_SHA384 one.test");
    assert_eq!(shake(&server, &new, "one.test"), "TLSv1.3 TLS_AES_256_GCM_SHA384 one.test resumed");
    let mut quiet = how(false, "");
    (quiet.tls_server_name, quiet.tls_session_reuse) = (false, false);
    assert_eq!(shake(&server, &quiet, "two.test"), "TLSv1.3 TLS_AES_256_GCM_SHA384 -");
    quiet.tls_versions = vec![10];
    assert!(shake(&server, &quiet, "two.test").starts_with("502 only versions of TLS before 1.2"));
}

const NOBODY: &str = "verify error: (21:unable to verify the first certificate)";

/// Observed: nginx 1.22.1 with OpenSSL 3.0, with the same files and without session reuse.
#[test]
fn certificates_are_verified_as_openssl_does() {
    let refused = |why: &str| format!("502 upstream SSL certificate {why} while SSL handshaking to upstream");
    let fine = "TLSv1.3 TLS_AES_256_GCM_SHA384 ";
    for (certificate, key, trusted, name, expected) in [
        // A chain with an intermediate, and its depth.
        ("chain.pem", "leaf.key", "root.pem", "leaf.test", None),
        // No alternative name: the common name counts.
        ("plain.pem", "plain.key", "root.pem", "plain.test", None),
        // Version 1, signed by the root.
        ("old.pem", "old.key", "root.pem", "old.test", None),
        // Itself trusted, version 3 and 1.
        ("one.pem", "one.key", "one.pem", "a.one.test", None),
        ("two.pem", "two.key", "two.pem", "two.test", None),
        ("one.pem", "one.key", "one.pem", "two.test", Some("does not match \"two.test\"")),
        ("old.pem", "old.key", "root.pem", "plain.test", Some("does not match \"plain.test\"")),
        ("one.pem", "one.key", "root.pem", "one.test", Some("verify error: (18:self-signed certificate)")),
        (
            "chain.pem",
            "leaf.key",
            "one.pem",
            "leaf.test",
            Some("verify error: (20:unable to get local issuer certificate)"),
        ),
        ("plain.pem", "plain.key", "one.pem", "plain.test", Some(NOBODY)),
        ("old.pem", "old.key", "one.pem", "old.test", Some(NOBODY)),
    ] {
        let server = Server::new(&[(name, certificate, key)]);
        let expected = expected.map_or_else(|| format!("{fine}{name}"), refused);
        assert_eq!(shake(&server, &how(true, trusted), name), expected, "{certificate} {trusted} {name}");
    }
    let mut shallow = how(true, "root.pem");
    shallow.tls_verify_depth = 0;
    let server = Server::new(&[("leaf.test", "chain.pem", "leaf.key")]);
    assert_eq!(
        shake(&server, &shallow, "leaf.test"),
        refused("verify error: (20:unable to get local issuer certificate)")
    );
    let missing = how(true, "gone.pem");
    let said = shake(&server, &missing, "leaf.test");
    assert!(said.starts_with("502 cannot load trusted certificates"), "{said}");
}

#[test]
fn authorities_have_hosts() {
    for (authority, expected) in
        [("a:81", "a"), ("a", "a"), ("[::1]:81", "::1"), ("::1", "::1"), ("a:b", "a:b")]
    {
        assert_eq!(host(authority), expected, "{authority}");
    }
}
