//! The way of one request, told to the error log where the request asks for it: by a field that holds a secret.
//!
//! What is told is what decided (`Run::observed`), not another run. The field is the server's: it is taken out of the
//! request before anything else looks at it. Without such a field on the command line a request pays for one look at
//! an option that is empty.

use super::{
    exchange::Exchange,
    log,
    rehearse::{Event, Watcher as _},
    trace::{Recorder, Step},
};
use crate::{
    ir::{Forward, Protocol},
    plan::{Plan, Run},
    source::SourceMap,
};

/// Steps told of one request.
const MOST: usize = 1000;

/// The field and the secret by which requests ask.
#[derive(Debug)]
pub struct Key {
    name: Vec<u8>,
    /// Of the secret, so that comparing takes the same time whatever is sent.
    digest: aws_lc_rs::digest::Digest,
}

impl Key {
    /// A field's name, and what it has to hold.
    pub fn new(name: &[u8], secret: &[u8]) -> Self {
        Self { name: name.to_vec(), digest: digest(secret) }
    }

    fn opens(&self, value: &[u8]) -> bool {
        let (known, given) = (self.digest.as_ref(), digest(value));
        aws_lc_rs::constant_time::verify_slices_are_equal(known, given.as_ref()).is_ok()
    }
}

fn digest(secret: &[u8]) -> aws_lc_rs::digest::Digest {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret)
}

/// What happened to a request so far.
#[derive(Debug, Default)]
pub struct Told {
    /// In order.
    pub steps: Recorder,
}

impl Exchange {
    /// Whether the request asks to be told; the field that says so is taken out.
    pub(super) fn asks_to_be_told(&mut self) -> Option<Box<Told>> {
        let key = self.worker.shared.explain.as_deref()?;
        let facts = &mut self.facts;
        let (buffer, fields) = (&facts.buffer, &mut facts.head.fields);
        let at = fields.iter().position(|field| {
            field.name.of(buffer).eq_ignore_ascii_case(&key.name) && key.opens(field.value.of(buffer))
        })?;
        fields.remove(at);
        Some(Box::default())
    }

    /// Remembers something that happened beside the steps of the program.
    pub(super) fn tell(&mut self, event: impl FnOnce(&Run) -> Event) {
        if let Some(told) = &mut self.told {
            told.steps.event(event(&self.run));
        }
    }

    /// Remembers what is sent to an upstream.
    pub(super) fn tell_sent(&mut self, forward: &Forward, head: &[u8]) {
        let to = [self.facts.upstream_scheme, &self.facts.authority].concat();
        let head = if forward.protocol == Protocol::Http { hidden(head) } else { Vec::new() };
        self.tell(|_| Event::Sent { to, head });
    }

    /// Writes everything to the error log.
    pub(super) fn tell_all(&mut self, plan: &Plan) {
        let Some(told) = self.told.take() else { return };
        let id = self.facts.request_id.get().unwrap_or_else(|| self.worker.random());
        self.facts.request_id.set(Some(id));
        let say =
            |text: &str| log::asked(&self.serving.logs, format_args!("explain {id:032x}: {text}"), self);
        let none = SourceMap::new();
        let sources = plan.sources.as_deref().unwrap_or(&none);
        let steps = &told.steps.steps;
        let line = String::from_utf8_lossy(self.facts.slice(self.facts.head.line));
        say(&format!("the request is \"{line}\", on connection {}", self.facts.client.serial));
        say(&Event::Host(self.run.host).words(plan).unwrap_or_default());
        let mut seen = std::collections::BTreeSet::new();
        let lines = steps.iter().enumerate().filter_map(|(at, step)| {
            let span = step.span();
            let is_new = seen.insert((span.file, span.start, span.end));
            match step {
                // Where it was is said with what came of it, and once.
                Step::At(span) if !is_new || steps.get(at + 1).is_some_and(|next| is_same(next, *span)) => {
                    None
                }
                Step::At(_) => step.place(sources),
                _ => step.line(plan, sources),
            }
        });
        let mut left = 0;
        for (at, line) in lines.enumerate() {
            if at < MOST {
                say(&line);
            } else {
                left += 1;
            }
        }
        if left > 0 || told.steps.is_full() {
            say(&format!("and {left} more steps"));
        }
        for attempt in &self.facts.attempts {
            say(&format!("{} answered {}", attempt.address, attempt.status));
        }
        say(&format!("the client gets {}", self.facts.response.status));
    }
}

fn is_same(step: &Step, span: crate::source::Span) -> bool {
    let other = step.span();
    (other.file, other.start, other.end) == (span.file, span.start, span.end)
}

/// A head in one line, without what nobody should read in a log.
fn hidden(head: &[u8]) -> Vec<u8> {
    let secret: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"x-api-key"];
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    let shown = lines.map(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if secret.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            [name, b": (not shown)"].concat()
        } else {
            line.to_vec()
        }
    });
    shown.collect::<Vec<_>>().join(&b" | "[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_opens() {
        let key = Key::new(b"X-Why", b"correct horse");
        assert!(key.opens(b"correct horse"));
        for wrong in [&b""[..], b"correct", b"correct horse ", b"Correct horse"] {
            assert!(!key.opens(wrong), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn heads_are_told_without_passwords() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nCOOKIE: s=1\r\nAuthorization: Basic eA==\r\nX-A: b\r\n\r\n";
        let shown = String::from_utf8(hidden(head)).unwrap();
        let expected = "GET / HTTP/1.1 | Host: a | COOKIE: (not shown) | Authorization: (not shown) | X-A: b";
        assert_eq!(shown, expected);
    }
}
