//! Node's `ws` behind an upstream group of two ports: what WebSocket clients see, and which server they get.

use std::collections::BTreeMap;

use crate::support::ports;
use crate::support::process::Process;
use crate::support::subject::{Prefix, Server};
use crate::support::websocket::{Kind, WebSocket};
use crate::{configuration, echo_server};

/// The proxy's port, the two servers' ports, and the processes.
struct Case {
    port: u16,
    servers: [u16; 2],
    // Declared first, stopped first: a proxy whose upstream has gone would log errors nobody wants to read.
    _subject: Server,
    _echo: Process,
}

impl Case {
    #[track_caller]
    fn start(edit: impl Fn(String) -> String) -> Self {
        let (port, servers) = (ports::free(), [ports::free(), ports::free()]);
        let text = configuration("ws", &[(8010, servers[0]), (8011, servers[1]), (8020, port)]);
        let prefix = Prefix::new("ws", &edit(text));
        let echo = echo_server(&servers, prefix.path());
        Self { port, servers, _subject: prefix.serve(), _echo: echo }
    }

    #[track_caller]
    fn open(&self, path: &str) -> WebSocket {
        WebSocket::open(self.port, path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Opens so many connections one after another, all kept open, and says which server took each.
    #[track_caller]
    fn served(&self, count: usize) -> Vec<u16> {
        let sockets: Vec<_> = (0..count).map(|_| self.open("/")).collect();
        sockets.iter().map(server).collect()
    }
}

fn server(socket: &WebSocket) -> u16 {
    socket
        .handshake
        .field("X-Served-By")
        .and_then(|value| value.parse().ok())
        .expect("the server names itself")
}

#[test]
fn messages_of_every_kind_come_back() {
    let case = Case::start(|text| text);
    let mut socket = case.open("/chat?room=1");
    assert_eq!(socket.handshake.field("Upgrade"), Some("websocket"));
    assert_eq!(socket.ask("héllo").expect("a text is echoed"), "héllo");

    let every_byte: Vec<u8> = (0..=255).collect();
    socket.send(Kind::Binary, &every_byte).expect("a binary message is sent");
    let message = socket.receive().expect("it is echoed");
    assert_eq!((message.kind, message.payload), (Kind::Binary, every_byte));

    socket.send(Kind::Ping, b"are you there").expect("a ping is sent");
    let message = socket.receive().expect("it is answered");
    assert_eq!((message.kind, message.payload), (Kind::Pong, b"are you there".to_vec()));

    // Lengths on both sides of what a frame's head says in 7, 16 and 64 bits, and 1 MiB that no buffer holds at once.
    for length in [0, 125, 126, 65_535, 65_536, 1 << 20] {
        let payload = noise(length);
        socket.send(Kind::Binary, &payload).expect("a message is sent");
        let message = socket.receive().expect("it is echoed");
        assert!(message.payload == payload, "{length} bytes came back as {message:?}");
    }
    let payload = noise(300_000);
    socket.send_fragments(Kind::Binary, &payload, 7_000).expect("fragments are sent");
    assert!(socket.receive().expect("they are echoed").payload == payload, "fragments came back changed");
}

#[test]
fn both_sides_close_with_code_and_reason() {
    let case = Case::start(|text| text);
    for (code, reason) in [(1000, ""), (4001, "bye")] {
        let mut socket = case.open("/");
        let mut payload = u16::to_be_bytes(code).to_vec();
        payload.extend_from_slice(reason.as_bytes());
        let message = socket.close(code, reason).expect("a close is answered");
        assert_eq!((message.kind, &message.payload[..2]), (Kind::Close, &payload[..2]));
        assert!(socket.closed_within(crate::support::wait::SOON), "the connection stayed open after {code}");
    }
    let mut socket = case.open("/");
    socket.send(Kind::Text, b"close 4003 enough").expect("a text is sent");
    let message = socket.receive().expect("the server closes");
    assert_eq!(
        (message.kind, message.payload),
        (Kind::Close, [&4003_u16.to_be_bytes()[..], b"enough"].concat())
    );
}

#[test]
fn a_hundred_tunnels_talk_at_once() {
    let case = Case::start(|text| text);
    let mut sockets: Vec<_> = (0..100).map(|_| case.open("/")).collect();
    for (index, socket) in sockets.iter_mut().enumerate() {
        socket.send(Kind::Text, format!("message {index}").as_bytes()).expect("a text is sent");
    }
    for (index, socket) in sockets.iter_mut().enumerate().rev() {
        let message = socket.receive().expect("it is echoed");
        assert_eq!(message.payload, format!("message {index}").into_bytes());
    }
    let mut counts = BTreeMap::new();
    for socket in &sockets {
        *counts.entry(server(socket)).or_insert(0) += 1;
    }
    assert_eq!(
        counts,
        BTreeMap::from(case.servers.map(|port| (port, 50))),
        "each server has half of the tunnels"
    );
}

#[test]
fn a_group_takes_turns() {
    let case = Case::start(|text| text);
    // `localhost` may be one address or two (127.0.0.1 and ::1); each is a peer of the group, so that one server's peers
    // come one after another. Observed: nginx 1.22.1.
    let peers =
        std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 1)).expect("localhost has addresses").count();
    let served = case.served(4 * peers);
    let [first, second] = case.servers;
    let turn = [vec![first; peers], vec![second; peers]].concat();
    assert_eq!(served, turn.repeat(2), "{peers} addresses per server");
}

#[test]
fn one_address_stays_with_one_server() {
    let case = Case::start(|text| text.replace("#ip_hash;", "ip_hash;"));
    let served = case.served(20);
    assert!(served.iter().all(|port| *port == served[0]), "{served:?}");
    // 127.0.0.x hashes by its first three bytes; which of the peers that is follows from nginx's arithmetic.
    let mut hash: u32 = 89;
    for byte in [127, 0, 0] {
        hash = (hash * 113 + byte) % 6271;
    }
    let peers =
        std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 1)).expect("localhost has addresses").count();
    let index = hash as usize % (2 * peers) / peers;
    assert_eq!(served[0], case.servers[index], "the hash {hash} over {} peers", 2 * peers);
}

#[test]
fn an_upstream_that_has_gone_ends_the_tunnel() {
    let (port, servers) = (ports::free(), [ports::free(), ports::free()]);
    let prefix =
        Prefix::new("ws", &configuration("ws", &[(8010, servers[0]), (8011, servers[1]), (8020, port)]));
    let echo = echo_server(&servers, prefix.path());
    let _subject = prefix.serve();
    let mut sockets: Vec<_> = (0..4).map(|_| WebSocket::open(port, "/").expect("it opens")).collect();
    drop(echo);
    for socket in &mut sockets {
        assert!(socket.closed_within(crate::support::wait::SOON), "a tunnel outlived its upstream");
    }
    let response = crate::support::http::get(port, "/");
    assert_eq!(response.status, 502, "{response:?}");
}

/// Bytes without a pattern that a wrong offset could hide in.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
