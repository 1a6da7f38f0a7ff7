//! Any bytes as the path of a request: once normalized it is absolute, climbs nowhere and holds no NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triglot::engine::http1::target;

fuzz_target!(|data: &[u8]| {
    let Some((&merge, raw)) = data.split_first() else { return };
    let (merge, mut path, mut query) = (merge & 1 == 1, Vec::new(), Vec::new());
    let received = [b"/", raw].concat();
    if received.contains(&0) || target::normalize(&received, merge, false, &mut path, &mut query).is_err() {
        return;
    }
    assert_eq!(path.first(), Some(&b'/'), "not absolute: {}", path.escape_ascii());
    assert!(path.len() <= received.len(), "longer than received: {}", path.escape_ascii());
    assert!(!path.contains(&0), "a NUL: {}", path.escape_ascii());
    for segment in path.split(|&byte| byte == b'/') {
        assert!(segment != b".." && segment != b".", "a dot segment: {}", path.escape_ascii());
    }
    assert!(!merge || !path.windows(2).any(|pair| pair == b"//"), "slashes: {}", path.escape_ascii());
});
