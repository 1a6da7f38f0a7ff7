//! The answer to a look at a member, and whether what is said of it holds.

use super::super::{
    facts::same_name,
    http1::chunked::{Decoder, Step},
};
use crate::{
    ir::{Attr, Check},
    plan::{Plan, Run, View},
};

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status; 200 where a connection is all that was asked for.
    pub(super) status: u16,
    /// All of it that was read.
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    /// A connection that was made.
    pub(super) fn connected() -> Self {
        Self { status: 200, bytes: Vec::new() }
    }

    /// What was read, if it is an answer.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let code = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5))?;
        let status = std::str::from_utf8(code).ok()?.parse().ok()?;
        Some(Self { status, bytes })
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        match memchr::memmem::find(&self.bytes, b"\r\n\r\n") {
            Some(at) => (&self.bytes[..at], &self.bytes[at + 4..]),
            None => (&self.bytes, b""),
        }
    }

    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let mut lines = self.parts().0.split(|byte| *byte == b'\n').skip(1);
        lines.find_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            same_name(line[..colon].trim_ascii(), name).then(|| line[colon + 1..].trim_ascii())
        })
    }

    fn content(&self) -> Vec<u8> {
        let content = self.parts().1;
        let is_chunked = |value: &[u8]| value.to_ascii_lowercase().ends_with(b"chunked");
        if !self.field(b"transfer-encoding").is_some_and(is_chunked) {
            return content.to_vec();
        }
        let (mut decoder, mut out, mut rest) = (Decoder::default(), Vec::new(), content);
        while let Ok(Step::Data { start, end }) = decoder.step(rest) {
            out.extend_from_slice(&rest[start..end]);
            rest = &rest[end..];
        }
        out
    }

    /// Whether this comes out neither empty nor as 0.
    pub(super) fn holds(&self, plan: &Plan, check: &Check, value: &crate::ir::Template) -> bool {
        let mut out = Vec::new();
        Run::default().eval(plan, &Seen { answer: self, check }, value, &mut out);
        !out.is_empty() && out != b"0"
    }

    /// Whether what the check says of answers holds for this one.
    pub(super) fn is_good(&self, plan: &Plan, check: &Check) -> bool {
        if let Some(good) = check.good.as_ref().filter(|_| check.method.is_some()) {
            let mut run = Run::default();
            if let Some(var) = check.content {
                run.assign(var, &self.content());
            }
            let mut value = Vec::new();
            run.eval(plan, &Seen { answer: self, check }, good, &mut value);
            return !value.is_empty() && value != b"0";
        }
        if check.statuses.is_empty() {
            return (200..400).contains(&self.status);
        }
        check.statuses.iter().any(|(from, to)| (*from..=*to).contains(&self.status))
    }
}

/// What a test may see of an answer.
struct Seen<'a> {
    answer: &'a Answer,
    check: &'a Check,
}

impl View for Seen<'_> {
    fn attr(&self, _: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        match attr {
            Attr::Status | Attr::UpstreamStatus => {
                out.extend_from_slice(self.answer.status.to_string().as_bytes());
            }
            Attr::Method => out.extend_from_slice(self.method()),
            Attr::SentField(name) | Attr::UpstreamField(name) => match self.answer.field(name) {
                Some(value) => out.extend_from_slice(value),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    fn method(&self) -> &[u8] {
        self.check.method.as_deref().unwrap_or_default()
    }

    fn content_length(&self) -> Option<u64> {
        None
    }

    fn status(&self) -> u16 {
        self.answer.status
    }

    fn received_encoded(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let answer = |text: &str| Answer::read(text.as_bytes().to_vec());
        assert!(answer("nonsense").is_none() && answer("HTTP/1.1 x").is_none());
        let plain = answer("HTTP/1.1 503 No\r\nX-A:  b \r\n\r\nbody").unwrap();
        assert_eq!((plain.status, plain.field(b"x-a"), plain.field(b"x-b")), (503, Some(&b"b"[..]), None));
        assert_eq!(plain.content(), b"body");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(answer(chunked).unwrap().content(), b"abc");
    }
}
