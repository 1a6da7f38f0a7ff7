//! Any bytes as a response head from an upstream: no panic, and the same head that httparse sees where it sees one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::http1::response::{Parsed, ResponseHead};

fuzz_target!(|data: &[u8]| {
    let Some((&gateway, input)) = data.split_first() else { return };
    let gateway = gateway == 1;
    let mut head = ResponseHead::default();
    let Ok(Parsed::Whole) = head.parse(input, gateway) else { return };
    assert!(head.length <= input.len(), "a head longer than what was received");
    assert!(!(head.chunked && head.content_length.is_some()), "two framings");
    if gateway {
        return;
    }
    let mut fields = [httparse::EMPTY_HEADER; 512];
    let mut other = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = other.parse(input) else { return };
    assert_eq!(head.length, length, "the content begins elsewhere");
    assert_eq!(Some(head.status), other.code);
    assert_eq!(head.version, 10 + other.version.unwrap_or_default());
    assert_eq!(head.fields.len(), other.headers.len(), "another number of fields");
    for (field, other) in head.fields.iter().zip(other.headers.iter()) {
        assert_eq!(field.name.of(input), other.name.as_bytes());
        assert_eq!(field.value.of(input), other.value);
    }
});
