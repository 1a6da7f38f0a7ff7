//! What a client accepts: the fields of its request, and the parameters of types.

/// One member of such a field, or a type with its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Accepted {
    /// In lower case.
    pub(super) name: Vec<u8>,
    /// From 0 to 1.
    pub(super) quality: f32,
    /// The level of a type.
    pub(super) level: f32,
    /// The character set of a type, in lower case.
    pub(super) charset: Vec<u8>,
}

/// The members of a field. What follows one without a comma is another one.
pub(super) fn list(mut text: &[u8]) -> Vec<Accepted> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let (one, rest) = entry(text);
        all.push(one);
        text = rest;
    }
    all
}

/// Reads one member; and what follows it.
pub(super) fn entry(text: &[u8]) -> (Accepted, &[u8]) {
    let (name, mut text) = token(text, false);
    let name = name.to_ascii_lowercase();
    // HTML that does not say its level has the second.
    let level = match name.as_slice() {
        b"text/html" | b"text/x-server-parsed-html" => 2.0,
        b"text/x-server-parsed-html3" => 3.0,
        _ => 0.0,
    };
    let mut one = Accepted { name, quality: 1.0, level, charset: Vec::new() };
    while let Some(rest) = text.strip_prefix(b";") {
        let (parameter, rest) = token(rest, true);
        text = rest;
        let end = parameter.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'=');
        let Some(end) = end else { continue };
        let name = parameter[..end].to_ascii_lowercase();
        let skipped =
            parameter[end + 1..].iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b'=');
        let value = &parameter[end + 1 + skipped.count()..];
        let value = match value.strip_prefix(b"\"") {
            Some(quoted) => quoted.split(|byte| matches!(byte, b'"' | b'\n' | b'\r')).next(),
            None => value.split(u8::is_ascii_whitespace).next(),
        };
        let value = value.unwrap_or_default().to_ascii_lowercase();
        match name.as_slice() {
            b"q" | b"qs" => one.quality = quality(&value),
            b"level" => {
                let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).take(6);
                one.level = digits.fold(0.0, |sum, digit| sum * 10.0 + f32::from(digit - b'0'));
            }
            b"charset" => one.charset = value,
            _ => {}
        }
    }
    (one, text.strip_prefix(b",").unwrap_or(text))
}

/// Reads up to `;`, `,` or, where it is none of the token, white space; quoted strings are part of it. What follows
/// begins with no white space.
pub(super) fn token(text: &[u8], spaced: bool) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let (mut at, mut quoted) = (0, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted && at + 1 < text.len() => at += 1,
            b';' | b',' if !quoted => break,
            byte if !quoted && !spaced && byte.is_ascii_whitespace() => break,
            _ => {}
        }
        at += 1;
    }
    let end = at.min(text.len());
    (&text[..end], text[end..].trim_ascii_start())
}

/// A quality of up to three digits behind the point; what is none is 1.
fn quality(text: &[u8]) -> f32 {
    let text = text.trim_ascii_start();
    let Some((first, _)) = text.split_first() else { return 1.0 };
    let rest = match first {
        b'.' => text,
        b'0' => &text[1..],
        _ => return 1.0,
    };
    let Some(digits) = rest.strip_prefix(b".") else { return 0.0 };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).take(3);
    let mut thousandths: u16 = 0;
    for (digit, unit) in digits.zip([100, 10, 1]) {
        thousandths += u16::from(digit - b'0') * unit;
    }
    f32::from(thousandths) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read() {
        let read = |text: &str| -> Vec<(String, f32)> {
            let all = list(text.as_bytes());
            all.into_iter()
                .map(|one| (String::from_utf8_lossy(&one.name).into_owned(), one.quality))
                .collect()
        };
        let one = |name: &str, quality: f32| (name.to_owned(), quality);
        assert_eq!(read("Text/HTML;q=0.5, a/b"), [one("text/html", 0.5), one("a/b", 1.0)]);
        assert_eq!(read("a b;q=.25"), [one("a", 1.0), one("b", 0.25)]);
        assert_eq!(read("a;q=\"0.1\";x,b;q=x"), [one("a", 0.1), one("b", 1.0)]);
        assert_eq!(read("a;q=0.1239,b;q=0,c;q=1.5"), [one("a", 0.123), one("b", 0.0), one("c", 1.0)]);
        assert_eq!(read(""), []);
        let html = entry(b"text/html;level=3;charset=UTF-8").0;
        assert_eq!((html.level, html.charset.as_slice()), (3.0, &b"utf-8"[..]));
    }
}
