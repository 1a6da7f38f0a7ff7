//! What `Accept-Encoding` allows (RFC 9110 § 12.5.3).

/// Whether a list names a coding with a weight above zero. `*` is not taken for a name: a client that codings matter
/// to says which. A weight that is none counts as zero.
pub(super) fn names(list: &[u8], coding: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|item| {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        named
            && parts.next().is_none_or(|weight| match weight {
                [b'q' | b'Q', b'=', weight @ ..] => is_above_zero(weight),
                _ => false,
            })
    })
}

/// `1`, `0.5`, `0.001`: at most three digits behind the point, and nothing above one.
fn is_above_zero(weight: &[u8]) -> bool {
    let (whole, rest) = match weight {
        [whole @ (b'0' | b'1')] => return *whole == b'1',
        [whole @ (b'0' | b'1'), b'.', rest @ ..] => (*whole == b'1', rest),
        _ => return false,
    };
    if rest.len() > 3 || !rest.iter().all(u8::is_ascii_digit) {
        return false;
    }
    whole != rest.iter().any(|&digit| digit != b'0')
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn codings_are_found() {
        for (list, expected) in [
            ("gzip", true),
            ("deflate, gzip", true),
            ("deflate,GZIP ;q=1.0, br", true),
            ("gzip;q=0.001", true),
            ("gzip; q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=1.1", false),
            ("gzip;q=2", false),
            ("gzip;q=0.0001", false),
            ("gzip;q=", false),
            ("gzip;x", false),
            ("gzipx", false),
            ("xgzip", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(names(list.as_bytes(), b"gzip"), expected, "{list}");
        }
    }
}
