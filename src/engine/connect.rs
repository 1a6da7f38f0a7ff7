//! Connections to upstreams: TCP or Unix, TLS where asked for.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::net::{TcpSocket, UnixStream};

use super::{
    pool::Key,
    stream::{Socket, Stream},
    timed::{Failure, within},
};

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// TCP.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A connection to an upstream.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// What it may be used again for.
    pub key: Key,
    /// When it was made.
    pub opened: Instant,
    /// Requests it carried, the current one included.
    pub requests: u64,
}

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Local address.
    pub bind: Option<(IpAddr, u16)>,
    /// Whether that address need not be ours.
    pub transparent: bool,
    /// TCP keep-alive.
    pub keep_alive: bool,
}

/// Connects a socket.
pub async fn connect(place: &Place, options: &Options, timeout: Duration) -> Result<Stream, Failure> {
    match place {
        Place::Unix(path) => {
            let stream = within(timeout, UnixStream::connect(path)).await?;
            Ok(Stream::Plain(Socket::Unix(stream)))
        }
        Place::Tcp(addr) => {
            let socket = tcp(*addr, options)?;
            let stream = within(timeout, socket.connect(*addr)).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Plain(Socket::Tcp(stream)))
        }
    }
}

fn tcp(addr: SocketAddr, options: &Options) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if options.keep_alive {
        socket.set_keepalive(true)?;
    }
    if let Some((ip, port)) = options.bind {
        if options.transparent {
            socket2::SockRef::from(&socket).set_ip_transparent_v4(true)?;
        }
        if port == 0 {
            // The port is chosen at connect, so that many connections can share the address.
            bind_address_no_port(&socket);
        }
        socket.bind(SocketAddr::new(ip, port))?;
    }
    Ok(socket)
}

#[expect(unsafe_code, reason = "no library used sets IP_BIND_ADDRESS_NO_PORT")]
fn bind_address_no_port(socket: &TcpSocket) {
    use std::os::fd::AsRawFd as _;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open and the pointer is to a live integer of the length given.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        );
    }
}
