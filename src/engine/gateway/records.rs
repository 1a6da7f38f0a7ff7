//! `FastCGI` responses: output, errors and the end of a request taken out of their records.
//!
//! Content passes through as it comes, so that no record is held in memory;
//! only what a program says on its standard error is, up to a bound.

use std::fmt;

use super::fastcgi::{END_REQUEST, HEADER, STDERR, STDOUT, VERSION};

/// How much of a program's words is one message.
const MESSAGE: usize = 2048;

/// The records of one response.
#[derive(Debug, Default)]
pub struct Records {
    header: [u8; HEADER],
    /// How much of a header there is.
    have: usize,
    /// Content of the record that is to come.
    left: usize,
    /// Padding behind it.
    padding: usize,
    /// Whether the record's content begins or goes on, not a header.
    inside: bool,
    /// What is said on standard error, as far as it is no whole message.
    said: Vec<u8>,
    /// The first bytes of the record that ends the request.
    status: [u8; 8],
    /// Whether the output ended.
    over: bool,
    /// Whether the request ended.
    ended: bool,
    /// Whether anything was received.
    begun: bool,
    /// Whether something was received behind the end; whoever takes the records knows.
    pub excess: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, or nothing whole: everything was used.
    More,
    /// Output, from `start` to `end`; so much was used.
    Output {
        /// Where it begins.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// A message on standard error is whole: [`Records::message`]. So much was used.
    Message(usize),
    /// The output is over; so much was used.
    OutputEnd(usize),
    /// The request is over; so much was used.
    End(usize),
}

/// Why records are refused: for the error log, after `upstream sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A version that is not 1.
    Version(u8),
    /// A type that no response has.
    Kind(u8),
    /// The high byte of a request's id that is not ours.
    IdHigh(u8),
    /// The low byte.
    IdLow(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "unsupported FastCGI protocol version: {version}"),
            Self::Kind(kind) => write!(f, "invalid FastCGI record type: {kind}"),
            Self::IdHigh(byte) => write!(f, "unexpected FastCGI request id high byte: {byte}"),
            Self::IdLow(byte) => write!(f, "unexpected FastCGI request id low byte: {byte}"),
        }
    }
}

impl Records {
    /// Looks at what was received, from where the last step ended.
    pub fn step(&mut self, data: &[u8]) -> Result<Step, Fault> {
        let mut at = 0;
        while at < data.len() && !self.ended {
            self.begun = true;
            if self.left > 0 {
                let end = at + self.left.min(data.len() - at);
                let start = std::mem::replace(&mut at, end);
                let before = self.left;
                self.left -= end - start;
                match self.header[1] {
                    STDOUT => return Ok(Step::Output { start, end }),
                    STDERR => {
                        // What is too long for one message becomes several.
                        let take = (MESSAGE - self.said.len().min(MESSAGE)).min(end - start);
                        self.said.extend_from_slice(&data[start..start + take]);
                        if take < end - start {
                            self.left = before - take;
                            return Ok(Step::Message(start + take));
                        }
                        if self.left == 0 {
                            return Ok(Step::Message(end));
                        }
                    }
                    _ => {
                        for (&byte, offset) in data[start..end].iter().zip(self.length() - before..) {
                            if let Some(place) = self.status.get_mut(offset) {
                                *place = byte;
                            }
                        }
                    }
                }
                continue;
            }
            if self.padding > 0 {
                let skip = self.padding.min(data.len() - at);
                (at, self.padding) = (at + skip, self.padding - skip);
                if self.padding > 0 {
                    break;
                }
            }
            if std::mem::take(&mut self.inside) && self.header[1] == END_REQUEST {
                self.ended = true;
                return Ok(Step::End(at));
            }
            if self.read_header(data, &mut at)? {
                self.inside = true;
                (self.left, self.padding) = (self.length(), usize::from(self.header[6]));
                if self.header[1] == STDOUT && self.left == 0 {
                    self.over = true;
                    return Ok(Step::OutputEnd(at));
                }
            }
        }
        // The last byte of the record that ends the request is its end, whether more follows or not.
        if !self.ended && self.inside && self.left + self.padding == 0 && self.header[1] == END_REQUEST {
            self.ended = true;
            return Ok(Step::End(at));
        }
        Ok(Step::More)
    }

    /// Collects a header; true when it is whole and sound. Faults are found as soon as they are there.
    fn read_header(&mut self, data: &[u8], at: &mut usize) -> Result<bool, Fault> {
        while self.have < HEADER {
            let Some(&byte) = data.get(*at) else { return Ok(false) };
            match self.have {
                0 if byte != VERSION => return Err(Fault::Version(byte)),
                1 if !matches!(byte, STDOUT | STDERR | END_REQUEST) => return Err(Fault::Kind(byte)),
                2 if byte != 0 => return Err(Fault::IdHigh(byte)),
                3 if byte != 1 => return Err(Fault::IdLow(byte)),
                _ => {}
            }
            self.header[self.have] = byte;
            self.have += 1;
            *at += 1;
        }
        self.have = 0;
        Ok(true)
    }

    fn length(&self) -> usize {
        usize::from(u16::from_be_bytes([self.header[4], self.header[5]]))
    }

    /// The message that is whole, without what ends it.
    pub fn message(&mut self) -> Vec<u8> {
        let mut said = std::mem::take(&mut self.said);
        let end = said.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | b'.' | b' '));
        said.truncate(end.map_or(0, |last| last + 1));
        said
    }

    /// Whether nothing was received.
    pub fn is_untouched(&self) -> bool {
        !self.begun
    }

    /// Whether the output ended.
    pub fn is_over(&self) -> bool {
        self.over || self.ended
    }

    /// Whether the end of the output was said.
    pub fn has_output_end(&self) -> bool {
        self.over
    }

    /// Whether the request ended, so that the connection may carry another one.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Why the gateway did not take the request, where it said so.
    pub fn refusal(&self) -> Option<&'static str> {
        match self.status[4] {
            1 if self.ended => Some("it takes no further request on this connection"),
            2 if self.ended => Some("it is overloaded"),
            3 if self.ended => Some("it does not know the role of a responder"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
        let [high, low] = (content.len() as u16).to_be_bytes();
        [&[1, kind, 0, 1, high, low, padding, 0], content, &[0; 255][..usize::from(padding)]].concat()
    }

    /// What comes out when `data` is received in pieces of `size`: output, messages, whether it ended, what is left.
    fn read(data: &[u8], size: usize) -> Result<(String, Vec<String>, bool, usize), Fault> {
        let mut records = Records::default();
        let (mut output, mut messages, mut rest) = (Vec::new(), Vec::new(), 0);
        for piece in data.chunks(size) {
            let mut at = 0;
            loop {
                at += match records.step(&piece[at..])? {
                    Step::More => break,
                    Step::Output { start, end } => {
                        output.extend_from_slice(&piece[at + start..at + end]);
                        end
                    }
                    Step::Message(used) => {
                        messages.push(String::from_utf8(records.message()).unwrap());
                        used
                    }
                    Step::OutputEnd(used) => used,
                    Step::End(used) => {
                        rest += piece.len() - at - used;
                        break;
                    }
                };
            }
        }
        Ok((String::from_utf8(output).unwrap(), messages, records.is_ended(), rest))
    }

    #[test]
    fn responses_are_taken_apart_however_they_arrive() {
        let data = [
            record(STDOUT, b"Status: 200\r\n", 3),
            record(STDERR, b"PHP message: warning. \r\n", 0),
            record(STDOUT, b"\r\nhello", 1),
            record(STDOUT, b"", 0),
            record(END_REQUEST, &[0; 8], 0),
        ]
        .concat();
        for size in 1..=data.len() {
            let (output, messages, ended, rest) = read(&data, size).unwrap();
            assert_eq!(output, "Status: 200\r\n\r\nhello", "{size}");
            assert_eq!((messages, ended, rest), (vec!["PHP message: warning".to_owned()], true, 0), "{size}");
        }
        let more = [&data[..], b"xyz"].concat();
        assert_eq!(read(&more, more.len()).unwrap().3, 3);
        assert!(!read(&data[..data.len() - 1], 7).unwrap().2);
    }

    #[test]
    fn records_may_be_empty_and_padded() {
        let data = [
            record(STDERR, b"", 255),
            record(STDOUT, b"", 255),
            record(END_REQUEST, &[0, 0, 0, 1, 2, 0, 0, 0], 255),
        ]
        .concat();
        for size in [1, 8, 100, data.len()] {
            assert_eq!(read(&data, size), Ok((String::new(), Vec::new(), true, 0)), "{size}");
        }
        let mut records = Records::default();
        assert_eq!(records.step(&record(END_REQUEST, &[0, 0, 0, 1, 2, 0, 0, 0], 0)), Ok(Step::End(16)));
        assert_eq!(records.refusal(), Some("it is overloaded"));
        // A record that ends the request and says nothing.
        assert!(read(&record(END_REQUEST, b"", 0), 3).unwrap().2);
    }

    #[test]
    fn long_messages_are_cut() {
        let data = record(STDERR, &[b'x'; 5000], 0);
        for size in [1, 1000, 6000] {
            let (_, messages, ..) = read(&data, size).unwrap();
            assert_eq!(messages.iter().map(String::len).collect::<Vec<_>>(), [2048, 2048, 904], "{size}");
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for (data, fault) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], Fault::Version(b'H')),
            (&[1, 11, 0, 0, 0, 0, 0, 0], Fault::Kind(11)),
            (&[1, STDOUT, 1, 1, 0, 0, 0, 0], Fault::IdHigh(1)),
            (&[1, STDOUT, 0, 2, 0, 0, 0, 0], Fault::IdLow(2)),
        ] {
            assert_eq!(read(data, 3), Err(fault));
        }
    }
}
