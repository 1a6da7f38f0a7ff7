//! HTTP/2 in Chromium: a page, many requests at a time, and a WebSocket that is a stream of the same connection (RFC 8441).

use std::process::Command;

use crate::support::process::Process;
use crate::support::subject::{Prefix, is_triglot};
use crate::support::{ports, wait};
use crate::{configuration, echo_server, folder};

const PAGE: &str = "<!DOCTYPE html><title>page</title><p id=seen></p><script>
(async () => {
  const parts = await Promise.all([...Array(60).keys()].map(async (at) => (await fetch('/part/' + at)).text()));
  const seen = [parts.filter((text) => text === 'part').length];
  seen.push(performance.getEntriesByType('navigation')[0].nextHopProtocol);
  const socket = new WebSocket('wss://' + location.host + '/ws');
  socket.onopen = () => socket.send('over a stream');
  socket.onmessage = (event) => {
    seen.push(event.data);
    socket.close();
  };
  socket.onerror = () => seen.push('no WebSocket');
  socket.onclose = () => { document.getElementById('seen').textContent = seen.join('|'); };
})();
</script>";

#[test]
fn a_page_and_its_websocket_share_a_connection_in_chromium() {
    if !is_triglot() {
        // `http2 on` is newer than 1.22, and WebSockets over HTTP/2 are not nginx's.
        return;
    }
    let (port, server) = (ports::free(), ports::free());
    let text = configuration("http2", &[(8010, server)]).replace("8443", &port.to_string());
    let prefix = Prefix::new("http2", &text);
    prefix.write("page/index.html", PAGE);
    let made = Command::new("openssl")
        .current_dir(prefix.path())
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-keyout", "cert.key", "-out", "cert.pem"])
        .output()
        .expect("openssl can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let _echo = echo_server(&[server], prefix.path());
    let subject = prefix.serve();
    let mut command = Command::new("node");
    let path = subject.prefix().path();
    command.arg(folder().join("http2.js")).arg(format!("https://127.0.0.1:{port}/")).arg(path);
    command.arg("60|h2|over a stream");
    let mut browser = Process::start("browser", &mut command, path);
    assert!(browser.wait(wait::SOON * 10).success(), "{}", browser.output());
    let log = subject.prefix().wait_for("logs/access.log", "\"GET /ws HTTP/2.0\" 101");
    assert!(log.lines().all(|line| line.starts_with("HTTP/2.0 h2 ")), "{log}");
}
