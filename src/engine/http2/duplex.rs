//! One stream of an HTTP/2 connection, as the exchange on it reads and writes it (RFC 9113 § 5).
//!
//! What is read is content; what is written is content, too: the head went
//! ahead as a frame of its own. How much may be under way is bounded on both
//! sides by flow control.

use std::{
    fmt, io,
    rc::Rc,
    task::{Context, Poll},
};

use super::{
    core::Shared,
    frame::Code,
    head::{self, Head},
};

/// A stream under way, counted while it is.
pub struct Duplex {
    shared: Shared,
    /// Its place.
    open: Option<usize>,
    end: End,
    /// Whether the client's end was seen.
    over: bool,
    /// Whether that end is to be read, as the end of content whose length is not known.
    tells_end: bool,
    /// Whether bytes go both ways until one side ends.
    tunnel: bool,
    reset: bool,
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
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared,
            open: None,
            end: End::Unknown,
            over: false,
            tells_end: false,
            tunnel: false,
            reset: false,
        }
    }

    /// Begins with a request whose head came.
    pub(super) fn begin(&mut self, place: usize, tells_end: bool) {
        self.close();
        self.open = Some(place);
        (self.end, self.tells_end) = (End::Unknown, tells_end);
        (self.over, self.tunnel, self.reset) = (false, false, false);
    }

    /// Reads content into `into`; 0 is its end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(place) = self.open else { return Poll::Ready(Ok(0)) };
        let mut core = self.shared.borrow_mut();
        match core.poll_read(place, cx, into) {
            Poll::Ready(Ok(Some(length))) => return Poll::Ready(Ok(length)),
            Poll::Ready(Ok(None)) if !self.over => {
                self.over = true;
                if self.tells_end {
                    return Poll::Ready(Ok(0));
                }
                core.read_later(place, cx);
            }
            // Nothing more comes but that the client gives up.
            Poll::Ready(Ok(None)) => core.read_later(place, cx),
            Poll::Ready(Err(error)) => {
                self.reset = true;
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {}
        }
        Poll::Pending
    }

    /// The trailers of content that ended, as lines.
    pub fn take_trailers(&mut self) -> Vec<u8> {
        let Some(place) = self.open else { return Vec::new() };
        std::mem::take(&mut self.shared.borrow_mut().streams[place].trailers)
    }

    /// Sends as much content as the client allows.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Some(place) = self.open else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if self.end == End::Sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let last = matches!(self.end, End::After(left) if left == data.len() as u64);
        let done = self.shared.borrow_mut().poll_write(place, cx, data, last);
        match &done {
            Poll::Ready(Ok(length)) => {
                if let End::After(left) = &mut self.end {
                    *left = left.saturating_sub(*length as u64);
                    if *left == 0 {
                        self.end = End::Sent;
                    }
                }
            }
            Poll::Ready(Err(_)) => self.reset = true,
            Poll::Pending => {}
        }
        done
    }

    /// Sends an interim response with these fields, as they are among others.
    pub fn interim<'f>(
        &mut self,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) -> io::Result<()> {
        let place = self.open.ok_or(io::ErrorKind::NotConnected)?;
        let sent = self.shared.borrow_mut().head(place, (true, false), |encoder, out| {
            encoder.status(status, out);
            for (name, value) in fields.filter(|(name, value)| head::may_be_sent(name, value)) {
                encoder.field(name, value, out);
            }
        });
        if sent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// Sends the head of the response; how many bytes it is without compression. Where it cannot be sent, writing
    /// content fails.
    pub fn answer(&mut self, head: &Head<'_>, follows: Follows) -> u64 {
        let Some(place) = self.open else { return 0 };
        let last = matches!(follows, Follows::Nothing | Follows::Length(0));
        self.end = match follows {
            _ if last => End::Sent,
            Follows::Length(length) => End::After(length),
            _ => End::Unknown,
        };
        if follows == Follows::Tunnel {
            (self.tunnel, self.tells_end) = (true, true);
        }
        let mut size = 0;
        let sent = self.shared.borrow_mut().head(place, (false, last), |encoder, out| {
            size = head.write(encoder, out);
        });
        self.reset |= !sent;
        size
    }

    /// Ends our content, with these trailers, which are lines.
    pub fn finish(&mut self, trailers: &[u8]) {
        let Some(place) = self.open else { return };
        if self.end != End::Unknown {
            return;
        }
        self.end = End::Sent;
        let mut core = self.shared.borrow_mut();
        let mut fields = head::trailers(trailers).peekable();
        if fields.peek().is_none() {
            core.end(place);
            return;
        }
        let sent = core.head(place, (false, true), |encoder, out| {
            for (name, value) in fields {
                encoder.field(name, value, out);
            }
        });
        self.reset |= !sent;
    }

    /// Whether the client gave the stream up.
    pub fn was_reset(&self) -> bool {
        self.reset
    }

    /// Ends the stream before its content's end.
    pub(super) fn abort(&mut self, why: Code) {
        if let Some(place) = self.open
            && self.end != End::Sent
        {
            self.shared.borrow_mut().abort(place, why);
        }
        self.close();
    }

    /// Lets go of the stream. What the client still sends of its content is not wanted.
    pub fn close(&mut self) {
        if self.tunnel {
            self.finish(&[]);
        }
        if let Some(place) = self.open.take() {
            self.shared.borrow_mut().close(place);
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
            .field("open", &self.open)
            .field("end", &self.end)
            .field("over", &self.over)
            .field("connection", &Rc::as_ptr(&self.shared))
            .finish_non_exhaustive()
    }
}
