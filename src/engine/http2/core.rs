//! What a connection of a client and its streams share: the streams, the windows of flow control (RFC 9113 § 5.2), and
//! what is to be written.
//!
//! The connection's task reads and writes the socket; exchanges put their
//! heads and content into one buffer, which leaves in one piece when all who
//! had something to say in one turn of the event loop have said it. A stream
//! puts in so much and then waits for its next turn, so that none keeps the
//! others waiting.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{
    super::clock,
    CONNECTION_WINDOW, STREAM_WINDOW,
    frame::{self, Code, HEAD, Head, PAYLOAD, WINDOW, flag, kind, setting},
    hpack::{Block, Decoder, encode::Encoder},
};

/// Bytes that are gathered before content waits for them to be written.
pub(super) const GATHERED: usize = 64 * 1024;

/// Content that a stream may put in at one turn when others have some, bytes.
const TURN: usize = 32 * 1024;

/// Memory for content that was read is kept for the next up to here, bytes.
const KEPT: usize = 64 * 1024;

/// A connection and its streams.
pub(super) type Shared = Rc<RefCell<Core>>;

/// See above.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) out: Vec<u8>,
    /// How much of that is written.
    pub(super) written: usize,
    /// Streams, in places that are used again.
    pub(super) streams: Vec<Inner>,
    free: Vec<usize>,
    /// The streams that are under way: number and place, in the order of numbers.
    open: Vec<(u32, usize)>,
    /// Places of streams that wait until the connection takes more.
    waiting: VecDeque<usize>,
    turn: u32,
    /// The last stream that the client began.
    pub(super) last: u32,
    /// Whether streams that begin from now on are left alone, as `GOAWAY` said.
    pub(super) ended: bool,
    /// Streams that may be under way at once.
    pub(super) most: usize,
    /// Content that the peer takes on the connection, and at first on each stream, bytes.
    pub(super) window: i64,
    pub(super) initial: i64,
    /// Content that the peer may still send on the connection, and what was read since it was told, bytes.
    pub(super) room: i64,
    taken: u32,
    pub(super) encoder: Encoder,
    pub(super) decoder: Decoder,
    /// The fields that came last, and the block that is not whole.
    pub(super) block: Block,
    pub(super) fragment: Vec<u8>,
    /// The stream that the block is about, and whether it ends that.
    pub(super) heading: Option<(u32, bool)>,
    /// The longest list of fields that is kept, bytes as the standard counts them.
    pub(super) limit: usize,
    pub(super) counts: Counts,
    /// What is to be said in the log.
    pub(super) remark: Option<&'static str>,
    /// Whether the settings of the peer came.
    pub(super) greeted: bool,
    /// Whether the peer has answered what was sent with the notice that an end is near.
    pub(super) noticed: bool,
    /// The connection's task, and whether it was woken.
    task: Option<Waker>,
    woken: bool,
    /// The connection is no more.
    dead: bool,
}

/// What is counted, so that a peer does not keep us busy for nothing (RFC 9113 § 10.5).
#[derive(Debug)]
pub(super) struct Counts {
    began: Instant,
    /// Frames without content or fields.
    pub(super) idle: u64,
    /// Bytes of content and fields, both ways.
    pub(super) useful: u64,
    /// Streams that the client gave up, or made us give up.
    pub(super) given_up: u64,
    /// Streams that came to their end.
    pub(super) finished: u64,
}

/// Frames without content or fields that any peer may send.
const IDLE_FRAMES: u64 = 5000;

/// How many bytes of use allow another such frame.
const USE: u64 = 256;

/// And how many of them a second allows.
const PER_SECOND: u64 = 10;

/// Streams that may be given up before we take it for an attack, beyond as many as were not.
const GIVEN_UP: u64 = 256;

impl Counts {
    /// Why the peer is not to be served any longer, if so.
    pub(super) fn hostile(&self) -> Option<&'static str> {
        if self.given_up > GIVEN_UP.saturating_add(self.finished) {
            return Some("client sent too many resets of streams");
        }
        if self.idle <= IDLE_FRAMES {
            return None;
        }
        let time = clock::since(self.began).as_secs().saturating_mul(PER_SECOND);
        let allowed = IDLE_FRAMES.saturating_add(self.useful / USE).saturating_add(time);
        (self.idle > allowed).then_some("http2 flood detected")
    }
}

/// One stream.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) id: u32,
    /// Content that the peer takes on it, bytes.
    pub(super) window: i64,
    /// Content that the peer may still send on it, and what was read since it was told, bytes.
    pub(super) room: i64,
    taken: u32,
    /// Content that came, and how much of it was read.
    pub(super) content: Vec<u8>,
    read: usize,
    /// How much is still to come, where the head told.
    pub(super) left: Option<u64>,
    pub(super) peer: Peer,
    /// Whether what came is not what the head told.
    pub(super) wrong: bool,
    /// What came behind the content, as lines.
    pub(super) trailers: Vec<u8>,
    reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// Whether it is among those that wait for the connection.
    queued: bool,
    /// The turn in which it put content in last, and how much.
    turn: (u32, usize),
    ours: Ours,
}

/// How far the client's side of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Open,
    Ended,
    /// The stream was reset, by whomever.
    Reset,
}

/// How far ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    Head,
    Content,
    Ended,
}

impl Core {
    pub(super) fn new(most: u64, limit: u64) -> Self {
        let mut core = Self {
            out: Vec::new(),
            written: 0,
            streams: Vec::new(),
            free: Vec::new(),
            open: Vec::new(),
            waiting: VecDeque::new(),
            turn: 0,
            last: 0,
            ended: false,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            window: i64::from(WINDOW),
            initial: i64::from(WINDOW),
            room: i64::from(CONNECTION_WINDOW),
            taken: 0,
            encoder: Encoder::default(),
            decoder: Decoder::default(),
            block: Block::default(),
            fragment: Vec::new(),
            heading: None,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            counts: Counts { began: clock::moment(), idle: 0, useful: 0, given_up: 0, finished: 0 },
            remark: None,
            greeted: false,
            noticed: false,
            task: None,
            woken: false,
            dead: false,
        };
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let mut payload = Vec::with_capacity(24);
        for (name, value) in [
            (setting::MAX_CONCURRENT_STREAMS, number(most)),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (setting::MAX_HEADER_LIST_SIZE, number(limit)),
            (setting::ENABLE_CONNECT_PROTOCOL, 1),
        ] {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        frame::write(&mut core.out, kind::SETTINGS, 0, 0, &payload);
        core.widen(0, CONNECTION_WINDOW - WINDOW);
        core
    }

    /// How many streams are under way.
    pub(super) fn active(&self) -> usize {
        self.open.len()
    }

    /// Bytes that wait to be written.
    pub(super) fn pending(&self) -> usize {
        self.out.len() - self.written
    }

    /// The place of a stream that is under way.
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let at = self.open.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.open[at].1)
    }

    /// The streams that are under way.
    pub(super) fn under_way(&mut self) -> impl Iterator<Item = &mut Inner> {
        let Self { open, streams, .. } = self;
        streams.iter_mut().filter(|stream| open.binary_search_by_key(&stream.id, |(id, _)| *id).is_ok())
    }

    /// Begins a stream, which is the newest, and gives its place.
    pub(super) fn begin(&mut self, id: u32, ends: bool) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.streams.push(Inner::default());
            self.streams.len() - 1
        });
        let stream = &mut self.streams[place];
        (stream.id, stream.ours, stream.wrong) = (id, Ours::Head, false);
        (stream.window, stream.room) = (self.initial, i64::from(STREAM_WINDOW));
        stream.peer = if ends { Peer::Ended } else { Peer::Open };
        (stream.taken, stream.left, stream.queued, stream.turn) = (0, None, false, (0, 0));
        self.open.push((id, place));
        place
    }

    /// Lets go of a stream. What the client still sends of its content is not wanted.
    pub(super) fn close(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        let id = stream.id;
        (stream.reader, stream.writer) = (None, None);
        let unread = stream.content.len() - stream.read;
        stream.content.clear();
        if stream.content.capacity() > KEPT {
            stream.content = Vec::new();
        }
        stream.read = 0;
        stream.trailers.clear();
        let wants_no_more = stream.peer == Peer::Open;
        self.counts.finished += u64::from(stream.peer != Peer::Reset);
        stream.peer = Peer::Reset;
        if wants_no_more && !self.dead {
            self.write_reset(id, Code::NO_ERROR);
        }
        self.take(unread);
        if let Ok(at) = self.open.binary_search_by_key(&id, |(id, _)| *id) {
            self.open.remove(at);
        }
        self.waiting.retain(|&other| other != place);
        self.free.push(place);
        self.wake();
    }

    /// Has the connection's task look at what there is to do.
    pub(super) fn wake(&mut self) {
        if !self.woken
            && let Some(task) = &self.task
        {
            self.woken = true;
            task.wake_by_ref();
        }
    }

    /// The connection's task has begun its work, which writes all that there is at its end.
    pub(super) fn work(&mut self, cx: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
        self.woken = true;
    }

    /// And has ended it.
    pub(super) fn rest(&mut self) {
        self.woken = false;
    }

    /// The connection is no more: all streams fail.
    pub(super) fn die(&mut self) {
        self.dead = true;
        for (_, place) in &self.open {
            let stream = &mut self.streams[*place];
            for waker in [stream.reader.take(), stream.writer.take()].into_iter().flatten() {
                waker.wake();
            }
        }
    }

    /// Lets those go on that wait for the connection, if it takes more.
    pub(super) fn next_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        if self.window <= 0 || self.pending() >= GATHERED {
            return;
        }
        for place in self.waiting.drain(..) {
            let stream = &mut self.streams[place];
            stream.queued = false;
            if let Some(writer) = stream.writer.take() {
                writer.wake();
            }
        }
    }

    /// Tells the peer that it may send more.
    fn widen(&mut self, id: u32, more: u32) {
        frame::write(&mut self.out, kind::WINDOW_UPDATE, 0, id, &more.to_be_bytes());
    }

    /// Counts content of the connection that was read, or is not wanted.
    pub(super) fn take(&mut self, length: usize) {
        self.taken += length as u32;
        if self.taken >= CONNECTION_WINDOW / 2 && !self.dead {
            self.room += i64::from(self.taken);
            let taken = std::mem::take(&mut self.taken);
            self.widen(0, taken);
        }
    }

    /// Counts content of a stream that was read, or is padding.
    pub(super) fn take_of(&mut self, place: usize, length: usize) {
        self.take(length);
        let stream = &mut self.streams[place];
        stream.taken += length as u32;
        if stream.taken >= STREAM_WINDOW / 2 && stream.peer == Peer::Open && !self.dead {
            stream.room += i64::from(stream.taken);
            let (id, taken) = (stream.id, std::mem::take(&mut stream.taken));
            self.widen(id, taken);
        }
    }

    fn write_reset(&mut self, id: u32, code: Code) {
        frame::write(&mut self.out, kind::RST_STREAM, 0, id, &code.0.to_be_bytes());
    }

    /// Ends a stream for an error of the client's; what it is about may be gone already.
    pub(super) fn refuse(&mut self, id: u32, code: Code) {
        self.counts.given_up += 1;
        self.write_reset(id, code);
        if let Some(place) = self.find(id) {
            self.break_off(place);
        }
    }

    /// The client gives a stream up.
    pub(super) fn give_up(&mut self, place: usize) {
        self.counts.given_up += u64::from(self.streams[place].ours != Ours::Ended);
        self.break_off(place);
    }

    /// A stream is no more; whose it is learns that.
    fn break_off(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        stream.peer = Peer::Reset;
        for waker in [stream.reader.take(), stream.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Takes in content, and wakes who reads it.
    pub(super) fn receive(&mut self, place: usize, content: &[u8], ends: bool) {
        let stream = &mut self.streams[place];
        if stream.read > 0 && stream.read * 2 > stream.content.len() {
            stream.content.drain(..stream.read);
            stream.read = 0;
        }
        stream.content.extend_from_slice(content);
        if ends {
            stream.peer = Peer::Ended;
        }
        if let Some(reader) = stream.reader.take() {
            reader.wake();
        }
    }

    /// Says that the connection ends behind a stream (RFC 9113 § 6.8).
    pub(super) fn go_away(&mut self, last: u32, code: Code) {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&last.to_be_bytes());
        payload[4..].copy_from_slice(&code.0.to_be_bytes());
        frame::write(&mut self.out, kind::GOAWAY, 0, 0, &payload);
    }
}

/// What exchanges do with their streams.
impl Core {
    /// Reads content; `None` at its end. `InvalidData` is for content other than the head told.
    pub(super) fn poll_read(
        &mut self,
        place: usize,
        cx: &Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let stream = &mut self.streams[place];
        if stream.wrong {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let unread = &stream.content[stream.read..];
        if !unread.is_empty() && stream.peer != Peer::Reset {
            let length = unread.len().min(into.len());
            into[..length].copy_from_slice(&unread[..length]);
            stream.read += length;
            if stream.read == stream.content.len() {
                stream.content.clear();
                stream.read = 0;
            }
            let before = self.pending();
            self.take_of(place, length);
            if self.pending() > before {
                self.wake();
            }
            return Poll::Ready(Ok(Some(length)));
        }
        if self.dead || stream.peer == Peer::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if stream.peer == Peer::Ended {
            return Poll::Ready(Ok(None));
        }
        self.read_later(place, cx);
        Poll::Pending
    }

    /// Waits for content, its end or a reset.
    pub(super) fn read_later(&mut self, place: usize, cx: &Context<'_>) {
        remember(&mut self.streams[place].reader, cx);
    }

    /// Whether a stream was reset, or the connection is gone.
    pub(super) fn is_gone(&self, place: usize) -> bool {
        self.dead || self.streams[place].peer == Peer::Reset
    }

    /// Puts in a head: `write` puts the fields into the block. Whether that could be done.
    pub(super) fn head(
        &mut self,
        place: usize,
        (interim, last): (bool, bool),
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> bool {
        let gone = self.is_gone(place);
        let stream = &mut self.streams[place];
        if gone || stream.ours == Ours::Ended {
            return false;
        }
        if !interim {
            stream.ours = if last { Ours::Ended } else { Ours::Content };
        }
        let id = stream.id;
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEAD]);
        self.encoder.begin(&mut self.out);
        write(&mut self.encoder, &mut self.out);
        let length = self.out.len() - start - HEAD;
        self.counts.useful += length as u64;
        let end = if last { flag::END_STREAM } else { 0 };
        if length <= PAYLOAD {
            let head = Head { length, kind: kind::HEADERS, flags: end | flag::END_HEADERS, stream: id };
            self.out[start..start + HEAD].copy_from_slice(&head.bytes());
        } else {
            self.split(start, end, id);
        }
        self.wake();
        true
    }

    /// Makes several frames of a block that is too long for one.
    fn split(&mut self, start: usize, end: u8, stream: u32) {
        let block = self.out.split_off(start + HEAD);
        self.out.truncate(start);
        let mut pieces = block.chunks(PAYLOAD).peekable();
        let (mut kind, mut flags) = (kind::HEADERS, end);
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= flag::END_HEADERS;
            }
            frame::write(&mut self.out, kind, flags, stream, piece);
            (kind, flags) = (kind::CONTINUATION, 0);
        }
    }

    /// Puts in as much content as the peer takes, and its end if `last` says that this is all.
    pub(super) fn poll_write(
        &mut self,
        place: usize,
        cx: &Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let gone = self.is_gone(place);
        let shared = self.active() > 1;
        let stream = &mut self.streams[place];
        if gone || stream.ours != Ours::Content {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if stream.turn.0 != self.turn {
            stream.turn = (self.turn, 0);
        }
        let allowed = if shared { TURN.saturating_sub(stream.turn.1) } else { usize::MAX };
        let gathered = self.out.len() - self.written;
        let room = allowed.min(GATHERED.saturating_sub(gathered)).min(window(self.window));
        if room == 0 {
            remember(&mut stream.writer, cx);
            if !stream.queued {
                stream.queued = true;
                self.waiting.push_back(place);
            }
            self.wake();
            return Poll::Pending;
        }
        let room = room.min(window(stream.window));
        if room == 0 {
            remember(&mut stream.writer, cx);
            return Poll::Pending;
        }
        let length = room.min(data.len());
        let (id, all) = (stream.id, length == data.len());
        stream.window -= length as i64;
        stream.turn.1 += length;
        if all && last {
            stream.ours = Ours::Ended;
        }
        self.window -= length as i64;
        self.counts.useful += length as u64;
        let mut pieces = data[..length].chunks(PAYLOAD).peekable();
        while let Some(piece) = pieces.next() {
            let ends = all && last && pieces.peek().is_none();
            let flags = if ends { flag::END_STREAM } else { 0 };
            frame::write(&mut self.out, kind::DATA, flags, id, piece);
        }
        self.wake();
        Poll::Ready(Ok(length))
    }

    /// Ends content whose end was not told yet.
    pub(super) fn end(&mut self, place: usize) {
        let gone = self.is_gone(place);
        let stream = &mut self.streams[place];
        if !gone && stream.ours == Ours::Content {
            stream.ours = Ours::Ended;
            let id = stream.id;
            frame::write(&mut self.out, kind::DATA, flag::END_STREAM, id, &[]);
            self.wake();
        }
    }

    /// Ends a stream before its content's end.
    pub(super) fn abort(&mut self, place: usize, code: Code) {
        let gone = self.is_gone(place);
        let stream = &mut self.streams[place];
        if !gone && stream.ours != Ours::Ended {
            stream.peer = Peer::Reset;
            let id = stream.id;
            self.write_reset(id, code);
            self.wake();
        }
    }
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            id: 0,
            window: 0,
            room: 0,
            taken: 0,
            content: Vec::new(),
            read: 0,
            left: None,
            peer: Peer::Reset,
            wrong: false,
            trailers: Vec::new(),
            reader: None,
            writer: None,
            queued: false,
            turn: (0, 0),
            ours: Ours::Ended,
        }
    }
}

/// What a window lets through; one that a change of settings made negative lets nothing.
fn window(size: i64) -> usize {
    usize::try_from(size).unwrap_or(0)
}

fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}
