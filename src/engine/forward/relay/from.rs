//! How an upstream's content is framed, and content taken out of that.

use std::task::Context;

use super::{
    super::super::{
        gateway::{
            memcached::TRAILER,
            records::{self, Records},
        },
        http1::chunked::{Decoder, Step},
    },
    Ending, Relay,
};
use crate::ir::settings::Level;

/// How the end of the upstream's content is known.
#[derive(Debug)]
pub enum From {
    /// There is none.
    None,
    /// By its length: bytes left.
    Length(u64),
    /// In chunks.
    Chunked(Box<Decoder>),
    /// By closing.
    Close,
    /// As the stream has it that it comes on, which checks its length, too.
    Stream,
    /// In records.
    Packed(Box<Packed>),
    /// By its length, with a trailer behind: bytes left, and how much of the trailer came.
    Stored {
        /// Bytes left.
        left: u64,
        /// How much of the trailer came.
        trailer: usize,
    },
}

/// Content in records.
#[derive(Debug)]
pub struct Packed {
    records: Records,
    /// What is left of the length that the head announced.
    left: Option<u64>,
    /// Whether the connection is to be used again, so that the request's end is waited for.
    keep: bool,
}

impl From {
    /// Content in records.
    pub fn packed(records: Option<Box<Records>>, length: Option<u64>, keep: bool) -> Self {
        let records = records.map(|records| *records).unwrap_or_default();
        Self::Packed(Box::new(Packed { records, left: length, keep }))
    }

    /// How much of what came with the head is content, when that is all, and whether the connection is fit for
    /// another request.
    pub fn whole(&self, here: &[u8]) -> Option<(usize, bool)> {
        match self {
            Self::Length(length) if here.len() as u64 == *length => Some((here.len(), true)),
            Self::Packed(packed) if packed.is_over() && packed.left == Some(here.len() as u64) => {
                Some((here.len(), packed.is_fit()))
            }
            Self::Stored { left, .. } => {
                let content = here.strip_suffix(TRAILER)?;
                (content.len() as u64 == *left).then_some((content.len(), true))
            }
            _ => None,
        }
    }

    /// Whether the connection is fit for another request once the content ended.
    pub fn leaves_fit(&self) -> bool {
        match self {
            Self::None | Self::Length(0) | Self::Chunked(_) => true,
            Self::Packed(packed) => packed.is_fit(),
            Self::Stored { left, trailer } => *left == 0 && *trailer == TRAILER.len(),
            Self::Length(_) | Self::Close | Self::Stream => false,
        }
    }
}

impl Packed {
    /// Whether no content follows. Who does not keep the connection need not wait for the request's end.
    fn is_over(&self) -> bool {
        self.records.is_ended() || (self.records.is_over() && !self.keep)
    }

    fn is_fit(&self) -> bool {
        self.records.is_ended() && !self.records.excess
    }

    /// Whether closing the connection is as good as an end.
    pub fn may_close(&self) -> bool {
        !self.keep && self.left.is_none_or(|left| left == 0)
    }

    /// How much of a piece is content.
    fn admit(&mut self, length: usize) -> usize {
        let Some(left) = &mut self.left else { return length };
        let admitted = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
        *left -= admitted as u64;
        admitted
    }
}

impl Relay<'_> {
    /// Takes content that was unpacked with the head.
    pub(super) fn take_unpacked(&mut self, data: &[u8]) -> Result<usize, Ending> {
        self.send_unpacked(data, None)?;
        self.end_unpacked()?;
        Ok(data.len())
    }

    fn unpack(&mut self, data: &[u8], mut cx: Option<&mut Context<'_>>) -> Result<usize, Ending> {
        let mut used = 0;
        loop {
            let From::Packed(packed) = &mut self.from else { return Ok(used) };
            match packed.records.step(&data[used..]).map_err(Ending::Refused)? {
                records::Step::More => return Ok(data.len()),
                records::Step::Output { start, end } => {
                    let piece = &data[used + start..used + end];
                    used += end;
                    self.send_unpacked(piece, cx.as_deref_mut())?;
                }
                records::Step::Message(length) => {
                    used += length;
                    let message = packed.records.message();
                    if let Some(hear) = self.hear {
                        hear(&message);
                    }
                }
                records::Step::OutputEnd(length) => {
                    used += length;
                    if self.end_unpacked()? {
                        return Ok(used);
                    }
                }
                records::Step::End(length) => {
                    used += length;
                    packed.records.excess = used < data.len();
                    self.end_unpacked()?;
                    return Ok(used);
                }
            }
        }
    }

    /// Sends output, but no more than was announced.
    fn send_unpacked(&mut self, piece: &[u8], cx: Option<&mut Context<'_>>) -> Result<(), Ending> {
        let From::Packed(packed) = &mut self.from else { return Ok(()) };
        let admitted = packed.admit(piece.len());
        if admitted < piece.len() {
            let message = "upstream sent more data than specified in \"Content-Length\" header";
            self.complaint = Some((Level::Warn, message));
            self.overrun = true;
        }
        self.send(&piece[..admitted], cx)
    }

    /// Ends where the records say so; whether they do.
    fn end_unpacked(&mut self) -> Result<bool, Ending> {
        let From::Packed(packed) = &self.from else { return Ok(false) };
        if !packed.is_over() {
            return Ok(false);
        }
        if packed.left.is_some_and(|left| left > 0) {
            let stdout = packed.records.has_output_end();
            return Err(Ending::Truncated(if stdout { "FastCGI stdout" } else { "FastCGI request" }));
        }
        self.end()?;
        Ok(true)
    }

    fn take_stored(&mut self, data: &[u8], cx: Option<&mut Context<'_>>) -> Result<usize, Ending> {
        let From::Stored { left, trailer } = &mut self.from else { return Ok(0) };
        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
        *left -= length as u64;
        let mut used = length;
        let mut done = false;
        if *left == 0 {
            let here = (data.len() - used).min(TRAILER.len() - *trailer);
            if data[used..used + here] == TRAILER[*trailer..*trailer + here] {
                (used, *trailer) = (used + here, *trailer + here);
                done = *trailer == TRAILER.len();
            } else {
                self.complaint = Some((Level::Error, "memcached sent invalid trailer"));
                (self.overrun, done) = (true, true);
            }
        }
        self.send(&data[..length], cx)?;
        if done {
            self.end()?;
        }
        Ok(used)
    }

    /// Decodes content; with `cx`, what can be sent directly is.
    pub(super) fn take(&mut self, data: &[u8], mut cx: Option<&mut Context<'_>>) -> Result<usize, Ending> {
        match &mut self.from {
            From::None => Ok(0),
            From::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                *left -= length as u64;
                let done = *left == 0;
                self.send(&data[..length], cx)?;
                if done {
                    self.end()?;
                }
                Ok(length)
            }
            From::Close | From::Stream => {
                self.send(data, cx)?;
                Ok(data.len())
            }
            From::Packed(_) => self.unpack(data, cx),
            From::Stored { .. } => self.take_stored(data, cx),
            From::Chunked(_) => {
                let mut used = 0;
                loop {
                    let From::Chunked(decoder) = &mut self.from else { return Ok(used) };
                    match decoder.step(&data[used..]) {
                        Ok(Step::Data { start, end }) => {
                            self.send(&data[used + start..used + end], cx.as_deref_mut())?;
                            used += end;
                        }
                        Ok(Step::More) => return Ok(data.len()),
                        Ok(Step::End(length)) => {
                            self.end()?;
                            // Bytes behind the end make the connection unfit for another request.
                            if used + length < data.len() {
                                self.overrun = true;
                            }
                            return Ok(used + length);
                        }
                        Err(_) => return Err(Ending::Invalid),
                    }
                }
            }
        }
    }
}
