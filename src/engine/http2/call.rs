//! One request on a connection to an upstream, as the exchange writes and reads it (RFC 9113 § 8.1).
//!
//! What is written is content: the head went ahead as a frame. What is read is
//! the text that the response's head would be in HTTP/1.1, interim ones before
//! it, and then its content to the end of the stream; trailers are asked for
//! behind that. So nothing else knows the difference.

use std::{
    fmt,
    future::Future as _,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderMap, Method, Request, StatusCode, header};

use super::link::{Link, State};

/// A request under way.
pub struct Call {
    link: Rc<State>,
    receive: Receive,
    send: SendStream<Bytes>,
    /// Whether our content ended.
    sent: bool,
    /// How much content there will be, as far as that is known.
    left: Option<u64>,
    /// Whether there is no content whatever the head says.
    bare: bool,
    /// Received, and not yet read.
    piece: Bytes,
    /// Whether that is of a head.
    heading: bool,
    trailers: Option<HeaderMap>,
    fault: Option<Fault>,
}

enum Receive {
    Head(ResponseFuture),
    Content(RecvStream),
    Over,
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The upstream says that it has not begun with it, so that it may be sent again (RFC 9113 § 8.7).
    Unprocessed(Reason, bool),
    /// It gave the stream up.
    Rejected(Reason),
    /// What it sent is no HTTP/2, or no response.
    Invalid(String),
    /// The connection ended.
    Closed,
}

impl Call {
    /// Sends the head of a request. `length` is that of the content, `None` where it is not known.
    pub fn begin(link: &Link, head: Request<()>, length: Option<u64>) -> Result<Self, Fault> {
        let bare = *head.method() == Method::HEAD;
        let (state, mut send) = link.begin();
        let ends = length == Some(0);
        match send.send_request(head, ends) {
            Ok((response, send)) => Ok(Self {
                link: state,
                receive: Receive::Head(response),
                send,
                sent: ends,
                left: length,
                bare,
                piece: Bytes::new(),
                heading: false,
                trailers: None,
                fault: None,
            }),
            Err(error) => {
                state.end();
                // Nothing was sent: whatever stands in the way, it is the connection's.
                let reason = error.reason().unwrap_or(Reason::REFUSED_STREAM);
                Err(if error.is_io() { Fault::Closed } else { Fault::Unprocessed(reason, true) })
            }
        }
    }

    /// Reads of the head's text, then of the content; 0 is its end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.piece.is_empty() {
                let length = self.piece.len().min(into.len());
                self.piece.copy_to_slice(&mut into[..length]);
                if let Receive::Content(content) = &mut self.receive
                    && !self.heading
                {
                    // Fails for a stream that is gone, which the next read tells.
                    let _ = content.flow_control().release_capacity(length);
                }
                return Poll::Ready(Ok(length));
            }
            match &mut self.receive {
                Receive::Head(response) => {
                    match response.poll_informational(cx) {
                        Poll::Ready(Some(Ok(interim))) => {
                            (self.piece, self.heading) =
                                (text(interim.status(), interim.headers(), None), true);
                            continue;
                        }
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.fail(&error))),
                        Poll::Ready(None) => {}
                        Poll::Pending => return Poll::Pending,
                    }
                    match Pin::new(response).poll(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(&error))),
                        Poll::Ready(Ok(response)) => {
                            let (head, content) = response.into_parts();
                            // A stream that ends with its head has no content.
                            let bare = self.bare || matches!(head.status.as_u16(), 204 | 304);
                            let none = (content.is_end_stream() && !bare).then_some(0);
                            (self.piece, self.heading) = (text(head.status, &head.headers, none), true);
                            self.receive = Receive::Content(content);
                        }
                    }
                }
                Receive::Content(content) => match content.poll_data(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(piece))) => (self.piece, self.heading) = (piece, false),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.fail(&error))),
                    Poll::Ready(None) => match content.poll_trailers(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(trailers)) => {
                            self.trailers = trailers;
                            self.receive = Receive::Over;
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(&error))),
                    },
                },
                Receive::Over => return Poll::Ready(Ok(0)),
            }
        }
    }

    fn fail(&mut self, error: &h2::Error) -> io::Error {
        let fault = Fault::of(error);
        if !matches!(fault, Fault::Rejected(_)) {
            self.link.close();
        }
        self.fault = Some(fault.clone());
        self.receive = Receive::Over;
        io::Error::other(fault)
    }

    /// Sends as much content as the upstream allows.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.send.reserve_capacity(data.len());
        let mut room = self.send.capacity();
        while room == 0 {
            room = match self.send.poll_capacity(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(Some(Err(_)) | None) => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
            };
        }
        let length = room.min(data.len());
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(length as u64);
            self.sent = *left == 0;
        }
        if self.send.send_data(Bytes::copy_from_slice(&data[..length]), self.sent).is_err() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.link.sent.set(self.link.sent.get() + length as u64);
        Poll::Ready(Ok(length))
    }

    /// Ends our content, with trailers if there are any. Where it cannot be ended, reading tells why.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        if !std::mem::replace(&mut self.sent, true) {
            let _ = match trailers {
                Some(trailers) => self.send.send_trailers(trailers),
                None => self.send.send_data(Bytes::new(), true),
            };
        }
    }

    /// The response's trailers, as lines.
    pub fn take_trailers(&mut self) -> Vec<u8> {
        self.trailers.take().map(|trailers| lines(&trailers)).unwrap_or_default()
    }

    /// Why it failed, if it did.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.link.end();
    }
}

impl Fault {
    fn of(error: &h2::Error) -> Self {
        match error.reason() {
            Some(reason) if error.is_remote() && error.is_go_away() => Self::Unprocessed(reason, true),
            Some(Reason::REFUSED_STREAM) if error.is_remote() => {
                Self::Unprocessed(Reason::REFUSED_STREAM, false)
            }
            Some(reason) if error.is_remote() => Self::Rejected(reason),
            Some(_) => Self::Invalid(error.to_string()),
            None => Self::Closed,
        }
    }
}

/// For the error log, after `upstream`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unprocessed(reason, true) => write!(f, "sent goaway with error {}", u32::from(*reason)),
            Self::Unprocessed(reason, false) | Self::Rejected(reason) => {
                write!(f, "rejected request with error {}", u32::from(*reason))
            }
            Self::Invalid(why) => write!(f, "sent what is no valid response over HTTP/2 ({why})"),
            Self::Closed => f.write_str("prematurely closed connection"),
        }
    }
}

impl std::error::Error for Fault {}

/// A head as HTTP/1.1 has it. Lengths are the library's to check.
fn text(status: StatusCode, fields: &HeaderMap, length: Option<u64>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" \r\n");
    if let Some(length) = length.filter(|_| !fields.contains_key(header::CONTENT_LENGTH)) {
        out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    put_lines(fields, &mut out);
    out.extend_from_slice(b"\r\n");
    Bytes::from(out)
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("sent", &self.sent).field("fault", &self.fault).finish_non_exhaustive()
    }
}

/// Fields as the lines that they are in HTTP/1.1.
fn lines(fields: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    put_lines(fields, &mut out);
    out
}

/// The same, to the end of `out`.
fn put_lines(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}
