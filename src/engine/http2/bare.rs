//! The frames of a connection without a socket or exchanges: every request is read to its end and answered with what
//! it asked for. Fuzzing and tests try out with it that no bytes of a client do harm, however they are cut.

use std::task::{Context, Poll, Waker};

use super::{
    super::http1::request::{Limits, RequestHead},
    core::Core,
    head,
};

/// Such a connection.
#[derive(Debug)]
pub struct Bare {
    core: Core,
    held: Vec<u8>,
    /// Streams that are not answered yet: the place, and what was said.
    open: Vec<(usize, Vec<u8>)>,
}

impl Default for Bare {
    fn default() -> Self {
        Self { core: Core::new(8, 16 * 1024), held: Vec::new(), open: Vec::new() }
    }
}

impl Bare {
    /// Takes what comes behind the preface; `Err` says why the connection ends.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        self.held.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.held);
        let mut input = &all[..];
        while let Some(begun) = self.core.process(&mut input).map_err(|fault| fault.why)? {
            let (mut buffer, mut request) = (Vec::new(), RequestHead::default());
            let limits = Limits {
                line: 4096,
                field: 4096,
                fields: 100,
                head: 16 * 1024,
                ignore_invalid: true,
                underscores: false,
                single: true,
                asterisk: false,
            };
            let read =
                head::read(&self.core.block, begun.ends, &limits, || [b'n'; 24], &mut buffer, &mut request);
            match read {
                Ok(()) => {
                    for field in &request.fields {
                        let line = field.name.of(&buffer).iter().chain(field.value.of(&buffer));
                        assert!(!line.clone().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                        assert!(!field.name.is_empty() && !field.name.of(&buffer).contains(&b':'));
                    }
                }
                Err((status, why)) => buffer = format!("{status} {why}").into_bytes(),
            }
            self.core.streams[begun.place].left = request.content_length;
            self.open.push((begun.place, buffer));
        }
        self.held.extend_from_slice(input);
        self.answer();
        match self.core.counts.hostile() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    /// Answers what is whole.
    fn answer(&mut self) {
        let cx = Context::from_waker(Waker::noop());
        let core = &mut self.core;
        self.open.retain_mut(|(place, said)| {
            let mut piece = [0; 1000];
            loop {
                match core.poll_read(*place, &cx, &mut piece) {
                    Poll::Ready(Ok(Some(length))) => said.extend_from_slice(&piece[..length]),
                    Poll::Ready(Ok(None)) => break,
                    Poll::Pending => return true,
                    Poll::Ready(Err(_)) => {
                        core.close(*place);
                        return false;
                    }
                }
            }
            let sent = core.head(*place, (false, said.is_empty()), |encoder, out| {
                encoder.status(200, out);
                encoder.field(b"X-Length", said.len().to_string().as_bytes(), out);
            });
            assert!(sent, "nothing was sent before");
            // What the peer's windows do not take is not sent.
            let _ = core.poll_write(*place, &cx, said, true);
            core.close(*place);
            false
        });
    }

    /// All that would have been written.
    pub fn written(&self) -> &[u8] {
        &self.core.out
    }
}

#[cfg(test)]
mod tests {
    use super::{super::frame, *};

    fn conversation(seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut out = Vec::new();
        frame::write(&mut out, frame::kind::SETTINGS, 0, 0, &[]);
        let mut next = 1;
        for _ in 0..random(40) {
            let stream = if random(8) == 0 { random(12) as u32 } else { next };
            let block: &[u8] = match random(5) {
                0 => b"\x82\x86\x84\x41\x01a",
                1 => b"\x83\x86\x84\x41\x01a\x40\x01x\x05value",
                2 => b"\x82\x86\x84\x41\x01a\xbe",
                3 => b"\x83\x86\x84\x41\x01a\x5c\x01\x33",
                _ => b"\x82\x86\x44\x02/b\x41\x01a\x00\x02te\x04gzip",
            };
            match random(9) {
                0..=3 => {
                    let last = random(2) as u8;
                    frame::write(&mut out, frame::kind::HEADERS, 4 | last, next, block);
                    next += if random(9) == 0 { 0 } else { 2 };
                }
                4 | 5 => {
                    let content = vec![b'c'; random(2000) as usize];
                    frame::write(
                        &mut out,
                        frame::kind::DATA,
                        random(2) as u8,
                        stream.saturating_sub(2),
                        &content,
                    );
                }
                6 => frame::write(&mut out, frame::kind::RST_STREAM, 0, stream.saturating_sub(2), &[0; 4]),
                7 => {
                    let more = (random(100_000) as u32).to_be_bytes();
                    frame::write(&mut out, frame::kind::WINDOW_UPDATE, 0, stream.saturating_sub(2), &more);
                }
                _ => {
                    let setting = [0, random(7) as u8, 0, 0, random(256) as u8, random(256) as u8];
                    frame::write(&mut out, frame::kind::SETTINGS, 0, 0, &setting);
                }
            }
        }
        out
    }

    #[test]
    fn it_does_not_matter_how_frames_are_cut() {
        let mut answered = 0;
        for seed in 0..400 {
            let bytes = conversation(seed);
            let mut first: Option<(bool, usize)> = None;
            for piece in [1, 7, 100, bytes.len()] {
                let mut bare = Bare::default();
                let good = bytes.chunks(piece).all(|piece| bare.take(piece).is_ok());
                // What is answered before a fault is only seen when pieces are small.
                let seen = (good, if good { bare.core.last as usize } else { 0 });
                assert_eq!(*first.get_or_insert(seen), seen, "{seed} in pieces of {piece}");
                answered += bare.core.counts.finished;
            }
        }
        assert!(answered > 1000, "{answered}");
    }
}
