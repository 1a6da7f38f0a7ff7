//! Any bytes as a request head: no panic; read in pieces as read whole; and where httparse, which hyper uses, takes
//! the head too, both see the same head. What two parsers read differently is how requests are smuggled.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::http1::request::{Limits, Parsed, RequestHead};

const LIMITS: Limits = Limits { line: 1024, field: 1024, fields: usize::MAX, head: 4096, ignore_invalid: false, underscores: true, single: true, asterisk: true };

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let mut whole = RequestHead::default();
    let result = read(&mut whole, input, 0);
    compare_pieces(input, usize::from(piece).max(1), result, &whole);
    if result == Some(true) {
        assert!(whole.length <= input.len(), "a head longer than what was received");
        assert!(!(whole.chunked && whole.content_length.is_some()), "two framings");
        if whole.version > 9 {
            compare_with_httparse(input, &whole);
        }
    }
});

/// `Some(true)`: a whole head; `Some(false)`: the beginning of one; `None`: refused.
fn read(head: &mut RequestHead, input: &[u8], scanned: usize) -> Option<bool> {
    match head.parse(input, scanned, &LIMITS) {
        Ok(Parsed::Whole) => Some(true),
        Ok(Parsed::Partial) => Some(false),
        Err(refusal) => {
            assert!((400..600).contains(&refusal.status), "refused with {}", refusal.status);
            None
        }
    }
}

fn compare_pieces(input: &[u8], piece: usize, result: Option<bool>, whole: &RequestHead) {
    let mut head = RequestHead::default();
    let (mut scanned, mut pieces) = (0, Some(false));
    for end in (0..input.len()).step_by(piece).skip(1).chain([input.len()]) {
        pieces = read(&mut head, &input[..end], scanned);
        if pieces != Some(false) {
            break;
        }
        scanned = end;
    }
    // A line that is too long is refused while it arrives, before the head is whole.
    assert!(
        pieces == result || (pieces.is_none() && result == Some(false)),
        "in pieces of {piece}: {pieces:?}, {result:?}"
    );
    if result == Some(true) {
        assert_eq!(format!("{head:?}"), format!("{whole:?}"), "in pieces of {piece}");
    }
}

fn compare_with_httparse(input: &[u8], head: &RequestHead) {
    let mut fields = [httparse::EMPTY_HEADER; 512];
    let mut other = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = other.parse(input) else { return };
    assert_eq!(head.length, length, "the content begins elsewhere");
    assert_eq!(head.method.of(input), other.method.unwrap_or_default().as_bytes());
    assert_eq!(head.version, 10 + other.version.unwrap_or_default());
    let target = other.path.unwrap_or_default().as_bytes();
    assert!(target.ends_with(head.target.of(input)), "another target than {}", target.escape_ascii());
    assert_eq!(head.fields.len(), other.headers.len(), "another number of fields");
    for (field, other) in head.fields.iter().zip(other.headers.iter()) {
        assert_eq!(field.name.of(input), other.name.as_bytes());
        assert_eq!(field.value.of(input), other.value);
    }
}
