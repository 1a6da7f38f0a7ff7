//! A name server for fixtures: `*.up.test` is 127.0.0.1, `two.up.test` also 127.0.0.2; nothing else exists.

use std::net::UdpSocket;
use std::time::Duration;

/// Answers until `stopped`.
pub(crate) fn serve(socket: &UdpSocket, stopped: &dyn Fn() -> bool) {
    let _ = socket.set_read_timeout(Some(Duration::from_millis(20)));
    let mut packet = [0; 1500];
    while !stopped() {
        let Ok((length, peer)) = socket.recv_from(&mut packet) else { continue };
        if let Some(reply) = answer(&packet[..length]) {
            let _ = socket.send_to(&reply, peer);
        }
    }
}

/// The reply to one query (RFC 1035 § 4): the question again, and its addresses when type A is asked.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let question = query.get(12..at + 4)?;
    let address = query.get(at..at + 2)? == [0, 1];
    let name = labels.join(".");
    let known = name.ends_with(".up.test");
    let hosts: &[u8] = match (known && address, name.starts_with("two.")) {
        (false, _) => &[],
        (true, false) => &[1],
        (true, true) => &[1, 2],
    };
    let code = if known { 0 } else { 3 };
    let mut reply = query.get(..2)?.to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, hosts.len() as u8, 0, 0, 0, 0]);
    reply.extend_from_slice(question);
    for host in hosts {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, *host]);
    }
    Some(reply)
}
