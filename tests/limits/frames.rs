//! HTTP/2, frame by frame: both protocols on one port, `WebSocket`s (RFC 8441), windows, floods, the end of a connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::prefix;
use crate::support::http::get;
use crate::support::ports;
use crate::support::subject::{Server, is_triglot};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// `END_STREAM`.
pub(super) const LAST: u8 = 1;
/// `END_HEADERS`.
pub(super) const WHOLE: u8 = 4;

/// `ENHANCE_YOUR_CALM` (RFC 9113 § 7).
const CALM: [u8; 4] = [0, 0, 0, 11];

/// A frame that came: kind, flags, stream, payload.
pub(super) type Frame = (u8, u8, u32, Vec<u8>);

/// A connection, spoken by hand.
pub(super) struct Frames(pub(super) TcpStream);

impl Frames {
    pub(super) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts connections");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time can be set");
        let mut frames = Self(stream);
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is sent");
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    pub(super) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.0.write_all(&frame(kind, flags, stream, payload)).is_ok()
    }

    pub(super) fn ask(&mut self, stream: u32, path: &str) {
        let head = head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]);
        assert!(self.send(HEADERS, WHOLE | LAST, stream, &head));
    }

    /// The next frame; `None` at the end, or when none comes in time.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    /// The next frame of a kind.
    #[track_caller]
    fn wait(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().unwrap_or_else(|| panic!("no frame of kind {kind} came"));
            if frame.0 == kind {
                return frame;
            }
        }
    }

    /// All content of a response, which has to be there in time.
    #[track_caller]
    fn content(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let (_, flags, _, data) = self.wait(DATA);
            all.extend(data);
            if flags & LAST != 0 {
                return all;
            }
        }
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Fields as literals that are not indexed (RFC 7541 § 6.2.2).
pub(super) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "a length of one byte");
            out.push(text.len() as u8);
            out.extend(text.bytes());
        }
    }
    out
}

/// The first field of a response, its status, from the static table.
pub(super) fn status(frame: &Frame) -> u16 {
    [(0x88, 200), (0x89, 204), (0x8c, 400), (0x8d, 404), (0x8e, 500)]
        .iter()
        .find(|(index, _)| frame.3.first() == Some(index))
        .map_or(0, |(_, status)| *status)
}

/// A server that speaks both; nginx before 1.25 has no such thing.
pub(super) fn server(name: &str, port: u16, locations: &str) -> Option<Server> {
    is_triglot().then(|| prefix(name, port, "", "http2 on;", locations).serve())
}

/// An origin that takes connections and says nothing.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    (listener, port)
}

#[test]
fn both_protocols_on_one_port() {
    let port = ports::free();
    let Some(_server) = server("both", port, "") else { return };
    assert_eq!(get(port, "/").text(), "here\n");
    let mut frames = Frames::open(port);
    frames.ask(1, "/");
    assert_eq!(status(&frames.wait(HEADERS)), 200);
    assert_eq!(frames.content(), b"here\n");
    frames.ask(3, "/");
    assert_eq!(frames.content(), b"here\n");
}

#[test]
fn a_websocket_is_a_stream() {
    let (listener, origin) = silent();
    let port = ports::free();
    let location = format!(
        "location /ws {{ proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; }}"
    );
    let Some(_server) = server("websocket", port, &location) else { return };
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection comes");
        let mut seen = Vec::new();
        let mut piece = [0; 4096];
        while !seen.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut piece).expect("a head comes");
            assert!(length > 0, "it ended early");
            seen.extend_from_slice(&piece[..length]);
        }
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst";
        stream.write_all(answer.as_bytes()).expect("it is sent");
        loop {
            let length = stream.read(&mut piece).unwrap_or(0);
            if length == 0 {
                return String::from_utf8_lossy(&seen).into_owned();
            }
            stream.write_all(&piece[..length]).expect("it is sent");
        }
    });
    let mut frames = Frames::open(port);
    // It says that it may be asked (RFC 8441 § 3).
    let settings = frames.wait(SETTINGS).3;
    assert!(settings.chunks(6).any(|one| one == [0, 8, 0, 0, 0, 1]), "{settings:?}");
    let asked = head(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/ws"),
        ("sec-websocket-version", "13"),
        ("origin", "http://a"),
    ]);
    assert!(frames.send(HEADERS, WHOLE, 1, &asked));
    let answer = frames.wait(HEADERS);
    assert_eq!((status(&answer), answer.1 & LAST), (200, 0));
    assert_eq!(frames.wait(DATA).3, b"first");
    for text in [&b"one"[..], b"two", &[b'x'; 9000]] {
        assert!(frames.send(DATA, 0, 1, text));
        let mut back = Vec::new();
        while back.len() < text.len() {
            back.extend(frames.wait(DATA).3);
        }
        assert_eq!(back, text);
    }
    // Beside it, other streams go on.
    frames.ask(3, "/");
    assert_eq!(frames.content(), b"here\n");
    assert!(frames.send(DATA, LAST, 1, &[]));
    let (_, flags, stream, _) = frames.wait(DATA);
    assert_eq!((flags & LAST, stream), (LAST, 1));
    let head = echo.join().expect("the origin saw the request").to_ascii_lowercase();
    assert!(head.starts_with("get /ws http/1.1\r\n"), "{head}");
    for line in
        ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", "sec-websocket-key: "]
    {
        assert!(head.contains(&format!("\r\n{line}")), "{line} in {head}");
    }
}

#[test]
fn no_more_is_sent_than_the_windows_allow() {
    let port = ports::free();
    if !is_triglot() {
        return;
    }
    let location = "location /big { root files; }";
    let prefix = prefix("windows", port, "", "http2 on;", location);
    prefix.write("files/big", vec![b'b'; 300_000]);
    let _server = prefix.serve();
    let mut frames = Frames::open(port);
    frames.ask(1, "/big");
    let mut all = 0;
    while all < 65_535 {
        all += frames.wait(DATA).3.len();
    }
    assert_eq!(all, 65_535);
    frames.0.set_read_timeout(Some(Duration::from_millis(300))).expect("a time can be set");
    while let Some(more) = frames.next() {
        assert_ne!(more.0, DATA, "beyond the window");
    }
    frames.0.set_read_timeout(Some(Duration::from_secs(5))).expect("a time can be set");
    for stream in [0, 1] {
        assert!(frames.send(WINDOW_UPDATE, 0, stream, &1_000_000u32.to_be_bytes()));
    }
    assert_eq!(all + frames.content().len(), 300_000);
}

/// Sends pieces until the connection ends; whether we were told to calm down, or just cut off.
fn flood(port: u16, mut piece: impl FnMut(u32) -> Vec<u8>) -> bool {
    let frames = Frames::open(port);
    let mut writing = frames.0.try_clone().expect("a socket can be shared");
    let writer = std::thread::spawn({
        let mut pieces: Vec<Vec<u8>> = (0..40_000).map(&mut piece).collect();
        move || {
            for piece in pieces.drain(..) {
                if writing.write_all(&piece).is_err() {
                    return;
                }
            }
        }
    });
    let (mut frames, begun) = (frames, Instant::now());
    let mut calm = false;
    while begun.elapsed() < Duration::from_secs(20) {
        match frames.next() {
            Some((GOAWAY, _, _, said)) => calm |= said.get(4..8) == Some(&CALM[..]),
            Some(_) => {}
            None => break,
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it goes on and on");
    drop(frames);
    writer.join().expect("writing ends with the connection");
    calm
}

#[test]
fn floods_end_the_connection_and_nothing_else() {
    let (_held, origin) = silent();
    let port = ports::free();
    let location = format!("location /held {{ proxy_pass http://127.0.0.1:{origin}; }}");
    let Some(_server) = server("floods", port, &location) else { return };
    let asked = head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/held")]);
    flood(port, |_| frame(PING, 0, 0, &[0; 8]));
    assert_eq!(get(port, "/").text(), "here\n");
    flood(port, |_| frame(SETTINGS, 0, 0, &[]));
    assert_eq!(get(port, "/").text(), "here\n");
    // Asked and given up at once, again and again.
    let reset = |turn: u32| {
        let stream = turn * 2 + 1;
        [frame(HEADERS, WHOLE | LAST, stream, &asked), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    assert!(flood(port, reset), "told to calm down");
    assert_eq!(get(port, "/").text(), "here\n");
    // A head that never ends.
    let endless = |turn: u32| match turn {
        0 => frame(HEADERS, LAST, 1, &asked),
        _ => frame(CONTINUATION, 0, 1, &head(&[("x-more", "of it")])),
    };
    flood(port, endless);
    assert_eq!(get(port, "/").text(), "here\n");
}

#[test]
fn a_graceful_stop_lets_streams_end() {
    let (listener, origin) = silent();
    let port = ports::free();
    let location = format!("location /held {{ proxy_pass http://127.0.0.1:{origin}; }}");
    let Some(mut server) = server("stop", port, &location) else { return };
    let mut frames = Frames::open(port);
    frames.ask(1, "/held");
    let (mut upstream, _) = listener.accept().expect("the request arrives");
    server.signal("QUIT");
    frames.wait(GOAWAY);
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").expect("it is sent");
    assert_eq!(status(&frames.wait(HEADERS)), 200);
    assert_eq!(frames.content(), b"late");
    assert!(server.wait(Duration::from_secs(10)).success());
}

#[test]
fn a_reload_is_followed_on_a_connection() {
    let port = ports::free();
    let Some(server) = server("reload", port, "location /old { return 404; }") else { return };
    let mut frames = Frames::open(port);
    frames.ask(1, "/old");
    assert_eq!(status(&frames.wait(HEADERS)), 404);
    let text = server.prefix().read("nginx.conf").replace("return 404", "return 204");
    server.prefix().write("nginx.conf", text);
    server.signal("HUP");
    let begun = Instant::now();
    let mut stream = 3;
    loop {
        frames.ask(stream, "/old");
        match status(&frames.wait(HEADERS)) {
            204 => break,
            _ => assert!(begun.elapsed() < Duration::from_secs(10), "it is still the old one"),
        }
        stream += 2;
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_idle_connection_ends() {
    let port = ports::free();
    if !is_triglot() {
        return;
    }
    let _server = prefix("idle", port, "", "http2 on; keepalive_timeout 1s;", "").serve();
    let mut frames = Frames::open(port);
    frames.ask(1, "/");
    assert_eq!(frames.content(), b"here\n");
    let begun = Instant::now();
    frames.wait(GOAWAY);
    assert!(begun.elapsed() > Duration::from_millis(700));
    assert!(frames.next().is_none());
}

#[test]
fn early_hints_pass_where_they_are_wanted() {
    let (listener, origin) = silent();
    let port = ports::free();
    let locations = format!(
        "location /hints {{ early_hints $http_x_want; proxy_http_version 1.1; proxy_pass http://127.0.0.1:{origin}; }}"
    );
    let Some(_server) = server("hints", port, &locations) else { return };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            );
        }
    });
    for (want, hints) in [("1", true), ("0", false), ("", false)] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts connections");
        let text = format!("GET /hints HTTP/1.1\r\nHost: a\r\nX-Want: {want}\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert_eq!(answer.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), hints, "{answer}");
        assert!(answer.contains("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    }
}

#[test]
fn requests_to_upstreams_share_a_connection() {
    let port = ports::free();
    if !is_triglot() {
        return;
    }
    let groups = format!(
        "http2 on; upstream kept {{ server 127.0.0.1:{port}; keepalive 2; }} upstream once {{ server 127.0.0.1:{port}; }}"
    );
    let locations = "location /seen { return 200 \"$server_protocol $connection $connection_requests $http_x_a\\n\"; }
        location /kept { rewrite ^ /seen break; proxy_http_version 2; proxy_set_header X-A b; proxy_pass http://kept; }
        location /once { rewrite ^ /seen break; proxy_http_version 2; proxy_pass http://once; }
        location /large { rewrite ^ /file break; proxy_http_version 2; proxy_pass http://kept; }
        location /file { root .; }";
    let prefix = prefix("shared", port, "", &groups, locations);
    let large: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    prefix.write("file", &large);
    let _server = prefix.serve();
    let words = |path: &str| -> Vec<String> {
        get(port, path).text().split_whitespace().map(str::to_owned).collect()
    };
    let (first, second) = (words("/kept"), words("/kept"));
    assert_eq!((first[0].as_str(), first[3].as_str()), ("HTTP/2.0", "b"));
    assert_eq!((&first[1], first[2].as_str()), (&second[1], "1"), "{first:?} {second:?}");
    assert_eq!(second[2], "2");
    let (first, second) = (words("/once"), words("/once"));
    assert_ne!(first[1], second[1]);
    assert_eq!((first[2].as_str(), second[2].as_str()), ("1", "1"));
    assert_eq!(get(port, "/large").content, large);
}
