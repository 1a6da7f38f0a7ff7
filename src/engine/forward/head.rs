//! Waiting for the upstream's response head, past interim responses, while the client is watched.

use std::{future::poll_fn, task::Poll, time::Duration};

use super::{
    super::{
        clock,
        connect::Connection,
        exchange::Exchange,
        gateway::{
            memcached::{self, Answer, Refusal},
            records::Step,
        },
        http1::{
            field::{Known, Slice},
            response::Parsed,
        },
        http2, scratch,
        stream::Stream,
        timed::{self, Failure},
    },
    Outcome, Request, Trouble, relay, system, timed_out,
    upload::{Halt, Stalled},
};
use crate::{
    ir::{
        Forward, Protocol,
        settings::{Fault, Level, Retry},
    },
    plan::{ForwardingPlan, Plan},
};

impl Exchange {
    /// Waits for the response head, and watches the client meanwhile.
    pub(super) async fn read_head(
        &mut self,
        plan: &Plan,
        forward: &Forward,
        how: &ForwardingPlan,
        request: &Request,
        mut connection: Connection,
        stale: bool,
    ) -> Outcome {
        self.facts.upstream.clear();
        self.facts.upstream_trailers.clear();
        let gateway = !forward.protocol.is_http();
        // A head in frames does not wait in that buffer.
        let least = if how.version == 20 { http2::HEAD as usize } else { 0 };
        let limit = usize::try_from(how.buffer_size).unwrap_or(usize::MAX).max(least);
        let failed = |status, kind, message: String| {
            Outcome::Failed(Trouble { kind, fault: Fault::InvalidHead, status, message, stale: false })
        };
        let prematurely = |stale| {
            let message =
                "upstream prematurely closed connection while reading response header from upstream"
                    .to_owned();
            Outcome::Failed(Trouble { kind: Retry::Error, fault: Fault::Closed, status: 502, message, stale })
        };
        // What follows an interim response was read with it, and is looked at before more is read.
        let mut more = true;
        loop {
            if more {
                match self.read_upstream(how, &mut connection).await {
                    Watched::ClientGone => return Outcome::ClientGone,
                    Watched::Halted(halt) => return Outcome::Refused(self.log_halt(&halt)),
                    Watched::Moved => continue,
                    Watched::Stalled(Stalled::Client) => {
                        self.log(Level::Info, format_args!("client timed out (110: Connection timed out) while reading client request body"));
                        return Outcome::Refused(408);
                    }
                    Watched::Stalled(Stalled::Upstream) => {
                        return Outcome::Failed(timed_out(
                            Fault::SendTimeout,
                            "sending request to upstream",
                            false,
                        ));
                    }
                    Watched::Failed(Failure::TimedOut) => {
                        return Outcome::Failed(timed_out(
                            Fault::ReadTimeout,
                            "reading response header from upstream",
                            false,
                        ));
                    }
                    Watched::Failed(Failure::Io(_)) if self.failed_call(&connection).is_some() => {
                        return self.give_call_up(&connection, stale);
                    }
                    Watched::Failed(Failure::Io(error)) => {
                        let message = format!(
                            "recv() failed ({}) while reading response header from upstream",
                            system(&error)
                        );
                        let stale = stale && self.heard_nothing(&connection);
                        let (kind, fault) = (Retry::Error, Fault::Closed);
                        return Outcome::Failed(Trouble { kind, fault, status: 502, message, stale });
                    }
                    Watched::Read(0) => {
                        return prematurely(stale && self.heard_nothing(&connection));
                    }
                    Watched::Read(length) => {
                        if let Some(attempt) = self.facts.attempt() {
                            attempt.received += length as u64;
                        }
                        if let Err(message) = self.unpack(how, &mut connection, length) {
                            return failed(502, Retry::InvalidHead, message);
                        }
                    }
                }
            }
            more = true;
            if forward.protocol == Protocol::Memcached
                && let Some(Err(message)) = self.read_stored(how, &request.key)
            {
                return failed(502, Retry::InvalidHead, message);
            }
            let parsed = match forward.protocol {
                Protocol::FastCgi => self.facts.upstream_head.parse_fields(&self.facts.upstream),
                _ => self.facts.upstream_head.parse(&self.facts.upstream, gateway),
            };
            match parsed {
                Ok(Parsed::Partial) if self.facts.upstream.len() >= limit => {
                    return failed(
                        502,
                        Retry::InvalidHead,
                        "upstream sent too big header while reading response header from upstream".to_owned(),
                    );
                }
                Ok(Parsed::Partial)
                    if connection.records.as_ref().is_some_and(|records| records.is_over()) =>
                {
                    let Some(records) = connection.records else { continue };
                    let what = if records.has_output_end() {
                        "upstream prematurely closed FastCGI stdout"
                    } else {
                        "upstream sent unexpected FastCGI record: 3"
                    };
                    let why = records.refusal().map(|why| format!(" ({why})")).unwrap_or_default();
                    let message = format!("{what}{why} while reading response header from upstream");
                    return failed(502, Retry::InvalidHead, message);
                }
                Ok(Parsed::Partial) => {}
                Ok(Parsed::NoHead) if stale || how.head_needed => {
                    return failed(
                        502,
                        Retry::InvalidHead,
                        "upstream sent no valid HTTP/1.0 header while reading response header from upstream"
                            .to_owned(),
                    );
                }
                Ok(Parsed::NoHead) => {
                    self.log(Level::Error, format_args!("upstream sent no valid HTTP/1.0 header while reading response header from upstream"));
                    return self.headless(connection);
                }
                Ok(Parsed::Whole) if self.facts.upstream_head.length > limit => {
                    return failed(
                        502,
                        Retry::InvalidHead,
                        "upstream sent too big header while reading response header from upstream".to_owned(),
                    );
                }
                // Interim responses (RFC 9110 § 15.2) are passed on to clients that know them, 100 is answered by us.
                Ok(Parsed::Whole) if matches!(self.facts.upstream_head.status, 100 | 102..=199) => {
                    let passes = self.passes_interim(plan, how);
                    if self.interim(passes).await.is_err() {
                        return Outcome::ClientGone;
                    }
                    more = self.facts.upstream.is_empty();
                }
                Ok(Parsed::Whole) => {
                    if matches!(connection.stream, Stream::Call(_)) {
                        // Frames have no reason phrase.
                        self.facts.upstream_head.status_text = Slice::default();
                    }
                    return self.have_head(connection);
                }
                Err(refusal) => {
                    let line = refusal.line.of(&self.facts.upstream).escape_ascii();
                    let bad = refusal.bad.map(|byte| format!("\\x{byte:02x}...")).unwrap_or_default();
                    let line = if refusal.reason == "invalid status" {
                        format!(" \"{line}\"")
                    } else if refusal.line.is_empty() && bad.is_empty() {
                        String::new()
                    } else {
                        format!(": \"{line}{bad}\"")
                    };
                    let message = format!(
                        "upstream sent {}{line} while reading response header from upstream",
                        refusal.reason
                    );
                    return failed(502, Retry::InvalidHead, message);
                }
            }
        }
    }

    /// Whether the upstream said nothing at all.
    fn heard_nothing(&self, connection: &Connection) -> bool {
        let untouched = connection.records.as_ref().is_none_or(|records| records.is_untouched());
        untouched && self.facts.upstream.is_empty()
    }

    /// Takes what was received last, `length` bytes, out of its records, if it comes in any.
    fn unpack(
        &mut self,
        how: &ForwardingPlan,
        connection: &mut Connection,
        length: usize,
    ) -> Result<(), String> {
        const DOING: &str = "while reading response header from upstream";
        let Some(records) = &mut connection.records else { return Ok(()) };
        let mut packed = scratch::take();
        let begin = self.facts.upstream.len().saturating_sub(length);
        packed.extend_from_slice(&self.facts.upstream[begin..]);
        self.facts.upstream.truncate(begin);
        let mut at = 0;
        loop {
            match records.step(&packed[at..]) {
                Ok(Step::More) => break,
                Ok(Step::Output { start, end }) => {
                    self.facts.upstream.extend_from_slice(&packed[at + start..at + end]);
                    at += end;
                }
                Ok(Step::Message(used)) => {
                    at += used;
                    let said = records.message();
                    let message =
                        format!("FastCGI sent in stderr: \"{}\" {DOING}", String::from_utf8_lossy(&said));
                    if how.fatal_stderr.iter().any(|text| memchr::memmem::find(&said, text).is_some()) {
                        return Err(message);
                    }
                    self.log(Level::Error, format_args!("{message}"));
                }
                Ok(Step::OutputEnd(used)) => at += used,
                Ok(Step::End(used)) => {
                    // What follows the end belongs to no request of ours.
                    records.excess = at + used < packed.len();
                    break;
                }
                Err(fault) => return Err(format!("upstream sent {fault} {DOING}")),
            }
        }
        scratch::give(packed);
        Ok(())
    }

    /// Makes a head of what memcached says first, once that is there.
    fn read_stored(&mut self, how: &ForwardingPlan, key: &[u8]) -> Option<Result<(), String>> {
        const DOING: &str = "while reading response header from upstream";
        let data = &self.facts.upstream;
        let line = memcached::first_line(data)?;
        let answer = match memcached::read_line(line, key) {
            Ok(answer) => answer,
            Err(refusal) => {
                let (line, key) = (line.escape_ascii(), key.escape_ascii());
                let what = match refusal {
                    Refusal::Key => format!("invalid key in response \"{line}\" for key \"{key}\""),
                    Refusal::Flags => format!("invalid flags in response \"{line}\" for key \"{key}\""),
                    Refusal::Length => format!("invalid length in response \"{line}\" for key \"{key}\""),
                    Refusal::Line => format!("invalid response: \"{line}\""),
                };
                return Some(Err(format!("memcached sent {what} {DOING}")));
            }
        };
        let used = memchr::memchr(b'\n', data)? + 1;
        let head = match answer {
            Answer::Found { flags, length } => {
                let encoding = if flags & how.gzip_flag == 0 { "" } else { "Content-Encoding: gzip\r\n" };
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{encoding}\r\n")
            }
            Answer::Missing => {
                let key = key.escape_ascii();
                self.log(Level::Info, format_args!("key: \"{key}\" was not found by memcached {DOING}"));
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()
            }
        };
        self.facts.upstream.splice(..used, head.bytes());
        Some(Ok(()))
    }

    fn have_head(&mut self, connection: Connection) -> Outcome {
        if let Some(attempt) = self.facts.attempt() {
            attempt.head = Some(clock::moment());
        }
        Outcome::Head(connection)
    }

    /// Whether settings let interim responses pass.
    fn passes_interim(&mut self, plan: &Plan, how: &ForwardingPlan) -> bool {
        let hints = &self.settings(plan).answer.hints;
        !how.keep_interim && (hints.is_empty() || self.any_holds(hints))
    }

    /// Passes an interim response on, if it is to be, and takes it out of the buffer.
    async fn interim(&mut self, passes: bool) -> Result<(), Failure> {
        let head = &self.facts.upstream_head;
        let (status, length) = (head.status, head.length);
        if let Stream::Frames(stream) = &mut self.stream
            && status != 100
            && passes
        {
            let fields = head.fields.iter().filter(|field| !frames_connection(field.known));
            let text = &self.facts.upstream;
            let fields = fields.map(|field| (field.name.of(text), field.value.of(text)));
            stream.interim(status, fields)?;
        } else if status != 100 && self.facts.head.version == 11 && passes {
            // Written anew: neither line ends that others read differently nor anything about framing are passed on.
            let mut text = [b"HTTP/1.1 ", head.status_text.of(&self.facts.upstream), b"\r\n"].concat();
            for field in head.fields.iter().filter(|field| !frames_connection(field.known)) {
                text.extend_from_slice(field.name.of(&self.facts.upstream));
                text.extend_from_slice(b": ");
                text.extend_from_slice(field.value.of(&self.facts.upstream));
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"\r\n");
            timed::write_all(&mut self.stream, &text, Duration::from_mins(1)).await?;
        }
        self.facts.upstream.drain(..length);
        Ok(())
    }

    /// Takes what came for content without a head (HTTP/0.9).
    fn headless(&mut self, connection: Connection) -> Outcome {
        self.facts.upstream_head.clear();
        self.facts.upstream_head.version = 9;
        self.facts.upstream_head.status = 200;
        self.have_head(connection)
    }

    /// Reads from the upstream, moves the upload along, and notices when the client leaves.
    async fn read_upstream(&mut self, how: &ForwardingPlan, connection: &mut Connection) -> Watched {
        let keeps_all = self.caching.is_some();
        let Self { stream: client, upload, facts, content, timer, .. } = self;
        let deadline = upload.as_ref().and_then(|upload| upload.deadline());
        let reads_client = upload.as_ref().is_some_and(|upload| upload.reads_client());
        let watch = !how.ignore_client_abort && !keeps_all && !reads_client && content.is_done();
        let (buffer, into) = (&mut facts.buffer, &mut facts.upstream);
        let read = poll_fn(|cx| {
            if let Some(upload) = upload {
                match upload.poll(client, buffer, &mut connection.stream, cx) {
                    Ok(false) => {}
                    Ok(true) => return Poll::Ready(Ok(Watched::Moved)),
                    Err(halt) => return Poll::Ready(Ok(Watched::Halted(halt))),
                }
            }
            scratch::with(|bytes| {
                let max = bytes.len().min(32 * 1024);
                match connection.stream.poll_read(cx, &mut bytes[..max]) {
                    Poll::Ready(Ok(length)) => {
                        into.extend_from_slice(&bytes[..length]);
                        return Poll::Ready(Ok(Watched::Read(length)));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
                if watch && relay::client_left(client, buffer, cx, bytes) {
                    Poll::Ready(Ok(Watched::ClientGone))
                } else {
                    Poll::Pending
                }
            })
        });
        // The time for the answer runs when the request is sent.
        let limit = match deadline {
            Some((at, _)) => {
                at.saturating_duration_since(clock::moment().into()).max(Duration::from_millis(1))
            }
            None => how.read_timeout,
        };
        match (timer.within(limit, read).await, deadline) {
            (Ok(watched), _) => watched,
            (Err(Failure::TimedOut), Some((_, whose))) => Watched::Stalled(whose),
            (Err(failure), _) => Watched::Failed(failure),
        }
    }
}

/// What happened first.
enum Watched {
    Read(usize),
    /// Some of the request's content went on its way.
    Moved,
    Stalled(Stalled),
    Halted(Halt),
    Failed(Failure),
    ClientGone,
}

/// Whether a field frames a message or is about a connection, and is nobody's further on.
fn frames_connection(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::TransferEncoding
            | Known::ContentLength
            | Known::Upgrade
    )
}
