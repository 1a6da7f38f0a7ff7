//! The frames of a client, one by one (RFC 9113 § 5, § 6).
//!
//! What is an error of the connection ends it; what is one of a stream ends
//! that, and counts as a stream that was given up. Frames for streams that are
//! over are taken note of where they change what both sides know (windows,
//! the table of header compression), and are left alone otherwise: they may
//! have been sent before the peer knew.

use super::{
    core::{Core, Peer},
    frame::{self, Code, Fault, HEAD, Head, LARGEST_WINDOW, PAYLOAD, fault, flag, kind, number, setting},
    head,
    hpack::Invalid,
};

/// What comes with a notice that the connection's end is near, to know when it has arrived.
pub(super) const NOTICE: [u8; 8] = *b"farewell";

/// A stream that began: its head is in [`Core::block`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// Where it is.
    pub(super) place: usize,
    /// Whether no content follows.
    pub(super) ends: bool,
}

/// A frame's payload must have this length.
fn exactly<const N: usize>(payload: &[u8], why: &'static str) -> Result<[u8; N], Fault> {
    payload.try_into().map_err(|_| fault(Code::FRAME_SIZE_ERROR, why))
}

fn protocol(why: &'static str) -> Fault {
    fault(Code::PROTOCOL_ERROR, why)
}

impl Core {
    /// Takes frames off the front of `input` until one begins a stream, or none is whole.
    pub(super) fn process(&mut self, input: &mut &[u8]) -> Result<Option<Begun>, Fault> {
        while let Some(head) = Head::read(input) {
            if head.length > PAYLOAD {
                return Err(fault(Code::FRAME_SIZE_ERROR, "client sent too large frame"));
            }
            let Some(payload) = input.get(HEAD..HEAD + head.length) else { break };
            *input = &input[HEAD + head.length..];
            // DATA and HEADERS are what a connection is for, if there is anything in them.
            if matches!(head.kind, kind::DATA | kind::HEADERS) && head.length > 0 {
                self.counts.useful += head.length as u64;
            } else {
                self.counts.idle += 1;
            }
            if let Some(begun) = self.frame(head, payload)? {
                return Ok(Some(begun));
            }
        }
        Ok(None)
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result<Option<Begun>, Fault> {
        if !self.greeted {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(protocol("client sent no SETTINGS frame first"));
            }
            self.greeted = true;
        }
        if self.heading.is_some() && head.kind != kind::CONTINUATION {
            return Err(protocol("client sent another frame inside a block of fields"));
        }
        match head.kind {
            kind::DATA => self.data(head, payload)?,
            kind::HEADERS => return self.headers(head, payload),
            kind::CONTINUATION => return self.continuation(head, payload),
            kind::PRIORITY => {
                if head.stream == 0 {
                    return Err(protocol("client sent PRIORITY frame of no stream"));
                }
                if payload.len() != 5 {
                    self.refuse_known(head.stream, Code::FRAME_SIZE_ERROR)?;
                }
            }
            kind::RST_STREAM => {
                exactly::<4>(payload, "client sent RST_STREAM frame with incorrect length")?;
                if self.is_idle(head.stream) {
                    return Err(protocol("client sent RST_STREAM frame of no stream"));
                }
                if let Some(place) = self.find(head.stream) {
                    self.give_up(place);
                }
            }
            kind::SETTINGS => self.settings(head, payload)?,
            kind::PUSH_PROMISE => return Err(protocol("client sent PUSH_PROMISE frame")),
            kind::PING => {
                let opaque = exactly::<8>(payload, "client sent PING frame with incorrect length")?;
                if head.stream != 0 {
                    return Err(protocol("client sent PING frame of a stream"));
                }
                if !head.has(flag::ACK) {
                    frame::write(&mut self.out, kind::PING, flag::ACK, 0, &opaque);
                } else if opaque == NOTICE {
                    self.noticed = true;
                }
            }
            kind::GOAWAY => {
                if head.stream != 0 {
                    return Err(protocol("client sent GOAWAY frame of a stream"));
                }
                if payload.len() < 8 {
                    let why = "client sent GOAWAY frame with incorrect length";
                    return Err(fault(Code::FRAME_SIZE_ERROR, why));
                }
            }
            kind::WINDOW_UPDATE => self.window_update(head, payload)?,
            _ => {}
        }
        Ok(None)
    }

    /// Whether no stream of this number can have begun.
    fn is_idle(&self, id: u32) -> bool {
        id == 0 || id.is_multiple_of(2) || id > self.last
    }

    /// Ends a stream for an error of the client's, if it ever began.
    fn refuse_known(&mut self, id: u32, code: Code) -> Result<(), Fault> {
        if self.is_idle(id) {
            return Err(fault(code, "client sent an incorrect frame of no stream"));
        }
        self.refuse(id, code);
        Ok(())
    }

    fn data(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if self.is_idle(head.stream) {
            return Err(protocol("client sent DATA frame of no stream"));
        }
        let length = payload.len() as i64;
        if length > self.room {
            let why = "client violated connection flow control";
            return Err(fault(Code::FLOW_CONTROL_ERROR, why));
        }
        self.room -= length;
        let content = frame::unpadded(head, payload)
            .ok_or_else(|| protocol("client sent padded DATA frame with incorrect length"))?;
        let Some(place) = self.find(head.stream) else {
            self.take(payload.len());
            return Ok(());
        };
        match self.streams[place].peer {
            Peer::Open if length <= self.streams[place].room => {}
            other => {
                self.take(payload.len());
                match other {
                    Peer::Open => self.refuse(head.stream, Code::FLOW_CONTROL_ERROR),
                    Peer::Ended => self.refuse(head.stream, Code::STREAM_CLOSED),
                    Peer::Reset => {}
                }
                return Ok(());
            }
        }
        let stream = &mut self.streams[place];
        stream.room -= length;
        let ends = head.has(flag::END_STREAM);
        // The length that a head tells must be that of the content (RFC 9113 § 8.1.1).
        let fits = stream.left.is_none_or(|left| {
            let rest = left.checked_sub(content.len() as u64);
            stream.left = rest;
            rest.is_some_and(|rest| !ends || rest == 0)
        });
        if !fits {
            // As in HTTP/1.1 this can be answered; the stream is nothing but trouble all the same.
            self.take(payload.len());
            self.remark = Some("client sent other content than its \"Content-Length\" says");
            self.counts.given_up += 1;
            self.streams[place].wrong = true;
            self.receive(place, &[], true);
            return Ok(());
        }
        let padding = payload.len() - content.len();
        if padding > 0 {
            self.take_of(place, padding);
        }
        self.receive(place, content, ends);
        Ok(())
    }

    fn headers(&mut self, head: Head, payload: &[u8]) -> Result<Option<Begun>, Fault> {
        if head.stream.is_multiple_of(2) {
            return Err(protocol("client sent HEADERS frame with incorrect identifier"));
        }
        let incorrect = || protocol("client sent HEADERS frame with incorrect length");
        let mut block = frame::unpadded(head, payload).ok_or_else(incorrect)?;
        if head.has(flag::PRIORITY) {
            block = block.get(5..).ok_or_else(incorrect)?;
        }
        let ends = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.fields(head.stream, ends, block);
        }
        self.fragment.extend_from_slice(block);
        self.heading = Some((head.stream, ends));
        Ok(None)
    }

    fn continuation(&mut self, head: Head, payload: &[u8]) -> Result<Option<Begun>, Fault> {
        let Some((id, ends)) = self.heading.filter(|(id, _)| *id == head.stream) else {
            return Err(protocol("client sent unexpected CONTINUATION frame"));
        };
        if self.fragment.len() + payload.len() > self.limit {
            return Err(fault(Code::ENHANCE_YOUR_CALM, "client sent too large block of fields"));
        }
        self.fragment.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            return Ok(None);
        }
        self.heading = None;
        let mut block = std::mem::take(&mut self.fragment);
        let done = self.fields(id, ends, &block);
        block.clear();
        if block.capacity() <= PAYLOAD * 2 {
            self.fragment = block;
        }
        done
    }

    /// A whole block of fields: the head of a request, or what comes behind its content.
    fn fields(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<Option<Begun>, Fault> {
        self.decoder.decode(block, self.limit, &mut self.block).map_err(|invalid| match invalid {
            Invalid::Malformed => fault(Code::COMPRESSION_ERROR, "client sent invalid block of fields"),
            Invalid::TooLong => fault(Code::ENHANCE_YOUR_CALM, "client sent too many fields"),
        })?;
        if id <= self.last {
            if let Some(place) = self.find(id) {
                self.behind(place, ends);
            }
            return Ok(None);
        }
        if self.ended {
            return Ok(None);
        }
        self.last = id;
        if self.active() >= self.most {
            self.remark = Some("concurrent streams exceeded");
            self.refuse(id, Code::REFUSED_STREAM);
            return Ok(None);
        }
        let place = self.begin(id, ends);
        Ok(Some(Begun { place, ends }))
    }

    /// Fields behind the content of a stream, which they end.
    fn behind(&mut self, place: usize, ends: bool) {
        let stream = &mut self.streams[place];
        let id = stream.id;
        match stream.peer {
            Peer::Reset => {}
            Peer::Ended => self.refuse(id, Code::STREAM_CLOSED),
            Peer::Open => {
                let whole = stream.left.is_none_or(|left| left == 0);
                stream.trailers.clear();
                let good = head::lines(&self.block, &mut stream.trailers);
                if ends && whole && good {
                    self.receive(place, &[], true);
                } else {
                    self.remark = Some("client sent invalid trailers");
                    self.refuse(id, Code::PROTOCOL_ERROR);
                }
            }
        }
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(protocol("client sent SETTINGS frame of a stream"));
        }
        let incorrect = "client sent SETTINGS frame with incorrect length";
        if head.has(flag::ACK) {
            exactly::<0>(payload, incorrect)?;
            return Ok(());
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(fault(Code::FRAME_SIZE_ERROR, incorrect));
        }
        for &[a, b, c, d, e, f] in settings {
            let value = u32::from_be_bytes([c, d, e, f]);
            match u16::from_be_bytes([a, b]) {
                setting::HEADER_TABLE_SIZE => self.encoder.resize(value as usize),
                setting::ENABLE_PUSH if value > 1 => {
                    return Err(protocol("client sent SETTINGS frame with incorrect ENABLE_PUSH"));
                }
                setting::INITIAL_WINDOW_SIZE => self.resize_windows(value)?,
                // Ours are as long as any peer takes.
                setting::MAX_FRAME_SIZE if !(PAYLOAD..1 << 24).contains(&(value as usize)) => {
                    return Err(protocol("client sent SETTINGS frame with incorrect MAX_FRAME_SIZE"));
                }
                _ => {}
            }
        }
        frame::write(&mut self.out, kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(())
    }

    /// Changes what the peer takes on every stream (RFC 9113 § 6.9.2).
    fn resize_windows(&mut self, size: u32) -> Result<(), Fault> {
        let flow = || {
            let why = "client sent SETTINGS frame with incorrect INITIAL_WINDOW_SIZE";
            fault(Code::FLOW_CONTROL_ERROR, why)
        };
        let size = i64::from(size);
        if size > LARGEST_WINDOW {
            return Err(flow());
        }
        let more = size - self.initial;
        self.initial = size;
        for stream in self.under_way() {
            stream.window += more;
            if stream.window > LARGEST_WINDOW {
                return Err(flow());
            }
            if stream.window > 0
                && let Some(writer) = stream.writer.take()
            {
                writer.wake();
            }
        }
        Ok(())
    }

    fn window_update(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        let more = exactly::<4>(payload, "client sent WINDOW_UPDATE frame with incorrect length")?;
        let more = i64::from(number(more));
        if head.stream == 0 {
            if more == 0 {
                return Err(protocol("client sent WINDOW_UPDATE frame with incorrect window increment 0"));
            }
            self.window += more;
            if self.window > LARGEST_WINDOW {
                return Err(fault(Code::FLOW_CONTROL_ERROR, "client violated connection flow control"));
            }
            self.next_turn();
            return Ok(());
        }
        if self.is_idle(head.stream) {
            return Err(protocol("client sent WINDOW_UPDATE frame of no stream"));
        }
        let Some(place) = self.find(head.stream) else { return Ok(()) };
        let stream = &mut self.streams[place];
        stream.window += more;
        if more == 0 {
            self.refuse(head.stream, Code::PROTOCOL_ERROR);
        } else if stream.window > LARGEST_WINDOW {
            self.refuse(head.stream, Code::FLOW_CONTROL_ERROR);
        } else if stream.window > 0
            && let Some(writer) = stream.writer.take()
        {
            writer.wake();
        }
        Ok(())
    }
}
