//! Codings of content: put on and taken off, piece by piece.
//!
//! Making the state of a coding costs more than a small response, so a worker keeps some.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Broken;
use crate::plan::Coding;

/// Bytes there is room for whenever a coding writes.
const ROOM: usize = 8 * 1024;

/// States that a worker keeps.
const KEPT: usize = 16;

/// Bytes of the head of the gzip format as we write it (RFC 1952 § 2.3).
const HEAD: usize = 10;

thread_local! {
    static GZIP: RefCell<Vec<(u8, Compress)>> = const { RefCell::new(Vec::new()) };
}

/// Puts a coding on.
#[derive(Debug)]
pub struct Encoder {
    level: u8,
    state: Option<Compress>,
    /// The head of the coding, which waits for something to go with.
    owed: Option<[u8; HEAD]>,
}

/// Takes a coding off.
#[derive(Debug)]
pub struct Decoder {
    state: Decompress,
    /// Whether anything of a member was read that has not ended.
    within: bool,
}

impl Encoder {
    /// For a new response.
    pub fn new(_: Coding, level: u8) -> Self {
        let kept = GZIP.with_borrow_mut(|kept| {
            let at = kept.iter().position(|(of, _)| *of == level)?;
            Some(kept.swap_remove(at).1)
        });
        // Level 1 of the library is made for speed alone; its level 2 still costs less than level 1 of zlib and is
        // as small.
        let state = kept.unwrap_or_else(|| Compress::new_gzip(Compression::new(u32::from(level).max(2)), 15));
        Self { level, state: Some(state), owed: None }
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        self.run(data, FlushCompress::None, out)
    }

    /// Lets out what is held back, ending at a byte.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.run(&[], FlushCompress::Sync, out)
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.run(&[], FlushCompress::Finish, out)
    }

    fn run(&mut self, mut data: &[u8], how: FlushCompress, out: &mut Vec<u8>) -> Result<(), Broken> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let start = out.len();
        if let Some(head) = self.owed.take() {
            out.extend_from_slice(&head);
        }
        loop {
            out.reserve(ROOM);
            let before = state.total_in();
            let status = state.compress_vec(data, out, how).map_err(|_| Broken("deflate() failed"))?;
            data = &data[(state.total_in() - before) as usize..];
            let done = match how {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => data.is_empty() && out.len() < out.capacity(),
            };
            if done {
                break;
            }
        }
        if how == FlushCompress::None
            && state.total_out() == HEAD as u64
            && let Some(head) = out.get(start..).and_then(|new| <[u8; HEAD]>::try_from(new).ok())
        {
            self.owed = Some(head);
            out.truncate(start);
        }
        Ok(())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        if let Some(mut state) = self.state.take() {
            GZIP.with_borrow_mut(|kept| {
                if kept.len() < KEPT {
                    state.reset();
                    kept.push((self.level, state));
                }
            });
        }
    }
}

impl Decoder {
    /// For a new response.
    pub fn new(_: Coding) -> Self {
        Self { state: Decompress::new_gzip(15), within: false }
    }

    /// Takes coded content.
    pub fn push(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        while !data.is_empty() {
            out.reserve(ROOM);
            self.within = true;
            let before = self.state.total_in();
            let status = self
                .state
                .decompress_vec(data, out, FlushDecompress::None)
                .map_err(|_| Broken("inflate() failed"))?;
            let used = (self.state.total_in() - before) as usize;
            data = &data[used..];
            match status {
                // Another member may follow (RFC 1952 § 2.2).
                Status::StreamEnd => {
                    self.state = Decompress::new_gzip(15);
                    self.within = false;
                }
                Status::BufError if used == 0 && out.len() < out.capacity() => {
                    return Err(Broken("inflate() failed"));
                }
                Status::Ok | Status::BufError => {}
            }
        }
        self.drain(out)
    }

    /// What the state still has for lack of room.
    fn drain(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        while self.within && out.len() == out.capacity() {
            out.reserve(ROOM);
            let status = self
                .state
                .decompress_vec(&[], out, FlushDecompress::None)
                .map_err(|_| Broken("inflate() failed"))?;
            if status == Status::StreamEnd {
                self.within = false;
            }
        }
        Ok(())
    }

    /// Says whether the content was whole.
    pub fn finish(&self) -> Result<(), Broken> {
        if self.within { Err(Broken("the compressed response is truncated")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| b"the quick brown fox jumps over"[at * 7 % 31 % 30]).collect()
    }

    fn coded(data: &[u8], step: usize, flush: bool) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(Coding::Gzip, 1), Vec::new());
        for piece in data.chunks(step) {
            encoder.push(piece, &mut out).unwrap();
            if flush {
                encoder.flush(&mut out).unwrap();
            }
        }
        encoder.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn content_comes_back_whatever_the_pieces() {
        for (length, step, flush) in
            [(0, 1, false), (1, 1, true), (100_000, 1, false), (100_000, 33_000, true)]
        {
            let data = text(length);
            let coded = coded(&data, step, flush);
            assert_eq!(&coded[..3], b"\x1f\x8b\x08");
            for step in [1, 7, 4096] {
                let (mut decoder, mut out) = (Decoder::new(Coding::Gzip), Vec::new());
                for piece in coded.chunks(step) {
                    decoder.push(piece, &mut out).unwrap();
                }
                decoder.finish().unwrap();
                assert!(out == data, "{length} {step}");
            }
        }
    }

    #[test]
    fn members_follow_each_other_and_garbage_is_refused() {
        let one = coded(b"one ", 4, false);
        let two = coded(b"two", 3, false);
        let (mut decoder, mut out) = (Decoder::new(Coding::Gzip), Vec::new());
        decoder.push(&[one, two].concat(), &mut out).unwrap();
        assert_eq!(out, b"one two");
        assert!(decoder.push(b"garbage of some length", &mut out).is_err());
        let half = &coded(&text(1000), 1000, false)[..30];
        let mut decoder = Decoder::new(Coding::Gzip);
        decoder.push(half, &mut out).unwrap();
        assert!(decoder.finish().is_err());
    }

    #[test]
    fn a_flush_lets_everything_out() {
        let (mut encoder, mut out) = (Encoder::new(Coding::Gzip, 6), Vec::new());
        let (mut decoder, mut back) = (Decoder::new(Coding::Gzip), Vec::new());
        for number in 0..50 {
            let line = format!("data: {number}\n\n");
            out.clear();
            encoder.push(line.as_bytes(), &mut out).unwrap();
            encoder.flush(&mut out).unwrap();
            back.clear();
            decoder.push(&out, &mut back).unwrap();
            assert_eq!(back, line.as_bytes());
        }
    }
}
