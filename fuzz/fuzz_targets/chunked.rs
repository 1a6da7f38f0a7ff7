//! Any bytes as a chunked message: no panic, the same content whatever the pieces it arrives in, and what a plain
//! reading of RFC 9112 § 7.1 finds in a message that both take.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::http1::chunked::{Decoder, Step};

/// Content, trailers, and where the message ended; `Err` when it was refused, `Ok(None)` when it has not ended.
type Read = Result<Option<(Vec<u8>, Vec<u8>, usize)>, ()>;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let whole = in_pieces(input, input.len().max(1));
    assert_eq!(whole, in_pieces(input, usize::from(piece).max(1)), "in pieces of {piece}");
    if let (Ok(Some((content, _, end))), Some((expected, length))) = (whole, plain(input)) {
        assert_eq!(content, expected, "another content");
        assert_eq!(end, length, "another end");
    }
});

fn in_pieces(input: &[u8], piece: usize) -> Read {
    let (mut decoder, mut content, mut used) = (Decoder::new(), Vec::new(), 0);
    for part in input.chunks(piece) {
        let mut at = 0;
        loop {
            match decoder.step(&part[at..]).map_err(drop)? {
                Step::Data { start, end } => {
                    assert!(start < end, "a step that gives nothing");
                    content.extend_from_slice(&part[at + start..at + end]);
                    at += end;
                }
                Step::More => break,
                Step::End(length) => return Ok(Some((content, decoder.trailers, used + at + length))),
            }
        }
        used += part.len();
    }
    Ok(None)
}

/// The content and the length of a whole message whose lines end in CR LF and which has no trailers.
fn plain(mut input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (all, mut content) = (input.len(), Vec::new());
    loop {
        let line = input.windows(2).position(|pair| pair == b"\r\n")?;
        // An LF alone ends a line for the decoder, as it does for nginx.
        let size = std::str::from_utf8(&input[..line]).ok()?.split(';').next()?;
        if input[..line].contains(&b'\n')
            || size.is_empty()
            || !size.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return None;
        }
        let size = usize::from_str_radix(size, 16).ok()?;
        input = &input[line + 2..];
        if size == 0 {
            return Some((content, all - input.strip_prefix(b"\r\n")?.len()));
        }
        content.extend_from_slice(input.get(..size)?);
        input = input.get(size..)?.strip_prefix(b"\r\n")?;
    }
}
