//! Codings of content: put on and taken off, piece by piece.
//!
//! Making the state of a coding costs more than a small response, so a worker keeps some.

use std::{cell::RefCell, fmt, io::Write as _};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Broken;
use crate::plan::Coding;

/// Bytes there is room for whenever a coding writes.
const ROOM: usize = 8 * 1024;

/// States that a worker keeps.
const KEPT: usize = 16;

/// Bits of the window of Brotli.
const WINDOW: u32 = 19;

/// Bytes of the head of the gzip format as we write it (RFC 1952 § 2.3).
const HEAD: usize = 10;

thread_local! {
    static GZIP: RefCell<Vec<(u8, Compress)>> = const { RefCell::new(Vec::new()) };
}

/// Puts a coding on.
pub enum Encoder {
    /// RFC 1952.
    Gzip(Gzip),
    /// RFC 7932.
    Brotli(Option<Box<brotli::CompressorWriter<Vec<u8>>>>),
    /// RFC 8878.
    Zstd(Option<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

const UNCODED: Broken = Broken("content could not be compressed");

impl Encoder {
    /// For a new response.
    pub fn new(coding: Coding, level: u8) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(Gzip::new(level)),
            Coding::Brotli => {
                let writer = brotli::CompressorWriter::new(Vec::new(), ROOM, u32::from(level), WINDOW);
                Self::Brotli(Some(Box::new(writer)))
            }
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), i32::from(level)).ok()),
        }
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Gzip(gzip) => return gzip.run(data, FlushCompress::None, out),
            Self::Brotli(Some(writer)) => {
                writer.write_all(data).map_err(|_| UNCODED)?;
                out.append(writer.get_mut());
            }
            Self::Zstd(Some(writer)) => {
                writer.write_all(data).map_err(|_| UNCODED)?;
                out.append(writer.get_mut());
            }
            Self::Brotli(None) | Self::Zstd(None) => return Err(UNCODED),
        }
        Ok(())
    }

    /// Lets out what is held back, ending at a byte.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Gzip(gzip) => return gzip.run(&[], FlushCompress::Sync, out),
            Self::Brotli(Some(writer)) => {
                writer.flush().map_err(|_| UNCODED)?;
                out.append(writer.get_mut());
            }
            Self::Zstd(Some(writer)) => {
                writer.flush().map_err(|_| UNCODED)?;
                out.append(writer.get_mut());
            }
            Self::Brotli(None) | Self::Zstd(None) => return Err(UNCODED),
        }
        Ok(())
    }

    /// Ends the content.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Gzip(gzip) => return gzip.run(&[], FlushCompress::Finish, out),
            Self::Brotli(writer) => out.append(&mut writer.take().ok_or(UNCODED)?.into_inner()),
            Self::Zstd(writer) => {
                out.append(&mut writer.take().ok_or(UNCODED)?.finish().map_err(|_| UNCODED)?);
            }
        }
        Ok(())
    }
}

/// The gzip format.
#[derive(Debug)]
pub struct Gzip {
    level: u8,
    state: Option<Compress>,
    /// The head of the coding, which waits for something to go with.
    owed: Option<[u8; HEAD]>,
}

impl Gzip {
    fn new(level: u8) -> Self {
        let kept = GZIP.with_borrow_mut(|kept| {
            let at = kept.iter().position(|(of, _)| *of == level)?;
            Some(kept.swap_remove(at).1)
        });
        // Level 1 of the library is made for speed alone; its level 2 still costs less than level 1 of zlib and is
        // as small.
        let state = kept.unwrap_or_else(|| Compress::new_gzip(Compression::new(u32::from(level).max(2)), 15));
        Self { level, state: Some(state), owed: None }
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

impl Drop for Gzip {
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

/// Takes a coding off.
pub enum Decoder {
    /// RFC 1952.
    Gzip(Gunzip),
    /// RFC 7932.
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    /// RFC 8878.
    Zstd(Option<zstd::stream::write::Decoder<'static, Vec<u8>>>),
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

const UNDECODED: Broken = Broken("content could not be decompressed");
const TRUNCATED: Broken = Broken("the compressed response is truncated");

impl Decoder {
    /// For a new response.
    pub fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(Gunzip { state: Decompress::new_gzip(15), within: false }),
            Coding::Brotli => Self::Brotli(Box::new(brotli::DecompressorWriter::new(Vec::new(), ROOM))),
            Coding::Zstd => Self::Zstd(zstd::stream::write::Decoder::new(Vec::new()).ok()),
        }
    }

    /// Takes coded content.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Gzip(gunzip) => return gunzip.push(data, out),
            Self::Brotli(writer) => {
                writer.write_all(data).map_err(|_| UNDECODED)?;
                out.append(writer.get_mut());
            }
            Self::Zstd(Some(writer)) => {
                writer.write_all(data).and_then(|()| writer.flush()).map_err(|_| UNDECODED)?;
                out.append(writer.get_mut());
            }
            Self::Zstd(None) => return Err(UNDECODED),
        }
        Ok(())
    }

    /// Ends the content, which must be whole.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Gzip(gunzip) if gunzip.within => Err(TRUNCATED),
            Self::Gzip(_) => Ok(()),
            Self::Brotli(writer) => {
                let done = writer.close().map_err(|_| TRUNCATED);
                out.append(writer.get_mut());
                done
            }
            Self::Zstd(writer) => {
                let Some(mut writer) = writer.take() else { return Err(UNDECODED) };
                let done = writer.flush().map_err(|_| TRUNCATED);
                out.append(writer.get_mut());
                done
            }
        }
    }
}

/// The gzip format.
#[derive(Debug)]
pub struct Gunzip {
    state: Decompress,
    /// Whether anything of a member was read that has not ended.
    within: bool,
}

impl Gunzip {
    /// Takes coded content.
    fn push(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| b"the quick brown fox jumps over"[at * 7 % 31 % 30]).collect()
    }

    fn coded(coding: Coding, data: &[u8], step: usize, flush: bool) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(coding, 1), Vec::new());
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
        let shapes = [(0, 1, false), (1, 1, true), (20_000, 1, false), (100_000, 33_000, true)];
        let codings = [Coding::Gzip, Coding::Brotli, Coding::Zstd];
        for (coding, (length, step, flush)) in
            codings.into_iter().flat_map(|coding| shapes.map(|shape| (coding, shape)))
        {
            let data = text(length);
            let coded = coded(coding, &data, step, flush);
            for step in [1, 7, 4096] {
                let (mut decoder, mut out) = (Decoder::new(coding), Vec::new());
                for piece in coded.chunks(step) {
                    decoder.push(piece, &mut out).unwrap();
                }
                decoder.finish(&mut out).unwrap();
                assert!(out == data, "{length} {step}");
            }
        }
    }

    #[test]
    fn members_follow_each_other_and_garbage_is_refused() {
        let one = coded(Coding::Gzip, b"one ", 4, false);
        let two = coded(Coding::Gzip, b"two", 3, false);
        let (mut decoder, mut out) = (Decoder::new(Coding::Gzip), Vec::new());
        decoder.push(&[one, two].concat(), &mut out).unwrap();
        assert_eq!(out, b"one two");
        assert!(decoder.push(b"garbage of some length", &mut out).is_err());
        let half = &coded(Coding::Gzip, &text(1000), 1000, false)[..30];
        let mut decoder = Decoder::new(Coding::Gzip);
        decoder.push(half, &mut out).unwrap();
        assert!(decoder.finish(&mut out).is_err());
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
