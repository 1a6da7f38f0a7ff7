//! Any bytes as the records of a FastCGI response and the head in them: no panic, the same output, messages and end
//! whatever the pieces they arrive in, and the output that a plain reading of the records finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::{
    gateway::records::{Records, Step},
    http1::response::ResponseHead,
};

/// Output, messages joined, and whether the request ended.
type Read = Result<(Vec<u8>, Vec<u8>, bool), ()>;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let whole = in_pieces(input, input.len().max(1));
    assert_eq!(whole, in_pieces(input, usize::from(piece).max(1)), "in pieces of {piece}");
    let Ok((output, ..)) = whole else { return };
    if let Some(expected) = plain(input) {
        assert_eq!(output, expected, "another output");
    }
    let mut head = ResponseHead::default();
    if head.parse_fields(&output).is_ok() {
        assert!(head.length <= output.len());
        for field in &head.fields {
            assert!(!field.name.of(&output).is_empty());
        }
    }
});

fn in_pieces(input: &[u8], piece: usize) -> Read {
    let (mut records, mut output, mut said) = (Records::default(), Vec::new(), Vec::new());
    for part in input.chunks(piece) {
        let mut at = 0;
        loop {
            match records.step(&part[at..]).map_err(drop)? {
                Step::More => break,
                Step::Output { start, end } => {
                    assert!(start < end, "a step that gives nothing");
                    output.extend_from_slice(&part[at + start..at + end]);
                    at += end;
                }
                Step::Message(used) => {
                    said.extend(records.message());
                    at += used;
                }
                Step::OutputEnd(used) => at += used,
                Step::End(_) => return Ok((output, said, true)),
            }
        }
    }
    Ok((output, said, false))
}

/// The output in records that are whole and end with the one that ends the request.
fn plain(mut input: &[u8]) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    loop {
        let (header, rest) = input.split_first_chunk::<8>()?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let content = rest.get(..length)?;
        input = rest.get(length + usize::from(header[6])..)?;
        match header[1] {
            3 => return Some(output),
            6 => output.extend_from_slice(content),
            _ => {}
        }
    }
}
