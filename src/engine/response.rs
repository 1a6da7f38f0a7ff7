//! The head of the response to the client while it is being made.
//!
//! Fields are ranges over one buffer: those of an upstream are copied there at
//! once, edits append. The order on the wire is `Server`, `Date`,
//! `Content-Type`, framing, `Connection`, and then the rest as it came.

use super::http1::field::{Known, Lines, Slice};

/// A response head.
#[derive(Debug, Default)]
pub struct Response {
    /// Status code, 0 to 999.
    pub status: u16,
    /// The number that the program has for it where that is another; else 0.
    pub own: u16,
    /// Status code and reason phrase as an upstream gave them; empty to use our own phrase.
    pub status_text: Slice,
    /// The fields.
    pub fields: Vec<Out>,
    /// Trailer fields.
    pub trailers: Vec<Out>,
    /// Their names and values.
    pub text: Vec<u8>,
    /// Length of the content when it is known.
    pub length: Option<u64>,
    /// Length of the whole, where a part of it is the content.
    pub whole: Option<u64>,
    /// The part that it becomes when its fields were edited.
    pub part: Option<Box<super::files::range::Part>>,
    /// Whether there can be content: not to `HEAD`, not with 1xx, 204 and 304.
    pub bodyless: bool,
    /// Last modification in seconds since the epoch, for conditions and expiry.
    pub modified: Option<i64>,
    /// Whether ranges of it may be answered.
    pub ranges: bool,
    /// Whether it came from an upstream.
    pub forwarded: bool,
    /// Whether trailers may follow the content.
    pub has_trailers: bool,
    /// Whether the content goes in chunks, once that is decided.
    pub chunked: bool,
    /// Whether the `Location` is ours and is made absolute.
    pub own_location: bool,
    /// Whether `Vary` says that `Accept-Encoding` matters.
    pub vary: bool,
    /// Whether it is a page or a redirect of our own.
    pub ours: bool,
    /// Whether it does not say whose it is.
    pub unsigned: bool,
    /// What makes the content one in the character set that its type tells.
    pub recode: Option<std::sync::Arc<crate::plan::Recoder>>,
    /// In front of which field an upstream had the length of its content.
    pub length_at: Option<usize>,
}

/// A field to send.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// Its name.
    pub name: Slice,
    /// Its value.
    pub value: Slice,
    /// What it means to us.
    pub known: Known,
    /// Whether it was added to the response: such fields stand where they were added, whatever they mean.
    pub added: bool,
    /// Whether its line stands in the text as it is written.
    pub plain: bool,
    /// Whether it is one that any answer to the request has.
    pub lasting: bool,
}

impl Response {
    /// Makes it the answer of a status of the program's, which may be sent as another one.
    pub fn set_status(&mut self, own: u16, plan: &crate::plan::Plan) {
        self.status = plan.sent(own);
        self.own = if self.status == own { 0 } else { own };
    }

    /// Makes it an empty response of this status, keeping memory.
    pub fn start(&mut self, status: u16) {
        let Self {
            status: now,
            own,
            status_text,
            fields,
            trailers,
            text,
            length,
            whole,
            part,
            bodyless,
            modified,
            ranges,
            forwarded,
            has_trailers,
            chunked,
            own_location,
            ours,
            vary,
            length_at,
            unsigned,
            recode,
        } = self;
        (*length_at, *recode, *whole, *part) = (None, None, None, None);
        *own = 0;
        fields.clear();
        trailers.clear();
        text.clear();
        (*now, *status_text, *length, *modified) = (status, Slice::default(), None, None);
        for flag in [bodyless, ranges, forwarded, has_trailers, chunked, own_location, ours, vary, unsigned] {
            *flag = false;
        }
    }

    /// Gives up memory beyond what the response needs.
    pub fn shrink(&mut self) {
        self.fields.shrink_to_fit();
        self.trailers.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    /// Appends a field.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store(name, value);
        self.fields.push(field);
    }

    /// Puts a field in front of the one at an index.
    pub fn insert(&mut self, at: usize, name: &[u8], value: &[u8]) {
        let field = self.store(name, value);
        self.fields.insert(at.min(self.fields.len()), field);
    }

    /// Appends a field that stands beside those of the response, even those of the same name.
    pub fn add_beside(&mut self, name: &[u8], value: &[u8]) {
        let field = Out { added: true, ..self.store(name, value) };
        self.fields.push(field);
    }

    /// Appends a field to one of the groups.
    pub fn add_to(&mut self, name: &[u8], value: &[u8], lasting: bool) {
        let field = Out { lasting, ..self.store(name, value) };
        let at = if lasting {
            self.fields.iter().take_while(|field| field.lasting).count()
        } else {
            self.fields.len()
        };
        self.fields.insert(at, field);
    }

    /// Makes these the values of a field in one of the groups: places that are there are used, in order.
    pub fn set_all(&mut self, name: &[u8], values: &[Vec<u8>], lasting: bool) {
        let mut new: Vec<Out> = values.iter().map(|value| self.store(name, value)).collect();
        new.reverse();
        let text = &self.text;
        self.fields.retain_mut(|field| {
            if field.lasting != lasting || !field.name.of(text).eq_ignore_ascii_case(name) {
                return true;
            }
            match new.pop() {
                Some(next) => {
                    (field.value, field.plain) = (next.value, false);
                    true
                }
                None => false,
            }
        });
        let end = self.fields.len();
        let at = if lasting { self.fields.iter().take_while(|field| field.lasting).count() } else { end };
        let more = new.into_iter().rev().map(|field| Out { lasting, ..field });
        self.fields.splice(at..at, more);
    }

    /// Makes a value a member of the list that a field is, unless it is one.
    pub fn add_member(&mut self, name: &[u8], value: &[u8]) {
        let Some(at) = self.fields.iter().position(|field| self.name(field).eq_ignore_ascii_case(name))
        else {
            return self.add_beside(name, value);
        };
        let known = self.value(&self.fields[at]);
        let is_member = |member: &[u8]| member.trim_ascii().eq_ignore_ascii_case(value);
        if !known.split(|byte| *byte == b',').any(is_member) {
            let joined = [known, b",", value].concat();
            self.replace(at, &joined);
        }
    }

    /// Appends a trailer field.
    pub fn add_trailer(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store(name, value);
        self.trailers.push(field);
    }

    /// Puts a field in place of the first of its name, or at the end.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store(name, value);
        self.put(name, field);
    }

    /// The same for a field that was added; it takes no place that is the response's own.
    pub fn set_added(&mut self, name: &[u8], value: &[u8]) {
        let field = Out { added: true, ..self.store(name, value) };
        if field.known == Known::LastModified && !self.forwarded {
            self.remove(name);
        }
        self.put(name, field);
    }

    fn put(&mut self, name: &[u8], field: Out) {
        let (text, mut new) = (&self.text, Some(field));
        self.fields.retain_mut(|old| {
            if !old.name.of(text).eq_ignore_ascii_case(name) {
                return true;
            }
            new.take().is_some_and(|field| {
                *old = field;
                true
            })
        });
        self.fields.extend(new);
    }

    /// Removes all fields of a name.
    pub fn remove(&mut self, name: &[u8]) {
        self.unsigned |= name.eq_ignore_ascii_case(b"server");
        let text = &self.text;
        self.fields.retain(|field| !field.name.of(text).eq_ignore_ascii_case(name));
    }

    /// Removes all fields whose names begin so.
    pub fn remove_all(&mut self, start: &[u8]) {
        let text = &self.text;
        self.fields.retain(|field| {
            let begin = field.name.of(text).get(..start.len());
            !begin.is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        });
    }

    /// Removes what describes content, but for what was added.
    pub fn forget_content(&mut self) {
        let own = !self.forwarded;
        self.fields.retain(|field| match field.known {
            Known::ContentType => field.added,
            Known::LastModified => field.added || !own,
            _ => true,
        });
    }

    /// The first value of a field by meaning.
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.known == known).map(|field| field.value.of(&self.text))
    }

    /// Replaces the value of one field.
    pub fn replace(&mut self, index: usize, value: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(value);
        if let Some(field) = self.fields.get_mut(index) {
            field.value = Slice::new(start, self.text.len());
            field.plain = false;
        }
    }

    /// The name of a field.
    pub fn name(&self, field: &Out) -> &[u8] {
        field.name.of(&self.text)
    }

    /// The value of a field.
    pub fn value(&self, field: &Out) -> &[u8] {
        field.value.of(&self.text)
    }

    fn store(&mut self, name: &[u8], value: &[u8]) -> Out {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        let middle = self.text.len();
        self.text.extend_from_slice(value);
        let name_slice = Slice::new(start, middle);
        Out {
            name: name_slice,
            value: Slice::new(middle, self.text.len()),
            known: Known::of(name),
            added: false,
            plain: false,
            lasting: false,
        }
    }
}

/// How the end of content is told to the client (RFC 9112 § 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By its length.
    Length(u64),
    /// In chunks.
    Chunked,
    /// By closing.
    Close,
    /// By the last frame of the stream (RFC 9113 § 8.1).
    Frames,
}

/// The lines of a head that are not among its fields.
#[derive(Debug)]
pub struct Wire<'a> {
    /// Whether fields are written in the order in which they came together: see `answer.in_order`.
    pub in_order: bool,
    /// Our reason phrase.
    pub reason: &'a [u8],
    /// `Server`, when the response brings none.
    pub server: &'a [u8],
    /// `Date`, when the response brings none.
    pub date: &'a [u8],
    /// Framing.
    pub framing: Framing,
    /// What `Connection` says; empty for no such line.
    pub connection: &'a [u8],
    /// What `Keep-Alive` says, seconds.
    pub keep_alive: Option<u64>,
    /// And how many more requests the connection may carry.
    pub more: Option<u64>,
}

impl Response {
    /// Writes the head as HTTP/1.1.
    pub fn write(&self, wire: &Wire<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        if self.status_text.is_empty() {
            out.extend_from_slice(&[
                digit(self.status / 100),
                digit(self.status / 10 % 10),
                digit(self.status % 10),
                b' ',
            ]);
            out.extend_from_slice(wire.reason);
        } else {
            out.extend_from_slice(self.status_text.of(&self.text));
        }
        if wire.in_order {
            return self.write_in_order(wire, out);
        }
        let find = |known| self.fields.iter().any(|field| field.known == known && !field.added);
        out.extend_from_slice(b"\r\n");
        if !wire.server.is_empty() && !self.unsigned && !find(Known::Server) {
            line(out, b"Server", wire.server);
        }
        if !wire.date.is_empty() && !find(Known::Date) {
            line(out, b"Date", wire.date);
        }
        self.first(Known::ContentType, b"Content-Type", out);
        let mut number = itoa::Buffer::new();
        let length = match wire.framing {
            Framing::Length(length) => Some(length),
            _ if self.bodyless => self.length,
            _ => None,
        };
        if let Some(length) = length {
            line(out, b"Content-Length", number.format(length).as_bytes());
        }
        if !self.forwarded {
            self.first(Known::LastModified, b"Last-Modified", out);
        }
        if self.own_location {
            self.first(Known::Location, b"Location", out);
        }
        if wire.framing == Framing::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if !wire.connection.is_empty() {
            line(out, b"Connection", wire.connection);
        }
        if let Some(seconds) = wire.keep_alive {
            out.extend_from_slice(b"Keep-Alive: timeout=");
            out.extend_from_slice(number.format(seconds).as_bytes());
            if let Some(more) = wire.more {
                out.extend_from_slice(b", max=");
                out.extend_from_slice(number.format(more).as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        if self.vary {
            out.extend_from_slice(b"Vary: Accept-Encoding\r\n");
        }
        let (mut typed, mut lines) = (false, Lines::of(&self.text));
        for field in &self.fields {
            let written = match field.known {
                _ if field.added => false,
                Known::ContentType => !std::mem::replace(&mut typed, true),
                Known::LastModified => !self.forwarded,
                Known::Location => self.own_location,
                _ => false,
            };
            if !written {
                lines.write(field.name, field.value, field.plain, out);
            }
        }
        lines.end(out);
        out.extend_from_slice(b"\r\n");
    }

    /// `Date` and `Server`, the fields in their order, what frames the content and what becomes of the connection.
    fn write_in_order(&self, wire: &Wire<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        let mut number = itoa::Buffer::new();
        let switching = self.status == 101;
        if !switching {
            for (known, name, ours) in
                [(Known::Date, &b"Date"[..], wire.date), (Known::Server, b"Server", wire.server)]
            {
                match self.fields.iter().find(|field| field.known == known) {
                    Some(field) => line(out, name, self.value(field)),
                    None if !ours.is_empty() => line(out, name, ours),
                    None => {}
                }
            }
        }
        let length = match wire.framing {
            Framing::Length(length) => Some(length),
            _ if self.bodyless && !switching => self.length,
            _ => None,
        };
        let late = |field: &Out| field.known == Known::ContentType && !self.forwarded;
        let (mut lines, mut length_at) = (Lines::of(&self.text), length);
        for (at, field) in self.fields.iter().enumerate() {
            let here = self.length_at == Some(at) || (self.length_at.is_none() && field.added);
            if here && let Some(length) = length_at.take() {
                lines.end(out);
                line(out, b"Content-Length", number.format(length).as_bytes());
            }
            if !matches!(field.known, Known::Date | Known::Server | Known::Upgrade) && !late(field) {
                lines.write(field.name, field.value, field.plain, out);
            }
        }
        lines.end(out);
        if let Some(length) = length_at {
            line(out, b"Content-Length", number.format(length).as_bytes());
        }
        if switching {
            line(out, b"Connection", b"Upgrade");
            self.first(Known::Upgrade, b"Upgrade", out);
        } else if !wire.connection.is_empty() {
            if let Some(seconds) = wire.keep_alive {
                out.extend_from_slice(b"Keep-Alive: timeout=");
                out.extend_from_slice(number.format(seconds).as_bytes());
                if let Some(more) = wire.more {
                    out.extend_from_slice(b", max=");
                    out.extend_from_slice(number.format(more).as_bytes());
                }
                out.extend_from_slice(b"\r\n");
            }
            line(out, b"Connection", wire.connection);
        }
        if wire.framing == Framing::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        for field in self.fields.iter().filter(|field| late(field)) {
            line(out, b"Content-Type", self.value(field));
        }
        out.extend_from_slice(b"\r\n");
    }

    fn first(&self, known: Known, name: &[u8], out: &mut Vec<u8>) {
        if let Some(field) = self.fields.iter().find(|field| field.known == known && !field.added) {
            line(out, name, self.value(field));
        }
    }
}

fn digit(value: u16) -> u8 {
    b'0' + value as u8
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
