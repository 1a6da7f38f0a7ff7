//! The chunked transfer coding, decoded (RFC 9112 § 7.1).
//!
//! Strict where parsers differ: a size is hexadecimal digits only, at most 16;
//! extensions are skipped but bounded; a line ends in LF, before which one CR
//! may stand; trailers are read as field lines and bounded.

/// How many bytes of extensions, or of trailers, one message may have.
const EXTRA_LIMIT: u32 = 16 * 1024;

/// Decodes one chunked message, fed piece by piece.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// Bytes left of the chunk, or the size read so far.
    left: u64,
    digits: u8,
    extra: u32,
    /// The trailer section as received, without its last empty line.
    pub trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    TrailerLf,
    Done,
}

/// What a piece of input gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Content: `start..end` of the input; call again with what follows `end`.
    Data {
        /// Offset of the first byte.
        start: usize,
        /// Offset just past the last byte.
        end: usize,
    },
    /// All input was used; more is needed.
    More,
    /// The message ended; so many bytes of the input belonged to it.
    End(usize),
}

/// Framing that is not what the RFC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Size, left: 0, digits: 0, extra: 0, trailers: Vec::new() }
    }
}

impl Decoder {
    /// A decoder at the start of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the message ended.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes the chunk under way still announces.
    pub fn announced(&self) -> u64 {
        if self.state == State::Data { self.left } else { 0 }
    }

    /// Looks at `input`, which follows what earlier calls used.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, Invalid> {
        let mut at = 0;
        loop {
            if self.state == State::Done {
                return Ok(Step::End(at));
            }
            let Some(&byte) = input.get(at) else { return Ok(Step::More) };
            if self.state == State::Data {
                let end = at + usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len() - at);
                self.left -= (end - at) as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Step::Data { start: at, end });
            }
            at += 1;
            self.framing(byte)?;
        }
    }

    fn framing(&mut self, byte: u8) -> Result<(), Invalid> {
        self.state = match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if self.digits < 16 => {
                let digit = (byte as char).to_digit(16).ok_or(Invalid)?;
                self.left = self.left << 4 | u64::from(digit);
                self.digits += 1;
                State::Size
            }
            (State::Size, _) if self.digits == 0 || self.left > i64::MAX as u64 => return Err(Invalid),
            // Not after an extension: others take a bare LF there for a part of it, or for the end of the line.
            (State::Size | State::SizeLf, b'\n') => {
                self.digits = 0;
                if self.left == 0 { State::TrailerStart } else { State::Data }
            }
            (State::Size, b';' | b' ' | b'\t') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeLf,
            (State::Extension, 0x20..=0x7e | b'\t' | 0x80..) => {
                self.count()?;
                State::Extension
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataCr | State::DataLf, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::TrailerLf, b'\n') => State::Done,
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::TrailerStart | State::Trailer | State::TrailerEnd, _)
                if byte != 0 && (byte == b'\n' || self.state != State::TrailerEnd) =>
            {
                self.count()?;
                self.trailers.push(byte);
                if byte == b'\n' { State::TrailerStart } else { State::Trailer }
            }
            _ => return Err(Invalid),
        };
        Ok(())
    }

    fn count(&mut self) -> Result<(), Invalid> {
        self.extra += 1;
        if self.extra > EXTRA_LIMIT { Err(Invalid) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize, Vec<u8>), Invalid> {
        let (mut decoder, mut out, mut used) = (Decoder::new(), Vec::new(), 0);
        for part in input.chunks(piece) {
            let mut at = 0;
            loop {
                match decoder.step(&part[at..])? {
                    Step::Data { start, end } => {
                        out.extend_from_slice(&part[at + start..at + end]);
                        at += end;
                    }
                    Step::More => break,
                    Step::End(length) => return Ok((out, used + at + length, decoder.trailers)),
                }
            }
            used += part.len();
        }
        Err(Invalid)
    }

    #[test]
    fn messages_are_decoded_whatever_the_pieces() {
        let input = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\nrest";
        for piece in 1..input.len() {
            let (out, used, trailers) = decode(input, piece).unwrap();
            assert_eq!(out, b"hello world");
            assert_eq!(used, input.len() - 4);
            assert_eq!(trailers, b"A: b\n");
        }
    }

    #[test]
    fn bad_framing_is_refused() {
        for input in [
            &b"x\r\n"[..],
            b"-1\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"11111111111111111\r\n",
            b"ffffffffffffffff\r\n",
            b"\r\n",
            b"5\rx",
            b"5\r\nhelloX",
            b"5;\x01\r\n",
            b"0\r\n\0",
            b"5;a\nhello\r\n0\r\n\r\n",
            b"0\r\nA: b\rC: d\r\n\r\n",
        ] {
            assert_eq!(decode(input, 3), Err(Invalid), "{}", input.escape_ascii());
        }
    }
}
