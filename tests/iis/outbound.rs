//! Outbound rules on a response that is larger than memory would be.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use super::support::{Folder, Origin, Server, get, port, say};

const SITE: &str = r#"<configuration><system.webServer><rewrite>
  <rules><rule name="in" stopProcessing="true"><match url="(.*)" /><action type="Rewrite" url="http://127.0.0.1:PORT/{R:1}" /></rule></rules>
  <outboundRules>
    <rule name="links"><match filterByTags="A" pattern="^http://inner/(.*)" /><action type="Rewrite" value="/out/{R:1}" /></rule>
    <rule name="text"><match pattern="needle-(\d+)" /><action type="Rewrite" value="pin" /></rule>
  </outboundRules></rewrite></system.webServer></configuration>"#;

/// So many mebibytes; `TRIGLOT_LARGE=1024` for a whole gibibyte.
fn size() -> usize {
    std::env::var("TRIGLOT_LARGE").ok().and_then(|text| text.parse().ok()).unwrap_or(96)
}

#[test]
fn a_large_response_is_rewritten_in_bounded_memory() {
    let folder = Folder::new();
    let mut piece = b"<p>needle-7 <a href=\"http://inner/x\">".to_vec();
    piece.resize(64 * 1024, b'.');
    let count = size() * 16;
    let answer = move |head: &str, stream: &mut TcpStream| {
        if head.starts_with("GET /small") {
            return say(stream, "200 OK", "", "<a href=http://inner/y>");
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n");
        for _ in 0..count {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
    };
    let origin = Origin::start("127.0.0.1", 0, Arc::new(answer));
    folder.write("web.config", SITE.replace("PORT", &origin.port.to_string()));
    let listen = port();
    let server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    assert_eq!(get(listen, "/small", "").text(), "<a href=/out/y>");
    let before = server.memory();
    let mut stream = TcpStream::connect(("127.0.0.1", listen)).unwrap();
    stream.write_all(b"GET /large HTTP/1.0\r\nHost: a.test\r\n\r\n").unwrap();
    let (mut bytes, mut total, mut most) = (vec![0; 256 * 1024], 0_usize, before);
    let (mut links, mut pins, mut tail) = (0, 0, Vec::new());
    loop {
        let length = stream.read(&mut bytes).unwrap();
        if length == 0 {
            break;
        }
        total += length;
        // What is counted may stand over the edge of two reads.
        tail.extend_from_slice(&bytes[..length]);
        let count = |text: &[u8]| memchr_count(&tail, text);
        let (some_links, some_pins) = (count(b"\"/out/x\""), count(b"pin "));
        let left = tail.len().min(7);
        let kept = tail.split_off(tail.len() - left);
        let count = |text: &[u8]| memchr_count(&kept, text);
        links += some_links - count(b"\"/out/x\"");
        pins += some_pins - count(b"pin ");
        tail = kept;
        if total % (16 << 20) < length {
            most = most.max(server.memory());
        }
    }
    assert_eq!((links, pins), (count, count));
    assert!(total > count * 64 * 1000, "{total}");
    assert!(most - before < 8 * 1024, "grew by {} KiB", most - before);
}

#[test]
fn what_was_packed_small_is_unpacked_little_by_little() {
    let folder = Folder::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![b'.'; 1 << 20];
    for _ in 0..60 {
        packed.write_all(&piece).unwrap();
    }
    let packed = packed.finish().unwrap();
    let answer = move |_: &str, stream: &mut TcpStream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(&[head.as_bytes(), &packed].concat());
        let _ = stream.shutdown(std::net::Shutdown::Both);
    };
    let origin = Origin::start("127.0.0.1", 0, Arc::new(answer));
    folder.write("web.config", SITE.replace("PORT", &origin.port.to_string()));
    let listen = port();
    let arguments = ["--decode-responses", "--listen", &format!("127.0.0.1:{listen}")];
    let server = Server::start(&folder.0, &arguments, listen);
    let before = server.memory();
    let mut stream = TcpStream::connect(("127.0.0.1", listen)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").unwrap();
    let (mut bytes, mut total, mut most) = (vec![0; 64 * 1024], 0_usize, before);
    loop {
        let length = stream.read(&mut bytes).unwrap();
        if length == 0 {
            break;
        }
        total += length;
        if total % (1 << 20) < length {
            most = most.max(server.memory());
        }
    }
    assert!(total > 60 << 20, "{total}");
    // One piece of four kilobytes becomes four megabytes, and passes through several hands.
    assert!(most - before < 40 * 1024, "grew by {} KiB", most - before);
}

/// What is said of content as it was cannot be said of what it became; a part of content stays what it is part of.
#[test]
fn what_is_said_of_content_goes_with_it() {
    let folder = Folder::new();
    let answer = |head: &str, stream: &mut TcpStream| {
        let fields = "Accept-Ranges: bytes\r\nETag: \"a\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                      Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nDigest: md5=Q2hlY2sgSW50ZWdyaXR5IQ==\r\nRepr-Digest: md5=:Q2g=:\r\n";
        if head.starts_with("GET /part") {
            let fields = format!("{fields}Content-Range: bytes 0-22/999\r\n");
            return say(stream, "206 Partial Content", &fields, "<a href=http://inner/y>");
        }
        let content = if head.starts_with("GET /none") { "" } else { "<a href=http://inner/y>" };
        say(stream, "200 OK", fields, content);
    };
    let origin = Origin::start("127.0.0.1", 0, Arc::new(answer));
    folder.write("web.config", SITE.replace("PORT", &origin.port.to_string()));
    let listen = port();
    let _server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    let all = ["Accept-Ranges", "ETag", "Last-Modified", "Content-MD5", "Digest", "Repr-Digest"];
    let reply = get(listen, "/whole", "");
    assert_eq!(reply.text(), "<a href=/out/y>");
    for name in all.into_iter().chain(["Content-Length"]) {
        assert_eq!(reply.field(name), None, "{name}: {}", reply.head);
    }
    let reply = get(listen, "/part", "Range: bytes=0-22\r\n");
    assert_eq!((reply.status, reply.text().as_str()), (206, "<a href=http://inner/y>"));
    for name in all.into_iter().chain(["Content-Length", "Content-Range"]) {
        assert!(reply.field(name).is_some(), "{name}: {}", reply.head);
    }
    assert_eq!(get(listen, "/none", "").field("ETag"), Some("\"a\""));
}

fn memchr_count(data: &[u8], text: &[u8]) -> usize {
    let (first, mut at, mut count) = (text[0], 0, 0);
    while let Some(found) = data[at..].iter().position(|byte| *byte == first) {
        at += found;
        count += usize::from(data[at..].starts_with(text));
        at += 1;
    }
    count
}
