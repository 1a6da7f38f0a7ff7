//! One stream of an HTTP/2 connection, as the exchange on it reads and writes it (RFC 9113 § 5).
//!
//! What is read is content; what is written is content, too: the head went
//! ahead as a frame of its own. How much may be under way is bounded on both
//! sides by flow control.

use std::{
    cell::Cell,
    fmt, io,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, Response};

use super::head;

/// What a connection knows of its streams.
#[derive(Default)]
pub struct Tally {
    /// Streams under way.
    pub active: Cell<u32>,
    /// Bytes of content and fields sent.
    pub sent: Cell<u64>,
    /// Streams that the client gave up.
    pub given_up: Cell<u64>,
    /// Streams that came to their end.
    pub finished: Cell<u64>,
    /// The task of the connection.
    pub task: Cell<Option<Waker>>,
}

/// A stream under way, counted while it is.
pub struct Duplex {
    tally: Rc<Tally>,
    open: Option<Open>,
    end: End,
    /// Received, and not yet read.
    piece: Bytes,
    /// Whether the client's end was seen.
    over: bool,
    /// What came behind the content.
    trailers: Option<HeaderMap>,
    /// Whether that end is to be read, as the end of content whose length is not known.
    tells_end: bool,
    /// Whether bytes go both ways until one side ends.
    tunnel: bool,
    reset: bool,
}

struct Open {
    receive: RecvStream,
    send: Send,
}

enum Send {
    Head(SendResponse<Bytes>),
    Content(SendStream<Bytes>),
}

/// How the end of our content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It will be said.
    Unknown,
    /// After so many bytes.
    After(u64),
    /// It was sent.
    Sent,
}

/// How content follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// There is none.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// Until its end is said.
    Content,
    /// Bytes both ways (RFC 8441 § 5).
    Tunnel,
}

impl Duplex {
    /// No stream yet.
    pub fn new(tally: Rc<Tally>) -> Self {
        Self {
            tally,
            open: None,
            end: End::Unknown,
            piece: Bytes::new(),
            over: false,
            trailers: None,
            tells_end: false,
            tunnel: false,
            reset: false,
        }
    }

    /// Begins with a request whose head came.
    pub fn begin(&mut self, receive: RecvStream, respond: SendResponse<Bytes>, tells_end: bool) {
        self.close();
        self.tally.active.set(self.tally.active.get() + 1);
        self.open = Some(Open { receive, send: Send::Head(respond) });
        (self.end, self.tells_end) = (End::Unknown, tells_end);
        (self.over, self.tunnel, self.reset) = (false, false, false);
        self.trailers = None;
    }

    /// Reads content into `into`; 0 is its end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(open) = &mut self.open else { return Poll::Ready(Ok(0)) };
        loop {
            if !self.piece.is_empty() {
                let length = self.piece.len().min(into.len());
                self.piece.copy_to_slice(&mut into[..length]);
                // Fails for a stream that is gone, which the next read tells.
                let _ = open.receive.flow_control().release_capacity(length);
                return Poll::Ready(Ok(length));
            }
            if self.over {
                // Nothing more comes but that the client gives up.
                let reset = match &mut open.send {
                    Send::Head(respond) => respond.poll_reset(cx),
                    Send::Content(send) => send.poll_reset(cx),
                };
                return reset.map(|_| {
                    self.reset = true;
                    Err(io::ErrorKind::ConnectionReset.into())
                });
            }
            match open.receive.poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => self.piece = piece,
                Poll::Ready(Some(Err(_))) => {
                    self.reset = true;
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Poll::Ready(None) => {
                    if let Poll::Ready(Ok(trailers)) = open.receive.poll_trailers(cx) {
                        self.trailers = trailers;
                    }
                    self.over = true;
                    if self.tells_end {
                        return Poll::Ready(Ok(0));
                    }
                }
            }
        }
    }

    /// The trailers of content that ended, as lines.
    pub fn take_trailers(&mut self) -> Vec<u8> {
        self.trailers.take().map(|trailers| head::lines(&trailers)).unwrap_or_default()
    }

    /// Sends as much content as the client allows.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Some(Open { send: Send::Content(send), .. }) = &mut self.open else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if self.end == End::Sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        send.reserve_capacity(data.len());
        let mut room = send.capacity();
        while room == 0 {
            room = match send.poll_capacity(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(_)) | None) => {
                    self.reset = true;
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
            };
        }
        let length = room.min(data.len());
        let last = match &mut self.end {
            End::After(left) => {
                *left = left.saturating_sub(length as u64);
                *left == 0
            }
            _ => false,
        };
        if send.send_data(Bytes::copy_from_slice(&data[..length]), last).is_err() {
            self.reset = true;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if last {
            self.end = End::Sent;
        }
        self.tally.sent.set(self.tally.sent.get() + length as u64);
        Poll::Ready(Ok(length))
    }

    /// Sends an interim response.
    pub fn interim(&mut self, head: Response<()>) -> io::Result<()> {
        match &mut self.open {
            Some(Open { send: Send::Head(respond), .. }) => {
                respond.send_informational(head).map_err(io::Error::other)
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends the head of the response. Where it cannot be sent, writing content fails.
    pub fn answer(&mut self, head: Response<()>, follows: Follows) {
        let Some(Open { send, .. }) = &mut self.open else { return };
        let Send::Head(respond) = send else { return };
        let last = matches!(follows, Follows::Nothing | Follows::Length(0));
        self.end = match follows {
            _ if last => End::Sent,
            Follows::Length(length) => End::After(length),
            _ => End::Unknown,
        };
        if follows == Follows::Tunnel {
            (self.tunnel, self.tells_end) = (true, true);
        }
        match respond.send_response(head, last) {
            Ok(content) => *send = Send::Content(content),
            Err(_) => self.reset = true,
        }
    }

    /// Ends our content, with trailers if there are any.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        let Some(Open { send: Send::Content(send), .. }) = &mut self.open else { return };
        if self.end != End::Unknown {
            return;
        }
        self.end = End::Sent;
        let sent = match trailers {
            Some(trailers) => send.send_trailers(trailers),
            None => send.send_data(Bytes::new(), true),
        };
        self.reset |= sent.is_err();
    }

    /// Whether the client gave the stream up.
    pub fn was_reset(&self) -> bool {
        self.reset
    }

    /// Ends the stream before its content's end.
    pub fn abort(&mut self, why: Reason) {
        if self.end != End::Sent {
            match &mut self.open {
                Some(Open { send: Send::Head(respond), .. }) => respond.send_reset(why),
                Some(Open { send: Send::Content(send), .. }) => send.send_reset(why),
                None => {}
            }
        }
        self.close();
    }

    /// Lets go of the stream. What the client still sends of its content is not wanted.
    pub fn close(&mut self) {
        if self.tunnel {
            self.finish(None);
        }
        if self.open.take().is_none() {
            return;
        }
        self.piece = Bytes::new();
        let tally = &self.tally;
        let count = if self.reset { &tally.given_up } else { &tally.finished };
        count.set(count.get() + 1);
        tally.active.set(tally.active.get().saturating_sub(1));
        if tally.active.get() == 0
            && let Some(task) = tally.task.take()
        {
            task.wake();
        }
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex")
            .field("open", &self.open.is_some())
            .field("end", &self.end)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
