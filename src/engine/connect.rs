//! Connections to upstreams: TCP or Unix, TLS where asked for.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpStream, UnixStream};

use super::{
    gateway::records::Records,
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
    /// Takes the response out of its records, where the protocol has any.
    pub records: Option<Box<Records>>,
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
    /// Bytes that the system may hold of what was received; 0 is its own choice.
    pub receive_buffer: u64,
    /// And of what is to be sent.
    pub send_buffer: u64,
}

/// Connects a socket and sends what it can of `first`: how many bytes went.
///
/// A TCP connection that is there at once, as to this machine, takes the first bytes at once, too: it is not waited for
/// (two system calls less, and a turn of the loop). Where it is not there yet, the system says so.
pub async fn connect(
    place: &Place,
    options: &Options,
    timeout: Duration,
    first: &[u8],
) -> Result<(Stream, usize), Failure> {
    match place {
        Place::Unix(path) => {
            let stream = within(timeout, UnixStream::connect(path)).await?;
            Ok((Stream::Plain(Socket::Unix(stream)), 0))
        }
        Place::Tcp(addr) => {
            let socket = tcp(*addr, options)?;
            match socket.connect(&(*addr).into()) {
                Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error.into()),
                _ => {}
            }
            let sent = match socket.send_with_flags(first, libc::MSG_NOSIGNAL) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                sent => Some(sent?),
            };
            let stream = TcpStream::from_std(socket.into())?;
            if sent.is_none() || first.is_empty() {
                within(timeout, stream.writable()).await?;
                if let Some(error) = stream.take_error()? {
                    return Err(error.into());
                }
            }
            Ok((Stream::Plain(Socket::Tcp(stream)), sent.unwrap_or(0)))
        }
    }
}

fn tcp(addr: SocketAddr, options: &Options) -> io::Result<socket2::Socket> {
    let (domain, kind) = (Domain::for_address(addr), Type::STREAM.nonblocking());
    let socket = socket2::Socket::new(domain, kind, Some(Protocol::TCP))?;
    if options.keep_alive {
        socket.set_keepalive(true)?;
    }
    if options.receive_buffer > 0 {
        socket.set_recv_buffer_size(usize::try_from(options.receive_buffer).unwrap_or(usize::MAX))?;
    }
    if options.send_buffer > 0 {
        socket.set_send_buffer_size(usize::try_from(options.send_buffer).unwrap_or(usize::MAX))?;
    }
    if let Some((ip, port)) = options.bind {
        if options.transparent {
            socket.set_ip_transparent_v4(true)?;
        }
        if port == 0 {
            // The port is chosen at connect, so that many connections can share the address.
            bind_address_no_port(&socket);
        }
        socket.bind(&SocketAddr::new(ip, port).into())?;
    }
    Ok(socket)
}

#[expect(unsafe_code, reason = "no library used sets IP_BIND_ADDRESS_NO_PORT")]
fn bind_address_no_port(socket: &socket2::Socket) {
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
