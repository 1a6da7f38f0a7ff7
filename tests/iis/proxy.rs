//! What becomes of an answer on its way: fields that name hosts, and what is no answer at all.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use super::support::{Folder, Origin, Server, get, port, say};

/// An origin, and a server whose `http://farm/` leads there as `/farm` says and whose rest leads there at once.
fn pair(protocol: &str, proxy: &str) -> (Folder, Origin, Server, u16) {
    let (listen, folder) = (port(), Folder::new());
    let answer = |head: &str, stream: &mut TcpStream| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let _ = match path {
            "/garbage" => stream.write_all(b"<html>no head</html>"),
            // What a server of TLS says to HTTP.
            "/alert" => stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46"),
            _ => {
                let fields = "Location: http://inner.test/x\r\n";
                return say(stream, "201 Created", fields, "made");
            }
        };
        let _ = stream.shutdown(std::net::Shutdown::Both);
    };
    let origin = Origin::start("127.0.0.1", 0, Arc::new(answer));
    let text = format!(
        r#"<configuration><system.applicationHost><sites><site name="A" id="1">
          <application path="/"><virtualDirectory path="/" physicalPath="{0}" /></application>
          <bindings><binding protocol="http" bindingInformation="*:{listen}:" /></bindings></site></sites></system.applicationHost>
        <webFarms><webFarm name="Farm"><server address="127.0.0.1"><applicationRequestRouting httpPort="{1}" /></server>
          <applicationRequestRouting>{protocol}</applicationRequestRouting></webFarm></webFarms>
        <system.webServer><proxy enabled="true" {proxy} /><rewrite><globalRules>
          <rule name="farm" stopProcessing="true"><match url="^farm/(.*)" /><action type="Rewrite" url="http://farm/{{R:1}}" /></rule>
          <rule name="all" stopProcessing="true"><match url=".*" /><action type="Rewrite" url="http://127.0.0.1:{1}/{{R:0}}" /></rule>
        </globalRules></rewrite></system.webServer></configuration>"#,
        folder.0.display(),
        origin.port
    );
    let file = folder.write("applicationHost.config", text);
    let server = Server::start(&file, &[], listen);
    (folder, origin, server, listen)
}

/// Reference 9.4, from ANCM's forwarder: whatever host they name.
#[test]
fn locations_name_the_host_that_was_asked() {
    let off = r#"<protocol reverseRewriteHostInResponseHeaders="false" />"#;
    let (_folder, _origin, _server, listen) = pair(off, "");
    let reply = get(listen, "/x", "");
    assert_eq!(reply.status, 201);
    assert_eq!(reply.field("Location"), Some("http://a.test/x"));
    let reply = get(listen, "/farm/x", "");
    assert_eq!(reply.field("Location"), Some("http://inner.test/x"));
    let (_folder, _origin, _server, listen) = pair("", r#"reverseRewriteHostInResponseHeaders="false""#);
    assert_eq!(get(listen, "/x", "").field("Location"), Some("http://inner.test/x"));
    assert_eq!(get(listen, "/farm/x", "").field("Location"), Some("http://a.test/x"));
}

/// Reference 9.7: a bad response is 502.3; `WinHTTP` knows no HTTP/0.9 (`ERROR_WINHTTP_INVALID_SERVER_RESPONSE`).
#[test]
fn what_has_no_head_is_no_answer() {
    let (_folder, _origin, server, listen) = pair("", "");
    for path in ["/garbage", "/alert", "/farm/garbage", "/farm/alert"] {
        assert_eq!(get(listen, path, "").status, 502, "{path}");
    }
    server.hear("no valid HTTP/1.0 header");
}
