//! Syslog receivers: RFC 3164 datagrams over UDP or a Unix socket, sent without waiting.

use std::{
    fmt::Write as _,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    os::unix::{ffi::OsStrExt as _, net::UnixDatagram},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{super::clock, file::Once};
use crate::ir::settings::Syslog;

/// The port of a receiver that names none.
const PORT: u16 = 514;

/// A receiver.
#[derive(Debug)]
pub(super) struct Receiver {
    to: To,
    settings: Syslog,
    host_name: String,
    failed: Once,
}

/// The sockets are not connected: a receiver that was restarted is found again.
#[derive(Debug)]
enum To {
    Udp(UdpSocket, SocketAddr),
    Unix(UnixDatagram, PathBuf),
}

impl Receiver {
    /// A receiver of these settings.
    pub(super) fn new(settings: &Syslog) -> Result<Self, String> {
        let failed =
            |what: &str, error: &io::Error| format!("{what} failed ({})", super::error::system(error));
        let to = if let Some(path) = settings.server.strip_prefix(b"unix:") {
            let socket = UnixDatagram::unbound().map_err(|error| failed("socket()", &error))?;
            socket.set_nonblocking(true).map_err(|error| failed("fcntl()", &error))?;
            To::Unix(socket, PathBuf::from(std::ffi::OsStr::from_bytes(path)))
        } else {
            let addr = address(&settings.server.lossy())?;
            let any: SocketAddr = match addr {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any).map_err(|error| failed("bind()", &error))?;
            socket.set_nonblocking(true).map_err(|error| failed("fcntl()", &error))?;
            To::Udp(socket, addr)
        };
        let host_name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host_name = host_name.trim().to_lowercase();
        Ok(Self { to, settings: settings.clone(), host_name, failed: Once::default() })
    }

    /// Sends a message, with a severity other than the receiver's where there is one.
    pub(super) fn send(&self, message: &[u8], severity: Option<u8>) -> io::Result<()> {
        let mut packet = header(&self.settings, severity, &self.host_name, now());
        packet.extend_from_slice(message);
        match &self.to {
            To::Udp(socket, addr) => socket.send_to(&packet, addr)?,
            To::Unix(socket, path) => socket.send_to(&packet, path)?,
        };
        self.failed.well();
        Ok(())
    }

    /// Whether nobody complained about it since it last worked.
    pub(super) fn may_complain(&self) -> bool {
        self.failed.first()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What a message begins with (RFC 3164 § 4.1).
fn header(settings: &Syslog, severity: Option<u8>, host_name: &str, second: u64) -> Vec<u8> {
    let time = clock::local(second);
    let priority = u32::from(settings.facility) * 8 + u32::from(severity.unwrap_or(settings.severity));
    let month = clock::MONTHS.get(time.tm_mon as usize).copied().unwrap_or_default();
    let mut text = format!(
        "<{priority}>{month} {:2} {:02}:{:02}:{:02} ",
        time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec
    );
    if settings.host_name {
        // Writing to a String does not fail.
        let _ = write!(text, "{host_name} ");
    }
    let mut out = text.into_bytes();
    out.extend_from_slice(&settings.tag);
    out.extend_from_slice(b": ");
    out
}

/// The address of `host:port`, `host`, `[v6]:port` or `[v6]`.
fn address(server: &str) -> Result<SocketAddr, String> {
    let has_port = match server.rfind(']') {
        Some(end) => server[end..].contains(':'),
        None => server.contains(':'),
    };
    let full = if has_port { server.to_owned() } else { format!("{server}:{PORT}") };
    let mut found =
        full.to_socket_addrs().map_err(|_| format!("host not found in syslog server \"{server}\""))?;
    found.next().ok_or_else(|| format!("host not found in syslog server \"{server}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str, host_name: bool) -> Syslog {
        Syslog { server: server.into(), facility: 23, severity: 6, tag: "web".into(), host_name }
    }

    #[test]
    fn messages_begin_as_the_rfc_says() {
        let with = header(&settings("127.0.0.1", true), None, "machine", 0);
        let text = String::from_utf8(with).unwrap();
        assert!(text.starts_with("<190>") && text.ends_with(" machine web: "), "{text}");
        let without = header(&settings("127.0.0.1", false), Some(3), "machine", 0);
        let text = String::from_utf8(without).unwrap();
        assert!(text.starts_with("<187>") && text.ends_with(" web: ") && !text.contains("machine"), "{text}");
        assert_eq!(text.len(), "<187>Jan  1 00:00:00 web: ".len());
    }

    #[test]
    fn addresses_have_a_default_port() {
        for (server, expected) in [
            ("127.0.0.1", "127.0.0.1:514"),
            ("127.0.0.1:1514", "127.0.0.1:1514"),
            ("[::1]", "[::1]:514"),
            ("[::1]:99", "[::1]:99"),
        ] {
            assert_eq!(address(server).unwrap().to_string(), expected, "{server}");
        }
    }

    #[test]
    fn a_message_arrives() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let receiver = Receiver::new(&settings(&there.local_addr().unwrap().to_string(), false)).unwrap();
        receiver.send(b"hello", None).unwrap();
        let mut packet = [0; 100];
        let length = there.recv(&mut packet).unwrap();
        assert!(packet[..length].ends_with(b" web: hello"));
    }

    #[test]
    fn a_receiver_that_is_not_there_is_complained_about_once() {
        let receiver = Receiver::new(&settings("unix:/nonexistent/log", false)).unwrap();
        assert!(receiver.send(b"hello", None).is_err());
        assert!(receiver.may_complain());
        assert!(!receiver.may_complain());
    }
}
