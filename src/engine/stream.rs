//! A connection's bytes: TCP or Unix, plain or TLS, or one stream of frames, behind one type.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{client, server};

use super::http2::{Call, Duplex};

/// A plain socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
    /// None: what is written is kept, and nothing is ever read.
    Memory(Vec<u8>),
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Without TLS.
    Plain(Socket),
    /// TLS with us as the server.
    Server(Box<Secured<server::TlsStream<Socket>>>),
    /// TLS with us as the client.
    Client(Box<Secured<client::TlsStream<Socket>>>),
    /// A stream of an HTTP/2 connection of a client.
    Frames(Box<Duplex>),
    /// A request on an HTTP/2 connection to an upstream.
    Call(Box<Call>),
    /// None: what is written is kept, and nothing ever comes (see [`super::subrequest`]).
    Kept(Kept),
}

/// What was written where there is no connection.
#[derive(Debug, Default)]
pub struct Kept {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many more are kept; what goes beyond is dropped.
    pub room: usize,
    /// Whether anything was dropped.
    pub overflowed: bool,
}

impl Kept {
    fn take(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(self.room);
        self.bytes.extend_from_slice(&data[..taken]);
        self.room -= taken;
        self.overflowed |= taken < data.len();
        data.len()
    }
}

/// A TLS session that says when it ends (RFC 8446 § 6.1): whose content ends with the connection knows by that whether
/// it has the whole.
#[derive(Debug)]
pub struct Secured<T: Session> {
    session: T,
    whole: bool,
}

impl<T: Session> Secured<T> {
    /// This session.
    pub fn new(session: T) -> Self {
        Self { session, whole: true }
    }
}

impl<T: Session> Drop for Secured<T> {
    fn drop(&mut self) {
        if self.whole {
            self.session.end();
        }
    }
}

/// What ends with an alert.
pub trait Session {
    /// Says that no more will be sent, if that can be written at once and nothing waits to be.
    fn end(&mut self);
}

impl Session for server::TlsStream<Socket> {
    fn end(&mut self) {
        let (socket, connection) = self.get_mut();
        if !connection.is_handshaking() && !connection.wants_write() {
            connection.send_close_notify();
            let _ = connection.write_tls(&mut AtOnce(socket));
        }
    }
}

impl Session for client::TlsStream<Socket> {
    fn end(&mut self) {
        let (socket, connection) = self.get_mut();
        if !connection.is_handshaking() && !connection.wants_write() {
            connection.send_close_notify();
            let _ = connection.write_tls(&mut AtOnce(socket));
        }
    }
}

/// A socket that takes what it can without waiting.
struct AtOnce<'a>(&'a Socket);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self.0 {
            Socket::Tcp(stream) => stream.try_write(data),
            Socket::Unix(stream) => stream.try_write(data),
            Socket::Memory(_) => Ok(data.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// Reads into `into`; 0 is the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Frames(stream) => stream.poll_read(cx, into),
            Self::Call(call) => call.poll_read(cx, into),
            _ => self.poll_fill(cx, &mut ReadBuf::new(into)),
        }
    }

    /// The same for memory that need not have been written to: only what is read is.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = into.filled().len();
        let done = match self {
            Self::Plain(Socket::Tcp(stream)) => Pin::new(stream).poll_read(cx, into),
            Self::Plain(Socket::Unix(stream)) => Pin::new(stream).poll_read(cx, into),
            Self::Plain(stream @ Socket::Memory(_)) => Pin::new(stream).poll_read(cx, into),
            Self::Server(stream) => Pin::new(&mut stream.session).poll_read(cx, into),
            Self::Client(stream) => Pin::new(&mut stream.session).poll_read(cx, into),
            Self::Frames(_) | Self::Call(_) => {
                let read = self.poll_read(cx, into.initialize_unfilled());
                if let Poll::Ready(Ok(length)) = read {
                    into.advance(length);
                }
                return read;
            }
            Self::Kept(_) => return Poll::Pending,
        };
        let length = into.filled().len() - before;
        match done {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(length)),
            // A TLS peer that closes without a close_notify ends the stream, as everywhere on the web.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes some of `data`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(Socket::Tcp(stream)) => Pin::new(stream).poll_write(cx, data),
            Self::Plain(Socket::Unix(stream)) => Pin::new(stream).poll_write(cx, data),
            Self::Plain(stream @ Socket::Memory(_)) => Pin::new(stream).poll_write(cx, data),
            Self::Server(stream) => Pin::new(&mut stream.session).poll_write(cx, data),
            Self::Client(stream) => Pin::new(&mut stream.session).poll_write(cx, data),
            Self::Frames(stream) => stream.poll_write(cx, data),
            Self::Call(call) => call.poll_write(cx, data),
            Self::Kept(kept) => Poll::Ready(Ok(kept.take(data))),
        }
    }

    /// Whether what is written is not held back.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Frames(_) | Self::Call(_) | Self::Kept(_))
    }

    /// Passes on what TLS holds back.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) | Self::Frames(_) | Self::Call(_) | Self::Kept(_) => Poll::Ready(Ok(())),
            Self::Server(stream) => Pin::new(&mut stream.session).poll_flush(cx),
            Self::Client(stream) => Pin::new(&mut stream.session).poll_flush(cx),
        }
    }

    /// Says that no more will be written.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(Socket::Tcp(stream)) => Pin::new(stream).poll_shutdown(cx),
            Self::Plain(Socket::Unix(stream)) => Pin::new(stream).poll_shutdown(cx),
            Self::Plain(stream @ Socket::Memory(_)) => Pin::new(stream).poll_shutdown(cx),
            Self::Server(stream) => Pin::new(&mut stream.session).poll_shutdown(cx),
            Self::Client(stream) => Pin::new(&mut stream.session).poll_shutdown(cx),
            Self::Frames(stream) => {
                stream.finish(&[]);
                Poll::Ready(Ok(()))
            }
            Self::Call(call) => {
                call.finish(None);
                Poll::Ready(Ok(()))
            }
            Self::Kept(_) => Poll::Ready(Ok(())),
        }
    }

    /// Whether the peer closed, or sent something, while nothing was expected of it. No system call
    /// unless the driver saw an event.
    pub fn disturbed(&mut self) -> bool {
        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Self::Plain(Socket::Tcp(stream)) => match stream.poll_read_ready(&mut cx) {
                Poll::Pending => false,
                Poll::Ready(_) => {
                    !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
                }
            },
            _ => self.poll_read(&mut cx, &mut byte).is_ready(),
        }
    }

    /// The socket whose bytes are the stream's, as they are.
    pub fn bare(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket @ (Socket::Tcp(_) | Socket::Unix(_))) => Some(socket),
            _ => None,
        }
    }

    /// The socket that it alone uses.
    pub fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Server(stream) => Some(stream.session.get_ref().0),
            Self::Client(stream) => Some(stream.session.get_ref().0),
            Self::Frames(_) | Self::Call(_) | Self::Kept(_) => None,
        }
    }

    /// Sends small pieces at once, whatever is on the way.
    pub fn send_promptly(&self) {
        if let Some(Socket::Tcp(stream)) = self.socket() {
            let _ = stream.set_nodelay(true);
        }
    }

    /// Closes without a word: what was sent is not the whole.
    pub fn break_off(&mut self) {
        match self {
            Self::Server(stream) => stream.whole = false,
            Self::Client(stream) => stream.whole = false,
            Self::Plain(_) | Self::Frames(_) | Self::Call(_) | Self::Kept(_) => {}
        }
    }

    /// Makes closing reset the connection instead of finishing it.
    pub fn reset_on_close(&self) {
        if let Some(Socket::Tcp(stream)) = self.socket() {
            let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Memory(_) => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Memory(kept) => {
                kept.extend_from_slice(data);
                Poll::Ready(Ok(data.len()))
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Self::Memory(kept) => {
                for piece in data {
                    kept.extend_from_slice(piece);
                }
                Poll::Ready(Ok(data.iter().map(|piece| piece.len()).sum()))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(_) => Poll::Ready(Ok(())),
        }
    }
}
