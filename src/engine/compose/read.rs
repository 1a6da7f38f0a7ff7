//! An instruction as it is written: `name parameter="value" ... -->`.
//!
//! Observed (nginx 1.22.1): case counts; in values `\\` before a quote stands for that alone; what is wrong
//! lasts to the next end, also where no branch is taken; what is not finished says nothing.

/// What begins an instruction, and what ends it.
pub(super) const BEGIN: &[u8] = b"<!--#";
pub(super) const END: &[u8] = b"-->";

/// The longest name.
const NAME: usize = 32;

/// Parameters of one instruction.
const MOST: usize = 16;

/// Name and parameters.
pub(super) type Instruction = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

/// How much of what begins an instruction stands at the end of a text.
pub(super) fn begun(text: &[u8]) -> usize {
    (1..BEGIN.len()).rev().find(|length| text.ends_with(&BEGIN[..*length])).unwrap_or(0)
}

/// Reads an instruction, and how long it is with its end. Where it is none: from where on its end is to be looked for,
/// `None` when the text ends before that is known.
pub(super) fn instruction(text: &[u8], longest: usize) -> Result<(Instruction, usize), Option<usize>> {
    let mut reader = Reader { text, at: 0 };
    reader.spaces();
    let mut name = vec![reader.next()?];
    loop {
        match reader.next()? {
            byte if byte.is_ascii_whitespace() => break,
            b'-' => return reader.end((name, Vec::new())),
            _ if name.len() == NAME => return Err(Some(reader.at)),
            byte => name.push(byte),
        }
    }
    let mut parameters = Vec::new();
    loop {
        reader.spaces();
        let first = reader.next()?;
        if first == b'-' {
            return reader.end((name, parameters));
        }
        let parameter = reader.parameter(first)?;
        let value = reader.value(longest)?;
        if parameters.len() == MOST {
            return Err(Some(reader.at));
        }
        parameters.push((parameter, value));
        match reader.next()? {
            b'-' => return reader.end((name, parameters)),
            byte if byte.is_ascii_whitespace() => {}
            _ => return Err(Some(reader.at)),
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<u8, Option<usize>> {
        let byte = self.text.get(self.at).ok_or(None)?;
        self.at += 1;
        Ok(*byte)
    }

    fn spaces(&mut self) {
        self.at += self.text[self.at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Behind the first sign of the end.
    fn end(&mut self, found: Instruction) -> Result<(Instruction, usize), Option<usize>> {
        for expected in &END[1..] {
            if self.next()? != *expected {
                return Err(Some(self.at));
            }
        }
        Ok((found, self.at))
    }

    fn parameter(&mut self, first: u8) -> Result<Vec<u8>, Option<usize>> {
        let mut name = vec![first];
        loop {
            match self.next()? {
                b'=' => return Ok(name),
                b'-' => return Err(Some(self.at - 1)),
                byte if byte.is_ascii_whitespace() => break,
                _ if name.len() == NAME => return Err(Some(self.at)),
                byte => name.push(byte),
            }
        }
        self.spaces();
        match self.next()? {
            b'=' => Ok(name),
            byte => Err(Some(self.at - usize::from(byte == b'-'))),
        }
    }

    fn value(&mut self, longest: usize) -> Result<Vec<u8>, Option<usize>> {
        self.spaces();
        let quote = self.next()?;
        if !matches!(quote, b'"' | b'\'') {
            return Err(Some(self.at - usize::from(quote == b'-')));
        }
        let mut value = Vec::new();
        loop {
            match self.next()? {
                byte if byte == quote => return Ok(value),
                b'\\' => match self.next()? {
                    byte @ (b'"' | b'\'') => value.push(byte),
                    byte => value.extend([b'\\', byte]),
                },
                byte => value.push(byte),
            }
            if value.len() > longest {
                return Err(Some(self.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read() {
        let read = |text: &str| instruction(text.as_bytes(), 20).ok();
        let one = |text: &str, value: &str| (text.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(
            read(r#" echo var="a" default='b"c' --> rest"#),
            Some(((b"echo".to_vec(), vec![one("var", "a"), one("default", "b\"c")]), 31))
        );
        assert_eq!(read("endif-->"), Some(((b"endif".to_vec(), Vec::new()), 8)));
        for (value, expected) in [(r#"\""#, "\""), (r"\\\$a\x", r"\\\$a\x"), (r"\'", "'")] {
            let found = read(&format!("set value=\"{value}\" -->")).map(|found| found.0.1);
            assert_eq!(found, Some(vec![one("value", expected)]));
        }
        for (wrong, at) in [
            ("", None),
            ("echo", None),
            ("echo var", None),
            ("echo var=a -->", Some(10)),
            ("echo var=\"a", None),
            ("echo var=\"a\"--->", Some(15)),
            ("echo va-r=\"a\" -->", Some(7)),
            ("echo var=\"aaaaaaaaaaaaaaaaaaaaaaaaa\" -->", Some(31)),
        ] {
            assert_eq!(instruction(wrong.as_bytes(), 20), Err(at), "{wrong}");
        }
        assert_eq!([begun(b"a<"), begun(b"a<!--"), begun(b"a"), begun(b"a<!-- ")], [1, 4, 0, 0]);
    }
}
