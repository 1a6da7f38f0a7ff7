//! From the bytes of a file to text: UTF-8 and UTF-16, told apart by the byte order mark (XML 1.0 appendix F).

/// Why the bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// Not UTF-8, from this byte on.
    #[error("this byte is not UTF-8; save the file as UTF-8")]
    Utf8(usize),
    /// Not UTF-16.
    #[error("the file begins with the mark of UTF-16 but is not UTF-16 throughout")]
    Utf16,
    /// UTF-32, which is not read.
    #[error("the file is UTF-32; save it as UTF-8")]
    Utf32,
}

/// The text of a file as UTF-8; `None` when the bytes are that already, a mark at the start included.
pub fn recode(bytes: &[u8]) -> Result<Option<Vec<u8>>, NotText> {
    let units = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(NotText::Utf32),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        // Without a mark: the first character is `<`, and its other half is a zero.
        [b'<', 0, ..] => utf16(bytes, u16::from_le_bytes)?,
        [0, b'<', ..] => utf16(bytes, u16::from_be_bytes)?,
        _ => {
            return match std::str::from_utf8(bytes) {
                Ok(_) => Ok(None),
                Err(error) => Err(NotText::Utf8(error.valid_up_to())),
            };
        }
    };
    Ok(Some(units.into_bytes()))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NotText::Utf16);
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| NotText::Utf16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        let text = "<a b=\"\u{e4}\u{1f600}\"/>";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        assert_eq!(recode(text.as_bytes()), Ok(None));
        assert_eq!(recode(&marked(b"\xef\xbb\xbf", text.as_bytes())), Ok(None));
        for bytes in [marked(b"\xff\xfe", &little), little.clone(), marked(b"\xfe\xff", &big), big] {
            assert_eq!(recode(&bytes).unwrap().as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(recode(b"<a \xe4/>"), Err(NotText::Utf8(3)));
        assert_eq!(recode(&marked(b"\xff\xfe", &little[..little.len() - 1])), Err(NotText::Utf16));
        assert_eq!(recode(b"\xff\xfe\0\0<\0\0\0"), Err(NotText::Utf32));
    }
}
