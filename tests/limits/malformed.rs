//! HTTP/2 that is none: what heads and frames that must not be are answered with, and that nothing else suffers.
//!
//! Beside nginx 1.22.1, byte by byte: it resets the stream of a name or value that cannot be (we answer), takes fields
//! of the connection, late pseudo-fields and frames for streams that never began (we refuse them: RFC 9113 § 5.1,
//! § 8.2.2, § 8.3), and knows no trailers of requests.

use crate::frames::{
    CONTINUATION, DATA, Frames, GOAWAY, HEADERS, LAST, PING, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE,
    frame, head, server, status,
};
use crate::support::ports;

/// What a client gets to see of stream 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The status of an answer.
    Answer(u16),
    /// The stream is reset for this reason.
    Reset(u8),
    /// The connection ends for this reason.
    Away(u8),
}
use Seen::{Answer, Away, Reset};

const PROTOCOL: u8 = 1;
const FLOW: u8 = 3;
const CLOSED: u8 = 5;
const SIZE: u8 = 6;
const COMPRESSION: u8 = 9;

/// `PADDED`.
const PADDED: u8 = 8;
/// A priority is in front of the fields.
const PRIORITY: u8 = 0x20;

fn usual(path: &str) -> Vec<u8> {
    head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)])
}

fn with(name: &str, value: &str) -> Vec<u8> {
    [usual("/"), head(&[(name, value)])].concat()
}

/// A request with content.
fn post(length: Option<&str>) -> Vec<u8> {
    let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/echo")];
    fields.extend(length.map(|length| ("content-length", length)));
    frame(HEADERS, WHOLE, 1, &head(&fields))
}

/// What becomes of stream 1.
fn outcome(frames: &mut Frames) -> Option<Seen> {
    loop {
        match frames.next()? {
            (HEADERS, _, 1, mut text) => {
                // A change of the table's size comes first (RFC 7541 § 6.3).
                text.drain(..text.iter().take_while(|byte| **byte >> 5 == 1).count());
                return Some(Answer(status(&(HEADERS, 0, 1, text))));
            }
            (RST_STREAM, _, 1, code) => return Some(Reset(code[3])),
            (GOAWAY, _, _, text) => return Some(Away(text[7])),
            _ => {}
        }
    }
}

#[track_caller]
fn check(port: u16, cases: &[(&str, Vec<u8>, Seen)]) {
    use std::io::Write as _;
    for (name, bytes, expected) in cases {
        let mut frames = Frames::open(port);
        frames.0.write_all(bytes).expect("it is sent");
        assert_eq!(outcome(&mut frames), Some(*expected), "{name}");
        if matches!(expected, Away(_)) {
            while let Some((kind, ..)) = frames.next() {
                assert_ne!(kind, HEADERS, "{name}: it goes on behind its end");
            }
            continue;
        }
        // The connection goes on, whatever was wrong with that stream.
        frames.ask(7, "/");
        loop {
            let (kind, flags, stream, text) = frames.next().unwrap_or_else(|| panic!("{name}: it ended"));
            assert_ne!(kind, GOAWAY, "{name}");
            if (kind, stream) == (DATA, 7) && flags & LAST != 0 {
                assert_eq!(text, b"here\n", "{name}");
                break;
            }
        }
    }
}

#[test]
fn heads() {
    let port = ports::free();
    let Some(_server) = server("heads", port, "") else { return };
    let refused = [
        ("a space in a path", usual("/a b")),
        ("a control in a path", usual("/\u{1}")),
        ("an empty path", usual("")),
        ("no path", usual("a")),
        ("a URL for a path", usual("http://a/")),
        ("a server for a path", usual("*")),
        ("two paths", with(":path", "/x")),
        ("two authorities", with(":authority", "b")),
        ("an unknown pseudo-field", with(":odd", "x")),
        ("a late pseudo-field", [head(&[("x-a", "1")]), usual("/")].concat()),
        ("no path at all", head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")])),
        ("no method", head(&[(":scheme", "http"), (":authority", "a"), (":path", "/")])),
        ("no scheme", head(&[(":method", "GET"), (":authority", "a"), (":path", "/")])),
        ("no host", head(&[(":method", "GET"), (":scheme", "http"), (":path", "/")])),
        (
            "an odd scheme",
            head(&[(":method", "GET"), (":scheme", "1x"), (":authority", "a"), (":path", "/")]),
        ),
        (
            "a method in small letters",
            head(&[(":method", "get"), (":scheme", "http"), (":authority", "a"), (":path", "/")]),
        ),
        ("a protocol without CONNECT", [head(&[(":protocol", "websocket")]), usual("/")].concat()),
        ("connection", with("connection", "close")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("upgrade", with("upgrade", "websocket")),
        ("keep-alive", with("keep-alive", "1")),
        ("proxy-connection", with("proxy-connection", "x")),
        ("te", with("te", "gzip")),
        ("a name in capitals", with("X-Upper", "1")),
        ("a name with a space", with("x a", "1")),
        ("a name with a colon", with("content-length:x", "1")),
        ("no name", with("", "1")),
        ("a line end", with("x-a", "a\nb: c")),
        ("a carriage return", with("x-a", "a\rb")),
        ("a zero", with("x-a", "a\0b")),
        ("another host", with("host", "b")),
        ("a length that is none", with("content-length", "x")),
        ("a negative length", with("content-length", "-1")),
        ("content that does not come", with("content-length", "5")),
    ];
    let taken = [
        ("any other byte in a path", usual("/<\u{e4}#")),
        ("the same host", with("host", "a")),
        ("trailers are taken", with("te", "trailers")),
        ("no content", with("content-length", "0")),
        ("spaces around a value", with("x-a", " b ")),
    ];
    let refused = refused.into_iter().map(|(name, block)| (name, block, Answer(400)));
    let taken = taken.into_iter().map(|(name, block)| (name, block, Answer(200)));
    let cases: Vec<_> = refused
        .chain(taken)
        .map(|(name, block, expected)| (name, frame(HEADERS, WHOLE | LAST, 1, &block), expected))
        .collect();
    check(port, &cases);
}

#[test]
fn frames() {
    let port = ports::free();
    let origin = ports::free();
    let locations = format!(
        "location /echo {{ proxy_pass http://127.0.0.1:{origin}; }}
        }}
        server {{ listen 127.0.0.1:{origin}; location / {{ return 200 \"$content_length $http_transfer_encoding\"; }}"
    );
    let Some(_server) = server("frames", port, &locations) else { return };
    let asked = || frame(HEADERS, WHOLE | LAST, 1, &usual("/"));
    let setting = |name: u16, value: u32| {
        let payload = [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        [frame(SETTINGS, 0, 0, &payload), asked()].concat()
    };
    let data = |flags, payload: &[u8]| frame(DATA, flags, 1, payload);
    let trailer = |flags| frame(HEADERS, flags, 1, &head(&[("x-t", "1")]));
    let padded = [&[3][..], &usual("/"), &[0; 3]].concat();
    let cases = [
        // Streams.
        ("an even stream", frame(HEADERS, WHOLE | LAST, 2, &usual("/")), Away(PROTOCOL)),
        ("no stream", frame(HEADERS, WHOLE | LAST, 0, &usual("/")), Away(PROTOCOL)),
        ("content of none", data(LAST, b"x"), Away(PROTOCOL)),
        ("content of the connection", frame(DATA, 0, 0, b"x"), Away(PROTOCOL)),
        ("the end of none", frame(RST_STREAM, 0, 1, &[0; 4]), Away(PROTOCOL)),
        ("a window of none", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), Away(PROTOCOL)),
        ("content behind the end", [asked(), data(LAST, b"x")].concat(), Reset(CLOSED)),
        ("a head behind the end", [asked(), asked()].concat(), Reset(CLOSED)),
        // Sizes.
        ("too long", frame(DATA, 0, 1, &vec![0; 16_385]), Away(SIZE)),
        ("a reset of three bytes", [asked(), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), Away(SIZE)),
        ("a ping of seven", frame(PING, 0, 0, &[0; 7]), Away(SIZE)),
        ("a ping of a stream", frame(PING, 0, 1, &[0; 8]), Away(PROTOCOL)),
        ("settings of five", frame(SETTINGS, 0, 0, &[0; 5]), Away(SIZE)),
        ("settings of a stream", frame(SETTINGS, 0, 1, &[]), Away(PROTOCOL)),
        ("an answer to settings with some", frame(SETTINGS, 1, 0, &[0; 6]), Away(SIZE)),
        ("a window of three", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Away(SIZE)),
        ("a goodbye of seven", frame(GOAWAY, 0, 0, &[0; 7]), Away(SIZE)),
        ("a promise", frame(5, WHOLE, 1, &[0, 0, 0, 2]), Away(PROTOCOL)),
        // Settings.
        ("push is 2", setting(2, 2), Away(PROTOCOL)),
        ("a window too large", setting(4, 1 << 31), Away(FLOW)),
        ("frames too short", setting(5, 100), Away(PROTOCOL)),
        ("frames too long", setting(5, 1 << 24), Away(PROTOCOL)),
        ("something new", setting(99, 1), Answer(200)),
        ("no table", setting(1, 0), Answer(200)),
        // Windows.
        ("no wider", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Away(PROTOCOL)),
        ("too wide", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), Away(FLOW)),
        ("a stream no wider", [post(None), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(), Reset(PROTOCOL)),
        (
            "a stream too wide",
            [post(None), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])].concat(),
            Reset(FLOW),
        ),
        // Blocks.
        ("the rest of nothing", frame(CONTINUATION, WHOLE, 1, &[]), Away(PROTOCOL)),
        (
            "two halves",
            [frame(HEADERS, LAST, 1, &usual("/")[..5]), frame(CONTINUATION, WHOLE, 1, &usual("/")[5..])]
                .concat(),
            Answer(200),
        ),
        (
            "half of another",
            [frame(HEADERS, LAST, 1, &usual("/")[..5]), frame(CONTINUATION, WHOLE, 3, &[])].concat(),
            Away(PROTOCOL),
        ),
        (
            "something between",
            [frame(HEADERS, LAST, 1, &usual("/")[..5]), frame(PING, 0, 0, &[0; 8])].concat(),
            Away(PROTOCOL),
        ),
        ("no field", frame(HEADERS, WHOLE | LAST, 1, &[0xff; 6]), Away(COMPRESSION)),
        ("an entry that is not there", frame(HEADERS, WHOLE | LAST, 1, &[0xbe]), Away(COMPRESSION)),
        ("no text", frame(HEADERS, WHOLE | LAST, 1, &[0, 0x81, 0xff, 0]), Away(COMPRESSION)),
        ("padding", frame(HEADERS, WHOLE | LAST | PADDED, 1, &padded), Answer(200)),
        ("nothing but padding", frame(HEADERS, WHOLE | LAST | PADDED, 1, &[9, 0]), Away(PROTOCOL)),
        (
            "a priority",
            frame(HEADERS, WHOLE | LAST | PRIORITY, 1, &[&[0, 0, 0, 0, 16][..], &usual("/")].concat()),
            Answer(200),
        ),
        ("a priority of four bytes", [asked(), frame(2, 0, 1, &[0; 4])].concat(), Reset(SIZE)),
        ("a priority of nothing", frame(2, 0, 0, &[0; 5]), Away(PROTOCOL)),
        ("an unknown frame", [frame(77, 9, 3, b"abc"), asked()].concat(), Answer(200)),
        // Content.
        ("its length", [post(Some("3")), data(LAST, b"abc")].concat(), Answer(200)),
        (
            "in pieces",
            [post(Some("3")), data(0, b"a"), data(0, b""), data(LAST, b"bc")].concat(),
            Answer(200),
        ),
        ("less", [post(Some("5")), data(LAST, b"abc")].concat(), Answer(400)),
        ("more", [post(Some("2")), data(LAST, b"abc")].concat(), Answer(400)),
        ("of unknown length", [post(None), data(0, b"abc"), data(LAST, b"")].concat(), Answer(200)),
        ("with padding", [post(Some("1")), data(LAST | PADDED, b"\x02a\0\0")].concat(), Answer(200)),
        ("with too much of it", [post(None), data(LAST | PADDED, b"\x05ab")].concat(), Away(PROTOCOL)),
        ("with trailers", [post(None), data(0, b"abc"), trailer(WHOLE | LAST)].concat(), Answer(200)),
        (
            "trailers before the end",
            [post(Some("9")), data(0, b"a"), trailer(WHOLE | LAST)].concat(),
            Reset(PROTOCOL),
        ),
        ("trailers that end nothing", [post(None), data(0, b"a"), trailer(WHOLE)].concat(), Reset(PROTOCOL)),
        (
            "a path in trailers",
            [post(None), frame(HEADERS, WHOLE | LAST, 1, &head(&[(":path", "/")]))].concat(),
            Reset(PROTOCOL),
        ),
    ];
    check(port, &cases);
}

/// Content that is not asked for ends with the window, and what nobody reads does not fill our memory.
#[test]
fn no_more_is_taken_than_the_windows_allow() {
    let port = ports::free();
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let origin = held.local_addr().expect("it has an address").port();
    let location = format!(
        "location /echo {{ proxy_request_buffering off; client_max_body_size 0; proxy_pass http://127.0.0.1:{origin}; }}"
    );
    let Some(_server) = server("taken", port, &location) else { return };
    let mut frames = Frames::open(port);
    assert!(std::io::Write::write_all(&mut frames.0, &post(None)).is_ok());
    // More than any window of ours, all at once, to an upstream that never reads.
    for _ in 0..4096 {
        if !frames.send(DATA, 0, 1, &[b'x'; 16_384]) {
            break;
        }
    }
    assert!(matches!(outcome(&mut frames), Some(Reset(FLOW) | Away(FLOW))));
}
