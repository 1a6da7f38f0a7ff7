//! The content of a request: read piece by piece or whole, in memory or in a file.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
};

use super::{
    exchange::{End, Exchange},
    http1::{
        chunked::{Decoder, Invalid, Step},
        request::RequestHead,
    },
    scratch,
    stream::Stream,
    timed::{self, Failure, within},
};
use crate::{ir::settings::Level, plan::Plan};

/// What is left of a request's content, and where the part lies that was read.
#[derive(Debug, Default)]
pub struct Content {
    framing: Framing,
    /// Content read so far, bytes.
    pub length: u64,
    file: Option<(File, PathBuf)>,
    keep_file: bool,
    continued: bool,
    expected: bool,
    streamed: bool,
    /// The trailers behind it, as lines.
    trailers: Vec<u8>,
}

#[derive(Debug, Default)]
enum Framing {
    #[default]
    Done,
    Length(u64),
    Chunked(Box<Decoder>),
    /// As the stream has it, to its end.
    ToEnd,
}

/// Why content could not be read, as the status to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u16);

impl Content {
    /// The content that a head announces.
    pub fn of(head: &RequestHead) -> Self {
        let framing = match (head.chunked, head.content_length) {
            (true, _) if head.version == 20 => Framing::ToEnd,
            (true, _) => Framing::Chunked(Box::default()),
            (false, Some(length)) if length > 0 => Framing::Length(length),
            (false, _) => Framing::Done,
        };
        let mut content = Self::default();
        content.framing = framing;
        content.expected = head.expect_continue;
        content
    }

    /// Whether all of it was read.
    pub fn is_done(&self) -> bool {
        matches!(self.framing, Framing::Done)
    }

    /// How much of it is still to come, where that is known and it comes as it is.
    pub fn left(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Takes note that so much of what is left came and went on.
    pub fn pass(&mut self, length: u64) {
        if let Framing::Length(left) = &mut self.framing {
            self.length += length;
            *left = left.saturating_sub(length);
            if *left == 0 {
                self.framing = Framing::Done;
            }
        }
    }

    /// Says that it goes to an upstream as it comes, and is kept nowhere.
    pub fn stream(&mut self) {
        self.streamed = true;
    }

    /// The trailers behind it, as lines.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Says that a stream's content is over.
    fn end_of(&mut self, client: &mut Stream) {
        self.framing = Framing::Done;
        if let Stream::Frames(stream) = client {
            self.trailers = stream.take_trailers();
        }
    }

    /// Whether it went to an upstream as it came.
    pub fn was_streamed(&self) -> bool {
        self.streamed
    }

    /// The file that holds it, where it is not in memory, at its beginning.
    pub fn rewind(&mut self) -> std::io::Result<Option<&mut File>> {
        match &mut self.file {
            Some((file, _)) => {
                file.rewind()?;
                Ok(Some(file))
            }
            None => Ok(None),
        }
    }

    /// How long it is at least: what was read, and what the chunk under way announces.
    pub fn length_so_far(&self) -> u64 {
        match &self.framing {
            Framing::Chunked(decoder) => self.length.saturating_add(decoder.announced()),
            _ => self.length,
        }
    }

    /// Whether it lies in a file.
    pub fn in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Removes the temporary file unless it is to be kept.
    pub fn remove_file(&mut self) {
        if let Some((_, path)) = self.file.take().filter(|_| !self.keep_file) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A client's bytes that were received: the buffer, how much of it is used, where the head in it ends.
pub type Behind<'a> = (&'a mut Vec<u8>, &'a mut usize, usize);

impl Content {
    /// Reads and decodes some content to the end of `out`: so many bytes came off the wire. Fails with what to
    /// answer, or because the client is gone.
    pub fn poll_piece(
        &mut self,
        client: &mut Stream,
        (buffer, used, head): Behind<'_>,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<u64, Result<Refused, std::io::Error>>> {
        let (before, mut wire) = (out.len(), 0);
        loop {
            let start = *used;
            if self.decode(buffer, used, out).is_err() {
                return Poll::Ready(Err(Ok(Refused(400))));
            }
            wire += (*used - start) as u64;
            let into_out = matches!(self.framing, Framing::Length(_) | Framing::ToEnd);
            if out.len() == before && !self.is_done() {
                if !into_out && *used >= buffer.len() {
                    buffer.truncate(head);
                    *used = head;
                }
                let max = match &self.framing {
                    Framing::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
                    _ => 32 * 1024,
                };
                let into = if into_out { &mut *out } else { &mut *buffer };
                let read = scratch::with(|bytes| {
                    let max = max.min(bytes.len());
                    client.poll_read(cx, &mut bytes[..max]).map_ok(|length| {
                        into.extend_from_slice(&bytes[..length]);
                        length
                    })
                });
                let length = match read {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) if matches!(self.framing, Framing::ToEnd) => {
                        self.end_of(client);
                        return Poll::Ready(Ok(wire));
                    }
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(Err(Err(std::io::ErrorKind::UnexpectedEof.into())));
                    }
                    Poll::Ready(Ok(length)) => length as u64,
                    // What frames carry is not what the head told.
                    Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                        return Poll::Ready(Err(Ok(Refused(400))));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Err(error))),
                };
                match &mut self.framing {
                    Framing::Length(left) if *left > length => *left -= length,
                    Framing::Length(_) => self.framing = Framing::Done,
                    Framing::ToEnd => {}
                    _ => continue,
                }
                wire += length;
            }
            self.length += (out.len() - before) as u64;
            return Poll::Ready(Ok(wire));
        }
    }

    /// Decodes what was received already.
    fn decode(&mut self, buffer: &[u8], used: &mut usize, out: &mut Vec<u8>) -> Result<(), Invalid> {
        match &mut self.framing {
            Framing::Done | Framing::ToEnd => Ok(()),
            Framing::Length(left) => {
                let rest = buffer.get(*used..).unwrap_or_default();
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                out.extend_from_slice(&rest[..length]);
                *used += length;
                *left -= length as u64;
                if *left == 0 {
                    self.framing = Framing::Done;
                }
                Ok(())
            }
            Framing::Chunked(decoder) => loop {
                let rest = buffer.get(*used..).unwrap_or_default();
                match decoder.step(rest)? {
                    Step::Data { start, end } => {
                        out.extend_from_slice(&rest[start..end]);
                        *used += end;
                    }
                    Step::More => {
                        *used = buffer.len();
                        return Ok(());
                    }
                    Step::End(length) => {
                        *used += length;
                        self.trailers = std::mem::take(&mut decoder.trailers);
                        self.framing = Framing::Done;
                        return Ok(());
                    }
                }
            },
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.remove_file();
    }
}

impl Exchange {
    /// Reads all content: in memory up to the size in force, then in a temporary file.
    pub async fn read_content(&mut self, plan: &Plan) -> Result<(), Refused> {
        if self.facts.content_read {
            return Ok(());
        }
        self.say_continue(plan).await;
        let settings = self.settings(plan).content.clone();
        let mut content = std::mem::take(&mut self.facts.content);
        let mut done = Ok(());
        while !self.content.is_done() {
            if let Err(refused) = self.read_piece(plan, &mut content).await {
                done = Err(refused);
                break;
            }
            if content.len() as u64 > settings.buffer_size || (settings.in_file != 0 && !content.is_empty()) {
                done = self.spill(&settings.temp_path, &mut content);
                if done.is_err() {
                    break;
                }
            }
        }
        if done.is_ok() && self.content.in_file() && !content.is_empty() {
            done = self.spill(&settings.temp_path, &mut content);
        }
        self.content.keep_file = settings.in_file == 1;
        self.facts.content = content;
        self.facts.content_file = self.content.file.as_ref().map(|(_, path)| path.clone());
        if done.is_ok() {
            self.content_is_whole();
        }
        done
    }

    /// Reads and decodes some content to the end of `out`.
    pub async fn read_piece(&mut self, plan: &Plan, out: &mut Vec<u8>) -> Result<(), Refused> {
        let before = out.len();
        self.say_continue(plan).await;
        loop {
            let used = self.facts.used;
            let decoded = self.decode_piece(out);
            self.facts.request_length += (self.facts.used - used) as u64;
            decoded?;
            let read = (out.len() - before) as u64;
            if read > 0 || self.content.is_done() {
                return self.admit(plan, read);
            }
            let timeout = self.settings(plan).content.timeout;
            let direct = match &self.content.framing {
                Framing::Length(left) => Some(usize::try_from(*left).unwrap_or(usize::MAX)),
                Framing::ToEnd => Some(usize::MAX),
                _ => None,
            };
            let done = if let Some(max) = direct {
                let max = max.min(scratch::SCRATCH);
                within(timeout, timed::read(&mut self.stream, out, max)).await
            } else {
                if self.facts.rest().is_empty() {
                    self.facts.buffer.truncate(self.facts.head.length);
                    self.facts.used = self.facts.head.length;
                }
                within(timeout, timed::read(&mut self.stream, &mut self.facts.buffer, 32 * 1024)).await
            };
            match done {
                Ok(0) if matches!(self.content.framing, Framing::ToEnd) => {
                    self.content.end_of(&mut self.stream);
                    return Ok(());
                }
                Ok(0) => {
                    self.log(Level::Info, format_args!("client prematurely closed connection"));
                    self.keep = false;
                    return Err(Refused(400));
                }
                Ok(length) => {
                    match &mut self.content.framing {
                        Framing::Length(left) => {
                            *left -= length as u64;
                            if *left == 0 {
                                self.content.framing = Framing::Done;
                            }
                        }
                        Framing::ToEnd => {}
                        _ => continue,
                    }
                    self.facts.request_length += length as u64;
                    return self.admit(plan, length as u64);
                }
                Err(Failure::TimedOut) => {
                    self.log(
                        Level::Info,
                        format_args!(
                            "client timed out (110: Connection timed out) while reading client request body"
                        ),
                    );
                    self.keep = false;
                    return Err(Refused(408));
                }
                Err(Failure::Io(error)) => {
                    self.log(
                        Level::Info,
                        format_args!("recv() failed ({error}) while reading client request body"),
                    );
                    self.keep = false;
                    return Err(Refused(400));
                }
            }
        }
    }

    /// Decodes what is in the buffer behind the head.
    fn decode_piece(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let facts = &mut self.facts;
        self.content.decode(&facts.buffer, &mut facts.used, out).map_err(|Invalid| {
            self.log(Level::Error, format_args!("client sent invalid chunked body"));
            self.keep = false;
            Refused(400)
        })
    }

    /// Takes what was received of the content already; it may be all.
    pub async fn read_early_content(&mut self, plan: &Plan) -> Result<(), Refused> {
        self.say_continue(plan).await;
        let mut early = std::mem::take(&mut self.facts.content);
        let (before, used) = (early.len(), self.facts.used);
        let taken = self.decode_piece(&mut early);
        self.facts.request_length += (self.facts.used - used) as u64;
        let length = (early.len() - before) as u64;
        self.facts.content = early;
        taken?;
        self.admit(plan, length)?;
        if self.content.is_done() {
            self.content_is_whole();
        }
        Ok(())
    }

    fn content_is_whole(&mut self) {
        self.facts.content_read = true;
        self.facts.content_length = Some(self.content.length);
    }

    /// Counts content and refuses what is too long.
    fn admit(&mut self, plan: &Plan, length: u64) -> Result<(), Refused> {
        let before = self.content.length;
        self.content.length += length;
        let max = self.settings(plan).content.max_length;
        let so_far = self.content.length_so_far();
        if max != 0 && so_far > max && self.facts.head.chunked {
            let more = so_far - before;
            self.log(
                Level::Error,
                format_args!("client intended to send too large chunked body: {before}+{more} bytes"),
            );
            self.keep = false;
            return Err(Refused(413));
        }
        Ok(())
    }

    /// Answers `Expect: 100-continue` when content is about to be read (RFC 9110 § 10.1.1); also where there turns
    /// out to be none (observed: nginx 1.22.1, Apache 2.4.71).
    pub async fn say_continue(&mut self, plan: &Plan) {
        if !self.content.expected
            || std::mem::replace(&mut self.content.continued, true)
            || self.content.length > 0
        {
            return;
        }
        let timeout = self.send_timeout(plan);
        // A client that is gone is noticed by the read that follows.
        let _ = timed::write_all(&mut self.stream, b"HTTP/1.1 100 Continue\r\n\r\n", timeout).await;
    }

    /// Whether the client waits for `100 Continue` and was not told to go on.
    pub fn is_left_waiting(&self) -> bool {
        self.content.expected && !self.content.continued
    }

    /// Moves content to the temporary file. Where that cannot be had, the content cannot be read, and the client is
    /// to stop sending it.
    fn spill(&mut self, folder: &Path, data: &mut Vec<u8>) -> Result<(), Refused> {
        let file = match self.content.file.take() {
            Some(file) => Ok(file),
            None => temporary(folder).inspect(|(_, path)| {
                let shown = path.display();
                self.log(
                    Level::Warn,
                    format_args!("a client request body is buffered to a temporary file {shown}"),
                );
            }),
        };
        let done = file.and_then(|(mut file, path)| {
            let written = file.write_all(data).map_err(|error| failed("write", &path, &error));
            self.content.file = Some((file, path));
            written
        });
        data.clear();
        done.map_err(|message| {
            self.log(Level::Crit, format_args!("{message}"));
            self.content.remove_file();
            self.keep = false;
            Refused(500)
        })
    }

    /// Goes on as if there were no content: what is left of it is not to be taken, or what came of it was sent on
    /// already and is not there for another upstream, which must not be promised it.
    pub fn give_content_up(&mut self) {
        self.keep &= self.content.is_done();
        self.content = Content::default();
        self.facts.content.clear();
        self.facts.content_file = None;
        self.content_is_whole();
        if self.facts.head.chunked {
            // Nobody said how long it would have been.
            self.facts.content_length = None;
        }
    }

    /// Reads what is left of the content, so that the connection can be kept.
    pub async fn discard(&mut self, plan: &Plan) -> End {
        if self.content.is_done() {
            return End::Keep;
        }
        if self.is_left_waiting() && !self.settings(plan).client.keep_expectant {
            // Whether it sends the content cannot be known.
            return End::Close;
        }
        // It has its response, and is not invited any more.
        self.content.continued = true;
        let limit = self.settings(plan).client.lingering_time;
        // What nobody wanted does not count (observed: nginx 1.22.1).
        let counted = self.facts.request_length;
        let all = async {
            let mut piece = scratch::take();
            let mut fine = true;
            while fine && !self.content.is_done() {
                piece.clear();
                fine = self.read_piece(plan, &mut piece).await.is_ok();
            }
            scratch::give(piece);
            fine
        };
        let done = tokio::time::timeout(limit, all).await;
        self.facts.request_length = counted;
        match done {
            Ok(true) => End::Keep,
            _ => End::Close,
        }
    }

    /// Before closing: says that no more comes and reads what the client still sends, so that it gets
    /// to see the response (RFC 9112 § 9.6).
    pub async fn linger(&mut self, plan: &Plan) {
        let client = &self.settings(plan).client;
        // Closing over bytes that were not read resets the connection, and the response may be lost with it.
        let unread = !self.content.is_done() || !self.facts.rest().is_empty() || self.stream.disturbed();
        if client.lingering == 0 || (client.lingering == 1 && !unread) {
            return;
        }
        let (time, timeout) = (client.lingering_time, client.lingering_timeout);
        let _ = within(timeout, std::future::poll_fn(|cx| self.stream.poll_shutdown(cx))).await;
        let stream = &mut self.stream;
        let _ = tokio::time::timeout(time, async {
            let mut piece = scratch::take();
            while matches!(within(timeout, timed::read(stream, &mut piece, scratch::SCRATCH)).await, Ok(1..))
            {
                piece.clear();
            }
            scratch::give(piece);
        })
        .await;
    }
}

/// Reads a file in pieces to the end of `out`; 0 is its end.
pub fn read_file(file: &mut File, out: &mut Vec<u8>) -> std::io::Result<usize> {
    scratch::with(|bytes| {
        let length = file.read(bytes)?;
        out.extend_from_slice(&bytes[..length]);
        Ok(length)
    })
}

/// What became of a file, in the system's words.
pub fn failed(call: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{call}() \"{}\" failed ({})", path.display(), super::forward::system(error))
}

/// Makes a temporary file that only we can read; the error says what failed.
pub fn temporary(folder: &Path) -> Result<(File, PathBuf), String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    loop {
        let path = folder.join(format!("{:010}", NEXT.fetch_add(1, Relaxed)));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir_all(folder).map_err(|error| failed("mkdir", folder, &error))?;
            }
            Err(error) => return Err(failed("open", &path, &error)),
            Ok(file) => return Ok((file, path)),
        }
    }
}
