//! Names of the made-up machine: every name has an address (RFC 1035), and an address remembers its name.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
};

use super::{Job, stage};

/// Names by their addresses.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<Ipv4Addr, String>>>);

impl Known {
    /// The name of an address, where one was asked for.
    pub(super) fn name(&self, address: IpAddr) -> Option<String> {
        let IpAddr::V4(address) = address else { return None };
        self.0.lock().ok()?.get(&address).cloned()
    }
}

/// The address of a name: of those that are for benchmarks of networks (RFC 2544), by the name's sum.
fn address(name: &str) -> Ipv4Addr {
    let sum = crc32fast::hash(name.as_bytes());
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) | (sum & 0x1_ffff))
}

/// Name servers that the configurations name, and the machine's own.
pub(super) fn servers(job: &Job) -> BTreeSet<SocketAddr> {
    let mut all: BTreeSet<SocketAddr> =
        stage::FAR.parse().map(|ip: IpAddr| (ip, 53).into()).into_iter().collect();
    for (_, text) in job.sides.iter().flat_map(|side| &side.files) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if words.next() != Some("resolver") {
                continue;
            }
            for word in words {
                let word = word.trim_end_matches(';');
                let address: Option<SocketAddr> =
                    word.parse().ok().or_else(|| word.parse().ok().map(|ip: IpAddr| (ip, 53).into()));
                all.extend(address);
            }
        }
    }
    all
}

/// Answers at an address from now on.
pub(super) fn answer_at(at: SocketAddr, known: &Known) {
    let Ok(socket) = UdpSocket::bind(at) else { return };
    let known = known.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(reply) = reply(&buffer[..length], &known) {
                let _ = socket.send_to(&reply, from);
            }
        }
    });
}

/// The answer to a question: its address for the type A, nothing for others.
fn reply(question: &[u8], known: &Known) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*question.get(at)?);
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
        at += 1 + length;
    }
    let asked = question.get(12..at + 5)?;
    let is_address = asked[asked.len() - 4..] == [0, 1, 0, 1];
    let mut out = question.get(..2)?.to_vec();
    out.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    out.extend_from_slice(asked);
    if is_address {
        let name = labels.join(".");
        let address = address(&name);
        known.0.lock().ok()?.insert(address, name);
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_address() {
        let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\x04test\0\0\x01\0\x01";
        let known = Known::default();
        let answer = reply(question, &known).expect("it is a question");
        assert_eq!(&answer[..12], b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0");
        let address: [u8; 4] = answer[answer.len() - 4..].try_into().expect("four bytes");
        assert_eq!(known.name(IpAddr::from(address)).as_deref(), Some("web.test"));
        let other = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\0\0\x1c\0\x01";
        assert_eq!(reply(other, &known).map(|answer| answer[7]), Some(0));
        assert_eq!(reply(b"\x12\x34", &known), None);
    }
}
