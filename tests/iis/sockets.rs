//! Tunnels: a client that says nothing is asked whether it is there, between frames of its server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::support::{Folder, Origin, Server, port};

#[test]
fn pings_go_between_frames() {
    let (listen, folder) = (port(), Folder::new());
    // A whole frame, then half of one, and the rest of it much later.
    let origin = Origin::start(
        "127.0.0.1",
        0,
        Arc::new(|_: &str, stream: &mut TcpStream| {
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"\x81\x02hi").unwrap();
            std::thread::sleep(Duration::from_millis(2500));
            stream.write_all(b"\x81\x04ha").unwrap();
            std::thread::sleep(Duration::from_millis(2500));
            let _ = stream.write_all(b"lf");
            std::thread::sleep(Duration::from_millis(1500));
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }),
    );
    folder.write(
        "web.config",
        format!(
            r#"<configuration><system.webServer><webSocket enabled="true" pingInterval="00:00:01" /><rewrite><rules>
            <rule name="all" stopProcessing="true"><match url="(.*)" /><action type="Rewrite" url="http://127.0.0.1:{}/{{R:1}}" /></rule>
            </rules></rewrite></system.webServer></configuration>"#,
            origin.port
        ),
    );
    let server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    let mut client = TcpStream::connect(("127.0.0.1", listen)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut bytes = [0; 1024];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        seen.extend_from_slice(&bytes[..length]);
    }
    let end = seen.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let frames = &seen[end..];
    assert!(frames.starts_with(b"\x81\x02hi\x89\0"), "{} {}", frames.escape_ascii(), server.said());
    let half = frames.windows(6).position(|part| part == b"\x81\x04half").expect("a frame stays whole");
    let pings = |part: &[u8]| part.windows(2).filter(|two| two == b"\x89\0").count();
    assert!(pings(&frames[4..half]) >= 1 && pings(&frames[half + 6..]) >= 1, "{}", frames.escape_ascii());
}
