//! Listening sockets: bound before workers start, one per worker and address; and accepting on them.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{
    access, announce,
    clock::Turns,
    connection::{self, Open, Place},
    facts::Client,
    http2, log,
    stream::{self, Stream},
    timed::{Failure, within},
    tls,
    worker::{Serving, Worker},
};
use crate::ir::{Address, AddressRange, Config, Listener, SocketOptions, settings::Level};

/// Connections that may wait to be accepted where the configuration does not say.
const BACKLOG: u32 = 511;

/// A pause after accepting failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(500);

/// The sockets of one address, one for each worker that accepts on it.
#[derive(Debug)]
pub struct Bound {
    /// The address.
    pub address: Address,
    /// Its options when it was bound.
    pub options: SocketOptions,
    /// None any more when it is closed.
    sockets: Mutex<Vec<Socket>>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Refused {
    /// What the system said.
    pub cause: io::Error,
    /// The listener.
    pub listener: usize,
}

/// The listeners that need a socket of their own: all but those that a wildcard address covers.
pub fn to_bind(config: &Config) -> Vec<usize> {
    let covered = |listener: &Listener| {
        let Address::Tcp(addr) = &listener.address else { return false };
        !addr.ip().is_unspecified()
            && !listener.options.separate
            && config.listeners.iter().any(|other| match &other.address {
                Address::Tcp(wild) => {
                    wild.ip().is_unspecified()
                        && wild.port() == addr.port()
                        && wild.is_ipv4() == addr.is_ipv4()
                }
                Address::Unix(_) => false,
            })
    };
    (0..config.listeners.len()).filter(|&at| !covered(&config.listeners[at])).collect()
}

/// Binds an address for so many workers.
pub fn bind(listener: &Listener, workers: usize) -> io::Result<Bound> {
    let options = &listener.options;
    let mut sockets = Vec::new();
    match &listener.address {
        Address::Tcp(addr) => {
            // Alone at first: with SO_REUSEPORT from the start, a second process would share the address unnoticed.
            let alone = tcp(*addr, options, workers == 1 && options.reuse_port)?;
            if workers == 1 {
                listen(&alone, options)?;
                sockets.push(alone);
            } else {
                // It never listened: who had connected to it would be reset.
                drop(alone);
                for _ in 0..workers {
                    let socket = tcp(*addr, options, true)?;
                    listen(&socket, options)?;
                    sockets.push(socket);
                }
            }
        }
        Address::Unix(path) => {
            let socket = unix(path, options)?;
            for _ in 1..workers {
                sockets.push(socket.try_clone()?);
            }
            sockets.push(socket);
        }
    }
    Ok(Bound { address: listener.address.clone(), options: options.clone(), sockets: Mutex::new(sockets) })
}

fn tcp(addr: SocketAddr, options: &SocketOptions, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if share {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        socket.set_only_v6(options.ipv6_only.unwrap_or(true))?;
    }
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(usize::try_from(size).unwrap_or(usize::MAX))?;
    }
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(usize::try_from(size).unwrap_or(usize::MAX))?;
    }
    if let Some(keep) = options.keep_alive {
        socket.set_keepalive(keep.on)?;
        let seconds = |value: u32| Duration::from_secs(u64::from(value));
        let mut details = TcpKeepalive::new();
        if let Some(idle) = keep.idle {
            details = details.with_time(seconds(idle));
        }
        if let Some(interval) = keep.interval {
            details = details.with_interval(seconds(interval));
        }
        if let Some(count) = keep.count {
            details = details.with_retries(count);
        }
        if keep.on && (keep.idle, keep.interval, keep.count) != (None, None, None) {
            socket.set_tcp_keepalive(&details)?;
        }
    }
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Takes connections from now on.
fn listen(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    socket.listen(options.backlog.unwrap_or(BACKLOG).cast_signed())?;
    if let Some(length) = options.fast_open {
        set_option(socket, libc::TCP_FASTOPEN, length.cast_signed());
    }
    if options.deferred {
        set_option(socket, libc::TCP_DEFER_ACCEPT, 1);
    }
    Ok(())
}

fn unix(path: &Path, options: &SocketOptions) -> io::Result<Socket> {
    use std::os::unix::fs::PermissionsExt as _;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        // A socket nobody listens on was left behind by a process that was killed.
        let stale = error.kind() == io::ErrorKind::AddrInUse
            && matches!(std::os::unix::net::UnixStream::connect(path), Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused);
        if !stale {
            return Err(error);
        }
        std::fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    socket.listen(options.backlog.unwrap_or(BACKLOG).cast_signed())?;
    Ok(socket)
}

#[expect(unsafe_code, reason = "the libraries used do not set these options")]
fn set_option(socket: &Socket, option: libc::c_int, value: libc::c_int) {
    // SAFETY: the descriptor is open and the pointer is to a live integer of the length given.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        );
    }
}

impl Bound {
    /// A worker's own descriptor of its socket.
    fn socket(&self, worker: usize) -> io::Result<Socket> {
        let sockets = self.sockets();
        let count = sockets.len().max(1);
        sockets.get(worker % count).ok_or(io::ErrorKind::NotConnected)?.try_clone()
    }

    /// Closes it but for what workers hold, and removes what is left in the file system; once, as somebody else
    /// may listen there afterwards.
    pub fn close(&self) {
        let sockets = std::mem::take(&mut *self.sockets());
        if let Address::Unix(path) = &self.address
            && !sockets.is_empty()
        {
            let _ = std::fs::remove_file(path);
        }
    }

    fn sockets(&self) -> std::sync::MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that a worker accepts on.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(SocketAddr, TcpListener),
    /// Unix.
    Unix(PathBuf, UnixListener),
}

impl Listening {
    /// Listens on a worker's own descriptor.
    pub fn new(bound: &Bound, worker: usize) -> io::Result<Self> {
        let socket = bound.socket(worker)?;
        Ok(match &bound.address {
            Address::Tcp(addr) => Self::Tcp(*addr, TcpListener::from_std(socket.into())?),
            Address::Unix(path) => Self::Unix(path.clone(), UnixListener::from_std(socket.into())?),
        })
    }

    /// Whether this is its address.
    pub fn is_at(&self, address: &Address) -> bool {
        match (self, address) {
            (Self::Tcp(own, _), Address::Tcp(other)) => own == other,
            (Self::Unix(own, _), Address::Unix(other)) => own == other,
            _ => false,
        }
    }
}

/// Accepts until aborted.
pub async fn accept(worker: Rc<Worker>, listening: Rc<Listening>) {
    match &*listening {
        Listening::Tcp(bound, listener) => accept_tcp(&worker, *bound, listener).await,
        Listening::Unix(path, listener) => accept_unix(&worker, path, listener).await,
    }
}

async fn accept_tcp(worker: &Rc<Worker>, bound: SocketAddr, listener: &TcpListener) {
    loop {
        room(worker).await;
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                refused(worker, &error).await;
                continue;
            }
        };
        start_tcp(worker, bound, stream, remote);
    }
}

fn start_tcp(worker: &Rc<Worker>, bound: SocketAddr, stream: TcpStream, remote: SocketAddr) {
    let wild = bound.ip().is_unspecified();
    let local = if wild { stream.local_addr().unwrap_or(bound) } else { bound };
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let descriptor = stream.as_raw_fd();
    let client = client(worker, Some(remote), Some(local), None, descriptor);
    start(worker, stream::Socket::Tcp(stream), client, Place::Tcp { local, bound });
}

async fn accept_unix(worker: &Rc<Worker>, path: &Path, listener: &UnixListener) {
    loop {
        room(worker).await;
        match listener.accept().await {
            Ok((stream, _)) => start_unix(worker, path, stream),
            Err(error) => refused(worker, &error).await,
        }
    }
}

fn start_unix(worker: &Rc<Worker>, path: &Path, stream: UnixStream) {
    let descriptor = stream.as_raw_fd();
    let client = client(worker, None, None, Some(path.to_path_buf()), descriptor);
    start(worker, stream::Socket::Unix(stream), client, Place::Unix(Rc::new(path.to_path_buf())));
}

/// Takes the connections that wait to be accepted, before a socket is closed: to their clients they are open, and
/// what was asked on them would be lost.
pub fn take_waiting(worker: &Rc<Worker>, listening: &Listening) {
    let socket = match listening {
        Listening::Tcp(_, listener) => SockRef::from(listener),
        Listening::Unix(_, listener) => SockRef::from(listener),
    };
    while let Ok((accepted, remote)) = socket.accept() {
        if accepted.set_nonblocking(true).is_err() {
            continue;
        }
        match listening {
            Listening::Tcp(bound, _) => {
                if let (Ok(stream), Some(remote)) = (TcpStream::from_std(accepted.into()), remote.as_socket())
                {
                    start_tcp(worker, *bound, stream, remote);
                }
            }
            Listening::Unix(path, _) => {
                if let Ok(stream) = UnixStream::from_std(accepted.into()) {
                    start_unix(worker, path, stream);
                }
            }
        }
    }
}

fn client(
    worker: &Worker,
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    path: Option<PathBuf>,
    descriptor: i32,
) -> Client {
    let remote = remote.map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()));
    let shown = remote.map_or_else(|| "unix:".into(), |addr| addr.ip().to_string().into_boxed_str());
    Client {
        shown,
        remote,
        local,
        path,
        serial: worker.shared.next_serial(),
        requests: 0,
        opened: Instant::now(),
        announced: None,
        tls: None,
        descriptor,
        told: std::cell::Cell::new(false),
    }
}

/// Starts serving a connection, after its TLS handshake where there is one.
fn start(worker: &Rc<Worker>, socket: stream::Socket, mut client: Client, place: Place) {
    worker.counters().add_accepted(1);
    let open = Open::new(worker);
    let worker = Rc::clone(worker);
    // The plan is the one in force now: the address may be gone when the task runs.
    let serving = worker.serving();
    let Some(listener) = serving.listener(&place) else { return };
    tokio::task::spawn_local(Turns(Box::pin(async move {
        // Who has not said a word leaves first where there are too many.
        if let Some(but) = &serving.plan.config.listeners[listener].announced {
            let said = announced(&serving, listener, but, &socket, &mut client);
            match worker.idle.unless_let_go(said).await {
                Some(Ok(())) => {}
                Some(Err(message)) => {
                    let from = client.remote.map_or_else(|| "unix:".to_owned(), |addr| addr.ip().to_string());
                    let serial = client.serial;
                    log::event(
                        &serving.logs,
                        Level::Error,
                        format_args!("*{serial} {message}, client: {from}"),
                    );
                    return;
                }
                None => return,
            }
        }
        let mut said = Vec::new();
        let (stream, frames) = if serving.plan.config.listeners[listener].tls {
            let accepted = worker.idle.unless_let_go(tls::accept(&serving, listener, socket));
            let Some(accepted) = accepted.await else { return };
            match accepted {
                tls::Accepted::Session(stream, session) => {
                    let handshakes = &worker.shared.handshakes;
                    handshakes.done.fetch_add(1, Relaxed);
                    handshakes.resumed.fetch_add(u64::from(session.resumed), Relaxed);
                    let frames = session.alpn.as_deref() == Some("h2");
                    client.tls = Some(Box::new(session));
                    (Stream::Server(stream), frames)
                }
                tls::Accepted::Plain(socket) => {
                    let stream = Stream::Plain(socket);
                    connection::refuse_plain(worker, serving, stream, client, listener).await;
                    return;
                }
                tls::Accepted::Failed(message) => {
                    worker.shared.handshakes.failed.fetch_add(1, Relaxed);
                    let from = client.remote.map_or_else(|| "unix:".to_owned(), |addr| addr.ip().to_string());
                    log::event(
                        &serving.logs,
                        Level::Info,
                        format_args!("*{} {message} while SSL handshaking, client: {from}", client.serial),
                    );
                    return;
                }
            }
        } else {
            let mut stream = Stream::Plain(socket);
            let frames = match speaks_frames(&serving, listener) {
                Some(limit) => {
                    let sniffed = worker.idle.unless_let_go(http2::sniff(&mut stream, &mut said, limit));
                    let Some(frames) = sniffed.await else { return };
                    frames
                }
                None => false,
            };
            (stream, frames)
        };
        if frames {
            http2::serve(worker, serving, listener, stream, said, client, place).await;
        } else {
            connection::serve(worker, serving, listener, stream, said, client, place).await;
        }
        drop(open);
    })));
}

/// Whether clients may begin with HTTP/2 where there is no TLS to agree on it, and how long they have for that.
fn speaks_frames(serving: &Serving, listener: usize) -> Option<Duration> {
    let plan = &serving.plan;
    let listener = &plan.config.listeners[listener];
    let client = &plan.settings(plan.host_settings(listener.default)).client;
    (listener.http2 || client.http2).then_some(client.head_timeout)
}

/// Reads whose connection it is, unless its client is one that does not say so.
async fn announced(
    serving: &Serving,
    listener: usize,
    but: &[AddressRange],
    socket: &stream::Socket,
    client: &mut Client,
) -> Result<(), String> {
    let peer = client.remote.map(|addr| addr.ip());
    if but.iter().any(|range| access::holds(*range, peer)) {
        return Ok(());
    }
    let plan = &serving.plan;
    let limit =
        plan.settings(plan.host_settings(plan.config.listeners[listener].default)).client.head_timeout;
    match within(limit, announce::read(socket)).await {
        Ok(header) => {
            client.announced = Some(Box::new(header));
            Ok(())
        }
        Err(Failure::TimedOut) => Err("client timed out while reading PROXY protocol".to_owned()),
        Err(Failure::Io(error)) => Err(format!("broken header while reading PROXY protocol ({error})")),
    }
}

/// Waits while the worker has as many connections as it may.
async fn room(worker: &Worker) {
    let limit = worker.serving().plan.config.process.connections;
    if worker.connections.get() < limit {
        return;
    }
    let mut said = None;
    while worker.connections.get() >= limit {
        let let_go = worker.idle.let_go();
        let (level, more) =
            if let_go > 0 { (Level::Warn, ", reusing connections") } else { (Level::Alert, "") };
        // A crowd says it once a second.
        let second = worker.clock.now().as_secs();
        if said != Some(level) && (level == Level::Alert || worker.crowded.replace(second) != second) {
            let logs = &worker.serving().logs;
            log::event(logs, level, format_args!("{limit} worker_connections are not enough{more}"));
        }
        said = Some(level);
        tokio::task::yield_now().await;
        if let_go == 0 || worker.connections.get() >= limit {
            tokio::time::sleep(Duration::from_millis(if let_go > 0 { 1 } else { 20 })).await;
        }
    }
}

/// Says why accepting failed, and pauses where trying again at once would only spin.
async fn refused(worker: &Worker, error: &io::Error) {
    let level = match error.raw_os_error() {
        Some(libc::ECONNABORTED) => Level::Error,
        Some(libc::EMFILE | libc::ENFILE) => Level::Crit,
        _ => Level::Alert,
    };
    log::event(
        &worker.serving().logs,
        level,
        format_args!("accept4() failed ({})", super::forward::system(error)),
    );
    if error.raw_os_error() != Some(libc::ECONNABORTED) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Options of a socket in use that a later configuration may ask to change; only the backlog can be.
pub fn adjust(bound: &Bound, options: &SocketOptions) {
    for socket in &*bound.sockets() {
        let _ = SockRef::from(socket).listen(options.backlog.unwrap_or(BACKLOG).cast_signed());
    }
}
